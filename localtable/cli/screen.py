"""What a person sees while a debate is held: statements stream in, votes move; plain lines where there is no terminal.

Everything here goes to stderr; results are printed by whoever holds the debate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from localtable.report.terminal import colour_of
from localtable.report.words import model_name, one_line, printable
from localtable.runner.events import (
    EngineChosen,
    Note,
    RoundClosed,
    RoundOpened,
    RunEvent,
    TextArrived,
    TurnFinished,
)
from localtable.scheduler.pool import EngineLoaded, EngineLoading
from localtable.types import Panel, Question, Turn

SHOWN_LINES = 6
"""Of a statement that is being written: its last ones."""


class PlainLines:
    """One line per event that is worth one."""

    def __init__(self, question: Question, console: Console) -> None:
        self._question = question
        self._console = console

    def __call__(self, event: RunEvent) -> None:
        match event:
            case Note(text):
                self._line(text)
            case EngineChosen(kind, reason):
                self._line(f"engine {kind} ({reason})")
            case EngineLoading(model_id):
                self._line(f"loading {model_id}")
            case EngineLoaded(model_id, info, seconds):
                self._line(f"{model_id} ready on {info.device} ({info.kind}, {seconds:.1f} s)")
            case RoundOpened(_, number):
                self._line(f"round {number}{' (blind)' if number == 1 else ''}")
            case TurnFinished(_, number, turn):
                self._line(f"round {number}: {_turn_line(self._question, turn)}")
            case RoundClosed(_, round_):
                votes = ", ".join(f"{self._question.text_of(letter)} {n}" for letter, n in round_.tally.items() if n)
                self._line(f"round {round_.number} closed: {votes}")
            case TextArrived():
                pass

    def _line(self, text: str) -> None:
        self._console.print(Text(printable(one_line(text))), soft_wrap=True)


def _turn_line(question: Question, turn: Turn) -> str:
    sure = "" if turn.ballot.confidence is None else f" ({turn.ballot.confidence:.0%})"
    by = f", persuaded by {turn.ballot.persuaded_by}" if turn.ballot.persuaded_by else ""
    changed = f", changed its mind{by}" if turn.changed_mind else ""
    return f"{turn.seat} votes {question.text_of(turn.ballot.vote)}{sure}{changed}"


@dataclass(slots=True)
class _SeatView:
    model: str
    status: str = "waiting"
    text: str = ""
    votes: dict[int, Turn] = field(default_factory=dict)


class LiveScreen:
    """A screen that is drawn anew as events come."""

    def __init__(self, question: Question, panel: Panel, console: Console) -> None:
        self._question = question
        self._seats = {seat.name: _SeatView(model_name(seat)) for seat in panel.seats}
        self._round = 0
        self._engine = ""
        self._loading: set[str] = set()
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, event: RunEvent) -> None:
        match event:
            case Note(text):
                self._live.console.print(Text(printable(text)))
            case EngineChosen(kind, reason):
                self._engine = f"engine {kind} ({reason})"
            case EngineLoading(model_id):
                self._loading.add(model_id)
            case EngineLoaded(model_id):
                self._loading.discard(model_id)
            case RoundOpened(_, number):
                self._round = number
                for view in self._seats.values():
                    view.status, view.text = "waiting", ""
            case TextArrived(_, _, seat, step, text):
                view = self._seats[seat]
                view.status, view.text = "thinking" if step == "thinking" else "speaking", text
            case TurnFinished(_, number, turn):
                view = self._seats[turn.seat]
                view.votes[number], view.status, view.text = turn, "voted", ""
            case RoundClosed():
                pass

    def _draw(self) -> Group:
        lines: list[Text | Padding] = [Text(printable(self._question.question), style="bold")]
        loading = f", loading {', '.join(sorted(self._loading))} …" if self._loading else ""
        lines += [Text(printable(f"{self._engine}{loading}"), style="dim"), Padding(self._table(), (1, 0))]
        for name, view in self._seats.items():
            if view.text:
                shown = printable(view.text).split("\n")[-SHOWN_LINES:]
                lines.append(Text.assemble((printable(name), "bold"), f" is {view.status}"))
                lines.append(Padding(Text("\n".join(shown), style="italic"), (0, 0, 1, 2)))
        return Group(*lines)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 3, 0, 0), show_edge=False)
        for column in ("seat", "model", *(f"round {n}" for n in range(1, self._round + 1))):
            table.add_column(column)
        for name, view in self._seats.items():
            cells = [Text(printable(name), style="bold"), Text(printable(view.model), style="dim")]
            for number in range(1, self._round + 1):
                turn = view.votes.get(number)
                cells.append(Text(view.status, style="dim") if turn is None else self._vote(turn))
            table.add_row(*cells)
        return table

    def _vote(self, turn: Turn) -> Text:
        sure = "" if turn.ballot.confidence is None else f" {turn.ballot.confidence:.0%}"
        moved = " ←" if turn.changed_mind else ""
        vote = turn.ballot.vote
        return Text(f"{printable(one_line(self._question.text_of(vote)))}{sure}{moved}", style=colour_of(vote))
