"""Tables that fit: as many rounds as the width has room for, labels folded and never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localtable.report.analysis.figures import NOTHING
from localtable.report.words import one_line, printable

GAP = 2
"""Spaces between columns."""
LEAST_LABEL = 28
"""Where a longer label has less room than this, it gets a line of its own."""


class Row(NamedTuple):
    """A line of a table."""

    label: str
    cells: Sequence[str]


def heading(text: str, console: Console) -> None:
    """A section's title, a line above it free."""
    console.print()
    console.print(Text(plain(text), style="bold"), soft_wrap=True)


def line(text: str, console: Console, *, dim: bool = False) -> None:
    """A line of text, folded at words."""
    console.print(Text(plain(text), style="dim" if dim else ""))


def plain(text: str) -> str:
    """A text that can't steer the terminal, on one line."""
    return printable(one_line(text))


def print_rows(columns: Sequence[str], rows: Sequence[Row], console: Console) -> None:
    """A label to the left and cells to the right; columns without anything are left out.

    Args:
        columns: The label's heading first.
        rows: With as many cells as there are columns beside the label's.
        console: Where it goes.
    """
    kept = [place for place in range(len(columns) - 1) if any(row.cells[place] not in ("", NOTHING) for row in rows)]
    widths = [max(len(columns[place + 1]), *(len(row.cells[place]) for row in rows)) for place in kept]
    room = console.width - sum(widths) - GAP * len(kept)
    if room < min(max(len(row.label) for row in rows), LEAST_LABEL):
        _print_stacked(columns, rows, kept, widths, console)
        return
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column(plain(columns[0]), overflow="fold", max_width=room)
    for place in kept:
        table.add_column(plain(columns[place + 1]), justify="right", overflow="fold")
    for row in rows:
        table.add_row(Text(_indented(row.label)), *(Text(plain(row.cells[place])) for place in kept))
    console.print(table)


def _print_stacked(
    columns: Sequence[str], rows: Sequence[Row], kept: Sequence[int], widths: Sequence[int], console: Console
) -> None:
    """Each label on a line of its own, and its cells below it."""

    def cells(of: Sequence[str]) -> str:
        padded = [of[place].rjust(width) for place, width in zip(kept, widths, strict=True)]
        return (" " * GAP + (" " * GAP).join(padded)).rstrip()

    console.print(Text(cells(columns[1:]), style="dim"), soft_wrap=True)
    for row in rows:
        console.print(Text(_indented(row.label)))
        console.print(Text(printable(cells(row.cells))), soft_wrap=True)


def _indented(label: str) -> str:
    return " " * (len(label) - len(label.lstrip())) + plain(label)


def rounds_that_fit(rounds: Sequence[int], label: int, cell: int, console: Console) -> list[int]:
    """The first rounds and the last one, as many as there is room for; two at least.

    Args:
        rounds: Numbers, ascending.
        label: Width of the labels.
        cell: Width of a round's cells.
        console: Has the width.
    """
    most = max((console.width - label) // (cell + GAP), 2)
    return list(rounds) if len(rounds) <= most else [*rounds[: most - 1], rounds[-1]]


def print_by_round(rows: Sequence[Row], rounds: Sequence[int], console: Console, *, first: str = "") -> None:
    """A column for each round; those that don't fit are said.

    Args:
        rows: With a cell for each of the rounds.
        rounds: Their numbers.
        console: Where it goes.
        first: The labels' heading.
    """
    label = max((len(row.label) for row in rows), default=0)
    cell = max((len(text) for row in rows for text in row.cells), default=0)
    shown = rounds_that_fit(rounds, min(label + GAP, console.width // 3), max(cell, 7), console)
    places = [list(rounds).index(number) for number in shown]
    print_rows(
        [first, *(f"round {number}" for number in shown)],
        [Row(row.label, [row.cells[place] for place in places]) for row in rows],
        console,
    )
    if len(shown) < len(rounds):
        left_out = ", ".join(str(number) for number in rounds if number not in shown)
        line(f"No room for round {left_out}: --json and --csv have all.", console, dim=True)
