"""How much seats agree, and how much more than by chance: on votes, one row for each debate and round.

Every function takes votes as places of options and gives a `Statistic` with a row for each of theirs; `by_cluster` sums
rows by question before an interval is made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from localtable.analysis.statistics.statistic import Statistic, divide, mean, ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

ONE_CATEGORY = "every vote names the same letter, so that chance would agree as often"


def vote_counts(votes: Integers) -> Integers:
    """How often each option was voted for.

    Args:
        votes: [rows, seats] places of options, −1 where there is none.

    Returns:
        [rows, options] as many options as the highest place asks for.
    """
    import numpy as np

    counts: Integers = (votes[:, :, None] == np.arange(votes.max(initial=0) + 1)).sum(axis=1)
    return counts


def agreeing_pairs(votes: Integers) -> tuple[Floats, Floats]:
    """Pairs of seats with the same vote, and all pairs of seats that have one.

    Args:
        votes: [rows, seats], −1 where there is none.

    Returns:
        Two of [rows].
    """
    import numpy as np

    counts = vote_counts(votes).astype(np.float64)
    voters = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / 2, voters * (voters - 1) / 2


def _observed(votes: Integers) -> Floats:
    """[rows] P_i of Fleiss 1971: the share of pairs that agree; −1 where there are no two votes."""
    import numpy as np

    agree, pairs = agreeing_pairs(votes)
    observed: Floats = np.where(pairs > 0, agree / pairs.clip(min=1), -1.0)
    return observed


def pairwise_agreement(votes: Integers) -> Statistic:
    """Mean share of pairs of seats with the same vote, each row counting once (Fleiss 1971, Psychol. Bull. 76:378).

    Args:
        votes: [rows, seats], −1 where there is none.
    """
    observed = _observed(votes)
    return mean(observed, observed >= 0)


def chance_corrected_agreement(votes: Integers, num_options: Integers) -> Statistic:
    """Agreement above what seats that guess would have, with each question's own chance 1/k.

    Σ(P_i − 1/k_i) ÷ Σ(1 − 1/k_i): with one k for all it is Brennan & Prediger's κ_n (1981, Educ. Psychol. Meas.
    41:687). Fleiss' kappa and Krippendorff's alpha estimate chance from how often a letter is used over all questions,
    but an A of one question has nothing to do with the next one's.

    Args:
        votes: [rows, seats], −1 where there is none.
        num_options: [rows] k, at least 2.
    """
    import numpy as np

    observed, chance = _observed(votes), 1 / num_options
    there = observed >= 0
    return ratio(np.where(there, observed - chance, 0.0), np.where(there, 1 - chance, 0.0), low=-1.0)


def vote_entropy(votes: Integers, num_options: Integers) -> Statistic:
    """Mean entropy of a row's votes, −Σ p log p in nats: 0 where all agree (Shannon 1948).

    Args:
        votes: [rows, seats], −1 where there is none; rows without any are left out.
        num_options: [rows]
    """
    from scipy.special import entr

    counts = vote_counts(votes)
    voters = counts.sum(axis=1)
    entropies = entr(counts / voters.clip(min=1)[:, None]).sum(axis=1)
    return mean(entropies, voters > 0, high=math.log(max(int(num_options.max(initial=2)), 2)))


def fleiss_kappa(votes: Integers) -> Statistic:
    """(P̄ − P̄_e) ÷ (1 − P̄_e): P̄ the mean of `pairwise_agreement`, P̄_e = Σ_j p_j² over letters (Fleiss 1971).

    Args:
        votes: [rows, seats], at least two; rows with a vote missing (−1) are left out, since the formula asks for the
            same number in each.
    """
    import numpy as np

    observed = _observed(votes)
    complete: Flags = (votes >= 0).all(axis=1) & (observed >= 0)
    columns = [complete, observed, *vote_counts(votes).T]
    sums = np.stack(columns, axis=1, dtype=np.float64) * complete[:, None]
    return Statistic(sums, _fleiss, -1.0, 1.0, ONE_CATEGORY)


def _fleiss(sums: Floats) -> Floats:
    """[…, rows, P_i, letters…] → […]."""
    observed, by_letter = divide(sums[..., [1, 0]]), sums[..., 2:]
    return _above_chance(observed, by_letter, by_letter)


def cohen_kappa(first: Integers, second: Integers) -> Statistic:
    """(p_o − p_e) ÷ (1 − p_e) of two seats: p_e = Σ_j p_1j p_2j (Cohen 1960, Educ. Psychol. Meas. 20:37).

    Args:
        first: [rows] votes; −1 on either side leaves a row out.
        second: [rows]
    """
    import numpy as np

    both: Flags = (first >= 0) & (second >= 0)
    same: Flags = first == second
    letters = np.arange(max(first.max(initial=0), second.max(initial=0)) + 1)
    by_letter = [(seat[:, None] == letters) for seat in (first, second)]
    columns = np.concatenate([same[:, None], *by_letter], axis=1).astype(np.float64)
    return Statistic(columns * both[:, None], _cohen, -1.0, 1.0, ONE_CATEGORY)


def _cohen(sums: Floats) -> Floats:
    """[…, same, letters of the first…, letters of the second…] → […]."""
    import numpy as np

    middle = (sums.shape[-1] - 1) // 2 + 1
    first, second = sums[..., 1:middle], sums[..., middle:]
    return _above_chance(divide(np.stack([sums[..., 0], first.sum(axis=-1)], axis=-1)), first, second)


def _above_chance(observed: Floats, first: Floats, second: Floats) -> Floats:
    """Kappa from the agreement that was observed and the counts [..., letters] of the two sides."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        shares = first / first.sum(axis=-1, keepdims=True) * (second / second.sum(axis=-1, keepdims=True))
        chance = shares.sum(axis=-1)
        kappa: Floats = (observed - chance) / (1 - chance)
    return kappa


def krippendorff_alpha(votes: Integers) -> Statistic:
    """1 − D_o ÷ D_e for nominal data, any votes missing (Krippendorff 2011, "Computing Krippendorff's Alpha", part C).

    α = 1 − (n − 1) Σ_u Σ_{c≠k} n_uc n_uk/(m_u − 1) ÷ Σ_{c≠k} n_c n_k over the rows u with m_u ≥ 2 votes.

    Args:
        votes: [rows, seats], −1 where there is none.
    """
    import numpy as np

    counts = vote_counts(votes).astype(np.float64)
    voters = counts.sum(axis=1)
    disagreement = (voters**2 - (counts**2).sum(axis=1)) / (voters - 1).clip(min=1)
    sums = np.concatenate([disagreement[:, None], counts], axis=1) * (voters > 1)[:, None]
    return Statistic(sums, _krippendorff, -1.0, 1.0, ONE_CATEGORY)


def _krippendorff(sums: Floats) -> Floats:
    """[…, disagreement, letters…] → […]."""
    import numpy as np

    by_letter = sums[..., 1:]
    num_votes = by_letter.sum(axis=-1)
    expected = num_votes**2 - (by_letter**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: Floats = 1 - (num_votes - 1) * sums[..., 0] / expected
    return alpha
