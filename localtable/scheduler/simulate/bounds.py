"""What no schedule can beat: lower bounds of the makespan, derived in docs/scheduling.md.

A device is either generating or not, so its time is its work plus the part of its loads in which nothing could
generate. The work is bounded by what full batches would take; the loads by what a single debate demands, since every
debate needs each model in each round and only so many fit side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from localtable.scheduler.simulate.instance import Instance, Model, Turn
from localtable.scheduler.simulate.load_paths import MAX_SEARCHED, LoadPaths, Weights


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound of the makespan."""

    seconds: float
    swap_s: float = 0.0
    """Seconds that loading, waking and putting to sleep take at least, hidden behind work or not."""
    exposed_s: float = 0.0
    """What the bound is above the work alone: swaps that nothing can hide."""

    @property
    def swap_share(self) -> float:
        return self.swap_s / self.seconds


def lower_bound(instance: Instance, *, times: float = 1.0) -> Bound:
    """The best bound known: of each device, and of the longest debate.

    Args:
        instance: What is to be done.
        times: That so many times these debates are to be held: a device's work grows with them, what nothing can hide
            and the longest debate don't.
    """
    devices = range(len(instance.capacities))
    bounds = [device_bound(part, device) for part in _alike(instance) for device in devices]
    grown = [replace(b, seconds=b.exposed_s + (b.seconds - b.exposed_s) * times) for b in bounds]
    return max([*grown, Bound(chain_s(instance))], key=lambda bound: bound.seconds)


def _alike(instance: Instance) -> Iterator[Instance]:
    """Where debates have other models than others: for each set of models those that need all of it, and only it.

    What is left out can only make a run shorter; and in each round of the longest debate every model of the set speaks.
    """
    if not instance.panels:
        yield instance
        return
    sets = [frozenset(seats) for seats in instance.panels]
    for models in dict.fromkeys(sets):
        mine = [debate for debate, others in enumerate(sets) if models <= others]
        turns = tuple(instance.turns[debate] for debate in mine)
        panels = tuple(instance.panels[debate] for debate in mine)
        closings = tuple(instance.closing_of(debate) for debate in mine)
        yield replace(instance, seats=tuple(sorted(models)), turns=turns, panels=panels, closings=closings)


@dataclass(frozen=True, slots=True)
class Work:
    """Least seconds of a device's time that a model's turns take, whatever the schedule.

    Each token costs its row, each prompt token its prefill; and steps are at least as many as full batches need, and as
    the debate has that says most in a row.
    """

    first_s: float
    """Rows and prompts of first rounds."""
    later_s: float
    """Those of later rounds, and of summaries."""
    first_steps_s: float
    """Steps of first rounds in full batches."""
    later_steps_s: float
    chain_steps_s: float
    """Steps of the debate that says most in all rounds together."""
    later_chain_steps_s: float
    """The same without first rounds."""

    @property
    def seconds(self) -> float:
        steps_s = max(self.first_steps_s + self.later_steps_s, self.chain_steps_s)
        return self.first_s + self.later_s + steps_s

    def weighted_s(self, first: float, later: float) -> float:
        """The part that a bound may count beside its loads.

        Args:
            first: The model's weight while first loads go on.
            later: The same after that. First rounds may be worked on at any time, later ones only then.
        """
        anywhere, after = 1 - max(first, later), 1 - later
        steps_s = max(
            anywhere * self.first_steps_s + after * self.later_steps_s,
            anywhere * self.chain_steps_s,
            after * self.later_chain_steps_s,
        )
        return anywhere * self.first_s + after * self.later_s + steps_s


def work_of(instance: Instance, number: int) -> Work:
    """A model's least work."""
    model = instance.models[number]
    seconds, tokens = [0.0, 0.0], [0, 0]
    chain = later_chain = at_once = 0
    for place, debate in enumerate(instance.turns):
        in_a_row: list[int] = []
        closing = instance.closing_of(place)
        sums_up = closing is not None and closing.model == number
        at_once += max(instance.seats_of(place).count(number), sums_up)
        if closing is not None and sums_up:
            tokens[1] += closing.turn.decode_tokens
            seconds[1] += _alone_s(model, closing.turn)
        for opened in debate:
            turns = _turns_in(instance, place, opened, number)
            is_later = bool(in_a_row)
            said = sum(turn.decode_tokens for turn in turns)
            tokens[is_later] += said
            read_s = model.speed.prefill_s * sum(turn.prefill_tokens for turn in turns)
            seconds[is_later] += read_s + model.speed.row_s * said
            in_a_row.append(max((turn.decode_tokens for turn in turns), default=0))
        chain, later_chain = max(chain, sum(in_a_row)), max(later_chain, sum(in_a_row[1:]))
    rows, step_s = max(min(model.max_num_seqs, at_once), 1), model.speed.step_s
    return Work(
        seconds[0],
        seconds[1],
        tokens[0] / rows * step_s,
        tokens[1] / rows * step_s,
        chain * step_s,
        later_chain * step_s,
    )


def _alone_s(model: Model, turn: Turn) -> float:
    """Least seconds of a turn, its steps aside: others may share them."""
    return turn.prefill_tokens * model.speed.prefill_s + turn.decode_tokens * model.speed.row_s


def _turns_in(instance: Instance, debate: int, opened: Sequence[Turn], model: int) -> list[Turn]:
    return [turn for seat, turn in zip(instance.seats_of(debate), opened, strict=True) if seat == model]


def chain_s(instance: Instance) -> float:
    """Least seconds of the longest debate: its rounds one after another, in each the busiest device's share of it.

    Its summary comes behind them.
    """

    def of_round(debate: int, opened: Sequence[Turn]) -> float:
        by_device = [0.0] * len(instance.capacities)
        for number, model in enumerate(instance.models):
            turns = _turns_in(instance, debate, opened, number)
            if not turns:
                continue
            tokens = sum(turn.decode_tokens for turn in turns)
            longest = max(tokens / model.max_num_seqs, max(turn.decode_tokens for turn in turns))
            prefill_s = model.speed.prefill_s * sum(turn.prefill_tokens for turn in turns)
            for device in model.devices:
                by_device[device] += prefill_s + model.speed.row_s * tokens + model.speed.step_s * longest
        return max(by_device)

    def of_closing(debate: int) -> float:
        closing = instance.closing_of(debate)
        if closing is None:
            return 0.0
        model = instance.models[closing.model]
        return _alone_s(model, closing.turn) + model.speed.step_s * closing.turn.decode_tokens

    first = min(model.first_load_s for model in instance.models)
    return first + max(
        sum(of_round(place, opened) for opened in debate) + of_closing(place)
        for place, debate in enumerate(instance.turns)
    )


def device_bound(instance: Instance, device: int) -> Bound:
    """The least time of one device.

    For any weights between 0 and 1, makespan ≥ Σ (1 − weight) × work + the cheapest way of loads, where a load counts
    as its seconds times the least weight of what stays awake beside it, 1 where nothing does. Weights 0 say that loads
    hide behind any engine that is awake, weights 1 that they hide everything; the best of several is taken. Of models
    that only sum up no debate says when they are awake: beside their work nothing counts but the first load, unless
    they fit beside no model that debates; then their time comes on top.
    """
    here = [number for number, model in enumerate(instance.models) if device in model.devices]
    numbers = [number for number in here if number in instance.seats]
    all_work = {number: work_of(instance, number).seconds for number in here}
    loads = [instance.models[number].first_load_s for number in here if all_work[number]]
    by_work = Bound(sum(all_work.values()) + min(loads, default=0.0), exposed_s=min(loads, default=0.0))
    if not numbers:
        return by_work
    works = [work_of(instance, number) for number in numbers]
    paths = LoadPaths([instance.models[number] for number in numbers], instance.capacities[device], instance.rounds)

    @cache
    def seconds(weights: Weights) -> float:
        # The model that is loaded last has all its work before it.
        last = [
            work.weighted_s(later, later) - work.weighted_s(first, later)
            for work, first, later in zip(works, *weights, strict=True)
        ]
        counted = sum(work.weighted_s(first, later) for work, first, later in zip(works, *weights, strict=True))
        return counted + paths.least_s(weights, last)

    def uniform(first: float, later: float) -> Weights:
        return Weights((first,) * len(numbers), (later,) * len(numbers))

    best = max(itertools.starmap(uniform, ((0, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 0.5))), key=seconds)
    improved = len(numbers) <= MAX_SEARCHED
    while improved:
        improved = False
        for part, index, value in itertools.product((1, 0), range(len(numbers)), (0, 1)):
            changed = list(best)
            changed[part] = (*best[part][:index], value, *best[part][index + 1 :])
            if seconds(Weights(*changed)) > seconds(best) + 1e-6:
                best, improved = Weights(*changed), True
    all_loads = uniform(1, 1)
    found = seconds(best)
    exposed = max(found - sum(work.seconds for work in works), 0.0)
    room = instance.capacities[device] - min(instance.models[number].awake_bytes for number in numbers)
    apart = [n for n in here if n not in numbers and all_work[n] and instance.models[n].awake_bytes > room]
    if apart:
        first_s = min(instance.models[number].first_load_s for number in apart)
        found, exposed = found + first_s + sum(all_work[number] for number in apart), exposed + first_s
    by_loads = Bound(found, paths.least_s(all_loads), exposed)
    return by_loads if found >= by_work.seconds else replace(by_work, swap_s=by_loads.swap_s)
