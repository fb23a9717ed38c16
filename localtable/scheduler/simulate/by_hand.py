"""What others would do with the same machine: engines one after another, in an order that is fixed beforehand."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from localtable.scheduler.simulate.instance import Instance, Model, Turn


@dataclass(frozen=True, slots=True)
class Batch:
    """Turns that a model is given at once, and that are waited for."""

    model: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it took."""

    makespan_s: float
    num_activations: int


def per_question(instance: Instance) -> Iterator[list[Batch]]:
    """Question by question, round by round, all of a model's seats at once."""
    for debate in instance.turns:
        for number in range(instance.rounds):
            yield _stage(instance, [debate[number]])


def per_round(instance: Instance) -> Iterator[list[Batch]]:
    """All questions' first rounds model by model in the panel's order, then all second rounds, and so on."""
    for number in range(instance.rounds):
        yield _stage(instance, [debate[number] for debate in instance.turns])


def _stage(instance: Instance, opened: Sequence[Sequence[Turn]]) -> list[Batch]:
    turns: list[list[Turn]] = [[] for _ in instance.models]
    for round_turns in opened:
        for seat, turn in enumerate(round_turns):
            turns[instance.seats[seat]].append(turn)
    return [Batch(model, tuple(found)) for model, found in enumerate(turns) if found]


def per_operator(instance: Instance) -> Iterator[list[Batch]]:
    """Operators in the order of their listing, each over all questions.

    This is what Halo's public scheduler does on one device (`halo/schedulers/search.py` of mlsys-io/Halo_demo): at each
    step it takes the first ready operator by out-degree, and the seats of a round are equal in that. Its switch penalty
    chooses between devices, so with one device it is never asked.
    """
    for number in range(instance.rounds):
        for seat, model in enumerate(instance.seats):
            yield [Batch(model, tuple(debate[number][seat] for debate in instance.turns))]


def by_constant_penalty(
    instance: Instance, sizes: Sequence[float], max_tokens: int, *, penalty: float = 300.0, bonus: float = -80.0
) -> Iterator[list[Batch]]:
    """The rule meant by Halo's cost, asked of all ready operators: the cheapest one next.

    An operator costs questions × its token bound × billions of parameters, 300 more where the model changes, 80 less
    where it doesn't.

    Args:
        instance: On one device.
        sizes: Billions of parameters, by model.
        max_tokens: The operators' token bound.
        penalty: What a change of models costs.
        bonus: What keeping the model costs.
    """
    last: int | None = None
    for number in range(instance.rounds):
        ready = list(range(len(instance.seats)))
        while ready:

            def cost(seat: int, last: int | None = last) -> float:
                model = instance.seats[seat]
                demand = len(instance.turns) * max_tokens * sizes[model]
                return demand + (0.0 if last is None else bonus if model == last else penalty)

            seat = min(ready, key=cost)
            ready.remove(seat)
            last = instance.seats[seat]
            yield [Batch(last, tuple(debate[number][seat] for debate in instance.turns))]


def one_after_another(
    instance: Instance, stages: Iterable[Sequence[Batch]], *, sleeps: bool = True, keeps: bool = True
) -> Outcome:
    """Run stages: within one, each device does its batches in order; the next begins when all are done.

    Args:
        instance: Devices and models.
        stages: What is to be done.
        sleeps: Engines sleep where they can; else they are closed and loaded anew.
        keeps: An engine stays awake until its memory is needed, the one used longest ago goes first; else each is put
            away before the next one comes.
    """
    clocks = [0.0] * len(instance.capacities)
    awake: list[int] = []
    loaded: set[int] = set()
    slept: set[int] = set()
    asleep: set[int] = set()
    activations = 0
    for stage in stages:
        for batch in stage:
            model = instance.models[batch.model]
            at = max(clocks[device] for device in model.devices)
            if batch.model in awake:
                awake.remove(batch.model)
            else:
                activations += 1
                for gone in list(awake):
                    if keeps and _fits(instance, [*awake, batch.model], asleep):
                        break
                    if not set(instance.models[gone].devices) & set(model.devices):
                        continue
                    awake.remove(gone)
                    sleep = instance.models[gone].sleep if sleeps else None
                    if sleep is None:
                        at += instance.models[gone].close_s
                    else:
                        at += sleep.later_s if gone in slept else sleep.first_s
                        slept.add(gone)
                        asleep.add(gone)
                for resting in sorted(asleep - {batch.model}):
                    if _fits(instance, [*awake, batch.model], asleep):
                        break
                    asleep.discard(resting)
                if batch.model in asleep and model.sleep is not None:
                    at += model.sleep.wake_s
                else:
                    at += model.later_load_s if batch.model in loaded else model.first_load_s
                asleep.discard(batch.model)
                loaded.add(batch.model)
            awake.append(batch.model)
            at += batch_s(model, batch.turns)
            for device in model.devices:
                clocks[device] = at
        clocks = [max(clocks)] * len(clocks)
    return Outcome(max(clocks), activations)


def _fits(instance: Instance, awake: Sequence[int], asleep: set[int]) -> bool:
    free = list(instance.capacities)
    for number, model in enumerate(instance.models):
        residue = model.sleep.asleep_bytes if model.sleep and number in asleep else 0
        for device in model.devices:
            free[device] -= model.awake_bytes if number in awake else residue
    return min(free) >= 0


def batch_s(model: Model, turns: Sequence[Turn]) -> float:
    """Seconds of a batch on an engine that has its devices to itself, rows filled in order as they become free."""
    speed = model.speed
    seconds = sum(turn.prefill_tokens for turn in turns) * speed.prefill_s
    ends: list[float] = []
    clock = 0.0
    waiting = iter(turns)
    for turn in waiting:
        if len(ends) == model.max_num_seqs:
            end = heapq.heappop(ends)
            seconds += (end - clock) * (speed.step_s + speed.row_s * model.max_num_seqs)
            clock = end
        heapq.heappush(ends, clock + turn.decode_tokens)
    while ends:
        end = ends[0]
        seconds += (end - clock) * (speed.step_s + speed.row_s * len(ends))
        clock = heapq.heappop(ends)
    return seconds
