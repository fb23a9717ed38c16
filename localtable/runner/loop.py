"""The event loop: every debate advances the moment its own round is complete; new requests join running batches.

The loop holds no rule of a debate and no word of a prompt. It commits what is finished before it advances a debate, and
stops between events when it is asked to. What an engine fails at is tried again within bounds; then its debate fails,
and no other.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from localtable.engines.base import Request
from localtable.errors import EngineError, InterruptedRun, LocaltableError, PlacementError
from localtable.protocol import Condition, Debate
from localtable.runner.confederates import confederate_turn
from localtable.runner.events import (
    DebateFailed,
    Listener,
    Note,
    RoundClosed,
    RoundOpened,
    TextArrived,
    TurnFinished,
)
from localtable.runner.models import Model
from localtable.runner.open_debates import Entry, OpenDebates
from localtable.runner.pending import Pending
from localtable.runner.summarizing import SummaryAtWork, begin_summary, told
from localtable.runner.turn_loop import TurnLoop
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.runner.waiting import Waiting
from localtable.scheduler.pool import IDLE_WAIT_S, EnginePool, Outlook
from localtable.store import Key, Store, TurnRecord
from localtable.store.summaries import not_summarized, put_summary
from localtable.transcript import summary_to_json
from localtable.types import Seat, Summary

MAX_FAILED = 64
"""How many debates of a model that is given up are failed in one go, so that those who watch can follow."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A debate that is over."""

    number: int
    condition: str
    debate: Debate
    error: LocaltableError | None = None
    """Why it failed."""
    summary: Summary | None = None
    """What a moderator has written of it."""


Task = TurnAtWork | SummaryAtWork


class Loop(TurnLoop[Task, Entry | SummaryAtWork]):
    """Runs a store's debates on a pool of engines."""

    def __init__(
        self,
        store: Store,
        conditions: Mapping[int, Condition],
        models: Mapping[int, Mapping[str, Model]],
        pool: EnginePool,
        *,
        key_of: Callable[[str, Request], Key],
        moderators: Mapping[int, Model] | None = None,
        reuse: Sequence[Store] = (),
        tell: Listener,
        should_stop: Callable[[], bool],
        stream: bool = False,
    ) -> None:
        """Nothing is begun yet.

        Args:
            store: The run, open for writing, with a session.
            conditions: By number.
            models: By the condition's number and the card's id.
            pool: Engines for all models.
            key_of: The key of a request to a model.
            moderators: By the condition's number: who sums its debates up.
            reuse: Stores of other runs whose answers are taken over.
            tell: Is told what happens.
            should_stop: Asked between events.
            stream: Whether statements are wanted as they come.
        """
        super().__init__(store, pool, key_of=key_of, reuse=reuse, tell=tell, should_stop=should_stop)
        self._models = models
        self._numbers = {condition.name: number for number, condition in conditions.items()}
        self._stream = stream
        self._open = OpenDebates(store, conditions)
        self._pending = Pending(store, conditions)
        self._waiting = {
            model_id: Waiting(store, {n: len(sits[model_id].seats) for n, sits in models.items() if model_id in sits})
            for model_id in pool.slots
        }
        self._moderators = moderators or {}
        self._summaries: dict[str, deque[int]] = {model_id: deque() for model_id in pool.slots}
        """By model: finished debates that it is to sum up."""
        for number, moderator in self._moderators.items():
            self._summaries[moderator.card.id].extend(not_summarized(store, [number]))
        self._partners: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        """By debate: who waits for its turns, and on which model."""
        self._told: list[LocaltableError] = []
        """Why moderators were given up, once that has been said."""
        self._done: list[Outcome] = []

    def run(self) -> Iterator[Outcome]:
        """Hold the store's open debates; yields each when it is over and committed.

        Raises:
            InterruptedRun: `should_stop` said so; what is finished is committed.
            EngineLoadError: A debater's engine could not be loaded, the first time that it was to be.
            EngineAwayError: A server answers nobody; what was finished is committed.
        """
        left = self._store.num_open() + sum(map(len, self._summaries.values()))
        while left:
            if self._should_stop():
                raise InterruptedRun("interrupted")
            for event in self._pool.poll(self, 0.0 if self._fail_given_up() else IDLE_WAIT_S):
                self._handle(event)
            self._store.commit()
            done, self._done = self._done, []
            left -= len(done)
            yield from done
            self._require_there()
            if not done and left and not self._at_work and not any(map(self._waits, self._waiting)):
                raise LocaltableError(
                    f"{left} debates are open and nothing of them waits", hint="A defect of localtable: please report."
                )

    # ── out: what the pool asks for ───────────────────────────────────────────────────────────────────────

    def _has_new(self, model_id: str) -> bool:
        return bool(self._waiting[model_id] or self._summaries[model_id])

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        if model_id in self._given_up:
            return Outlook(0, 0, left=False)
        turns = self._pending.outlook(model_id, awake)
        moderated = {number for number, moderator in self._moderators.items() if moderator.card.id == model_id}
        if not moderated:
            return turns
        ended = len(self._summaries[model_id])
        left = turns.left or ended > 0 or bool(moderated & self._pending.conditions)
        # While turns wait, they decide how urgent the model is: nobody waits for summaries.
        awaited = turns.waiting > 0 if ended else turns.left
        return Outlook(turns.waiting or ended, turns.coming, left, awaited)

    def _next_turns(self, model_id: str, num_rows: int) -> list[tuple[Task, Request, Entry | SummaryAtWork]] | None:
        number = self._waiting[model_id].next_debate(num_rows)
        if number is None:
            return self._next_summary(model_id)
        entry = self._open.get(number)
        if entry.state != "open" or not self._prepare(entry, model_id):
            return []
        seats = [seat for seat in _seats_left(entry, model_id) if seat.name not in entry.at_work]
        if not seats:
            return []
        if len(seats) > 1:
            self._waiting[model_id].put_back(number)
        seat = seats[0]
        model = self._models[self._numbers[entry.condition.name]][model_id]
        try:
            turn = begin_turn(number, entry.debate, seat, model, stream=self._stream)
            request = turn.next_request()
        except PlacementError as error:
            self._fail(entry, error)
            return []
        assert request is not None
        entry.at_work.add(seat.name)
        return [(turn, request, entry)]

    def _next_summary(self, model_id: str) -> list[tuple[Task, Request, Entry | SummaryAtWork]] | None:
        """A finished debate's, where one waits for this model."""
        if not self._summaries[model_id]:
            return None
        entry = self._open.get(self._summaries[model_id].popleft())
        moderator = self._moderators[self._numbers[entry.condition.name]]
        task = begin_summary(entry.id, told(entry.condition, entry.debate), moderator)
        try:
            request = task.next_request()
        except PlacementError as error:
            self._fail(task, error)
            return []
        assert request is not None
        return [(task, request, task)]

    def _prepare(self, entry: Entry, model_id: str) -> bool:
        """Whether the debate's open round can begin: noise needs its partner's turns."""
        number = entry.debate.open_round
        assert number is not None
        if entry.announced < number:
            entry.announced = number
            self._tell(RoundOpened(entry.debate, number))
            self._hear_confederates(entry, number)
        if entry.partner is None or number == 1:
            return True
        partner = self._open.get(entry.partner)
        if partner.debate.open_round is not None and len(partner.debate.rounds) < number - 1:
            if partner.state == "failed":
                self._fail(entry, EngineError(f"the debate {partner.debate.question.id!r}, its noise, failed"))
            else:
                self._partners[entry.partner].append((entry.id, model_id))
            return False
        entry.debate = replace(entry.debate, partner=partner.debate)
        return True

    def _hear_confederates(self, entry: Entry, number: int) -> None:
        """Turns that need no engine, those aside that a run before this one has stored."""
        for seat in entry.debate.panel.confederates:
            if seat.name not in entry.turns:
                turn = confederate_turn(entry.debate, seat, number)
                self._store.add_turn(TurnRecord(entry.id, number, turn, seat.model_id, "", "", (), reused=False))
                entry.turns[seat.name] = turn
                self._tell(TurnFinished(entry.debate, number, turn))

    # ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────

    def _fail_given_up(self) -> bool:
        """Fail debates whose next turn is one of a model that is given up; whether there may be more of them."""
        for model_id, error in self._given_up.items():
            for _ in range(MAX_FAILED):
                owner = self._next_asking(model_id)
                if owner is None:
                    break
                if isinstance(owner, SummaryAtWork) or (owner.state == "open" and _seats_left(owner, model_id)):
                    self._fail(owner, error)
        return any(map(self._waits, self._given_up))

    def _next_asking(self, model_id: str) -> Entry | SummaryAtWork | None:
        """Whatever has something begun on a model, or else the next one that waits for it."""
        for at_work in self._at_work.values():
            if at_work.turn.model.card.id == model_id:
                return at_work.owner
        if self._held[model_id]:
            return self._held[model_id][0][2]
        number = self._waiting[model_id].next_debate(num_rows=1)
        if number is not None:
            return self._open.get(number)
        summary = self._next_summary(model_id)
        return summary[0][2] if summary else None

    def _fail(self, owner: Entry | SummaryAtWork, error: LocaltableError) -> None:
        """A debate can't be finished: it is kept with its reason, and what engines still do for it is dropped.

        One that can't be summed up is none the worse for it.
        """
        if isinstance(owner, SummaryAtWork):
            self._drop(owner)
            if error not in self._told:
                self._tell(Note(f"not summed up: {error.message}"))
                if error in self._given_up.values():
                    self._told.append(error)  # as of this debate, so of all that come
            self._end(owner, None)
            return
        entry = owner
        entry.state = "failed"
        self._pending.move(self._pending.of(entry), None)
        self._store.fail_debate(entry.id, error.message)
        self._drop(entry)
        self._open.forget(entry.id)
        self._tell(DebateFailed(entry.debate, error.message))
        self._done.append(Outcome(entry.id, entry.condition.name, entry.debate, error))
        for number, model_id in self._partners.pop(entry.id, ()):
            self._waiting[model_id].put(number)

    # ── what is finished ──────────────────────────────────────────────────────────────────────────────────

    def _finish_turn(self, turn: Task, entry: Entry | SummaryAtWork) -> None:
        if isinstance(turn, SummaryAtWork):
            summary = turn.finish()
            put_summary(self._store, turn.debate_id, summary_to_json(summary), turn.steps)
            self._release(turn)
            self._end(turn, summary)
            return
        assert isinstance(entry, Entry)
        finished = turn.finish()
        shared, own = turn.prompt_texts()
        self._store.add_turn(
            TurnRecord(
                entry.id, turn.round_number, finished, turn.model.card.id, shared, own, tuple(turn.steps), turn.reused
            )
        )
        self._release(turn)
        before = self._pending.of(entry)
        entry.at_work.discard(finished.seat)
        entry.turns[finished.seat] = finished
        self._tell(TurnFinished(entry.debate, turn.round_number, finished))
        if len(entry.turns) == len(entry.debate.panel.seats):
            self._close_round(entry)
        self._pending.move(before, self._pending.of(entry) if entry.state == "open" else None)

    def _close_round(self, entry: Entry) -> None:
        entry.debate = replace(entry.debate.close_round(entry.turns), partner=None)
        entry.turns = {}
        self._tell(RoundClosed(entry.debate, entry.debate.rounds[-1]))
        if entry.debate.open_round is None:
            verdict = entry.debate.verdict
            assert verdict is not None
            entry.state = "finished"
            self._store.finish_debate(entry.id, verdict)
            moderator = self._moderators.get(self._numbers[entry.condition.name])
            if moderator is not None:
                self._summaries[moderator.card.id].append(entry.id)
            else:
                self._open.forget(entry.id)
                self._done.append(Outcome(entry.id, entry.condition.name, entry.debate))
        else:
            for card in entry.debate.panel.cards:
                self._waiting[card.id].put(entry.id)
        for number, model_id in self._partners.pop(entry.id, ()):
            self._waiting[model_id].put(number)

    def _end(self, task: SummaryAtWork, summary: Summary | None) -> None:
        """A debate is over, and summed up or not."""
        task.state = "closed"
        entry = self._open.get(task.debate_id)
        self._open.forget(entry.id)
        self._done.append(Outcome(entry.id, entry.condition.name, entry.debate, summary=summary))

    # ── who watches ───────────────────────────────────────────────────────────────────────────────────────

    def _streamed(self, turn: Task, token_ids: tuple[int, ...]) -> None:
        if not isinstance(turn, TurnAtWork):
            return
        turn.said.extend(token_ids)
        text = turn.model.renderer.tokenizer.decode(turn.said)
        # Half a character is shown when its other half is there.
        if turn.step is not None and not text.endswith("\N{REPLACEMENT CHARACTER}"):
            self._tell(TextArrived(turn.debate, turn.round_number, turn.seat.name, turn.step, text))


def _seats_left(entry: Entry, model_id: str) -> list[Seat]:
    """Seats on a model whose turn of the open round isn't finished."""
    return [
        seat
        for seat in entry.debate.order
        if isinstance(seat, Seat) and seat.card.id == model_id and seat.name not in entry.turns
    ]
