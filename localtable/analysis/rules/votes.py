"""Rules that read votes alone: plurality and its thresholds, and one seat as the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.rules.profile import Outcome, Profile, by_score
from localtable.errors import ConfigError
from localtable.protocol.votes import SHARE_TOLERANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def plurality(profile: Profile) -> Outcome:
    """The option with the most votes; margin: lead in votes ÷ votes."""
    return by_score(profile.counts, profile.options, len(profile.seats))


def majority(profile: Profile) -> Outcome:
    """The option with more than half of the votes; margin as of plurality."""
    return _only_where(plurality(profile), 2 * profile.counts.max(axis=1) > len(profile.seats))


def supermajority(profile: Profile, *, share: float) -> Outcome:
    """The option with at least a share of the votes, above one half; margin as of plurality."""
    # As a panel's own share is compared: 0.667 means two of three.
    enough = profile.counts.max(axis=1) / len(profile.seats) >= share - SHARE_TOLERANCE
    return _only_where(majority(profile), enough)


def unanimity(profile: Profile) -> Outcome:
    """The option that all seats vote for; margin as of plurality, hence 1."""
    return _only_where(plurality(profile), profile.counts.max(axis=1) == len(profile.seats))


def judge(profile: Profile, *, seat: str) -> Outcome:
    """The vote of one seat; a single vote has no margin.

    Raises:
        ConfigError: Nobody of that name sits there.
    """
    import numpy as np

    from localtable.loading import nearest

    if seat not in profile.seats:
        raise ConfigError(
            f"judge: there is no seat {seat!r}", hint=nearest(seat, list(profile.seats), kind="seats of this condition")
        )
    vote = profile.votes[:, profile.seats.index(seat), None]
    weights = (np.arange(profile.options.shape[1]) == vote).astype(np.float64)
    return Outcome(weights, np.full(len(weights), np.nan))


def _only_where(outcome: Outcome, decided: NDArray[np.bool_]) -> Outcome:
    import numpy as np

    return Outcome(outcome.weights * decided[:, None], np.where(decided, outcome.margin, np.nan))
