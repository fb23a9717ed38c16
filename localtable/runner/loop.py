"""The event loop: every debate advances the moment its own round is complete; new requests join running batches.

The loop holds no rule of a debate and no word of a prompt: it moves requests from turns to the pool and completions
back, retries what an engine failed at within bounds, and stops between events when it is asked to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from localtable.engines.base import Completion, EngineInfo, Event, Failure, Request, Tokens
from localtable.errors import EngineError, InterruptedRun
from localtable.protocol import Debate
from localtable.runner.events import (
    Listener,
    RoundClosed,
    RoundOpened,
    TextArrived,
    TurnFinished,
)
from localtable.runner.models import Model
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.scheduler.pool import EngineLoaded, EngineLoading, EnginePool, Generated
from localtable.types import Turn

MAX_TRIES = 3
"""How often one request is tried before its debate fails."""


@dataclass(slots=True)
class _Open:
    """A debate in progress and the finished turns of its open round."""

    debate: Debate
    turns: dict[str, Turn] = field(default_factory=dict)


class Loop:
    """Runs debates on a pool of engines."""

    def __init__(
        self,
        models: Mapping[str, Model],
        pool: EnginePool,
        *,
        tell: Listener,
        should_stop: Callable[[], bool],
        stream: bool,
    ) -> None:
        self._models = models
        self._pool = pool
        self._tell = tell
        self._should_stop = should_stop
        self._stream = stream
        self._at_work: dict[str, tuple[TurnAtWork, Request, _Open]] = {}
        self._outbox: defaultdict[str, list[Request]] = defaultdict(list)
        self.engines: dict[str, EngineInfo] = {}
        self.load_seconds: dict[str, float] = {}
        self.unfinished: list[tuple[Debate, list[Turn]]] = []
        """Debates that an interruption left open, with the turns of their open round."""

    def run(self, debates: Iterable[Debate]) -> Iterator[Debate]:
        """Hold the debates; yields each when it is over.

        Raises:
            InterruptedRun: `should_stop` said so; `unfinished` has what was open.
            EngineError: An engine died, or failed at one request `MAX_TRIES` times.
        """
        opened = [_Open(debate) for debate in debates]
        try:
            for entry in opened:
                self._open_round(entry)
            while self._at_work:
                self._flush()
                if self._should_stop():
                    raise InterruptedRun("interrupted")
                yield from self._handle(self._pool.poll())
        finally:
            open_still = [entry for entry in opened if entry.debate.open_round is not None]
            self.unfinished = [(entry.debate, list(entry.turns.values())) for entry in open_still]

    # ── out ───────────────────────────────────────────────────────────────────────────────────────────────

    def _open_round(self, entry: _Open) -> None:
        debate = entry.debate
        number = debate.open_round
        assert number is not None
        entry.turns = {}
        self._tell(RoundOpened(debate, number))
        for seat in debate.order:
            turn = begin_turn(debate, number, seat, self._models[seat.card.id], stream=self._stream)
            self._ask(turn, entry)

    def _ask(self, turn: TurnAtWork, entry: _Open) -> bool:
        """Queue the turn's next request; False when it is complete."""
        request = turn.next_request()
        if request is None:
            return False
        self._at_work[request.request_id] = (turn, request, entry)
        self._outbox[turn.model.card.id].append(request)
        return True

    def _flush(self) -> None:
        # One submit per model and tick: an engine that runs batches to their end then sees the same batches each time.
        for model_id, requests in self._outbox.items():
            self._pool.submit(model_id, requests)
        self._outbox.clear()

    # ── in ────────────────────────────────────────────────────────────────────────────────────────────────

    def _handle(self, events: Iterable[EngineLoading | EngineLoaded | Generated]) -> Iterator[Debate]:
        for event in events:
            match event:
                case EngineLoading():
                    self._tell(event)
                case EngineLoaded(model_id, info, seconds):
                    self.engines[model_id] = info
                    self.load_seconds[model_id] = seconds
                    self._tell(event)
                case Generated(_, what):
                    yield from self._generated(what)

    def _generated(self, event: Event) -> Iterator[Debate]:
        turn, request, entry = self._at_work[event.request_id]
        match event:
            case Tokens(_, token_ids):
                self._streamed(turn, token_ids)
            case Failure():
                self._retry(turn, event, entry)
            case Completion():
                del self._at_work[event.request_id]
                turn.take(request, event)
                if not self._ask(turn, entry):
                    yield from self._finish_turn(turn, entry)

    def _streamed(self, turn: TurnAtWork, token_ids: tuple[int, ...]) -> None:
        turn.said.extend(token_ids)
        text = turn.model.renderer.tokenizer.decode(turn.said)
        # Half a character is shown when its other half is there.
        if turn.step is not None and not text.endswith("\N{REPLACEMENT CHARACTER}"):
            self._tell(TextArrived(turn.debate, turn.round_number, turn.seat.name, turn.step, text))

    def _retry(self, turn: TurnAtWork, failure: Failure, entry: _Open) -> None:
        del self._at_work[failure.request_id]
        turn.tries += 1
        if not failure.retryable or turn.tries >= MAX_TRIES:
            raise EngineError(
                f"{turn.model.card.id} failed at the {turn.step} of {turn.seat.name!r} in round {turn.round_number} "
                f"of {turn.debate.question.id!r}, {turn.tries} of {MAX_TRIES} times: {failure.message}",
                hint="Run it again; if it fails again, another --engine may not.",
            )
        self._ask(turn, entry)

    def _finish_turn(self, turn: TurnAtWork, entry: _Open) -> Iterator[Debate]:
        finished = turn.finish()
        entry.turns[finished.seat] = finished
        self._tell(TurnFinished(entry.debate, turn.round_number, finished))
        if len(entry.turns) < len(entry.debate.panel.seats):
            return
        entry.debate = entry.debate.close_round(entry.turns)
        self._tell(RoundClosed(entry.debate, entry.debate.rounds[-1]))
        if entry.debate.open_round is None:
            yield entry.debate
        else:
            self._open_round(entry)
