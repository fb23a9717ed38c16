"""Figures as functions of sums over questions: the one form that the bootstrap, the jackknife and regrouping share.

Nearly every figure of an analysis is one: a share is a sum over a sum, Fleiss' kappa a function of summed agreements
and category counts, an expected calibration error of summed differences by bin. A question resampled twice then
counts twice by adding its row twice, so that thousands of resamples are one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers, Numbers

NO_CASE = "no question has a case of this"

Interval = Literal["bca", "percentile"]
"""How resamples become an interval: of skewed figures, and of symmetric ones."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure: `function` of the column sums of `sums`."""

    sums: Floats
    """[rows, columns] one row for each question, or for each debate until `by_cluster`; all 0 where it has no case."""
    function: Callable[[Floats], Floats]
    """[…, columns] sums → […] values, not finite where they are undefined. Of module level: statistics that share
    theirs are computed together."""
    low: float = float("-inf")
    """What the figure can't be below."""
    high: float = float("inf")
    """What it can't be above."""
    undefined: str = NO_CASE
    """What to say where the function has no finite value."""
    interval: Interval = "bca"

    @property
    def present(self) -> Flags:
        """[rows] which of them have a case."""
        found: Flags = (self.sums != 0).any(axis=1)
        return found

    def by_cluster(self, clusters: Integers, num_clusters: int) -> Statistic:
        """The same figure with rows summed by question, the unit of inference.

        Args:
            clusters: [rows] each one's question, from 0.
            num_clusters: Questions in all, those without a row included.
        """
        import numpy as np

        sums = np.zeros((num_clusters, self.sums.shape[1]))
        np.add.at(sums, clusters, self.sums)
        return replace(self, sums=sums)


def divide(sums: Floats) -> Floats:
    """[…, 2] numerator and denominator → […] their ratio."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = sums[..., 0] / sums[..., 1]
    return ratio


def ratio(numerators: Numbers, denominators: Numbers, low: float = 0.0, high: float = 1.0) -> Statistic:
    """Σ numerators ÷ Σ denominators: a share of cases, also of those in a condition (Cochran 1977, ch. 6).

    Args:
        numerators: [rows] for instance a question's seats that were corrected.
        denominators: [rows] its seats that could be; 0 leaves a row out.
        low: Least possible ratio of one row.
        high: Greatest possible ratio of one row.
    """
    import numpy as np

    return Statistic(np.stack([numerators, denominators], axis=1, dtype=np.float64), divide, low, high)


def mean(values: Numbers, present: Flags | None = None, low: float = 0.0, high: float = 1.0) -> Statistic:
    """The mean over rows, each counting once.

    Args:
        values: [rows]
        present: [rows] which of them have a value; all if not given. What the others hold is never looked at.
        low: Least possible value.
        high: Greatest possible value.
    """
    import numpy as np

    there = np.ones(len(values), np.bool_) if present is None else present
    return ratio(np.where(there, values, 0.0), there, low, high)


def mean_difference(
    first: Numbers, second: Numbers, present: Flags | None = None, low: float = 0.0, high: float = 1.0
) -> Statistic:
    """The mean over rows of first minus second, each row counting once.

    Args:
        first: [rows] for instance the share of a question's seats that are right after a round.
        second: [rows] the same before it.
        present: [rows] which of them have both; all if not given. What the others hold is never looked at.
        low: Least possible value of either.
        high: Greatest possible value of either.
    """
    return difference(mean(first, present, low, high), mean(second, present, low, high))


@dataclass(frozen=True, slots=True)
class _Subtracted:
    """A function like another as soon as it subtracts the same two: statistics of one such are computed together."""

    first: Callable[[Floats], Floats]
    second: Callable[[Floats], Floats]
    num_columns: int
    """Of the first."""

    def __call__(self, sums: Floats) -> Floats:
        return self.first(sums[..., : self.num_columns]) - self.second(sums[..., self.num_columns :])


def difference(first: Statistic, second: Statistic) -> Statistic:
    """First minus second, on the same questions: resampled together, so that what they share cancels.

    Ratios of the same denominators (seats that were wrong after a shared first round, say) become the ratio of their
    differences, which has an interval even where hardly any question differs.

    Raises:
        ValueError: The two have different rows.
    """
    import numpy as np

    if len(first.sums) != len(second.sums):
        raise ValueError(f"{len(first.sums)} rows can't be paired with {len(second.sums)}")
    low, high = first.low - second.high, first.high - second.low
    reason = "; ".join(dict.fromkeys((first.undefined, second.undefined)))
    if first.function is second.function is divide and (first.sums[:, 1] == second.sums[:, 1]).all():
        together = np.stack([first.sums[:, 0] - second.sums[:, 0], first.sums[:, 1]], axis=1)
        return Statistic(together, divide, low, high, reason, "percentile")
    function = _Subtracted(first.function, second.function, first.sums.shape[1])
    return Statistic(np.concatenate([first.sums, second.sums], axis=1), function, low, high, reason, "percentile")
