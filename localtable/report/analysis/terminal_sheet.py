"""An analysis on a terminal: as many rounds as the width has room for, labels folded and never cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localtable.report.analysis.sheet import Row, columns_with_anything
from localtable.report.words import one_line, printable

GAP = 2
"""Spaces between columns."""
LEAST_LABEL = 28
"""Where a longer label has less room than this, it gets a line of its own."""
WIDE = 160


def plain(text: str) -> str:
    """A text that can't steer the terminal, on one line."""
    return printable(one_line(text))


def roomy(console: Console) -> Console:
    """The same console; of no terminal one that is wide, since nothing has to fit into a width there."""
    return console if console.is_terminal else Console(file=console.file, width=WIDE, highlight=False)


class TerminalSheet:
    """A terminal, or a file."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def heading(self, text: str) -> None:
        """A section's title, a line above it free."""
        self.console.print()
        self.console.print(Text(plain(text), style="bold"), soft_wrap=True)

    def line(self, text: str, *, dim: bool = False) -> None:
        """A line of text, folded at words."""
        self.console.print(Text(plain(text), style="dim" if dim else ""))

    def rows(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """A label to the left and cells to the right; columns without anything are left out."""
        kept = columns_with_anything(columns, rows)
        widths = [max(len(columns[place + 1]), *(len(row.cells[place]) for row in rows)) for place in kept]
        room = self.console.width - sum(widths) - GAP * len(kept)
        if room < min(max(len(row.label) for row in rows), LEAST_LABEL):
            self._stacked(columns, rows, kept, widths)
            return
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
        table.add_column(plain(columns[0]), overflow="fold", max_width=room)
        for place in kept:
            table.add_column(plain(columns[place + 1]), justify="right", overflow="fold")
        for row in rows:
            table.add_row(Text(_indented(row.label)), *(Text(plain(row.cells[place])) for place in kept))
        self.console.print(table)

    def _stacked(self, columns: Sequence[str], rows: Sequence[Row], kept: Sequence[int], widths: Sequence[int]) -> None:
        """Each label on a line of its own, and its cells below it."""

        def cells(of: Sequence[str]) -> str:
            padded = [of[place].rjust(width) for place, width in zip(kept, widths, strict=True)]
            return (" " * GAP + (" " * GAP).join(padded)).rstrip()

        self.console.print(Text(cells(columns[1:]), style="dim"), soft_wrap=True)
        for row in rows:
            self.console.print(Text(_indented(row.label)))
            self.console.print(Text(printable(cells(row.cells))), soft_wrap=True)

    def by_round(self, rows: Sequence[Row], rounds: Sequence[int], *, first: str = "") -> None:
        """A column for each round; those that don't fit are said."""
        label = max((len(row.label) for row in rows), default=0)
        cell = max((len(text) for row in rows for text in row.cells), default=0)
        shown = self._rounds_that_fit(rounds, min(label + GAP, self.console.width // 3), max(cell, 7))
        places = [list(rounds).index(number) for number in shown]
        self.rows(
            [first, *(f"round {number}" for number in shown)],
            [Row(row.label, [row.cells[place] for place in places]) for row in rows],
        )
        if len(shown) < len(rounds):
            left_out = ", ".join(str(number) for number in rounds if number not in shown)
            self.line(f"No room for round {left_out}: --json and --csv have all.", dim=True)

    def _rounds_that_fit(self, rounds: Sequence[int], label: int, cell: int) -> list[int]:
        """The first rounds and the last one, as many as there is room for; two at least."""
        most = max((self.console.width - label) // (cell + GAP), 2)
        return list(rounds) if len(rounds) <= most else [*rounds[: most - 1], rounds[-1]]


def _indented(label: str) -> str:
    return " " * (len(label) - len(label.lstrip())) + plain(label)
