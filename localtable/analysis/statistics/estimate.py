"""What a statistic comes out as: a figure with its interval, or a p-value, or the reason why there is none.

Every function of this folder gives these, so that whoever prints them never meets a NaN: a value that can't be
computed is None and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval.

    Raises:
        ValueError: A number is not finite, or one is missing without a reason.
    """

    value: float | None
    low: float | None
    """Lower bound of the interval; None, as `high`, where there is no interval."""
    high: float | None
    n: int
    """Units of inference: questions that have a case of this."""
    method: str
    """How it was computed, in words that a paper can print."""
    reason: str | None = None
    """Why the value or its interval is missing; None where both are there."""

    def __post_init__(self) -> None:
        _require_finite(self.value, self.low, self.high)
        missing = None in (self.value, self.low, self.high)
        if missing != (self.reason is not None):
            raise ValueError(f"{self}: a reason stands where, and only where, something is missing")


@dataclass(frozen=True, slots=True)
class PValue:
    """The result of a two-sided test.

    Raises:
        ValueError: A number is not finite, or `p` is missing without a reason.
    """

    p: float | None
    n: int
    """Units that the test saw: questions, or discordant pairs for McNemar's."""
    method: str
    statistic: float | None = None
    """The test's own statistic, where it has one that papers print."""
    reason: str | None = None

    def __post_init__(self) -> None:
        _require_finite(self.p, self.statistic)
        if (self.p is None) != (self.reason is not None):
            raise ValueError(f"{self}: a reason stands where, and only where, p is missing")


def _require_finite(*numbers: float | None) -> None:
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise ValueError(f"not finite: {numbers}")
