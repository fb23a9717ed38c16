"""Turns at their engines: each from one request to the next, equal requests once, what fails again within bounds.

What a turn belongs to, which turns there are, and what becomes of a finished or a failed one is the business of those
who are made of this: debates (`loop.py`), and ballots that are asked once more for their influence (`influence/`).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from typing import Generic

from localtable.engines.base import Completion, EngineInfo, Failure, Preempted, Request, Tokens
from localtable.errors import BallotError, EngineAwayError, EngineError, InterruptedRun, LocaltableError, PlacementError
from localtable.runner.absence import Absence
from localtable.runner.admission import Budget
from localtable.runner.at_work import AtWork, Owner, Work, completion_of
from localtable.runner.events import Listener
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
from localtable.store import Generation, Key, Store

MAX_TRIES = 3
"""How often one request is tried before what it belongs to fails."""
MAX_DEATHS = 4 * MAX_TRIES
"""How often in a row an engine may die without finishing anything: each bad request accounts for a quarter of that."""
MAX_BEGUN = 512
"""How many turns are begun in one go: those whose answers are there already need no engine that would end it."""


class TurnLoop(ABC, Generic[Work, Owner]):
    """Takes turns through a pool of engines; the pool asks it for work (`scheduler.pool.Supply`)."""

    def __init__(
        self,
        store: Store,
        pool: EnginePool,
        *,
        key_of: Callable[[str, Request], Key],
        reuse: Sequence[Store] = (),
        tell: Listener,
        should_stop: Callable[[], bool],
    ) -> None:
        """Nothing is begun yet.

        Args:
            store: The run, open for writing, with a session.
            pool: Engines for all models.
            key_of: The key of a request to a model.
            reuse: Stores of other runs whose answers are taken over.
            tell: Is told what happens.
            should_stop: Asked between events.
        """
        self._store = store
        self._pool = pool
        self._key_of = key_of
        self._reuse = [(other, other.run().uuid) for other in reuse]
        self._tell = tell
        self._should_stop = should_stop
        self._ready: defaultdict[str, deque[Request]] = defaultdict(deque)
        """By model: requests of turns that are under way; they go first, while the blocks of their prefix are there."""
        self._held: defaultdict[str, deque[tuple[Work, Request, Owner]]] = defaultdict(deque)
        """By model: turns whose prompts are rendered and which found no room yet; one, as a rule."""
        self._budgets: dict[str, Budget] = {}
        self._at_work: dict[str, AtWork[Work, Owner]] = {}
        self._by_key: dict[bytes, AtWork[Work, Owner]] = {}
        self._suspects: defaultdict[str, set[str]] = defaultdict(set)
        """By model: requests that were at work when its engine died; they run one by one, so that the guilty one is
        found and takes no other with it."""
        self._deaths: defaultdict[str, int] = defaultdict(int)
        self._given_up: dict[str, EngineError] = {}
        """By model: why it is loaded no more; what needs it fails with that."""
        self._away: EngineAwayError | None = None
        """The first server that was found to be away: nothing more is asked of anybody, what runs comes to its end."""
        self._absences: defaultdict[str, Absence] = defaultdict(Absence)
        """By model at an endpoint."""
        self.engines: dict[str, EngineInfo] = {}
        self.load_seconds: dict[str, float] = {}

    # ── what differs ──────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        """As `scheduler.pool.Supply`."""

    @abstractmethod
    def _has_new(self, model_id: str) -> bool:
        """Whether there are turns for this model that have not been begun."""

    @abstractmethod
    def _next_turns(self, model_id: str, num_rows: int) -> list[tuple[Work, Request, Owner]] | None:
        """The next turn to begin with its first request, as a list of one or none; None when there is no more."""

    @abstractmethod
    def _finish_turn(self, turn: Work, owner: Owner) -> None:
        """A turn has all its answers."""

    @abstractmethod
    def _fail(self, owner: Owner, error: LocaltableError) -> None:
        """What a turn belongs to can't be finished; `_drop` it."""

    def _work_behind_a_run(self) -> Iterator[None]:
        """Work until nothing is left; yields whenever what has come is committed.

        Raises:
            InterruptedRun: `should_stop` said so; what is finished is committed.
            EngineLoadError: An engine could not be loaded.
            EngineError: One can't be kept alive, or is a server that is away.
        """
        while self._at_work or any(map(self._waits, self._pool.slots)):
            if self._should_stop():
                raise InterruptedRun("interrupted")
            for event in self._pool.poll(self, IDLE_WAIT_S):
                self._handle(event)
            self._store.commit()
            self._require_there()
            for error in self._given_up.values():
                raise error
            yield

    # ── out: what the pool asks for ───────────────────────────────────────────────────────────────────────

    def has_work(self, model_id: str) -> bool:
        return model_id not in self._given_up and self._may_ask(model_id) and self._waits(model_id)

    def _may_ask(self, model_id: str) -> bool:
        return self._away is None and not self._absences[model_id].turned_away

    def _waits(self, model_id: str) -> bool:
        return bool(self._held[model_id] or self._ready[model_id]) or self._has_new(model_id)

    def take(self, model_id: str, info: EngineInfo, num_running: int) -> list[Request]:
        budget = self._budgets.get(model_id)
        if budget is None:
            budget = self._budgets[model_id] = Budget(info)
        if not self._may_ask(model_id):
            return []
        ready = self._ready[model_id]
        if self._suspects[model_id] and ready:
            return [] if num_running else [self._resumed(ready.popleft())]
        # What continues a turn holds its place already.
        taken = [self._resumed(request) for request in ready]
        ready.clear()
        for _ in range(MAX_BEGUN):
            if num_running + len(taken) >= budget.max_requests:
                break
            held = self._held[model_id]
            turns = [held.popleft()] if held else self._next_turns(model_id, budget.num_rows)
            if turns is None:
                break
            for turn, request, owner in turns:
                asked = self._ask(turn, request, owner, budget)
                taken += [asked] if asked else []
            if self._held[model_id]:
                break
        self._store.commit()
        return taken

    def _resumed(self, request: Request) -> Request:
        at_work = self._at_work[request.request_id]
        if at_work.away_since is not None:
            at_work.since += time.monotonic() - at_work.away_since
            at_work.away_since = None
        return request

    def _ask(self, turn: Work, request: Request | None, owner: Owner, budget: Budget) -> Request | None:
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
                step = turn.current_step()
                turn.take(request, completion_of(request, generation))
                turn.steps.append((step, number))
                request = turn.next_request()
            except (PlacementError, BallotError) as error:
                self._fail(owner, error)
                return None
        else:
            self._finish_turn(turn, owner)
            return None
        same = self._by_key.get(key.sha256)
        if same is not None:
            same.followers.append((turn, request, owner))
            return None
        if not turn.charged:
            prompt = turn.prompt_ids or request.prompt_token_ids
            if not budget.admit(turn.group, turn.member, prompt, turn.reserved_tokens):
                self._held[model_id].append((turn, request, owner))
                return None
            turn.charged = True
        turn.reused = False
        self._at_work[request.request_id] = AtWork(request, key, turn, owner, time.monotonic())
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
            case Generated(model_id, Preempted() as preempted):
                self._preempted(model_id, preempted)
            case Generated(model_id, Failure() as failure):
                self._suspects[model_id].discard(failure.request_id)
                self._failed(model_id, failure)
            case Generated(model_id, Completion() as completion):
                self._suspects[model_id].discard(completion.request_id)
                self._deaths[model_id] = 0
                self._absences[model_id].answer()
                at_work = self._at_work.pop(completion.request_id, None)
                if at_work is not None:
                    self._completed(at_work, completion)

    def _failed(self, model_id: str, failure: Failure) -> None:
        at_work = self._at_work.get(failure.request_id)
        if at_work is None:
            return
        if failure.away == "busy":
            self._absences[model_id].turn_away(failure.request_id, failure.message)
            return
        del self._at_work[failure.request_id]
        if failure.away == "shut":
            # It stays open: to fail with it, and with all that come after, would lose what was said.
            del self._by_key[at_work.key.sha256]
            self._found_away(model_id, failure.message)
        else:
            self._retry(at_work, failure.message, retryable=failure.retryable)

    def _completed(self, at_work: AtWork[Work, Owner], completion: Completion) -> None:
        """A turn has its answer; its next request joins the queue, or it is complete."""
        del self._by_key[at_work.key.sha256]
        turn, owner = at_work.turn, at_work.owner
        step = turn.current_step()
        try:
            turn.take(at_work.request, completion)
        except BallotError as error:
            # What can't be read is not kept: an equal request is asked anew.
            self._fail(owner, error)
        else:
            turn.steps.append((step, self._store.add_generation(at_work.generation(completion))))
            try:
                following = turn.next_request()
            except PlacementError as error:
                self._fail(owner, error)
            else:
                self._continue(turn, following, owner)
        # Equal requests find the answer in the store.
        for other, request, other_owner in at_work.followers:
            if other_owner.state == "open":
                self._continue(other, request, other_owner)

    def _preempted(self, model_id: str, event: Preempted) -> None:
        """What was said stays said: the request waits for its engine, and goes on from there."""
        at_work = self._at_work.get(event.request_id)
        if at_work is not None:
            # Under the engine's own name for it: the one whose turn it was may have failed and left it to another's.
            at_work.request = replace(at_work.request, request_id=event.request_id, said=event.said)
            at_work.preempted_at.append(len(event.said))
            at_work.away_since = time.monotonic()
            self._ready[model_id].append(at_work.request)

    def _continue(self, turn: Work, request: Request | None, owner: Owner) -> None:
        model_id = turn.model.card.id
        asked = self._ask(turn, request, owner, self._budgets[model_id])
        if asked is not None:
            self._ready[model_id].append(asked)

    def _streamed(self, turn: Work, token_ids: tuple[int, ...]) -> None:
        """More of a text that streams; only debates have watchers."""

    # ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────

    def _died(self, event: EngineDied) -> None:
        model_id = event.model_id
        if event.given_up:
            self._give_up(event, "could not be loaded")
            return
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
        self._suspects[model_id] |= {request.request_id for request in self._ready[model_id]}

    def _give_up(self, event: EngineDied, why: str) -> None:
        self._given_up[event.model_id] = EngineError(
            f"{event.model_id} {why}: {event.error.message}",
            hint=event.error.hint or "Give it fewer rows or a smaller cache, or take another --engine.",
        )

    def _found_away(self, model_id: str, said: str) -> None:
        self._away = self._away or EngineAwayError(
            f"{model_id} is away: {said}", hint="Try again when its server answers."
        )

    def _require_there(self) -> None:
        """See what became of requests that servers have turned away, and end the work where one is away.

        Raises:
            EngineAwayError: One is, and everything else that was asked has come to its end.
        """
        for model_id, absence in self._absences.items():
            if absence.turned_away:
                self._settle(model_id, absence)
        if self._away is not None and not any(slot.running for slot in self._pool.slots.values()):
            raise self._away

    def _settle(self, model_id: str, absence: Absence) -> None:
        found = absence.find(len(self._pool.slots[model_id].running))
        if found == "away":
            self._found_away(model_id, list(absence.turned_away.values())[-1])
        elif found != "wait":
            for request_id, said in absence.release().items():
                at_work = self._at_work.get(request_id)
                if at_work is None:
                    continue  # its debate has failed meanwhile
                if found == "ask again":
                    self._ready[model_id].append(at_work.request)
                else:
                    del self._at_work[request_id]
                    self._retry(at_work, said, retryable=True)

    def _retry(self, at_work: AtWork[Work, Owner], message: str, *, retryable: bool) -> None:
        del self._by_key[at_work.key.sha256]
        turn, owner = at_work.turn, at_work.owner
        turn.tries += 1
        if retryable and turn.tries < MAX_TRIES:
            self._continue(turn, turn.next_request(), owner)
        else:
            self._fail(
                owner,
                EngineError(
                    f"{turn.model.card.id} failed at {turn.doing}, {turn.tries} of {MAX_TRIES} times: {message}",
                    hint="docs/endpoints.md says what is asked of a server again, and what is not."
                    if turn.model.at_endpoint
                    else "Run it again; if it fails again, another --engine may not.",
                ),
            )
        for other, request, other_owner in at_work.followers:
            if other_owner.state == "open":
                self._continue(other, request, other_owner)

    def _drop(self, owner: Owner) -> None:
        for model_id, asking in self._held.items():
            self._held[model_id] = deque(held for held in asking if held[2] is not owner)
        for request_id, at_work in list(self._at_work.items()):
            if at_work.owner is not owner:
                continue
            heirs = [heir for heir in at_work.followers if heir[2].state == "open"]
            self._release(at_work.turn)
            if heirs:  # somebody else waits for this answer
                at_work.turn, at_work.request, at_work.owner = heirs[0]
                at_work.turn.reused = False
                at_work.followers = heirs[1:]
                continue
            del self._at_work[request_id]
            del self._by_key[at_work.key.sha256]
            self._suspects[at_work.turn.model.card.id].discard(request_id)
            model_id = at_work.turn.model.card.id
            left = (request for request in self._ready[model_id] if request.request_id != request_id)
            self._ready[model_id] = deque(left)
            self._pool.abort(model_id, {request_id})

    def _release(self, turn: Work) -> None:
        if turn.charged:
            turn.charged = False
            self._budgets[turn.model.card.id].release(turn.group, turn.member)
