"""How far two distributions over the same options are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


def total_variation(one: Floats, other: Floats) -> Floats:
    """½ Σ |p − q|: the probability that would have to be moved, 0 to 1 (Levin, Peres & Wilmer 2009, prop. 4.2).

    Args:
        one: […, options], each row summing to 1.
        other: Likewise.

    Returns:
        […]
    """
    found: Floats = abs(one - other).sum(axis=-1) / 2
    return found


def jensen_shannon(one: Floats, other: Floats) -> Floats:
    """H((p + q)/2) − (H(p) + H(q))/2 in bits, 0 to 1: the Jensen–Shannon divergence (Lin 1991, IEEE Trans. Inf. Theory
    37:145, eq. 4.1).

    Args:
        one: […, options], each row summing to 1.
        other: Likewise.

    Returns:
        […]
    """
    import numpy as np
    from scipy.special import entr

    apart = entr((one + other) / 2).sum(axis=-1) - (entr(one) + entr(other)).sum(axis=-1) / 2
    found: Floats = np.clip(apart / np.log(2), 0.0, 1.0)
    return found
