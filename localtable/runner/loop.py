"""The event loop: every debate advances the moment its own round is complete; new requests join running batches.

The loop holds no rule of a debate and no word of a prompt. It hands engines as much as they hold, moves completions
back into turns, commits what is finished before it advances a debate, and stops between events when it is asked to.
What an engine fails at is tried again within bounds; then its debate fails, and no other.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from localtable.engines.base import Completion, EngineInfo, Failure, Request, Tokens
from localtable.errors import BallotError, EngineError, InterruptedRun, LocaltableError, PlacementError
from localtable.protocol import Condition, Debate
from localtable.runner.admission import Budget
from localtable.runner.events import (
    DebateFailed,
    Listener,
    RoundClosed,
    RoundOpened,
    TextArrived,
    TurnFinished,
)
from localtable.runner.models import Model
from localtable.runner.open_debates import Entry, OpenDebates
from localtable.runner.pending import Pending
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.runner.waiting import Waiting
from localtable.scheduler.pool import (
    IDLE_WAIT_S,
    MAX_LOADS,
    EngineDied,
    EngineLoaded,
    EngineLoading,
    EnginePool,
    Generated,
    Outlook,
    PoolEvent,
)
from localtable.store import Generation, Key, Store, TurnRecord
from localtable.types import Seat

MAX_TRIES = 3
"""How often one request is tried before its debate fails."""
MAX_DEATHS = 4 * MAX_TRIES
"""How often in a row an engine may die without finishing anything: each bad request accounts for a quarter of that."""
MAX_FAILED = 64
"""How many debates of a model that is given up are failed in one go, so that those who watch can follow."""

MAX_BEGUN = 512
"""How many turns are begun in one go: those whose answers are there already need no engine that would end it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A debate that is over."""

    number: int
    condition: str
    debate: Debate
    error: LocaltableError | None = None
    """Why it failed."""


_Asking = tuple[TurnAtWork, Request, Entry]
"""A turn, its next request and its debate."""


@dataclass(slots=True)
class _AtWork:
    """A request that an engine has, or is about to get, and the turns that wait for its answer."""

    request: Request
    key: Key
    turn: TurnAtWork
    entry: Entry
    since: float
    followers: list[_Asking] = field(default_factory=list)
    """Turns of other conditions with an equal request."""


class Loop:
    """Runs a store's debates on a pool of engines; the pool asks it for work (`scheduler.pool.Supply`)."""

    def __init__(
        self,
        store: Store,
        conditions: Mapping[int, Condition],
        models: Mapping[int, Mapping[str, Model]],
        pool: EnginePool,
        *,
        key_of: Callable[[str, Request], Key],
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
            reuse: Stores of other runs whose answers are taken over.
            tell: Is told what happens.
            should_stop: Asked between events.
            stream: Whether statements are wanted as they come.
        """
        self._store = store
        self._models = models
        self._numbers = {condition.name: number for number, condition in conditions.items()}
        self._pool = pool
        self._key_of = key_of
        self._reuse = [(other, other.run().uuid) for other in reuse]
        self._tell = tell
        self._should_stop = should_stop
        self._stream = stream
        self._open = OpenDebates(store, conditions)
        self._pending = Pending(store, conditions)
        self._waiting = {
            model_id: Waiting(store, {n: len(sits[model_id].seats) for n, sits in models.items() if model_id in sits})
            for model_id in pool.slots
        }
        self._held: defaultdict[str, deque[_Asking]] = defaultdict(deque)
        """By model: turns whose prompts are rendered and which found no room yet; one, as a rule."""
        self._budgets: dict[str, Budget] = {}
        self._at_work: dict[str, _AtWork] = {}
        self._by_key: dict[bytes, _AtWork] = {}
        self._partners: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        """By debate: who waits for its turns, and on which model."""
        self._suspects: defaultdict[str, set[str]] = defaultdict(set)
        """By model: requests that were at work when its engine died; they run one by one, so that the guilty one is
        found and takes no other with it."""
        self._deaths: defaultdict[str, int] = defaultdict(int)
        self._given_up: dict[str, EngineError] = {}
        """By model: why it is loaded no more; a debate that needs it fails with that."""
        self._done: list[Outcome] = []
        self.engines: dict[str, EngineInfo] = {}
        self.load_seconds: dict[str, float] = {}

    def run(self) -> Iterator[Outcome]:
        """Hold the store's open debates; yields each when it is over and committed.

        Raises:
            InterruptedRun: `should_stop` said so; what is finished is committed.
            EngineLoadError: An engine could not be loaded, the first time that it was to be.
        """
        left = self._store.num_open()
        while left:
            if self._should_stop():
                raise InterruptedRun("interrupted")
            for event in self._pool.poll(self, 0.0 if self._fail_given_up() else IDLE_WAIT_S):
                self._handle(event)
            self._store.commit()
            done, self._done = self._done, []
            left -= len(done)
            yield from done
            if not done and left and not self._at_work and not any(map(self._waits, self._waiting)):
                raise LocaltableError(
                    f"{left} debates are open and nothing of them waits", hint="A defect of localtable: please report."
                )

    # ── out: what the pool asks for ───────────────────────────────────────────────────────────────────────

    def has_work(self, model_id: str) -> bool:
        return model_id not in self._given_up and self._waits(model_id)

    def _waits(self, model_id: str) -> bool:
        return bool(self._held[model_id] or self._waiting[model_id])

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        if model_id in self._given_up:
            return Outlook(0, 0, left=False)
        return self._pending.outlook(model_id, awake)

    def take(self, model_id: str, info: EngineInfo, num_running: int) -> list[Request]:
        budget = self._budgets.get(model_id)
        if budget is None:
            budget = self._budgets[model_id] = Budget(info)
        waiting = self._waiting[model_id]
        if self._suspects[model_id] and waiting.ready:
            return [] if num_running else [waiting.ready.popleft()]
        # What continues a turn holds its place already.
        taken = list(waiting.ready)
        waiting.ready.clear()
        for _ in range(MAX_BEGUN):
            if num_running + len(taken) >= budget.max_requests:
                break
            turns = self._next_turns(model_id, budget.num_rows)
            if turns is None:
                break
            for turn, request, entry in turns:
                asked = self._ask(turn, request, entry, budget)
                taken += [asked] if asked else []
            if self._held[model_id]:
                break
        self._store.commit()
        return taken

    def _next_turns(self, model_id: str, num_rows: int) -> list[_Asking] | None:
        """The next turn to admit, as a list of one or none; None when nothing waits."""
        if self._held[model_id]:
            return [self._held[model_id].popleft()]
        number = self._waiting[model_id].next_debate(num_rows)
        if number is None:
            return None
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

    def _prepare(self, entry: Entry, model_id: str) -> bool:
        """Whether the debate's open round can begin: noise needs its partner's turns."""
        number = entry.debate.open_round
        assert number is not None
        if entry.announced < number:
            entry.announced = number
            self._tell(RoundOpened(entry.debate, number))
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

    def _ask(self, turn: TurnAtWork, request: Request | None, entry: Entry, budget: Budget) -> Request | None:
        """Follow a turn from one request to the next as far as it goes without an engine.

        Returns:
            The request that an engine must answer; None where the turn is complete, waits for an equal one, or
            found no room.
        """
        model_id = turn.model.card.id
        while request is not None:
            key = self._key_of(model_id, request)
            found = self._find(key)
            if found is None:
                break
            number, generation = found
            try:
                turn.take(request, _completion(request, generation))
                turn.steps.append((str(turn.step), number))
                request = turn.next_request()
            except (PlacementError, BallotError) as error:
                self._fail(entry, error)
                return None
        else:
            self._finish_turn(turn, entry)
            return None
        same = self._by_key.get(key.sha256)
        if same is not None:
            same.followers.append((turn, request, entry))
            return None
        if not turn.charged:
            group = (turn.debate_id, turn.round_number)
            prompt = turn.prompt_ids or request.prompt_token_ids
            if not budget.admit(group, turn.place, prompt, turn.reserved_tokens):
                self._held[model_id].append((turn, request, entry))
                return None
            turn.charged = True
        turn.reused = False
        self._at_work[request.request_id] = _AtWork(request, key, turn, entry, time.monotonic())
        self._by_key[key.sha256] = self._at_work[request.request_id]
        return request

    def _find(self, key: Key) -> tuple[int, Generation] | None:
        """An equal request's answer, of this run or taken over from another."""
        found = self._store.find_generation(key.sha256)
        if found is not None:
            return found
        for other, uuid in self._reuse:
            there = other.find_generation(key.sha256)
            if there is not None:
                generation = replace(there[1], origin=there[1].origin or uuid)
                return self._store.add_generation(generation), generation
        return None

    # ── in: what the pool gives ───────────────────────────────────────────────────────────────────────────

    def _handle(self, event: PoolEvent) -> None:
        match event:
            case EngineLoading():
                self._tell(event)
            case EngineLoaded(model_id, info, seconds):
                self.engines[model_id] = info
                self.load_seconds[model_id] = seconds
                self._tell(event)
            case EngineDied():
                self._tell(event)
                self._died(event)
            case Generated(model_id, Tokens(request_id, token_ids)):
                if request_id in self._at_work:
                    self._streamed(self._at_work[request_id].turn, token_ids)
            case Generated(model_id, Failure() as failure):
                self._suspects[model_id].discard(failure.request_id)
                at_work = self._at_work.pop(failure.request_id, None)
                if at_work is not None:
                    self._retry(at_work, failure.message, retryable=failure.retryable)
            case Generated(model_id, Completion() as completion):
                self._suspects[model_id].discard(completion.request_id)
                self._deaths[model_id] = 0
                at_work = self._at_work.pop(completion.request_id, None)
                if at_work is not None:
                    self._completed(at_work, completion)

    def _completed(self, at_work: _AtWork, completion: Completion) -> None:
        """A turn has its answer; its next request joins the queue, or it is complete."""
        del self._by_key[at_work.key.sha256]
        turn, entry = at_work.turn, at_work.entry
        try:
            turn.take(at_work.request, completion)
        except BallotError as error:
            # What can't be read is not kept: an equal request is asked anew.
            self._fail(entry, error)
        else:
            generation = _generation(at_work, completion)
            turn.steps.append((str(turn.step), self._store.add_generation(generation)))
            try:
                following = turn.next_request()
            except PlacementError as error:
                self._fail(entry, error)
            else:
                self._continue(turn, following, entry)
        # Equal requests find the answer in the store.
        for other, request, other_entry in at_work.followers:
            if other_entry.state == "open":
                self._continue(other, request, other_entry)

    def _continue(self, turn: TurnAtWork, request: Request | None, entry: Entry) -> None:
        model_id = turn.model.card.id
        asked = self._ask(turn, request, entry, self._budgets[model_id])
        if asked is not None:
            self._waiting[model_id].ready.append(asked)

    def _streamed(self, turn: TurnAtWork, token_ids: tuple[int, ...]) -> None:
        turn.said.extend(token_ids)
        text = turn.model.renderer.tokenizer.decode(turn.said)
        # Half a character is shown when its other half is there.
        if turn.step is not None and not text.endswith("\N{REPLACEMENT CHARACTER}"):
            self._tell(TextArrived(turn.debate, turn.round_number, turn.seat.name, turn.step, text))

    # ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────

    def _died(self, event: EngineDied) -> None:
        model_id = event.model_id
        if event.failed_loads:
            if event.failed_loads >= MAX_LOADS:
                self._give_up(event, f"could not be loaded again, {MAX_LOADS} times in a row")
            return
        self._deaths[model_id] += 1
        if self._deaths[model_id] >= MAX_DEATHS:
            self._give_up(event, f"died {MAX_DEATHS} times in a row and finished nothing in between")
        for request_id in event.lost:
            self._suspects[model_id].discard(request_id)
            at_work = self._at_work.pop(request_id, None)
            if at_work is not None:
                self._retry(at_work, event.error.message, retryable=True)
        self._suspects[model_id] |= {request.request_id for request in self._waiting[model_id].ready}

    def _give_up(self, event: EngineDied, why: str) -> None:
        self._given_up[event.model_id] = EngineError(
            f"{event.model_id} {why}: {event.error.message}",
            hint=event.error.hint or "Give it fewer rows or a smaller cache, or take another --engine.",
        )

    def _fail_given_up(self) -> bool:
        """Fail debates whose next turn is one of a model that is given up; whether there may be more of them."""
        for model_id, error in self._given_up.items():
            for _ in range(MAX_FAILED):
                entry = self._next_asking(model_id)
                if entry is None:
                    break
                if entry.state == "open" and _seats_left(entry, model_id):
                    self._fail(entry, error)
        return any(map(self._waits, self._given_up))

    def _next_asking(self, model_id: str) -> Entry | None:
        """A debate that has a turn begun on a model, or else the next one that waits for it."""
        for at_work in self._at_work.values():
            if at_work.turn.model.card.id == model_id:
                return at_work.entry
        if self._held[model_id]:
            return self._held[model_id][0][2]
        number = self._waiting[model_id].next_debate(num_rows=1)
        return self._open.get(number) if number is not None else None

    def _retry(self, at_work: _AtWork, message: str, *, retryable: bool) -> None:
        del self._by_key[at_work.key.sha256]
        turn, entry = at_work.turn, at_work.entry
        turn.tries += 1
        if retryable and turn.tries < MAX_TRIES:
            self._continue(turn, turn.next_request(), entry)
        else:
            self._fail(
                entry,
                EngineError(
                    f"{turn.model.card.id} failed at the {turn.step} of {turn.seat.name!r} in round "
                    f"{turn.round_number} of {turn.debate.question.id!r}, {turn.tries} of {MAX_TRIES} times: {message}",
                    hint="Run it again; if it fails again, another --engine may not.",
                ),
            )
        for other, request, other_entry in at_work.followers:
            if other_entry.state == "open":
                self._continue(other, request, other_entry)

    def _fail(self, entry: Entry, error: LocaltableError) -> None:
        """A debate can't be finished: it is kept with its reason, and what engines still do for it is dropped."""
        entry.state = "failed"
        self._pending.move(self._pending.of(entry), None)
        self._store.fail_debate(entry.id, error.message)
        self._drop(entry)
        self._open.forget(entry.id)
        self._tell(DebateFailed(entry.debate, error.message))
        self._done.append(Outcome(entry.id, entry.condition.name, entry.debate, error))
        for number, model_id in self._partners.pop(entry.id, ()):
            self._waiting[model_id].put(number)

    def _drop(self, entry: Entry) -> None:
        for model_id, asking in self._held.items():
            self._held[model_id] = deque(held for held in asking if held[2] is not entry)
        for request_id, at_work in list(self._at_work.items()):
            if at_work.entry is not entry:
                continue
            heirs = [heir for heir in at_work.followers if heir[2].state == "open"]
            self._release(at_work.turn)
            if heirs:  # somebody else waits for this answer
                at_work.turn, at_work.request, at_work.entry = heirs[0]
                at_work.turn.reused = False
                at_work.followers = heirs[1:]
                continue
            del self._at_work[request_id]
            del self._by_key[at_work.key.sha256]
            self._suspects[at_work.turn.model.card.id].discard(request_id)
            model_id = at_work.turn.model.card.id
            waiting = self._waiting[model_id]
            waiting.ready = deque(request for request in waiting.ready if request.request_id != request_id)
            self._pool.abort(model_id, [request_id])

    # ── what is finished ──────────────────────────────────────────────────────────────────────────────────

    def _finish_turn(self, turn: TurnAtWork, entry: Entry) -> None:
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

    def _release(self, turn: TurnAtWork) -> None:
        if turn.charged:
            turn.charged = False
            self._budgets[turn.model.card.id].release((turn.debate_id, turn.round_number), turn.place)

    def _close_round(self, entry: Entry) -> None:
        entry.debate = replace(entry.debate.close_round(entry.turns), partner=None)
        entry.turns = {}
        self._tell(RoundClosed(entry.debate, entry.debate.rounds[-1]))
        if entry.debate.open_round is None:
            verdict = entry.debate.verdict
            assert verdict is not None
            entry.state = "finished"
            self._store.finish_debate(entry.id, verdict)
            self._open.forget(entry.id)
            self._done.append(Outcome(entry.id, entry.condition.name, entry.debate))
        else:
            for card in entry.debate.panel.cards:
                self._waiting[card.id].put(entry.id)
        for number, model_id in self._partners.pop(entry.id, ()):
            self._waiting[model_id].put(number)


def _seats_left(entry: Entry, model_id: str) -> list[Seat]:
    """Seats on a model whose turn of the open round isn't finished."""
    return [seat for seat in entry.debate.order if seat.card.id == model_id and seat.name not in entry.turns]


def _generation(at_work: _AtWork, completion: Completion) -> Generation:
    return Generation(
        key=at_work.key,
        model=at_work.turn.model.card.id,
        prompt_tokens=completion.prompt_tokens,
        cached_tokens=completion.cached_tokens,
        completion_tokens=completion.completion_tokens,
        token_ids=completion.token_ids,
        finish_reason=completion.finish_reason,
        stop_token_id=completion.stop_token_id,
        logprobs=completion.logprobs,
        seconds=time.monotonic() - at_work.since,
    )


def _completion(request: Request, generation: Generation) -> Completion:
    return Completion(
        request_id=request.request_id,
        token_ids=generation.token_ids,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        cached_tokens=generation.cached_tokens,
        completion_tokens=generation.completion_tokens,
        stop_token_id=generation.stop_token_id,
        logprobs=generation.logprobs,
    )
