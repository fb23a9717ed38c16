"""What a paper reports beside what a run gave, on a terminal: figure by figure, with what can't be told and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from localtable.analysis.published import Judged
from localtable.config.published import Published, PublishedFigure
from localtable.report.analysis.figures import NOTHING, number
from localtable.report.analysis.sheet import Row, Sheet
from localtable.report.analysis.terminal_sheet import TerminalSheet

_FOUND = {
    "derived": "computed from what the authors report",
    "abstract": "from the abstract",
    "second-hand": "second-hand",
}
"""How sure a figure is; one that was read in the authors' own tables or data goes without saying."""


def print_published(
    published: Published,
    judged: Sequence[Judged],
    run: Mapping[str, Any],
    models: Sequence[str],
    stand_ins: Mapping[str, str],
    console: Console,
) -> None:
    """Print the comparison.

    Args:
        published: What the paper reports.
        judged: Its figures beside the run's.
        run: As `analyze --json` describes it.
        models: Ids of the cards that sat there.
        stand_ins: In a small run: by the card of a paper's model the card that sat in for it.
        console: Where it goes.
    """
    sheet = TerminalSheet(console)
    sheet.heading(f"{published.paper.title} ({published.paper.id})")
    sheet.line(f"reported: {published.models}; {published.data.name}; read in {published.paper.read}")
    repeats = f" x {run['repeats']} repeats" if run["repeats"] > 1 else ""
    sheet.line(f"here: {', '.join(models)}; {run['questions']:,} questions{repeats}; engine {run['engine']}")
    console.print()
    sheet.rows(["", "reported", "here", "n", "same if", ""], list(_rows(judged)))
    sheet.line("Shares in %, differences in points with a sign; here with 95 % intervals, n questions.", dim=True)
    _print_grouped("can't tell", [one.why for one in judged], sheet)
    _print_grouped("reported", [_FOUND.get(one.figure.source, "") for one in judged], sheet)
    for text in published.differs:
        sheet.line(f"differs: {text}", dim=True)
    if stand_ins:
        sat = ", ".join(f"{stand_in} for {card}" for card, stand_in in stand_ins.items())
        sheet.line(
            f"A small run: {sat}. It says nothing of the paper's own figures; `same` and `different` are of these"
            " models and questions alone.",
        )


def _rows(judged: Sequence[Judged]) -> Iterable[Row]:
    for place, one in enumerate(judged, 1):
        row = one.row
        here, n = (NOTHING, "") if row is None else (_with_bounds(row, one.unit), f"{row['n']:,}")
        cells = [_reported(one.figure, one.unit), here, n, _criterion(one.figure, one.unit), one.answer]
        yield Row(f"{place} {one.figure.name}", cells)


def _reported(figure: PublishedFigure, unit: str) -> str:
    n = f" n {figure.n:,}" if figure.n is not None else ""
    if figure.low is None:
        return f"{number(figure.value, unit)}{n}"
    bounds = f"{number(figure.low, unit)}, {number(figure.high, unit)}"
    return (
        f"{bounds.replace(', ', ' to ')}{n}" if figure.value is None else f"{number(figure.value, unit)} [{bounds}]{n}"
    )


def _with_bounds(row: Mapping[str, Any], unit: str) -> str:
    value = number(row["value"], unit)
    if row["low"] is None:
        return value
    return f"{value} [{number(row['low'], unit)}, {number(row['high'], unit)}]"


def _criterion(figure: PublishedFigure, unit: str) -> str:
    if figure.same == "more":
        return "> 0"
    if figure.same == "less":
        return "< 0"
    if figure.same == "at_most":
        assert figure.value is not None
        return f"<= {number(figure.value + figure.margin, unit)}"
    margin = number(figure.margin, unit).lstrip("+")
    return f"meets, +-{margin}" if figure.same == "interval" else f"within +-{margin}"


def _print_grouped(what: str, reasons: Sequence[str], sheet: Sheet) -> None:
    """A line for each reason, with the numbers of its rows; an empty one is none."""
    for reason in dict.fromkeys(filter(None, reasons)):
        places = [place for place, own in enumerate(reasons, 1) if own == reason]
        sheet.line(f"{what} ({_ranges(places)}): {reason}")


def _ranges(places: Sequence[int]) -> str:
    """`1, 2, 4 to 6`."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return ", ".join(", ".join(map(str, run)) if len(run) < 3 else f"{run[0]} to {run[-1]}" for run in runs)
