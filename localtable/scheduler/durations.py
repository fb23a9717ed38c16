"""How long a model's requests take, as far as that has been seen, and how much longer one that runs is expected to."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque

KEPT = 512
"""Of the last requests; what a run's debates are about changes slowly."""


class Durations:
    """Of one model's requests."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """A request has ended."""
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        if len(self._recent) > KEPT:
            del self._sorted[bisect_right(self._sorted, self._recent.popleft()) - 1]

    def rest_s(self, age_s: float) -> float:
        """How much longer a request is expected to run that has run for so long: the mean excess of longer ones.

        Where none was longer, as long again: then what it costs to wait for it is at most twice what it would have
        cost to know its end (the rent-or-buy argument, docs/scheduling.md).
        """
        longer = self._sorted[bisect_right(self._sorted, age_s) :]
        return sum(longer) / len(longer) - age_s if longer else age_s
