"""How much of a figure's variance is between questions, and how much holding the same debate again would change it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.statistics.statistic import Statistic, ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

ONE_REPEAT = "no question has two repeats"


class VarianceParts(NamedTuple):
    """Of one debate's value; a mean over n questions with K repeats each has (between + within ÷ K) ÷ n."""

    between: Statistic
    within: Statistic


def variance_parts(values: Floats, present: Flags, questions: Integers, num_questions: int) -> VarianceParts:
    """The variance of questions' expected values, and the mean variance of repeats around them (Miller 2024).

    Within: mean over questions of Σ_r (x_r − x̄)² ÷ (K − 1). Between: the variance of x̄ over questions, less the mean of
    within ÷ K, which is what repeats alone make of it: so neither is biased by K, and between can come out below 0.

    Args:
        values: [rows] between 0 and 1.
        present: [rows] which of them there are.
        questions: [rows] each one's question, from 0.
        num_questions: In all.

    Returns:
        Both by question; questions with one repeat are left out.
    """
    import numpy as np

    known = np.where(present, values, 0.0)
    repeats, total, squares = (np.bincount(questions, w, num_questions) for w in (present, known, known**2))
    there = repeats > 1
    k = repeats.clip(min=2)
    mean = total / k
    within = (squares - k * mean**2) / (k - 1)
    columns = np.stack([there, mean, mean**2, within / k], axis=1) * there[:, None]
    return VarianceParts(
        Statistic(columns, _between, -0.25, 0.5, ONE_REPEAT),
        replace(ratio(within * there, there, high=0.5), undefined=ONE_REPEAT),
    )


def _between(sums: Floats) -> Floats:
    """[…, questions, means, their squares, within ÷ K] → […]."""
    import numpy as np

    number = sums[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (sums[..., 2] - sums[..., 1] ** 2 / number) / (number - 1)
        found: Floats = spread - sums[..., 3] / number
    return found
