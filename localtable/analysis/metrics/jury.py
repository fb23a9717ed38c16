"""What seats of this accuracy would reach if they erred independently, as a statistic: Condorcet's baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.statistic import Statistic

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats


def jury_accuracy(right: Flags, judged: Flags) -> Statistic:
    """P(a majority of independent seats is right), each as often as it is here; half where they split in two.

    The Poisson binomial distribution's upper tail, as `statistics.jury.condorcet_jury`, here a function of sums, so
    that it can be resampled.

    Args:
        right: [rows, seats]
        judged: [rows] there are votes, and an answer.
    """
    import numpy as np

    sums = np.concatenate([judged[:, None], right & judged[:, None]], axis=1).astype(np.float64)
    return Statistic(sums, _majority_of_independent, 0.0, 1.0, "no finished debate's question has an answer")


def _majority_of_independent(sums: Floats) -> Floats:
    """[…, rows, right by seat…] → […]."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        accuracies = sums[..., 1:] / sums[..., :1]
    num_seats = accuracies.shape[-1]
    chances = np.zeros((*accuracies.shape[:-1], num_seats + 1))  # [..., seats that are right]
    chances[..., 0] = 1.0
    for seat in range(num_seats):
        p = accuracies[..., seat, None]
        chances[..., 1:] = chances[..., 1:] * (1 - p) + chances[..., :-1] * p
        chances[..., :1] *= 1 - p
    found: Floats = chances[..., num_seats // 2 + 1 :].sum(axis=-1)
    return found + chances[..., num_seats // 2] / 2 if num_seats % 2 == 0 else found
