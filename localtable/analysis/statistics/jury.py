"""What independent voters would reach: Condorcet's baseline that correlated ones are held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localtable.analysis.statistics.statistic import Statistic

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats


def condorcet_jury(accuracies: Floats | Sequence[float]) -> Floats:
    """Probability that a majority of independent voters is right, half where the votes are split in two.

    Σ_{k > N/2} C(N, k) p^k (1 − p)^{N−k} for equal p (Condorcet 1785; Grofman, Owen & Feld 1983, Theory Decis. 15:261),
    the Poisson binomial distribution's tail for unequal ones, voter by voter. A majority, also with more than two
    options, where a plurality can do with less: a lower bound there.

    Args:
        accuracies: […, voters], at least one.

    Returns:
        […]
    """
    import numpy as np

    each = np.asarray(accuracies, np.float64)
    num_voters = each.shape[-1]
    chances = np.zeros((*each.shape[:-1], num_voters + 1))  # [..., voters that are right]
    chances[..., 0] = 1.0
    for voter in range(num_voters):
        p = each[..., voter, None]
        chances[..., 1:] = chances[..., 1:] * (1 - p) + chances[..., :-1] * p
        chances[..., :1] *= 1 - p
    found: Floats = chances[..., num_voters // 2 + 1 :].sum(axis=-1)
    return found + chances[..., num_voters // 2] / 2 if num_voters % 2 == 0 else found


def jury_accuracy(right: Flags, judged: Flags) -> Statistic:
    """`condorcet_jury` of seats, each as often right as it is here: a function of sums, so that it can be resampled.

    Args:
        right: [rows, seats]
        judged: [rows] there are votes, and an answer.
    """
    import numpy as np

    sums = np.concatenate([judged[:, None], right & judged[:, None]], axis=1).astype(np.float64)
    return Statistic(sums, _jury, 0.0, 1.0, "no finished debate's question has an answer")


def _jury(sums: Floats) -> Floats:
    """[…, rows, right by seat…] → […]."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return condorcet_jury(sums[..., 1:] / sums[..., :1])
