"""What an analysis is put on: headings, lines and tables, whether they become a terminal's or a page's.

So that both say the same figures in the same order, which are chosen once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from localtable.report.analysis.figures import NOTHING


class Row(NamedTuple):
    """A line of a table; one whose label begins with spaces belongs to the line above it."""

    label: str
    cells: Sequence[str]


class Sheet(Protocol):
    """Takes an analysis piece by piece, in the order in which it is read."""

    def heading(self, text: str) -> None:
        """A section begins."""

    def line(self, text: str, *, dim: bool = False) -> None:
        """A sentence; a dim one explains what stands above it."""

    def rows(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """A table.

        Args:
            columns: The label's heading first.
            rows: With as many cells as there are columns beside the label's.
        """

    def by_round(self, rows: Sequence[Row], rounds: Sequence[int], *, first: str = "") -> None:
        """A table with a column for each round.

        Args:
            rows: With a cell for each of the rounds.
            rounds: Their numbers.
            first: The labels' heading.
        """


def columns_with_anything(columns: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """Places of those cells' columns in which any row has something."""
    return [place for place in range(len(columns) - 1) if any(row.cells[place] not in ("", NOTHING) for row in rows)]
