"""Measured influences on a terminal: who moves whom, and whether seats name the peer that moved them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localtable.analysis.influence import Claims, Pair
from localtable.report.words import one_line, printable
from localtable.types import InfluenceKind

SIGNIFICANT = 0.05
MAX_COLUMNS = 12
"""Readers beyond which a matrix is not printed."""
_TITLES = {
    "direct": "direct influence: what reading a peer does to the vote before anything is said",
    "total": "total influence: the same with what the seat says because of it",
}
LEGEND = (
    "Mean change of the probability of what the peer voted for, and turns.\n"
    "Rows: who was read. Columns: who read.\n"
    "*: below 5 % by sign flips over questions, corrected over the matrix (Holm)."
)


def print_influence(
    condition: str,
    kind: InfluenceKind,
    matrices: Sequence[tuple[str, Sequence[str], Sequence[Pair]]],
    said: Claims,
    console: Console,
) -> None:
    """Print one kind of influence of one condition; nothing in names can steer the terminal.

    Args:
        condition: Its name.
        kind: Which one.
        matrices: What rows and columns are (`model`, `seat`), their names in order, and their pairs.
        said: What the seats say of it.
        console: Where to.
    """
    console.print(Text(f"{_name(condition)}, {_TITLES[kind]}", style="bold"), soft_wrap=True)
    for of, names, pairs in matrices:
        if len({pair.reader for pair in pairs}) > MAX_COLUMNS:
            console.print(Text(f"by {of}: too wide for a table; --json has it"))
        else:
            console.print(_matrix(of, names, pairs))
    console.print(Text(LEGEND, style="dim"))
    console.print(Text(_claims(said)), soft_wrap=True)


def _matrix(of: str, names: Sequence[str], pairs: Sequence[Pair]) -> Table:
    cells = {(pair.peer, pair.reader): pair for pair in pairs}
    peers, readers = ([name for name in names if name in used] for used in zip(*cells, strict=True))
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column(f"by {of}", overflow="fold")
    for reader in readers:
        table.add_column(Text(_name(reader)), justify="right", overflow="fold")
    for peer in peers:
        table.add_row(Text(_name(peer)), *(_cell(cells.get((peer, reader))) for reader in readers))
    return table


def _cell(pair: Pair | None) -> str:
    if pair is None or pair.mean.value is None:
        return "–"
    star = "*" if pair.p_adjusted is not None and pair.p_adjusted < SIGNIFICANT else ""
    return f"{pair.mean.value:+.3f}{star} ({pair.turns:,})"


def _claims(said: Claims) -> str:
    if said.base_rate is None:
        return "persuaded_by: no measured turn changed its vote and named a peer"
    return (
        f"persuaded_by names the peer of largest influence in {said.agreeing:.3g} of {said.n:,} measured turns that "
        f"name one ({said.agreeing / said.n:.0%}; a peer at random: {said.base_rate:.0%})"
    )


def _name(name: str) -> str:
    return printable(one_line(name))
