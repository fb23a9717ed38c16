"""Intervals of figures that rank rows, and so are no function of sums: from how much each question moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.small_samples import EXACT, t_quantile
from localtable.analysis.statistics.wilson import wilson

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Integers

METHOD = "infinitesimal jackknife over questions, score interval (Efron 1982, ch. 6; Wilson 1927)"


def linearized(
    value: float, influence: Floats, clusters: Integers, least_events: int, confidence: float = 0.95
) -> Estimate:
    """The interval of a figure between 0 and 1: Wilson's, with the n that has the figure's own variance.

    Var = C/(C − 1) Σ_c (Σ of a question's influences)² over C questions (Efron 1982, "The Jackknife, the Bootstrap and
    Other Resampling Plans", ch. 6); n = v(1 − v)/Var.

    Args:
        value: The figure.
        influence: [rows] by how much the figure moves for each unit of a row's weight.
        clusters: [rows] each one's question, any numbers.
        least_events: The n to take where nothing varies: of the questions with a right row and those with a wrong one,
            the fewer.
        confidence: Of the interval.
    """
    import numpy as np

    questions, places = np.unique(clusters, return_inverse=True)
    n = len(questions)
    if n < 2:
        return Estimate(value, None, None, n, METHOD, "one question can't say how questions vary")
    moved = np.bincount(places, influence, n)
    variance = float((moved**2).sum()) * n / (n - 1)
    trials = value * (1 - value) / variance if variance > EXACT**2 else least_events
    low, high = wilson(value * trials, trials, t_quantile((1 - confidence) / 2, n - 1))
    return Estimate(value, low, high, n, METHOD)
