"""The score interval of a share: for independent counts, and the ground for what a bootstrap can't do."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The normal distribution's 97.5 % point."""


def wilson(successes: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927, JASA 22:209, p. 212).

    Args:
        successes: Not necessarily whole: an effective number of trials has an effective number of successes.
        trials: Likewise.
        z: The normal quantile of the interval's upper tail; a t quantile makes it wider (Dean & Pagano 2015).

    Returns:
        The lower and the upper bound; 0 and 1 where nothing was tried.
    """
    if trials == 0:
        return (0.0, 1.0)
    share = successes / trials
    shrink = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / shrink
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / shrink
    return (max(middle - half, 0.0), min(middle + half, 1.0))
