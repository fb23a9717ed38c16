"""The final screen of a debate: result line, votes by round, who changed and who persuaded whom, last statements."""

from __future__ import annotations

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from localtable.report.words import (
    agreement_line,
    change_line,
    changed_turns,
    cost_text,
    model_name,
    one_line,
    printable,
    result_line,
)
from localtable.types import Letter, Transcript

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")
"""Of options, in their order; a text always says the option too."""


def colour_of(letter: Letter) -> str:
    """An option's colour, the same on every screen."""
    return COLOURS[(ord(letter) - ord("A")) % len(COLOURS)]


def print_result(transcript: Transcript, console: Console) -> None:
    """Print the debate's result; what models said is shown as text, whatever it holds."""
    question, verdict = transcript.question, transcript.verdict
    console.print(Text(printable(question.question), style="bold"))
    console.print()
    if verdict is None:
        console.print(Text("No result: the debate was interrupted.", style="bold red"))
    else:
        console.print(Text(printable(result_line(question, verdict)), style="bold green"))
        console.print(Text(agreement_line(verdict) + "."))
    if "cost" in transcript.manifest:
        console.print(Text(cost_text(transcript.manifest["cost"]) + ".", style="dim"))
    console.print()
    console.print(_votes(transcript))
    changes = changed_turns(transcript)
    if changes:
        console.print()
        console.print(Text("Changed minds", style="bold"))
        for round_, before, after in changes:
            console.print(Text(f"  {printable(change_line(question, round_.number, before, after))}"))
    if transcript.rounds:
        console.print()
        console.print(_statements(transcript))


def _votes(transcript: Transcript) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), show_edge=False)
    table.add_column("seat")
    table.add_column("model")
    for round_ in transcript.rounds:
        table.add_column(f"round {round_.number}")
    for seat in transcript.panel.seats:
        cells = [Text(printable(seat.name), style="bold"), Text(printable(model_name(seat)), style="dim")]
        for round_ in transcript.rounds:
            turn = next((turn for turn in round_.turns if turn.seat == seat.name), None)
            cells.append(Text("–") if turn is None else _vote(transcript, turn.ballot.vote, turn.ballot.confidence))
        table.add_row(*cells)
    return table


def _vote(transcript: Transcript, letter: Letter, confidence: float | None) -> Text:
    sure = "" if confidence is None else f" {confidence:.0%}"
    return Text(printable(one_line(transcript.question.text_of(letter))) + sure, style=colour_of(letter))


def _statements(transcript: Transcript) -> Group:
    last = transcript.rounds[-1]
    parts: list[Text | Padding] = [Text(f"What was said in round {last.number}", style="bold")]
    for turn in last.turns:
        cut = " (cut at its token bound)" if turn.truncated else ""
        vote = printable(one_line(transcript.question.text_of(turn.ballot.vote)))
        parts.append(
            Text.assemble("  ", (printable(turn.seat), "bold"), " — ", (vote, colour_of(turn.ballot.vote)), cut)
        )
        parts.append(Padding(Text(printable(turn.statement) or "(nothing)"), (0, 0, 1, 4)))
    return Group(*parts)
