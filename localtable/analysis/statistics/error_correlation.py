"""How far a panel's errors move together, what that leaves of its votes, and how much of it the questions cause."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.statistics.statistic import Statistic, ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

NO_ERRORS_VARY = "every seat is always right or always wrong"
ONE_SEAT = "one seat has nobody to be correlated with"


def error_correlation(errors: Flags, present: Flags) -> Statistic:
    """Mean covariance of two seats' errors ÷ mean variance of one's: φ where all seats are equally good.

    Seats of unequal accuracy can't reach 1 in φ; this ratio is what the variance of the number of wrong votes depends
    on: N v̄ (1 + (N − 1) ρ̄) (Kish 1965, §5.4).

    Args:
        errors: [rows, seats] whether each is wrong.
        present: [rows, seats] whether that is known; rows with a seat missing are left out.
    """
    return Statistic(_moments(errors, present), _correlation, -1.0, 1.0, _reason(errors))


def effective_votes(errors: Flags, present: Flags) -> Statistic:
    """N ÷ (1 + (N − 1) ρ̄): as many seats with independent errors would be as reliable (Kish 1965, §8.2).

    More than N where errors are negatively correlated. ρ̄ as in `error_correlation`.

    Args:
        errors: [rows, seats] whether each is wrong.
        present: [rows, seats] whether that is known; rows with a seat missing are left out.
    """
    return Statistic(_moments(errors, present), _effective_votes, low=0.0, undefined=_reason(errors))


def _reason(errors: Flags) -> str:
    return ONE_SEAT if errors.shape[1] < 2 else NO_ERRORS_VARY


def _complete(present: Flags) -> Flags:
    """[rows] which have every seat; none where a seat has no other to go with."""
    complete: Flags = present.all(axis=1) & (present.shape[1] > 1)
    return complete


def _pair_products(squared_total: Floats, squares: Floats, num_seats: int) -> Floats:
    """Mean of x_i x_j over pairs of seats, from (Σx)² and Σx²."""
    return (squared_total - squares) / max(num_seats * (num_seats - 1), 1)


def _moments(errors: Flags, present: Flags) -> Floats:
    """[rows, 2 + seats]: one, the number wrong squared, and which are wrong; 0 in rows that are left out."""
    import numpy as np

    complete = _complete(present)
    columns = [complete, errors.sum(axis=1) ** 2, *errors.T]
    return np.stack(columns, axis=1, dtype=np.float64) * complete[:, None]


def _correlation(sums: Floats) -> Floats:
    import numpy as np

    num_seats = sums.shape[-1] - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        moments = sums[..., 1:] / sums[..., :1]
        shares = moments[..., 1:]  # [..., seats]
        totals, squares = shares.sum(axis=-1), (shares**2).sum(axis=-1)
        # An error is 0 or 1, so that the sum of its squares is the sum itself.
        together = _pair_products(moments[..., 0], totals, num_seats)
        covariance = together - _pair_products(totals**2, squares, num_seats)
        correlation: Floats = covariance * num_seats / (totals - squares)
    return correlation


def _effective_votes(sums: Floats) -> Floats:
    import numpy as np

    num_seats = sums.shape[-1] - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        votes: Floats = num_seats / (1 + (num_seats - 1) * _correlation(sums))
    return votes


class ErrorComponents(NamedTuple):
    """Correlation of errors, split: between questions (hard ones are hard for all) and within the same question."""

    within: Statistic
    between: Statistic


def error_components(errors: Flags, present: Flags, clusters: Integers, num_clusters: int) -> ErrorComponents:
    """Correlation of errors within questions apart from that between them: needs two repeats of a question or more.

    With e_ri the error of seat i in repeat r: E[e_ri e_rj] − E[e_ri e_sj] (s another repeat) is their covariance within
    a question, E[e_ri e_sj] − E[e_i]E[e_j] that of their rates over questions; each is divided by the variance taken
    the same way (i = j), means over pairs ÷ means over seats. Products of different repeats have the noise of neither,
    so that no component is biased by the number of repeats (Searle, Casella & McCulloch 1992, "Variance Components").

    Args:
        errors: [rows, seats] whether each is wrong.
        present: [rows, seats] whether that is known; rows with a seat missing are left out.
        clusters: [rows] each one's question, from 0.
        num_clusters: Questions in all.

    Returns:
        Both by question already; questions with one repeat are left out.
    """
    import numpy as np

    num_seats = errors.shape[1]
    complete = _complete(present)
    wrong = (errors & complete[:, None]).astype(np.float64)
    by_seat = np.zeros((num_clusters, num_seats))
    np.add.at(by_seat, clusters, wrong)
    squared_totals = np.bincount(clusters, wrong.sum(axis=1) ** 2, num_clusters).astype(np.float64)
    repeats = np.bincount(clusters, complete, num_clusters)
    there = repeats > 1
    r = repeats.clip(min=2)
    totals = by_seat.sum(axis=1)

    same = _pair_products(squared_totals, totals, num_seats)  # [questions] summed over repeats
    any_two = _pair_products(totals**2, (by_seat**2).sum(axis=1), num_seats)
    same_repeat, other_repeat = same / r, (any_two - same) / (r * (r - 1))
    rate = totals / num_seats / r
    own_other = ((by_seat**2).sum(axis=1) - totals) / num_seats / (r * (r - 1))
    undefined = ONE_SEAT if num_seats < 2 else NO_ERRORS_VARY if there.any() else "no question has two repeats"
    within = ratio((same_repeat - other_repeat) * there, (rate - own_other) * there, low=-1.0)
    columns = np.stack([there, other_repeat, own_other, *(by_seat / r[:, None]).T], axis=1) * there[:, None]
    return ErrorComponents(
        replace(within, undefined=undefined),
        Statistic(columns, _between, -1.0, 1.0, undefined),
    )


def _between(sums: Floats) -> Floats:
    """[…, questions, E[e_i e_j], E[e_i e_i] over two repeats, rates of seats…] → […]."""
    import numpy as np

    num_seats = sums.shape[-1] - 3
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums[..., 1:] / sums[..., :1]
        rates = means[..., 2:]
        squares = (rates**2).sum(axis=-1)
        covariance = means[..., 0] - _pair_products(rates.sum(axis=-1) ** 2, squares, num_seats)
        correlation: Floats = covariance / (means[..., 1] - squares / num_seats)
    return correlation
