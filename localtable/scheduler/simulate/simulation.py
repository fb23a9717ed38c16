"""Discrete events: turns end, engines load, and the rule is asked after each.

Deterministic, and exact for its assumptions (docs/scheduling.md lists them): time jumps from event to event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from localtable.scheduler.policy import Activate, Standing, decide
from localtable.scheduler.simulate.engine import Outlook, SimulatedEngine
from localtable.scheduler.simulate.instance import Instance, Queue, Task, Written
from localtable.scheduler.simulate.result import Finished, Part, Result, Span, Stalled

Policy = Callable[[Sequence[Standing], Sequence[int]], Activate | None]


@dataclass(slots=True)
class _Change:
    """A model that takes its place, phase by phase."""

    engine: int
    devices: tuple[int, ...]
    phases: list[tuple[float, Part]]
    """What is still to do, the present one first: when it ends, and what it is."""


def simulate(instance: Instance, policy: Policy = decide) -> Result:
    """Run a suite.

    Args:
        instance: Devices, models, turns.
        policy: What decides; the pool's own rule unless another is compared with it.

    Raises:
        Stalled: The policy leaves everything as it is, and nothing is under way.
    """
    simulation = Simulation(instance)
    while simulation.left:
        simulation.settle(policy)
        simulation.advance()
    return simulation.result()


class Simulation:
    """A run at one moment; copied where a search tries several ways on."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is loaded, all first rounds are open."""
        self.instance = instance
        self.now = 0.0
        self.engines = [
            SimulatedEngine(model, len(turns) + len(summaries))
            for model, turns, summaries in zip(instance.models, instance.turns_of, instance.summaries_of, strict=True)
        ]
        self.turns_left = [len(turns) for turns in instance.turns_of]
        """By model, without summaries."""
        self.outlooks = [Outlook(model, turns) for model, turns in zip(instance.models, instance.turns_of, strict=True)]
        self.of_summaries = [
            Outlook(model, written) for model, written in zip(instance.models, instance.summaries_of, strict=True)
        ]
        self.left = sum(engine.left for engine in self.engines)
        self.changes: list[_Change] = []
        self.open_rounds = [0] * len(instance.turns)
        self.missing: list[list[int]] = [[] for _ in instance.turns]
        """Turns of each debate's open round that are not finished, by model."""
        self.groups = Counter[tuple[int, int]]()
        """Debates with a further round, by who sits there and by which models are missing: bit i stands for model i."""
        self._written: dict[tuple[int, int], Written] = {}
        """By debate and model: how far the model's cache was written when its last turn ended."""
        self._turn: dict[int, int] = {}
        self._parts: list[dict[Part, float]] = [{} for _ in instance.capacities]
        self._timeline: list[Span] = []
        self._finished: list[Finished] = []
        self._sitting = [_bits(instance.seats_of(debate)) for debate in range(len(instance.turns))]
        """By debate: the models that sit there, as bits."""
        for debate, rounds in enumerate(instance.turns):
            if rounds:
                self._open(debate)
            else:
                self._close(debate)

    def copy(self) -> Simulation:
        """The same moment; neither knows of what the other does from here."""
        other = object.__new__(Simulation)
        other.instance, other.now, other.left = self.instance, self.now, self.left
        other.engines = [engine.copy() for engine in self.engines]
        other.turns_left = self.turns_left.copy()
        other.outlooks, other.of_summaries = self.outlooks, self.of_summaries
        other.changes = [_Change(c.engine, c.devices, c.phases.copy()) for c in self.changes]
        other.open_rounds = self.open_rounds.copy()
        other.missing = [counts.copy() for counts in self.missing]
        other.groups, other._sitting = self.groups.copy(), self._sitting
        other._written, other._turn = self._written.copy(), self._turn.copy()
        other._parts = [parts.copy() for parts in self._parts]
        other._timeline, other._finished = self._timeline.copy(), self._finished.copy()
        return other

    def signature(self) -> tuple[object, ...]:
        """What decides everything from here on but the time: of equal moments only the earliest one matters."""
        engines = tuple(
            (
                engine.state,
                engine.loads > 0,
                engine.sleeps > 0,
                round(engine.debt_s, 6),
                tuple(
                    sorted(
                        (round(end - engine.clock, 6), round(task[4], 6), *task[:4]) for end, _, _, task in engine.rows
                    )
                ),
                tuple((round(task.decode_tokens, 6), *task[:4]) for queue in engine.ready for task in queue),
            )
            for engine in self.engines
        )
        changes = tuple((c.engine, tuple(round(end - self.now, 6) for end, _ in c.phases)) for c in self.changes)
        return engines, changes, tuple(self.open_rounds), tuple(sorted(self._turn.items()))

    def result(self) -> Result:
        """What has happened so far."""
        return Result(
            self.now,
            {engine.model.model_id: engine.activations for engine in self.engines},
            tuple(self._parts),
            tuple(sorted(self._timeline)),
            tuple(self._finished),
        )

    # ── debates ───────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, debate: int) -> None:
        number = self.open_rounds[debate]
        counts = [0] * len(self.engines)
        seats = self.instance.seats_of(debate)
        queue = Queue.LATER_ROUND if number else Queue.FIRST_ROUND
        for seat, (model, turn) in enumerate(zip(seats, self.instance.turns[debate][number], strict=True)):
            counts[model] += 1
            before = self._written.get((debate, model)) if turn.lost_tokens else None
            self.engines[model].put(Task(debate, number, seat, *turn[:2], queue, turn.lost_tokens, before))
        self.missing[debate] = counts
        if self._goes_on(debate, number):
            self.groups[self._sitting[debate], _mask(counts)] += 1

    def _finish(self, model: int, task: Task) -> None:
        self._finished.append(Finished(self.now, task.debate, task.round_number, task.seat))
        self.left -= 1
        if task.queue == Queue.SUMMARY:
            return
        self.turns_left[model] -= 1
        counts = self.missing[task.debate]
        counts[model] -= 1
        self._written[task.debate, model] = self.engines[model].written()
        if counts[model]:
            return
        after = _mask(counts)
        if not self._goes_on(task.debate, task.round_number):
            if not after:
                self._close(task.debate)
            return
        self._count(task.debate, after | 1 << model, -1)
        if after:
            self._count(task.debate, after, 1)
        else:
            self.open_rounds[task.debate] += 1
            self._open(task.debate)

    def _close(self, debate: int) -> None:
        """All rounds are over: what is left is the summary."""
        closing = self.instance.closing_of(debate)
        if closing is not None:
            place = (debate, len(self.instance.turns[debate]), len(self.instance.seats_of(debate)))
            self.engines[closing.model].put(Task(*place, *closing.turn[:2], Queue.SUMMARY))

    def _goes_on(self, debate: int, number: int) -> bool:
        """Whether a round follows."""
        return number + 1 < len(self.instance.turns[debate])

    def _count(self, debate: int, missing: int, change: int) -> None:
        group = (self._sitting[debate], missing)
        self.groups[group] += change
        if not self.groups[group]:
            del self.groups[group]

    # ── decisions ─────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, policy: Policy) -> None:
        """Do what the policy says until it says nothing more, then fill the engines."""
        while any(engine.state in ("unloaded", "asleep") and engine.left for engine in self.engines):
            action = policy(self.standings(), self.instance.capacities)
            if action is None:
                break
            self.apply(action)
        self.fill()

    def fill(self) -> None:
        """Hand over what waits to engines that are awake."""
        for engine in self.engines:
            if engine.state == "awake" and len(engine.rows) < engine.model.max_num_seqs:
                engine.admit()
                if engine.rows and engine.busy_since is None:
                    engine.busy_since = self.now

    def standings(self) -> list[Standing]:
        """All models as the rule sees them."""
        awake = sum(1 << i for i, engine in enumerate(self.engines) if engine.state == "awake")
        found = []
        for i, engine in enumerate(self.engines):
            waiting, present = engine.waiting, engine.state == "awake"
            summaries = len(engine.ready[Queue.SUMMARY])
            turns = waiting - summaries
            work_s = self.outlooks[i].work_s(turns) if turns else self.of_summaries[i].work_s(summaries)
            coming = 0
            if present and not waiting:
                coming = sum(
                    number
                    for (sitting, missing), number in self.groups.items()
                    if sitting >> i & 1 and not missing & ~awake and not missing >> i & 1
                )
            rest_s = 0.0
            if present and engine.rows and not waiting and not coming:
                rest_s = engine.debt_s + self._rest_tokens(i) * engine.step_s()
            sleep = engine.model.sleep if engine.left else None
            found.append(
                Standing(
                    model_id=engine.model.model_id,
                    state=engine.state,
                    devices=engine.model.devices,
                    awake_bytes=engine.model.awake_bytes,
                    asleep_bytes=sleep.asleep_bytes if sleep else 0,
                    running=len(engine.rows),
                    waiting=waiting,
                    coming=coming,
                    awaited=turns > 0 if summaries else self.turns_left[i] > 0,
                    waiting_s=0.0 if present or not waiting else work_s,
                    rest_s=rest_s,
                    activate_s=engine.activate_s(),
                    return_s=engine.return_s(),
                    turn_s=self.outlooks[i].turn_s or self.of_summaries[i].turn_s,
                    rows=engine.model.max_num_seqs,
                )
            )
        return found

    def _rest_tokens(self, number: int) -> float:
        """How much longer the longest of an engine's rows is expected to go on."""
        engine, found = self.engines[number], []
        for outlook, of_summaries in ((self.outlooks[number], False), (self.of_summaries[number], True)):
            begun = [row[2] for row in engine.rows if (row[3].queue == Queue.SUMMARY) == of_summaries]
            if begun:
                found += [outlook.rest_tokens(engine.clock - at) for at in (min(begun), max(begun))]
        return max(found)

    def apply(self, action: Activate) -> None:
        """Put away and begin to load or wake."""
        number = self._number(action.model_id)
        engine = self.engines[number]
        if engine.state not in ("unloaded", "asleep"):
            raise ValueError(f"{action.model_id} is {engine.state}")
        steps = [(model_id, *self._put_away(model_id, action)) for model_id in action.instead_of]
        part: Part = "wake" if engine.state == "asleep" else "load"
        steps.append((action.model_id, engine.activate_s(), part))
        engine.loads += part == "load"
        at, phases = self.now, list[tuple[float, Part]]()
        for model_id, seconds, what in steps:
            if seconds:
                self._timeline.append(Span(at, at + seconds, model_id, what))
            at += seconds
            phases.append((at, what))
        engine.state = "changing"
        engine.activations += 1
        self.changes.append(_Change(number, engine.model.devices, phases))
        self._check_memory()

    def _put_away(self, model_id: str, action: Activate) -> tuple[float, Part]:
        engine = self.engines[self._number(model_id)]
        if engine.rows:
            if not action.abort:
                raise ValueError(f"{model_id} has work")
            self._end_span(engine)
            engine.take_back()
        was_asleep = engine.state == "asleep"
        if action.close or engine.model.sleep is None or not engine.left:
            engine.state = "unloaded"
            return (0.0 if was_asleep else engine.model.close_s), "close"
        seconds = engine.sleep_s()
        engine.sleeps += 1
        engine.state = "asleep"
        return seconds, "sleep"

    def _check_memory(self) -> None:
        free = list(self.instance.capacities)
        for engine in self.engines:
            model = engine.model
            asleep = model.sleep.asleep_bytes if engine.state == "asleep" and model.sleep else 0
            taken = model.awake_bytes if engine.state in ("awake", "changing") else asleep
            for device in model.devices:
                free[device] -= taken
        if min(free) < 0:
            raise ValueError("more memory is taken than there is")

    def _number(self, model_id: str) -> int:
        return next(i for i, model in enumerate(self.instance.models) if model.model_id == model_id)

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self) -> None:
        """Go to the next event.

        Raises:
            Stalled: There is none.
        """
        shares = self._shares()
        next_s = {i: self.engines[i].next_s() / share for i, share in shares.items()}
        steps = [*next_s.values(), *(change.phases[0][0] - self.now for change in self.changes)]
        if not steps:
            raise Stalled(f"{self.left} turns are left and no engine works or changes")
        step = max(min(steps), 0.0)
        self._account(step, shares)
        self.now += step
        for i, seconds in next_s.items():
            engine = self.engines[i]
            for task in engine.work(step * shares[i], reaches_end=seconds <= step):
                self._finish(i, task)
            if not engine.rows and not engine.waiting:
                self._end_span(engine)
        for change in list(self.changes):
            self._end_phases(change)

    def _end_phases(self, change: _Change) -> None:
        while change.phases and change.phases[0][0] <= self.now + 1e-9:
            change.phases.pop(0)
        if not change.phases:
            self.changes.remove(change)
            self.engines[change.engine].state = "awake"

    def _shares(self) -> dict[int, float]:
        """What each working engine gets of its devices: of several devices, what the busiest leaves."""
        busy = [i for i, engine in enumerate(self.engines) if engine.rows]
        if self.instance.sharing == "turns":
            return dict.fromkeys(self._take_turns(busy), 1.0)
        load = [0] * len(self.instance.capacities)
        for i in busy:
            for device in self.engines[i].model.devices:
                load[device] += 1
        return {i: 1.0 / max(load[device] for device in self.engines[i].model.devices) for i in busy}

    def _take_turns(self, busy: list[int]) -> list[int]:
        """Who works now: who had the turn keeps it until it is dry; then the first in the panel's order that can."""
        turn = {device: i for device, i in self._turn.items() if i in busy}
        for i in busy:
            devices = self.engines[i].model.devices
            if not any(device in turn for device in devices):
                turn.update(dict.fromkeys(devices, i))
        self._turn = turn
        return sorted(set(turn.values()))

    def _account(self, step: float, shares: dict[int, float]) -> None:
        parts: list[Part] = ["idle"] * len(self._parts)
        for change in self.changes:
            for device in change.devices:
                parts[device] = change.phases[0][1]
        for i in shares:
            for device in self.engines[i].model.devices:
                parts[device] = "generate"
        for seconds, part in zip(self._parts, parts, strict=True):
            seconds[part] = seconds.get(part, 0.0) + step

    def _end_span(self, engine: SimulatedEngine) -> None:
        if engine.busy_since is not None:
            self._timeline.append(Span(engine.busy_since, self.now, engine.model.model_id, "generate"))
            engine.busy_since = None


def _mask(counts: Sequence[int]) -> int:
    return _bits(i for i, number in enumerate(counts) if number)


def _bits(models: Iterable[int]) -> int:
    return sum(1 << i for i in set(models))
