"""Probes at their engines: batched by debate, round and replaced peer; each model is activated once for all of them.

Nothing here opens more work for another model, so that an engine which has run dry is done. A finished probe is stored
with its generations, and with the last one that a peer's influence needs, so is that, in one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import groupby

from localtable.engines.base import Request
from localtable.errors import LocaltableError, PlacementError
from localtable.protocol import Condition
from localtable.runner.events import Listener, Note
from localtable.runner.influence.effects import effect
from localtable.runner.influence.probes import Probe, in_batches, open_probes, option_of
from localtable.runner.influence.selection import MeasuredTurn
from localtable.runner.models import Model
from localtable.runner.open_debates import OpenDebates
from localtable.runner.turn_loop import TurnLoop
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.scheduler.pool import EnginePool, Outlook
from localtable.store import Key, ProbeRecord, Store
from localtable.store.influences import ProbeName, add_probe, probes_of, put_influence
from localtable.types import InfluenceKind, Letter

MAX_SAID = 5
"""Failed measurements that are said one by one."""


class Turns:
    """Stored turns as they began: debate, round, and what the seat has read."""

    def __init__(
        self, store: Store, conditions: Mapping[int, Condition], models: Mapping[int, Mapping[str, Model]]
    ) -> None:
        """Nothing is read yet.

        Args:
            store: Holds the debates.
            conditions: By number.
            models: By the condition's number and the card's id.
        """
        self._debates = OpenDebates(store, conditions)
        self._models = models

    def begun(self, turn: MeasuredTurn) -> TurnAtWork:
        """A turn before anything was asked of it.

        Raises:
            PlacementError: As `begin_turn`.
        """
        entry = self._debates.get(turn.debate)
        debate = replace(entry.debate, rounds=entry.debate.rounds[: turn.round_number - 1])
        if entry.partner is not None:
            debate = replace(debate, partner=self._debates.get(entry.partner).debate)
        seat = next(seat for seat in debate.panel.model_seats if seat.name == turn.seat)
        return begin_turn(turn.debate, debate, seat, self._models[turn.condition][turn.model], stream=False)

    def said(self, turn: MeasuredTurn) -> tuple[tuple[int, ...], int]:
        """A turn's statement as it was generated, and how many tokens that and the thinking before it took."""
        entry, place = self._debates.get(turn.debate), turn.round_number - 1
        done = entry.debate.rounds[place].turns if place < len(entry.debate.rounds) else entry.turns.values()
        found = next(one for one in done if one.seat == turn.seat)
        usage = found.usage or {}
        used = sum(usage[part].completion_tokens for part in ("thinking", "statement") if part in usage)
        return found.token_ids or (), used


class ProbeLoop(TurnLoop[Probe, Probe]):
    """Measures turns on a pool of engines."""

    def __init__(
        self,
        store: Store,
        turns: Turns,
        wanted: Sequence[MeasuredTurn],
        kinds: Mapping[InfluenceKind, int],
        pool: EnginePool,
        *,
        key_of: Callable[[str, Request], Key],
        tell: Listener,
        should_stop: Callable[[], bool],
    ) -> None:
        """Nothing is begun yet.

        Args:
            store: The run, open for writing, with a session.
            turns: Begins them.
            wanted: The turns to measure, debate by debate.
            kinds: What is measured, and of how many samples each is the mean.
            pool: Engines for all models.
            key_of: The key of a request to a model.
            tell: Is told what happens.
            should_stop: Asked between events.
        """
        super().__init__(store, pool, key_of=key_of, tell=tell, should_stop=should_stop)
        self._turns = turns
        self._kinds = kinds
        self._groups: dict[str, deque[list[MeasuredTurn]]] = {model_id: deque() for model_id in pool.slots}
        """By model: turns of one round of a debate."""
        for (_, _, model_id), same in groupby(sorted(wanted, key=_place), key=_place):
            self._groups[model_id].append(list(same))
        self._probes: dict[str, deque[Probe]] = {model_id: deque() for model_id in pool.slots}
        """By model: those of the group that is under way."""
        self._known: dict[int, dict[ProbeName, Mapping[Letter, float]]] = {}
        """By turn: what its probes have said, while some of them are under way."""
        self._num_open: dict[int, int] = {}
        """By turn: its probes that are."""
        self._finished = 0
        self.failures: list[str] = []
        """Why measurements could not be made."""

    def run(self) -> Iterator[int]:
        """Measure; yields how many more probes are finished and committed.

        Raises:
            InterruptedRun: `should_stop` said so; what is finished is committed.
            EngineLoadError: An engine could not be loaded.
            EngineError: One can't be kept alive.
        """
        for _ in self._work_behind_a_run():
            done, self._finished = self._finished, 0
            if done:
                yield done

    # ── out ───────────────────────────────────────────────────────────────────────────────────────────────

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        waiting = len(self._probes[model_id]) + sum(map(len, self._groups[model_id]))
        return Outlook(waiting, 0, left=waiting > 0)

    def _has_new(self, model_id: str) -> bool:
        return bool(self._probes[model_id] or self._groups[model_id])

    def _next_turns(self, model_id: str, num_rows: int) -> list[tuple[Probe, Request, Probe]] | None:
        probes, groups = self._probes[model_id], self._groups[model_id]
        if not probes:
            if not groups:
                return None
            probes += self._open(groups.popleft())
            return []
        probe = probes.popleft()
        request = probe.next_request()
        assert request is not None
        return [(probe, request, probe)]

    def _open(self, group: Sequence[MeasuredTurn]) -> list[Probe]:
        """What is not stored yet of a group's probes; those together that show the same."""
        opened: list[Probe] = []
        for turn in group:
            known = probes_of(self._store, turn.id)
            try:
                probes = open_probes(self._turns.begun(turn), turn.id, self._kinds, known)
            except PlacementError as error:
                self._note_failure(f"{turn.seat!r} in round {turn.round_number}: {error.message}")
                continue
            if probes:
                self._known[turn.id], self._num_open[turn.id] = dict(known), len(probes)
            opened += probes
        return in_batches(opened)

    # ── in ────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish_turn(self, turn: Probe, owner: Probe) -> None:
        vote = owner.draft.vote
        assert vote is not None and vote.distribution is not None
        add_probe(
            self._store,
            ProbeRecord(owner.turn_id, owner.kind, owner.replaced, owner.sample, vote.distribution, tuple(owner.steps)),
        )
        self._known[owner.turn_id][owner.name] = vote.distribution
        self._put_effects(owner)
        self._close(owner)

    def _put_effects(self, probe: Probe) -> None:
        """The influences that this probe was the last one for."""
        samples, known = self._kinds[probe.kind], self._known[probe.turn_id]
        for peer in probe.peers if probe.replaced is None else (probe.replaced,):
            found = effect(
                probe.turn_id, peer, probe.kind, option_of(probe.debate, probe.round_number, peer), known, samples
            )
            if found is not None:
                put_influence(self._store, found)

    def _close(self, probe: Probe) -> None:
        probe.state = "closed"
        self._release(probe)
        self._finished += 1
        self._num_open[probe.turn_id] -= 1
        if not self._num_open[probe.turn_id]:
            del self._num_open[probe.turn_id], self._known[probe.turn_id]

    def _fail(self, owner: Probe, error: LocaltableError) -> None:
        """A probe can't be finished: it is not stored, so that it is asked for again next time."""
        self._drop(owner)
        self._close(owner)
        self._note_failure(error.message)

    def _note_failure(self, message: str) -> None:
        self.failures.append(message)
        if len(self.failures) <= MAX_SAID:
            self._tell(Note(f"not measured: {message}"))


def _place(turn: MeasuredTurn) -> tuple[int, int, str]:
    return (turn.debate, turn.round_number, turn.model)
