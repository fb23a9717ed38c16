"""Intervals by resampling questions: what one question's seats, repeats and rounds share is no evidence twice.

Tails reach as far out as Student's t has them (Hesterberg 2015). Which interval serves which figure was chosen by the
coverage that scripts/check_statistics.py measures; docs/analysis.md has what the others reached.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.resampling import NUM_RESAMPLES, resample_sums
from localtable.analysis.statistics.small_samples import EXACT, SCORE_METHOD, gather, score_interval, t_quantile
from localtable.analysis.statistics.statistic import Interval, Statistic, divide

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Integers

_RESAMPLES = f"with t tails, {NUM_RESAMPLES} resamples of questions"
BOOTSTRAP_METHODS: Mapping[Interval, str] = {
    "bca": f"cluster bootstrap, BCa {_RESAMPLES} (Efron 1987; Hesterberg 2015)",
    "percentile": f"cluster bootstrap, percentile {_RESAMPLES} (Hesterberg 2015)",
}
JACKKNIFE_METHOD = "jackknife over questions, Student's t (Efron & Tibshirani 1993, eq. 11.5)"

MIN_QUESTIONS = 10
"""Fewer are too few for a bootstrap, and so are fewer that differ from the rest (docs/analysis.md has the coverage)."""

MAX_UNDEFINED = 0.05
"""Of resamples: so many may leave a figure undefined, and are left out."""

CELLS_AT_ONCE = 4_000_000
"""Of questions × column sums that are resampled at one time: 32 MB."""


def bootstrap(statistics: Sequence[Statistic], confidence: float = 0.95, name: str = "analysis") -> list[Estimate]:
    """An estimate with its interval for each statistic.

    Args:
        statistics: All over the same questions, by question. One call with many is far cheaper than many with one.
        confidence: Of the intervals; 0.9 serves a test of equivalence.
        name: Seeds the resamples, together with the number of questions.
    """
    found = {
        number: resampled.estimate(place, confidence)
        for resampled in resample(statistics, name)
        for place, number in enumerate(resampled.numbers)
    }
    return [found[number] for number in range(len(statistics))]


def resample(statistics: Sequence[Statistic], name: str = "analysis") -> Iterator[Resampled]:
    """Values in every resample, from which intervals of any confidence follow.

    Yields:
        As many statistics at a time as share their function and fit into memory.
    """
    alike = defaultdict(list)
    for number, statistic in enumerate(statistics):
        alike[statistic.function, statistic.sums.shape].append(number)
    for numbers in alike.values():
        at_once = max(CELLS_AT_ONCE // max(statistics[numbers[0]].sums.size, 1), 1)
        for start in range(0, len(numbers), at_once):
            yield _resample_alike(statistics, numbers[start : start + at_once], name)


@dataclass(frozen=True, slots=True)
class Resampled:
    """Statistics of one function, and what their intervals are made of."""

    numbers: Sequence[int]
    """[statistics] their places among those that were asked for."""
    statistics: Sequence[Statistic]
    values: Floats
    """[statistics] not finite where undefined."""
    num_present: Integers
    """[statistics] questions with a case."""
    replicates: Floats
    """[statistics, resamples] ascending, the undefined last."""
    num_defined: Integers
    """[statistics] resamples with a value."""
    standard_errors: Floats
    """[statistics] of the jackknife; NaN where the figure is undefined without one of the questions."""
    acceleration: Floats
    """[statistics] from the jackknife, likewise."""

    def estimate(self, place: int, confidence: float = 0.95) -> Estimate:
        """One of the statistics with its interval, or the reason why there is none."""
        statistic, value, n = self.statistics[place], float(self.values[place]), int(self.num_present[place])
        method = BOOTSTRAP_METHODS[statistic.interval]
        if n == 0 or not math.isfinite(value):
            return Estimate(None, None, None, n, method, statistic.undefined)
        if n == 1:
            return Estimate(value, None, None, n, method, "one question can't say how questions vary")
        tail = (1 - confidence) / 2
        if statistic.function is divide and math.isfinite(statistic.low) and math.isfinite(statistic.high):
            gathered = gather(statistic, value)
            if min(n, gathered.num_deviating) < MIN_QUESTIONS:
                low, high = score_interval(statistic, gathered.base, t_quantile(tail, n - 1))
                return Estimate(value, low, high, n, SCORE_METHOD)
        reason = self._why_no_width(place)
        if reason is not None:
            return Estimate(value, None, None, n, method, reason)
        if n < MIN_QUESTIONS:
            method = JACKKNIFE_METHOD
            low, high = self._jackknife(place, tail)
        else:
            low, high = self._bounds(place, tail)
        return Estimate(value, max(low, statistic.low), min(high, statistic.high), n, method)

    def _why_no_width(self, place: int) -> str | None:
        error = float(self.standard_errors[place])
        if math.isnan(error):
            return "it is undefined without one of the questions"
        if error <= EXACT * max(abs(float(self.values[place])), 1.0):
            return "no variance: it stays the same whichever question is left out"
        undefined = 1 - float(self.num_defined[place]) / NUM_RESAMPLES
        return f"it is undefined in {undefined:.0%} of resamples" if undefined > MAX_UNDEFINED else None

    def _jackknife(self, place: int, tail: float) -> tuple[float, float]:
        half = t_quantile(tail, int(self.num_present[place]) - 1) * float(self.standard_errors[place])
        return (float(self.values[place]) - half, float(self.values[place]) + half)

    def _bounds(self, place: int, tail: float) -> tuple[float, float]:
        """Quantiles of the replicates, at levels that reach √(n/(n − 1)) t instead of z (Hesterberg 2015)."""
        import numpy as np
        from scipy.special import ndtr

        n = int(self.num_present[place])
        reach = math.sqrt(n / (n - 1)) * t_quantile(tail, n - 1)
        skewed = self.statistics[place].interval == "bca"
        levels = self._accelerated(place, reach) if skewed else ndtr([-reach, reach])
        low, high = np.quantile(self.replicates[place, : self.num_defined[place]], levels, method="weibull").tolist()
        return low, high

    def _accelerated(self, place: int, reach: float) -> tuple[float, float]:
        """Levels corrected for bias and skewness: Efron & Tibshirani 1993, eq. 14.10 and 14.14."""
        import numpy as np
        from scipy.special import ndtr, ndtri

        defined = self.replicates[place, : self.num_defined[place]]
        value, acceleration = float(self.values[place]), float(self.acceleration[place])
        near = EXACT * max(abs(value), 1.0)
        # A discrete figure often comes out the same again: half of the ties count as below.
        below = np.searchsorted(defined, value - near, "left") + np.searchsorted(defined, value + near, "right")
        bias = float(ndtri(np.clip(below / (2 * len(defined)), 1 / len(defined), 1 - 1 / len(defined))))

        def level(z: float) -> float:
            shrink = 1 - acceleration * z
            # Past its pole the formula turns around; the tail that it was heading for is the extreme one.
            return float(ndtr(bias + z / shrink)) if shrink > 0 else float(z > 0)

        return (level(bias - reach), level(bias + reach))


def _resample_alike(among: Sequence[Statistic], numbers: Sequence[int], name: str) -> Resampled:
    import numpy as np

    statistics = [among[number] for number in numbers]
    function = statistics[0].function
    sums = np.stack([statistic.sums for statistic in statistics], axis=1)  # [questions, statistics, columns]
    num_questions, num_statistics, num_columns = sums.shape
    if num_questions == 0:
        nothing = np.zeros(num_statistics)
        zeros = nothing.astype(int)
        return Resampled(numbers, statistics, nothing, zeros, nothing[:, None], zeros, nothing, nothing)
    totals = sums.sum(axis=0)
    present = (sums != 0).any(axis=2)
    replicates = function(resample_sums(sums.reshape(num_questions, -1), name).reshape(-1, num_statistics, num_columns))
    replicates = np.where(np.isfinite(replicates), replicates, np.nan).T.copy()
    replicates.sort(axis=1)
    errors, acceleration = _jackknife(np.where(present, function(totals - sums), 0.0), present)
    return Resampled(
        numbers=numbers,
        statistics=statistics,
        values=function(totals),
        num_present=present.sum(axis=0),
        replicates=replicates,
        num_defined=np.isfinite(replicates).sum(axis=1),
        standard_errors=errors,
        acceleration=acceleration,
    )


def _jackknife(values: Floats, present: Floats) -> tuple[Floats, Floats]:
    """Standard errors and accelerations from the values without each question.

    Efron & Tibshirani 1993, eq. 11.5 and 14.15.

    Args:
        values: [questions, statistics]
        present: [questions, statistics] whether there was something to leave out.

    Returns:
        Two of [statistics].
    """
    import numpy as np

    n = present.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        departures = np.where(present, values.sum(axis=0) / n - values, 0.0)
        squares = (departures**2).sum(axis=0)
        errors = np.sqrt(squares * (n - 1) / n)
        acceleration = (departures**3).sum(axis=0) / (6 * squares**1.5)
    return np.where(np.isfinite(errors), errors, np.nan), acceleration
