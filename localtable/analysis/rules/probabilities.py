"""Rules that read probabilities as such: opinion pools, and voting methods whose ballots have degrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.rules.profile import TIE_TOLERANCE, Outcome, Profile, by_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def linear_pool(profile: Profile) -> Outcome:
    """The option with the highest mean probability; margin: lead in it."""
    return by_score(profile.distributions.mean(axis=1), profile.options)


def log_pool(profile: Profile, *, floor: float) -> Outcome:
    """The option with the highest geometric mean of probabilities, none below a floor.

    Without the floor one ballot with a probability of nearly 0 would veto an option. Margin: lead in the means after
    they are made to sum to 1.
    """
    import numpy as np

    logs = np.log(np.maximum(profile.distributions, floor)).mean(axis=1)  # [debates, options]
    logs = np.where(profile.options, logs, -np.inf)
    means = np.exp(logs - logs.max(axis=1, keepdims=True))
    return by_score(means / means.sum(axis=1, keepdims=True), profile.options)


def confidence_weighted(profile: Profile) -> Outcome:
    """Votes weighed by their own probability; margin: lead ÷ the weights of all votes."""
    import numpy as np

    votes = profile.votes[:, :, None].astype(np.int64)
    confidence = np.take_along_axis(profile.distributions, votes, axis=2)[:, :, 0]  # [debates, seats]
    return by_score(profile.sum_by_vote(confidence), profile.options, confidence.sum(axis=1))


def approval(profile: Profile, *, threshold: float | None) -> Outcome:
    """The option that most ballots give at least a threshold; nothing where no ballot approves of any.

    Without a threshold it is 1 ÷ options, what chance would give: approving of everything above the mean is the best
    vote of somebody who knows nothing of the others' (Weber 1995). Margin: lead in ballots ÷ ballots.
    """
    import numpy as np

    least = 1 / profile.num_options if threshold is None else np.full(len(profile.num_options), threshold)
    approves = profile.distributions >= least[:, None, None] - TIE_TOLERANCE
    approvals = (approves & profile.options[:, None, :]).sum(axis=1).astype(np.float64)
    candidates = profile.options & (approvals > 0).any(axis=1)[:, None]
    return by_score(approvals, candidates, len(profile.seats))


def cumulative(profile: Profile, *, points: int) -> Outcome:
    """The option with the most points, when each ballot gives out so many whole ones by its probabilities.

    Allotted by largest remainders (Hamilton's method); options whose remainders tie for the last points share these.
    One point is a vote, many points come near the linear pool. Margin: lead in points ÷ points given.
    """
    import numpy as np

    shown = np.where(profile.options[:, None, :], profile.distributions, -1.0)
    quotas = shown * points  # [debates, seats, options], below 0 for what is no option
    whole = np.floor(np.maximum(quotas, 0))
    left = np.rint(points - whole.sum(axis=2, keepdims=True))
    allotted = whole + _to_largest(quotas - whole, left)
    return by_score(allotted.sum(axis=1), profile.options, len(profile.seats) * points)


def _to_largest(remainders: NDArray[np.float64], left: NDArray[np.float64]) -> NDArray[np.float64]:
    """One point each to the largest remainders; those that tie at the cut share what is left for them.

    Args:
        remainders: [debates, seats, options].
        left: [debates, seats, 1] whole points.
    """
    import numpy as np

    descending = -np.sort(-remainders, axis=2)
    cut = np.take_along_axis(descending, np.maximum(left, 1).astype(np.int64) - 1, axis=2)
    above = remainders > cut + TIE_TOLERANCE
    at_cut = ~above & (remainders >= cut - TIE_TOLERANCE)
    shared = (left - above.sum(axis=2, keepdims=True)) / at_cut.sum(axis=2, keepdims=True)
    return np.where(left > 0, above + at_cut * shared, 0.0)
