"""Intervals where resampling fails: few questions, or hardly any that differ from the rest.

A bootstrap of "0 of 100 questions" has no width, and one of "2 of 100" hardly any: what was not seen can't be drawn.
The score interval need not have seen it. docs/analysis.md has the derivation, and the coverage of both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.statistics.statistic import Statistic
from localtable.analysis.statistics.wilson import wilson

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats

SCORE_METHOD = (
    "score interval on the effective number of questions (Wilson 1927; Dean & Pagano 2015; Zou & Donner 2008)"
)

EXACT = 1e-12
"""Ratios of small whole numbers, differently computed, differ by some 1e-16."""


def t_quantile(tail: float, degrees: int) -> float:
    """Student's t: what is exceeded with this chance."""
    from scipy.special import stdtrit

    return -float(stdtrit(degrees, tail))


class Gathering(NamedTuple):
    """Where most questions stand."""

    base: float
    num_deviating: int
    """Questions that stand elsewhere."""


def gather(statistic: Statistic, value: float) -> Gathering:
    """Around which value a ratio's questions gather: no difference, an end of its range, or the ratio itself.

    Args:
        statistic: A ratio.
        value: Its value.
    """
    import numpy as np

    inside = (0.0,) if statistic.low < 0 < statistic.high else ()
    numerators, denominators = statistic.sums.T
    counts = [
        Gathering(base, int((np.abs(numerators - base * denominators) > EXACT).sum()))
        for base in (*inside, statistic.low, statistic.high, value)
        if math.isfinite(base)
    ]
    return min(counts, key=lambda found: found.num_deviating)


def score_interval(statistic: Statistic, base: float, quantile: float) -> tuple[float, float]:
    """A ratio's interval from what lies above `base` and what lies below it.

    Each of the two is a share of its greatest possible amount and has a score interval of its own; the two are joined
    by the squares of their distances (MOVER: Zou & Donner 2008, Statist. Med. 27:1693). At an end of the range
    one of them is empty and the other's interval stands alone.

    Args:
        statistic: A ratio with a finite range and at least one case.
        base: Within its range.
        quantile: Of Student's t or the normal distribution, for the upper tail.
    """
    numerators, denominators = statistic.sums.T
    excess = numerators - base * denominators
    above = _scaled(excess.clip(min=0), denominators, statistic.high - base, quantile)
    below = _scaled((-excess).clip(min=0), denominators, base - statistic.low, quantile)
    value = base + above.value - below.value
    down = math.hypot(above.value - above.low, below.high - below.value)
    up = math.hypot(above.high - above.value, below.value - below.low)
    return (max(value - down, statistic.low), min(value + up, statistic.high))


class _Part(NamedTuple):
    value: float
    low: float
    high: float


def _scaled(amounts: Floats, denominators: Floats, span: float, quantile: float) -> _Part:
    if span <= EXACT:
        return _Part(0.0, 0.0, 0.0)
    total = float(denominators.sum())
    share = min(float(amounts.sum()) / (span * total), 1.0)
    trials = effective_questions(amounts / span, denominators)
    low, high = wilson(share * trials, trials, quantile)
    return _Part(share * span, low * span, high * span)


def effective_questions(numerators: Floats, denominators: Floats) -> float:
    """As many independent yes-or-no questions have the same variance of their share.

    p(1 − p) ÷ the ratio's linearised variance between clusters (Korn & Graubard 1998, with Cochran 1977, ch. 6), but no
    more than the questions themselves, (Σd)² ÷ Σd² by their weights: a handful of events says little of their variance,
    and no share in a question can vary more than a yes or no.

    Args:
        numerators: [clusters] between 0 and the denominators.
        denominators: [clusters] at least one above 0.
    """
    total = float(denominators.sum())
    most = total**2 / float((denominators**2).sum())
    share = float(numerators.sum()) / total
    num_present = int((denominators > 0).sum())
    residuals = numerators - share * denominators
    variance = float((residuals**2).sum()) / total**2 * num_present / max(num_present - 1, 1)
    return min(share * (1 - share) / variance, most) if variance > EXACT**2 else most
