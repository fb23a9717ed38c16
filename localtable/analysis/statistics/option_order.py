"""What letters and places do to votes, whatever the options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.agreement import pairwise_agreement
from localtable.analysis.statistics.estimate import PValue
from localtable.analysis.statistics.statistic import Statistic, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Integers

ROUNDING = 1e-9
"""What sums of thirds and the like come to where they are 0: a question's residues are otherwise 1/k or more."""
CHI_SQUARE_METHOD = "chi-square score test of slots, covariance between questions (Rao & Scott 1981; Boos 1992)"


def recall_spread(votes: Integers, answers: Integers) -> Statistic:
    """RStd: standard deviation over letters of recall, P(vote = L | answer = L) (Zheng et al. 2024, arXiv 2309.03882).

    Over the letters that are the answer of any row, divided by their number. Chance alone makes it positive: compare it
    with the same after permutation rather than with 0.

    Args:
        votes: [rows] letters as places, −1 where there is none.
        answers: [rows] the right letters, −1 where unknown.
    """
    import numpy as np

    there = (votes >= 0) & (answers >= 0)
    of_letter = (answers[:, None] == np.arange(answers.max(initial=0) + 1)) & there[:, None]
    sums = np.concatenate([of_letter & (votes == answers)[:, None], of_letter], axis=1).astype(np.float64)
    return Statistic(sums, _recall_spread, 0.0, 0.5, "fewer than two letters are the right answer anywhere")


def _recall_spread(sums: Floats) -> Floats:
    """[…, hits by letter…, rows by letter…] → […]."""
    import numpy as np

    middle = sums.shape[-1] // 2
    rows = sums[..., middle:]
    asked = rows > 0
    num_letters = asked.sum(axis=-1)
    recalls = sums[..., :middle] / np.where(asked, rows, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = recalls.sum(axis=-1) / num_letters
        squares = np.where(asked, (recalls - means[..., None]) ** 2, 0.0).sum(axis=-1)
        spread: Floats = np.where(num_letters > 1, np.sqrt(squares / num_letters), np.nan)
    return spread


def permutation_consistency(votes: Integers) -> Statistic:
    """P(two orders of the options give a vote for the same content): agreement between orders, as between seats.

    One minus it is the chance that a vote flips when the options are put into another order at random.

    Args:
        votes: [rows, orders] options by content, −1 where there is none.
    """
    return pairwise_agreement(votes)


def slot_bias(chosen: Integers, num_slots: Integers, slot: int) -> Statistic:
    """P(vote = slot) minus 1/k, over the rows that have such a slot: 0 if place plays no part and orders are balanced.

    Args:
        chosen: [rows] slots in which the voted option was shown, from 0; −1 where there is none.
        num_slots: [rows] k.
        slot: Which one.
    """
    there = (chosen >= 0) & (slot < num_slots)
    return mean((chosen == slot) - 1 / num_slots, there, low=-1.0)


def slot_chi_square(chosen: Integers, num_slots: Integers, clusters: Integers) -> PValue:
    """Are all slots chosen alike? Observed minus expected counts against their covariance between questions.

    R' V⁻ R with R_s = Σ (1[slot s] − 1/k) and V = Σ_c r_c r_c' of the questions' own sums: a score test with empirical
    covariance (Boos 1992, Am. Statist. 46:327). Pearson's χ² takes seats of one question for independent, which Rao &
    Scott 1981 (J. Am. Statist. Assoc. 76:221) show to reject far too often; with two slots and one ballot a question
    the two are equal.

    Args:
        chosen: [rows] slots from 0; −1 where there is none.
        num_slots: [rows] k of each.
        clusters: [rows] each one's question.

    Returns:
        p from χ² with the rank of V as degrees of freedom; n is the number of questions.
    """
    import numpy as np
    from scipy.special import chdtrc

    there = chosen >= 0
    chosen, num_slots = chosen[there], num_slots[there]
    questions, places = np.unique(clusters[there], return_inverse=True)
    n, slots = len(questions), np.arange(num_slots.max(initial=1))
    residuals = (chosen[:, None] == slots) - (slots < num_slots[:, None]) / num_slots[:, None]
    by_question = np.zeros((n, len(slots)))
    np.add.at(by_question, places, residuals)
    by_question[abs(by_question) < ROUNDING] = 0.0
    if n <= len(slots):
        return PValue(None, n, CHI_SQUARE_METHOD, reason=f"{n} questions are too few for {len(slots)} slots")
    total = by_question.sum(axis=0)
    covariance = by_question.T @ by_question
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0:
        return PValue(None, n, CHI_SQUARE_METHOD, reason="every question chooses all slots alike")
    statistic = float(total @ np.linalg.pinv(covariance, hermitian=True) @ total)
    return PValue(float(chdtrc(rank, statistic)), n, CHI_SQUARE_METHOD, statistic)
