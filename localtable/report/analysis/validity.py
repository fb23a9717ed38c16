"""Validity: the first thing to read, by model and round in the debate, by round in the controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from localtable.analysis.findings import Analysis
from localtable.report.analysis.figures import NOTHING, Figures, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

_COLUMNS: Mapping[str, str] = {
    "cut": "truncation_rate",
    "empty": "empty_rate",
    "thinking cut": "thinking_cut_rate",
    "letter": "names_letter_rate",
    "peers cut": "peers_cut_rate",
    "states": "stated_rate",
    "= vote": "stated_agreement",
    ">.99": "nearly_certain_rate",
    "tied": "tied_ballot_rate",
    "labels": "label_mass",
    "free": "free_reply_rate",
}
_MEANT = {
    "cut": "statements cut at their bound",
    "empty": "said nothing",
    "thinking cut": "thinking ended by its budget",
    "letter": "named a letter",
    "peers cut": "read a peer shortened",
    "states": "statements that name an option",
    "= vote": "of these, those that the vote agrees with",
    ">.99": "ballots surer than 0.99",
    "tied": "shared first places",
    "labels": "probability of all labels where nothing is constrained",
    "free": "free replies that are readable",
}
OFTEN_ZERO = ("cut", "empty", "thinking cut", "letter", "peers cut", "tied")
"""Columns that are left out where all is well."""


def print_validity(analysis: Analysis, figures: Figures, mains: Sequence[str], sheet: Sheet) -> None:
    """Failures, then what of the statements and ballots can't be relied on.

    Args:
        analysis: All of it.
        figures: Its figures.
        mains: Conditions that are shown by model and round; the others have a line each.
        sheet: Where it goes.
    """
    sheet.heading("Validity")
    for condition in analysis.asked.conditions:
        failed = figures.find("failure_rate", condition=condition)
        if failed is not None and failed.estimate.value:
            sheet.line(f"{condition}: {with_bounds(failed)} % of debates failed.")
    rows = [row for c in analysis.asked.conditions for row in _rows(analysis, figures, c, whole=c not in mains)]
    if not rows:
        sheet.line("Nothing has been said yet.")
        return
    shown = [
        place
        for place, name in enumerate(_COLUMNS)
        if {row.cells[place] for row in rows} - ({"0.0", NOTHING} if name in OFTEN_ZERO else {NOTHING})
    ]
    columns = [name for place, name in enumerate(_COLUMNS) if place in shown]
    sheet.rows(["", *columns], [Row(row.label, [row.cells[place] for place in shown]) for row in rows])
    sheet.line("; ".join(f"{name}: {_MEANT[name]}" for name in columns) + ".", dim=True)
    for condition in mains:
        _print_accuracies(analysis, figures, condition, sheet)


def _rows(analysis: Analysis, figures: Figures, condition: str, *, whole: bool) -> Iterator[Row]:
    """A line for each round, and for each model in it; or one for all."""
    facts = next(c for c in analysis.facts.conditions if c.name == condition)
    if whole:
        if figures.some(("stated_rate",), condition=condition):
            yield Row(condition, _cells(figures, condition=condition))
        return
    models = list(dict.fromkeys(seat.model_id for seat in facts.panel.model_seats))
    for number in range(1, facts.panel.rounds + 1):
        if figures.find("stated_rate", condition=condition, round=number) is None:
            continue
        yield Row(f"{condition}, round {number}", _cells(figures, condition=condition, round=number))
        if len(models) > 1:
            for model in models:
                yield Row(f"  {model}", _cells(figures, condition=condition, round=number, model=model))


def _cells(figures: Figures, **by: int | str) -> list[str]:
    return [value(figures.find(name, **by)) for name in _COLUMNS.values()]


def _print_accuracies(analysis: Analysis, figures: Figures, condition: str, sheet: Sheet) -> None:
    rounds = [
        number
        for number in range(1, next(c.panel.rounds for c in analysis.facts.conditions if c.name == condition) + 1)
        if figures.some(("vote_accuracy",), condition=condition, round=number)
    ]
    if not rounds:
        return
    rows = [
        Row(f"{what}, unclear {how}", [with_bounds(figures.find(name, **_by(condition, n, invalid))) for n in rounds])
        for name, what in (("stated_accuracy", "stated"), ("vote_accuracy", "vote"))
        for invalid, how in (("wrong", "wrong"), ("excluded", "out"))
    ]
    sheet.by_round(rows, rounds, first=f"right by ({condition})")
    sheet.line(
        "unclear, counted as wrong or left out: a statement that names no option; a vote behind a cut or empty"
        " statement; what a failed debate lacks.",
        dim=True,
    )


def _by(condition: str, number: int, invalid: str) -> dict[str, int | str]:
    return {"condition": condition, "invalid": invalid, "round": number}
