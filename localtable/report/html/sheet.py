"""An analysis as sections of a page: what a terminal is given, kept for a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from localtable.report.analysis.sheet import Row, columns_with_anything


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence."""

    text: str
    dim: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table without its empty columns."""

    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(slots=True)
class Section:
    """What stands under one heading."""

    title: str
    blocks: list[Line | Table] = field(default_factory=list)


class HtmlSheet:
    """Gathers sections; everything finds room on a page."""

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def heading(self, text: str) -> None:
        """A section begins."""
        self.sections.append(Section(text))

    def line(self, text: str, *, dim: bool = False) -> None:
        """A sentence."""
        self.sections[-1].blocks.append(Line(text, dim))

    def rows(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """A table."""
        kept = columns_with_anything(columns, rows)
        self.sections[-1].blocks.append(
            Table(
                [columns[0], *(columns[place + 1] for place in kept)],
                [Row(row.label, [row.cells[place] for place in kept]) for row in rows],
            )
        )

    def by_round(self, rows: Sequence[Row], rounds: Sequence[int], *, first: str = "") -> None:
        """A table with a column for each round."""
        self.rows([first, *(f"round {number}" for number in rounds)], rows)
