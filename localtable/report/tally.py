"""Decision rules side by side on a terminal: a table of figures, and how far any two rules are apart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localtable.analysis.rules import ChosenRule, Estimate, RuleResult, Tally
from localtable.report.words import one_line, printable

WIDE = 200
CELL = 4
"""Width of a column of the matrix: `100` and a space."""


def print_tally(tally: Tally, console: Console, *, explain: bool = False) -> None:
    """Print one condition's rules; nothing in names can steer the terminal."""
    if not console.is_terminal:  # nothing has to fit into a width there
        console = Console(file=console.file, width=WIDE, highlight=False)
    console.print(Text(_headline(tally), style="bold"), soft_wrap=True)
    if tally.debates:
        console.print(_figures(tally.results))
        console.print(Text(_legend(tally), style="dim"))
        if len(tally.results) > 1:
            console.print()
            console.print(Text("Disagreement: % of debates in which two rules' outcomes differ", style="bold"))
            _print_matrix(tally, console)
    if explain:
        for result in tally.results:
            console.print()
            _print_rule(result.chosen, console)


def _headline(tally: Tally) -> str:
    when = "each debate's last round" if tally.round_number is None else f"round {tally.round_number}"
    return printable(
        one_line(f"{tally.condition}: {_count(tally.debates, 'debate')}, {_count(len(tally.seats), 'seat')}, {when}")
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _figures(results: Sequence[RuleResult]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("rule", overflow="fold")
    for name in ("decides", "ties", "right", "95 %", "if\ndecided", "margin", "Condorcet"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            Text(_name(result.chosen)),
            _share(result.decision_rate),
            _share(result.tie_rate),
            _share(result.accuracy),
            _bounds(result.accuracy),
            _share(result.accuracy_decided),
            "–" if result.margin.value is None else f"{result.margin.value:.3f}",
            _share(result.condorcet_efficiency),
        )
    return table


def _legend(tally: Tally) -> str:
    winner = tally.condorcet_winner
    have = "no debate has one" if not winner.value else f"{_share(winner)} % of {winner.n:,} debates have one"
    return (
        "All in %, margins aside. right: a tie counts 1 ÷ winners, no decision is wrong.\n"
        "if decided: debates without a decision left out. margin: mean lead (--explain).\n"
        f"Condorcet: Condorcet winners that are elected; {have}."
    )


def _share(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{estimate.value * 100:.1f}"


def _bounds(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.low * 100:.1f}–{estimate.high * 100:.1f}"


def _name(rule: ChosenRule) -> str:
    return printable(one_line(rule.text))


def _print_matrix(tally: Tally, console: Console) -> None:
    """The lower triangle, in as many blocks of columns as the width asks for."""
    count = len(tally.results)
    names = [f"{place} {_name(result.chosen)}" for place, result in enumerate(tally.results, start=1)]
    label = min(max(map(len, names)), console.width // 2)
    at_once = max((console.width - label) // CELL, 1)
    for first in range(0, count - 1, at_once):
        columns = range(first, min(first + at_once, count - 1))
        table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False, header_style="dim")
        table.add_column("", max_width=label, overflow="fold")
        for column in columns:
            table.add_column(str(column + 1), justify="right", no_wrap=True, min_width=CELL - 1)
        # The row above the triangle says who stands in its first column.
        for row in range(first, count):
            cells = [_percent(tally.disagreement[row][column]) if column < row else "" for column in columns]
            table.add_row(Text(names[row]), *cells)
        console.print(table)


def _percent(distance: float | None) -> str:
    if distance is None:
        return "–"
    # All and none are said of all and none alone.
    if 0 < distance < 0.005:
        return "<1"
    return ">99" if 0.995 <= distance < 1 else f"{distance * 100:.0f}"


def _print_rule(rule: ChosenRule, console: Console) -> None:
    parameters = [
        f"{parameter.name}: {parameter.meaning} ({parameter.bounds}); {_value(rule.values[parameter.name])}"
        for parameter in rule.rule.parameters
    ]
    console.print(Text(_name(rule), style="bold"), soft_wrap=True)
    for name, text in (
        ("reads", rule.rule.reads),
        ("decides", rule.rule.formula),
        *(("parameter", text) for text in parameters),
        ("margin", rule.rule.margin),
        ("source", rule.rule.source),
    ):
        for line in textwrap.wrap(
            printable(one_line(text)), console.width - 12, initial_indent=f"  {name:9} ", subsequent_indent=" " * 12
        ):
            console.print(Text(line))


def _value(value: float | str | None) -> str:
    if value is None:
        return "not given"
    return f"here {value:.6g}" if isinstance(value, int | float) else f"here {value}"
