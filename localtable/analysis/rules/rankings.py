"""Rules that read rankings: a ballot ranks the options by their probability, equal ones equally.

Probabilities within a billionth of each other are equal: a ballot that was asked in several orders of its options is
their mean, and a mean is rounded. Relative, since nearly sure ballots rank options whose probabilities are tiny.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.rules.profile import TIE_TOLERANCE, Outcome, Profile, by_score, lead

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

ABOVE = 1 + TIE_TOLERANCE


def borda(profile: Profile) -> Outcome:
    """Borda's count; options that a ballot ranks equally share its points for their places.

    An option gets a point for each option that a ballot ranks below it and half a point for each one ranked equally,
    which is the mean of the points of the places that they take together. Margin: lead in points ÷ the points that an
    option first on all ballots has.
    """
    preferred = _preferred(profile)
    equal = len(profile.seats) - preferred - preferred.swapaxes(1, 2)
    opponents = _opponents(profile)
    points = ((preferred + 0.5 * equal) * opponents).sum(axis=2)
    return by_score(points, profile.options, len(profile.seats) * (profile.num_options - 1.0))


def condorcet(profile: Profile) -> Outcome:
    """The option that more ballots rank above each other option than below it; nothing where there is none.

    Margin: the smallest of its leads over the others, in ballots ÷ ballots.
    """
    import numpy as np

    preferred = _preferred(profile)
    ahead = np.where(_opponents(profile), preferred - preferred.swapaxes(1, 2), np.inf).min(axis=2)
    wins = (ahead > 0) & profile.options
    margin = np.where(wins, ahead, 0).sum(axis=1) / len(profile.seats)
    return Outcome(wins.astype(np.float64), np.where(wins.any(axis=1), margin, np.nan))


def instant_runoff(profile: Profile) -> Outcome:
    """Instant run-off: what has the fewest first places is struck out, until one option is left.

    A ballot whose first place is shared gives each of these options an equal part of its vote. Of several options with
    the fewest first places all are struck out together; where these are all that are left, they tie. Margin: lead in
    the last count of several options, in votes ÷ votes.
    """
    import numpy as np

    standing = profile.options.copy()  # [debates, options]
    margin = np.zeros(len(standing))
    for _ in range(profile.options.shape[1] - 1):
        open_ = standing.sum(axis=1) > 1
        votes = _first_places(profile, standing)
        margin = np.where(open_, lead(votes, standing), margin)
        fewest = np.where(standing, votes, np.inf).min(axis=1, keepdims=True)
        last = standing & (votes <= fewest + TIE_TOLERANCE)
        all_tie = last.sum(axis=1) == standing.sum(axis=1)
        struck = last & ~all_tie[:, None]
        if not struck.any():
            break
        standing &= ~struck
    return Outcome(standing / standing.sum(axis=1, keepdims=True), margin / len(profile.seats))


def _first_places(profile: Profile, standing: Flags) -> Floats:
    """[debates, options] votes of the ballots for their first options among those that stand."""
    import numpy as np

    shown = np.where(standing[:, None, :], profile.distributions, -1.0)  # [debates, seats, options]
    first = shown >= shown.max(axis=2, keepdims=True) / ABOVE
    votes: Floats = (first / first.sum(axis=2, keepdims=True)).sum(axis=1)
    return votes


def _preferred(profile: Profile) -> NDArray[np.int64]:
    """[debates, options, options]: how many ballots rank the one option above the other."""
    import numpy as np

    given = profile.distributions
    return np.stack(
        [(given[:, :, option, None] > given * ABOVE).sum(axis=1) for option in range(profile.options.shape[1])], axis=1
    )


def _opponents(profile: Profile) -> Flags:
    """[debates, options, options]: pairs of two options of the question."""
    import numpy as np

    options = profile.options
    pairs: Flags = options[:, :, None] & options[:, None, :] & ~np.eye(options.shape[1], dtype=bool)
    return pairs
