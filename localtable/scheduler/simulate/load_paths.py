"""The loads that one debate demands of one device, at least: a shortest path, or a knapsack where that is too long."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from localtable.scheduler.simulate.instance import Model

MAX_SEARCHED = 8
"""Models on one device up to which the cheapest order of loads is searched; with more, the knapsack bound stands."""


class Weights(NamedTuple):
    """How far a load beside a model counts, by model: before the last first load is over, and after."""

    first: tuple[float, ...]
    later: tuple[float, ...]


class LoadPaths:
    """The loads that one debate demands of a device, at least.

    In each round every model must be awake at some time, and what is awake together must fit. A state is the round,
    what is awake, and what has been awake in this round; the cheapest way through is found by Dijkstra's algorithm.
    """

    def __init__(self, models: Sequence[Model], capacity: int, rounds: int) -> None:
        """`models` are all that sit on the device, `capacity` its bytes, `rounds` those of a debate."""
        self._models, self._capacity, self._rounds = models, capacity, rounds
        self._all = (1 << len(models)) - 1
        self._moves = lru_cache(maxsize=None)(self._find_moves)

    def least_s(self, weights: Weights, last: Sequence[float] | None = None) -> float:
        """The least seconds of loading, waking and putting to sleep over a whole run.

        Args:
            weights: How far a load beside a model counts.
            last: Added for the model that is loaded last of all, by model.
        """
        if len(self._models) > MAX_SEARCHED:
            return self._knapsack_s(min(*weights.first, *weights.later))
        return self.rest_s(0, 0, 0, weights, last=last) + self._surcharge_s(weights)

    def rest_s(
        self,
        round_number: int,
        awake: int,
        seen: int,
        weights: Weights,
        *,
        loaded: int = 0,
        last: Sequence[float] | None = None,
    ) -> float:
        """The same from a moment on, without what first sleeps cost more.

        Args:
            round_number: From 0, of the debate.
            awake: Bits of what is awake.
            seen: Bits of what has been awake in this round.
            weights: As above.
            loaded: Bits of what has been loaded before.
            last: As above.
        """
        hidden = self._hidden(weights)
        counts = [self._by_beside(part) for part in weights]
        heap = [(0.0, *self._normal(round_number, awake, seen | awake))]
        done: set[tuple[int, int, int]] = set()
        while heap:
            cost, number, awake, seen = heapq.heappop(heap)
            if number == self._rounds:
                return cost
            if (number, awake, seen) in done:
                continue
            done.add((number, awake, seen))
            count = counts[number > 0]
            for model, beside in self._moves(awake):
                if number or (seen | loaded) >> model & 1:
                    added = self._return_s(model, count[beside], hidden[model])
                else:
                    added = self._models[model].first_load_s * count[beside]
                    if last is not None and seen | 1 << model == self._all:
                        added += last[model]
                after = beside | 1 << model
                state = self._normal(number, after, seen | after)
                if state not in done:
                    heapq.heappush(heap, (cost + added, *state))
        raise ValueError("a model does not fit")

    def _by_beside(self, weights: Sequence[float]) -> list[float]:
        """How far a load counts, by the bits of what is awake beside it."""
        least = [1.0]
        for weight in weights:
            least += [min(other, weight) for other in least]
        return least

    def _normal(self, number: int, awake: int, seen: int) -> tuple[int, int, int]:
        while seen == self._all and number < self._rounds:
            number, seen = number + 1, awake
        return (number, 0, 0) if number == self._rounds else (number, awake, seen)

    def _find_moves(self, awake: int) -> list[tuple[int, int]]:
        """Every load from here: the model, and what stays awake beside it.

        Only the largest sets that can stay: what may go can go at a later load just as well.
        """
        found = []
        for model in range(len(self._models)):
            if awake >> model & 1:
                continue
            room = self._capacity - self._models[model].awake_bytes
            kept: list[int] = []
            for subset in _subsets(awake):
                if self._bytes(subset) <= room and not any(subset | other == other for other in kept):
                    kept.append(subset)
            found += [(model, subset) for subset in kept]
        return found

    def _bytes(self, subset: int) -> int:
        return sum(model.awake_bytes for i, model in enumerate(self._models) if subset >> i & 1)

    def _hidden(self, weights: Weights) -> list[float]:
        """By model, the least weight that putting it away can have: of all that it could sit beside."""
        found = []
        for number, gone in enumerate(self._models):
            room = self._capacity - gone.awake_bytes
            beside = [i for i, model in enumerate(self._models) if i != number and model.awake_bytes <= room]
            found.append(min((weight for part in weights for i, weight in enumerate(part) if i in beside), default=1.0))
        return found

    def _return_s(self, number: int, beside: float, hidden: float) -> float:
        model = self._models[number]
        reload_s = model.later_load_s * beside + model.close_s * hidden
        if model.sleep is None:
            return reload_s
        return min(reload_s, model.sleep.wake_s * beside + model.sleep.later_s * hidden)

    def _surcharge_s(self, weights: Weights) -> float:
        """What first sleeps cost more than later ones: of all models but those that may stay after the first round."""
        if self._rounds == 1:
            return 0.0
        more = []
        for model, hidden in zip(self._models, self._hidden(weights), strict=True):
            sleep = model.sleep
            if sleep is None:
                more.append(0.0)
                continue
            by_closing = model.later_load_s + model.close_s - sleep.wake_s - sleep.later_s
            more.append(hidden * max(0.0, min(sleep.first_s - sleep.later_s, by_closing)))
        return sum(more) - self._most_kept(more)

    def _most_kept(self, values: Sequence[float]) -> float:
        """The most that a set which fits is worth (a knapsack)."""
        by_bytes = {0: 0.0}
        for model, value in zip(self._models, values, strict=True):
            for taken, worth in list(by_bytes.items()):
                more = taken + model.awake_bytes
                if more <= self._capacity and by_bytes.get(more, -1.0) < worth + value:
                    by_bytes[more] = worth + value
        return max(by_bytes.values())

    def _knapsack_s(self, weight: float) -> float:
        """Each model's first load, and in each later round again all but what can have stayed."""
        returns = [weight * self._return_s(number, 1.0, 1.0) for number in range(len(self._models))]
        firsts = weight * sum(model.first_load_s for model in self._models)
        return firsts + (self._rounds - 1) * (sum(returns) - self._most_kept(returns))


def _subsets(mask: int) -> Iterator[int]:
    """All subsets, the larger numbers first, so that none comes before one that holds it."""
    subset = mask
    while True:
        yield subset
        if not subset:
            return
        subset = (subset - 1) & mask
