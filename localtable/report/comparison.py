"""Two panels side by side, on a terminal or a page: outcomes, distances, who voted like whom, accuracy, cost."""

from __future__ import annotations

from collections.abc import Sequence

from localtable.analysis.compare import Compared, Panel, Question
from localtable.analysis.compare.figures import QuestionSide
from localtable.analysis.statistics.estimate import Estimate
from localtable.report.analysis.figures import NOTHING, bounds, number
from localtable.report.analysis.sheet import Row, Sheet
from localtable.report.words import one_line, outcome_line

MOST_QUESTIONS = 10
"""Questions that are shown one by one."""
SEATS_AT_ONCE = 8
"""Columns of a table of seats: as many as a narrow terminal has room for."""
_NAMES = {
    "same_outcome": ("same outcome", "share"),
    "total_variation_of_votes": ("distance of votes (total variation)", "share"),
    "jensen_shannon_of_votes": ("distance of votes (Jensen–Shannon, bits)", "1"),
    "total_variation_of_probabilities": ("distance of probabilities (total variation)", "share"),
    "jensen_shannon_of_probabilities": ("distance of probabilities (Jensen–Shannon, bits)", "1"),
}
_ACCURACY = {"majority_accuracy": "the panel is right", "individual_accuracy": "a seat is right"}


def sides(compared: Compared) -> list[str]:
    """Who is compared, and on how much: what stands above everything else."""
    matching = compared.matching
    return [
        f"A: {_panel(compared.first)}",
        f"B: {_panel(compared.second)}",
        f"{_count(len(compared.questions), 'question')} in common; {matching.only_first:,} only in A,"
        f" {matching.only_second:,} only in B",
    ]


def _panel(panel: Panel) -> str:
    held = "an import" if panel.imported else f"condition {panel.condition}"
    return f"{panel.where}: {panel.name}, {_count(len(panel.seats), 'seat')}, {held}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def lay_out(compared: Compared, sheet: Sheet) -> None:
    """Put a comparison on a sheet, section by section: a single question first, of several what they come to."""
    if len(compared.questions) == 1:
        _question(compared.questions[0], sheet)
    _figures(compared, sheet)
    _accuracy(compared, sheet)
    _agreement(compared, sheet)
    _spent(compared, sheet)
    if len(compared.questions) > 1:
        _each(compared.questions, sheet)
    if compared.notes:
        sheet.heading("Notes")
        for note in compared.notes:
            sheet.line(f"- {note}")


# ── question by question ────────────────────────────────────────────────────────────────────────────────────


def _each(questions: Sequence[Question], sheet: Sheet) -> None:
    """The questions on which votes are farthest apart, these first."""
    ordered = sorted(questions, key=lambda question: -question.votes.total_variation)
    for question in ordered[:MOST_QUESTIONS]:
        _question(question, sheet)
    if len(ordered) > MOST_QUESTIONS:
        more = len(ordered) - MOST_QUESTIONS
        sheet.line(f"The {MOST_QUESTIONS} on which votes are farthest apart; {more:,} more: --json.", dim=True)


def _question(question: Question, sheet: Sheet) -> None:
    matched = question.matched
    sheet.heading(matched.first.text)
    sheet.line(f"A: {_verdicts(question.first, matched.options, matched.first_places)}")
    sheet.line(f"B: {_verdicts(question.second, matched.options, matched.second_places)}")
    columns = {
        "A votes": question.first.shares.tolist(),
        "B votes": question.second.shares.tolist(),
        "A probability": _listed(question.first),
        "B probability": _listed(question.second),
    }
    rows = [
        Row(
            f"{one_line(option)}{' (right)' if place == matched.answer else ''}",
            [number(values[place], "share") if values else NOTHING for values in columns.values()],
        )
        for place, option in enumerate(matched.options)
    ]
    sheet.rows(["%", *columns], rows)


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


# ── over all of them ────────────────────────────────────────────────────────────────────────────────────────


def _figures(compared: Compared, sheet: Sheet) -> None:
    rows = []
    for figure in compared.figures:
        label, unit = _NAMES[figure.name]
        if figure.estimate.value is not None:
            rows.append(Row(label, _cells(figure.estimate, unit)))
    sheet.heading("How far apart, over common questions")
    sheet.rows(["in %, bits aside", "value", "95 %", "n"], rows)


def _cells(estimate: Estimate, unit: str) -> list[str]:
    return [number(estimate.value, unit), bounds(estimate, unit), str(estimate.n)]


def _accuracy(compared: Compared, sheet: Sheet) -> None:
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
    sheet.heading("Accuracy on the same questions")
    sheet.rows(["%", "A", "B", "A − B", "95 %", "p", "McNemar p", "n"], rows)
    sheet.line("p: sign-flip test over questions; a tie is right by its share.", dim=True)


def _p(p: float | None) -> str:
    return NOTHING if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _agreement(compared: Compared, sheet: Sheet) -> None:
    sheet.heading("Who voted like whom: % of questions with the same vote")
    names = [f"{place} {one_line(seat.name)}" for place, seat in enumerate(compared.second.seats, start=1)]
    for start in range(0, len(names), SEATS_AT_ONCE):
        columns = range(start, min(start + SEATS_AT_ONCE, len(names)))
        rows = [
            Row(one_line(seat.name), [number(row[column].value, "share") for column in columns])
            for seat, row in zip(compared.first.seats, compared.agreement, strict=True)
        ]
        sheet.rows(["A \\ B", *(str(column + 1) for column in columns)], rows)
    sheet.line(f"B: {', '.join(names)}", dim=True)


def _spent(compared: Compared, sheet: Sheet) -> None:
    rows = []
    for label, panel, spent in zip(("A", "B"), (compared.first, compared.second), compared.spent, strict=True):
        counts = (spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)
        cells = [NOTHING if value is None else f"{value:,}" for value in counts]
        cells.append(NOTHING if panel.seconds is None else f"{panel.seconds:,.1f}")
        cells.append(NOTHING if spent.cost is None else f"{spent.cost:,.4f}")
        rows.append(Row(label if set(cells) != {NOTHING} else f"{label} (not known)", cells))
    sheet.heading("What it took, on common questions")
    sheet.rows(["side", "prompt tokens", "of them cached", "generated", "seconds", "cost"], rows)
    sheet.line("seconds: of the sessions that held these debates, and whatever else they held.", dim=True)
