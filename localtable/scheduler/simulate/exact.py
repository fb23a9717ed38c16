"""The shortest makespan of a small instance, by branch and bound over all decisions.

At every event: activate any model that isn't awake, with any set put away that makes room and of which none could stay,
asleep or closed, at work or not; or wait. What engines do with what they have is the simulator's, as for the policy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from localtable.scheduler.policy import Activate, Standing
from localtable.scheduler.simulate.instance import Instance
from localtable.scheduler.simulate.load_paths import LoadPaths, Weights
from localtable.scheduler.simulate.simulation import Simulation, simulate

EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Optimum:
    """What the search found."""

    makespan_s: float
    proven: bool
    """Everything was looked at; else the search was cut short, and this is only the best that it met."""
    nodes: int


def optimum(instance: Instance, *, max_nodes: int = 200_000, at_most_s: float | None = None) -> Optimum:
    """Search.

    Args:
        instance: A small one: time grows exponentially with the number of turns.
        max_nodes: Moments looked at before the search gives up.
        at_most_s: A makespan that is known to be possible; the pool's own rule gives one otherwise.

    Raises:
        ValueError: Debates differ in their seats, are summed up, or read what a cache has lost: the search knows none
            of these.
    """
    if instance.panels or instance.closings or any(turn.lost_tokens for turns in instance.turns_of for turn in turns):
        raise ValueError("the search knows debates of one panel alone, without summaries and lost caches")
    best = simulate(instance).makespan_s if at_most_s is None else at_most_s
    rest = _Rest(instance)
    seen: dict[tuple[object, ...], float] = {}
    stack = [Simulation(instance)]
    nodes = 0
    while stack:
        moment = stack.pop()
        if not moment.left:
            best = min(best, moment.now)
            continue
        if moment.now + rest.least_s(moment) >= best - EPSILON_S:
            continue
        key = moment.signature()
        if seen.get(key, float("inf")) <= moment.now + EPSILON_S:
            continue
        seen[key] = moment.now
        nodes += 1
        if nodes > max_nodes:
            return Optimum(best, False, nodes)
        waits = moment.copy()
        waits.fill()
        if waits.changes or any(engine.rows for engine in waits.engines):
            waits.advance()
            stack.append(waits)
        # Decisions are met before waiting: the stack gives the last one first.
        for action in _actions(moment):
            child = moment.copy()
            child.apply(action)
            stack.append(child)
    return Optimum(best, True, nodes)


def _actions(moment: Simulation) -> Iterator[Activate]:
    capacities = moment.instance.capacities
    standings = moment.standings()
    changing = {device for s in standings if s.state == "changing" for device in s.devices}
    free = list(capacities)
    for standing in standings:
        for device in standing.devices:
            free[device] -= standing.bytes_now()
    for standing, engine in zip(standings, moment.engines, strict=True):
        if standing.present or not engine.left or not changing.isdisjoint(standing.devices):
            continue
        useful = [
            other
            for other in standings
            if other is not standing
            and other.state in ("awake", "asleep")
            and set(other.devices) & set(standing.devices)
        ]
        for close in (False, True):
            chosen: list[set[str]] = []
            for number in range(len(useful) + 1):
                for gone in itertools.combinations(useful, number):
                    names = {other.model_id for other in gone}
                    if any(fewer <= names for fewer in chosen) or not _makes_room(standing, gone, free, close=close):
                        continue
                    chosen.append(names)
                    if close and not gone:
                        continue
                    aborts = any(other.running for other in gone)
                    yield Activate(standing.model_id, tuple(o.model_id for o in gone), close, aborts)


def _makes_room(standing: Standing, gone: tuple[Standing, ...], free: list[int], *, close: bool) -> bool:
    for device in standing.devices:
        freed = sum(o.bytes_now() - (0 if close else o.asleep_bytes) for o in gone if device in o.devices)
        if standing.awake_bytes - standing.bytes_now() > free[device] + freed:
            return False
    return True


class _Rest:
    """A lower bound of what is still to come."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._on = [
            [i for i, model in enumerate(instance.models) if device in model.devices]
            for device in range(len(instance.capacities))
        ]
        paths = [
            LoadPaths([instance.models[i] for i in numbers], capacity, instance.rounds)
            for numbers, capacity in zip(self._on, instance.capacities, strict=True)
        ]
        self._loads_s = lru_cache(maxsize=None)(
            lambda device, number, awake, seen, loaded, weight: paths[device].rest_s(
                number, awake, seen, Weights(*((weight,) * len(self._on[device]),) * 2), loaded=loaded
            )
        )
        self._rows = [
            min(model.max_num_seqs, instance.seats.count(i) * len(instance.turns))
            for i, model in enumerate(instance.models)
        ]
        # By model, debate and round: prompt tokens, tokens and longest turn of each round from that one on.
        self._later = [
            [self._sums(i, debate) for debate in range(len(instance.turns))] for i in range(len(instance.models))
        ]

    def _sums(self, model: int, debate: int) -> list[tuple[float, float, float]]:
        sums = [(0.0, 0.0, 0.0)]
        for opened in reversed(self._instance.turns[debate]):
            turns = [turn for seat, turn in enumerate(opened) if self._instance.seats[seat] == model]
            prompt, tokens, chain = sums[-1]
            longest = max((turn.decode_tokens for turn in turns), default=0)
            sums.append(
                (
                    prompt + sum(turn.prefill_tokens for turn in turns),
                    tokens + sum(turn.decode_tokens for turn in turns),
                    chain + longest,
                )
            )
        return sums[::-1]

    def _work_s(self, moment: Simulation, i: int) -> float:
        engine = moment.engines[i]
        speed = engine.model.speed
        prompt, tokens = 0.0, 0.0
        chains = []
        now: dict[int, float] = {}
        for end, _, _, task in engine.rows:
            rest = end - engine.clock
            tokens += rest
            now[task.debate] = max(now.get(task.debate, 0.0), rest)
        for task in itertools.chain(*engine.ready):
            prompt += task.prefill_tokens
            tokens += task.decode_tokens
            now[task.debate] = max(now.get(task.debate, 0.0), task.decode_tokens)
        for debate, number in enumerate(moment.open_rounds):
            later_prompt, later_tokens, chain = self._later[i][debate][number + 1]
            prompt += later_prompt
            tokens += later_tokens
            chains.append(chain + now.get(debate, 0.0))
        steps = max(tokens / max(self._rows[i], 1), max(chains))
        return engine.debt_s + speed.prefill_s * prompt + speed.row_s * tokens + speed.step_s * steps

    def least_s(self, moment: Simulation) -> float:
        """Seconds that no schedule can do without from here."""
        works = [self._work_s(moment, i) for i in range(len(moment.engines))]
        best = 0.0
        for device, numbers in enumerate(self._on):
            awake = loaded = 0
            for bit, i in enumerate(numbers):
                awake |= (moment.engines[i].state in ("awake", "changing")) << bit
                loaded |= bool(moment.engines[i].loads) << bit
            states = {
                (number, sum(1 << bit for bit, i in enumerate(numbers) if not missing[i]))
                for number, missing in zip(moment.open_rounds, moment.missing, strict=True)
                if any(missing)
            }
            work = sum(works[i] for i in numbers)
            for number, seen in states:
                alone = self._loads_s(device, number, awake, seen, loaded, 0.0)
                every = self._loads_s(device, number, awake, seen, loaded, 1.0)
                best = max(best, work + alone, every)
        return best
