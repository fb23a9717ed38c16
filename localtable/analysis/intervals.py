"""Intervals of shares."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The normal distribution's 97.5 % point."""


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927, JASA 22:209, p. 212).

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
