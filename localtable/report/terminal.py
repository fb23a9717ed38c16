"""The final screen of a debate: result line, votes by round, who changed and who persuaded whom, last statements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from localtable.report.summary import print_summary
from localtable.report.view import DebateView, Option, RoundView, TurnView
from localtable.report.words import cost_text, printable
from localtable.types import Letter

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")
"""Of options, in their order; a text always says the option too."""


def colour_of(letter: Letter) -> str:
    """An option's colour, the same on every screen."""
    return COLOURS[(ord(letter) - ord("A")) % len(COLOURS)]


def print_result(data: Mapping[str, Any], console: Console) -> None:
    """Print a debate's result; what models said is shown as text, whatever it holds.

    Args:
        data: A transcript that `transcript.check` lets pass.
        console: Where it goes.
    """
    view = DebateView(data)
    console.print(Text(printable(view.question.question), style="bold"))
    console.print()
    if view.agreement is None:
        console.print(Text("No result: the debate was interrupted.", style="bold red"))
    else:
        console.print(Text(printable(view.result), style="bold green"))
        console.print(Text(view.agreement + "."))
    if "cost" in data["manifest"]:
        console.print(Text(cost_text(data["manifest"]["cost"]) + ".", style="dim"))
    console.print()
    console.print(_votes(view))
    if view.facts.changes:
        console.print()
        console.print(Text("Changed minds", style="bold"))
        for change in view.facts.changes:
            console.print(Text(f"  {printable(view.change_line(change))}"))
    # A text from templates would say once more what stands above.
    print_summary(view.question, view.summary, console, whole=False)
    if view.last is not None:
        console.print()
        console.print(_statements(view.last))


def _votes(view: DebateView) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), show_edge=False)
    table.add_column("seat")
    table.add_column("model")
    for round_ in view.rounds:
        table.add_column(f"round {round_.number}")
    for seat in view.seats:
        cells = [Text(printable(seat.name), style="bold"), Text(printable(seat.model), style="dim")]
        cells += [_vote(view.turn(round_.number, seat.name)) for round_ in view.rounds]
        table.add_row(*cells)
    return table


def _vote(turn: TurnView | None) -> Text:
    if turn is None or turn.vote is None:
        return Text("–")
    return _option(turn.vote, f" {turn.sure}" if turn.sure else "")


def _option(option: Option, behind: str = "") -> Text:
    return Text(printable(option.text) + behind, style=colour_of(option.letter))


def _statements(last: RoundView) -> Group:
    parts: list[Text | Padding] = [Text(f"What was said in round {last.number}", style="bold")]
    for turn in last.turns:
        vote = Text("vote not known") if turn.vote is None else _option(turn.vote)
        cut = " (cut at its token bound)" if turn.data.get("truncated") else ""
        parts.append(Text.assemble("  ", (printable(turn.seat.name), "bold"), " — ", vote, cut))
        parts.append(Padding(Text(printable(turn.statement) or "(nothing)"), (0, 0, 1, 4)))
    return Group(*parts)
