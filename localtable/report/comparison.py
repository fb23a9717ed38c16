"""Two panels side by side on a terminal: outcomes, distances, who voted like whom, accuracy, what it took."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from localtable.analysis.compare import Compared, Panel, Question
from localtable.analysis.compare.figures import QuestionSide
from localtable.analysis.statistics.estimate import Estimate
from localtable.report.analysis.figures import NOTHING, bounds, number
from localtable.report.analysis.tables import Row, heading, line, plain, print_rows
from localtable.report.words import one_line, outcome_line

MOST_QUESTIONS = 10
"""Questions that are shown one by one."""
CELL = 7
"""Width of a seat's column: `100.0` and two spaces."""
_NAMES = {
    "same_outcome": ("same outcome", "share"),
    "total_variation_of_votes": ("distance of votes (total variation)", "share"),
    "jensen_shannon_of_votes": ("distance of votes (Jensen–Shannon, bits)", "1"),
    "total_variation_of_probabilities": ("distance of probabilities (total variation)", "share"),
    "jensen_shannon_of_probabilities": ("distance of probabilities (Jensen–Shannon, bits)", "1"),
}
_ACCURACY = {"majority_accuracy": "the panel is right", "individual_accuracy": "a seat is right"}


def print_comparison(compared: Compared, console: Console) -> None:
    """Print a comparison; nothing in names and options can steer the terminal."""
    for label, panel in (("A", compared.first), ("B", compared.second)):
        line(f"{label}: {_panel(panel)}", console)
    matching, number_matched = compared.matching, len(compared.questions)
    line(
        f"{_count(number_matched, 'question')} in common; {matching.only_first} only in A, {matching.only_second} only"
        " in B",
        console,
    )
    for question in _shown(compared.questions):
        _print_question(question, console)
    if number_matched > MOST_QUESTIONS:
        line(
            f"The {MOST_QUESTIONS} on which votes are farthest apart; {number_matched - MOST_QUESTIONS} more: --json.",
            console,
            dim=True,
        )
    _print_figures(compared, console)
    _print_accuracy(compared, console)
    _print_agreement(compared, console)
    _print_spent(compared, console)
    if compared.notes:
        heading("Notes", console)
        for note in compared.notes:
            line(note, console)


def _panel(panel: Panel) -> str:
    held = "an import" if panel.imported else f"condition {panel.condition}"
    return f"{panel.where}: {panel.name}, {_count(len(panel.seats), 'seat')}, {held}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shown(questions: Sequence[Question]) -> Sequence[Question]:
    if len(questions) <= MOST_QUESTIONS:
        return questions
    return sorted(questions, key=lambda question: -question.votes.total_variation)[:MOST_QUESTIONS]


def _print_question(question: Question, console: Console) -> None:
    matched = question.matched
    console.print()
    console.print(Text(plain(matched.first.text), style="bold"))
    for label, side, places in (
        ("A", question.first, matched.first_places),
        ("B", question.second, matched.second_places),
    ):
        line(f"{label}: {_verdicts(side, matched.options, places)}", console)
    options = [one_line(option) for option in matched.options]
    columns = {
        "A votes": question.first.shares.tolist(),
        "B votes": question.second.shares.tolist(),
        "A probability": _listed(question.first),
        "B probability": _listed(question.second),
    }
    right = None if matched.answer is None else options[matched.answer]
    rows = [
        Row(
            f"{option}{' (right)' if option == right else ''}",
            [number(values[place], "share") if values else NOTHING for values in columns.values()],
        )
        for place, option in enumerate(options)
    ]
    print_rows(["%", *columns], rows, console)


def _listed(side: QuestionSide) -> list[float]:
    return [] if side.probabilities is None else [float(value) for value in side.probabilities]


def _verdicts(side: QuestionSide, options: Sequence[str], places: Sequence[int]) -> str:
    """The outcome; of several debates each different one, with how often it came."""
    said = [
        outcome_line(debate.kind, [options[places[option]] for option in debate.leading], debate.num_votes, debate.of)
        for debate in side.debates
    ]
    if len(said) == 1:
        return said[0]
    return "; ".join(f"{said.count(outcome)} x {outcome}" for outcome in dict.fromkeys(said))


def _print_figures(compared: Compared, console: Console) -> None:
    rows = []
    for figure in compared.figures:
        label, unit = _NAMES[figure.name]
        if figure.estimate.value is not None:
            rows.append(Row(label, _cells(figure.estimate, unit)))
    heading("How far apart, over common questions", console)
    print_rows(["in %, bits aside", "value", "95 %", "n"], rows, console)


def _cells(estimate: Estimate, unit: str) -> list[str]:
    return [number(estimate.value, unit), bounds(estimate, unit), str(estimate.n)]


def _print_accuracy(compared: Compared, console: Console) -> None:
    if not compared.accuracy:
        return
    rows = [
        Row(
            _ACCURACY[figure.name],
            [
                number(figure.first.value, "share"),
                number(figure.second.value, "share"),
                number(figure.difference.value, "difference of shares"),
                bounds(figure.difference, "difference of shares"),
                _p(figure.p.p),
                NOTHING if figure.mcnemar is None else _p(figure.mcnemar.p),
                str(figure.difference.n),
            ],
        )
        for figure in compared.accuracy
    ]
    heading("Accuracy on the same questions", console)
    print_rows(["%", "A", "B", "A − B", "95 %", "p", "McNemar p", "n"], rows, console)
    line("p: sign-flip test over questions; a tie is right by its share.", console, dim=True)


def _p(p: float | None) -> str:
    return NOTHING if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _print_agreement(compared: Compared, console: Console) -> None:
    heading("Who voted like whom: % of questions on which both voted alike", console)
    names = [f"{place} {seat.name}" for place, seat in enumerate(compared.second.seats, start=1)]
    label = max(len(one_line(seat.name)) for seat in compared.first.seats)
    at_once = max((console.width - label) // CELL, 1)
    for start in range(0, len(names), at_once):
        columns = range(start, min(start + at_once, len(names)))
        rows = [
            Row(one_line(seat.name), [number(row[column].value, "share") for column in columns])
            for seat, row in zip(compared.first.seats, compared.agreement, strict=True)
        ]
        print_rows(["A \\ B", *(str(column + 1) for column in columns)], rows, console)
    line(f"B: {', '.join(names)}", console, dim=True)


def _print_spent(compared: Compared, console: Console) -> None:
    rows = []
    for label, panel, spent in zip(("A", "B"), (compared.first, compared.second), compared.spent, strict=True):
        cells = [spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens]
        known = [NOTHING if value is None else f"{value:,}" for value in cells]
        known.append(NOTHING if panel.seconds is None else f"{panel.seconds:,.1f}")
        known.append(NOTHING if spent.cost is None else f"{spent.cost:,.4f}")
        rows.append(Row(label if set(known) != {NOTHING} else f"{label} (not known)", known))
    heading("What it took, on common questions", console)
    print_rows(["", "prompt tokens", "of them cached", "generated", "seconds", "cost"], rows, console)
    line("seconds: of the sessions that held these debates, and whatever else they held.", console, dim=True)
