"""What independent voters would reach: the baseline that correlated ones are held against."""

from __future__ import annotations

from collections.abc import Sequence


def condorcet_jury(accuracies: Sequence[float]) -> float:
    """Probability that a majority of independent voters is right, half where the votes are split in two.

    Σ_{k > N/2} C(N, k) p^k (1 − p)^{N−k} for equal p (Condorcet 1785; Grofman, Owen & Feld 1983, Theory Decis. 15:261),
    the Poisson binomial distribution's tail for unequal ones. A majority, also with more than two options, where a
    plurality can do with less: a lower bound there.

    Args:
        accuracies: Of each voter, at least one.
    """
    from scipy.stats import poisson_binom

    votes = poisson_binom(list(accuracies))
    num_voters = len(accuracies)
    split = float(votes.pmf(num_voters // 2)) / 2 if num_voters % 2 == 0 else 0.0
    return float(votes.sf(num_voters // 2)) + split
