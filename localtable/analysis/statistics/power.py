"""What a study could have seen: beside every test, so that "no difference" is read with the size it could have had."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


def detectable_effect(standard_error: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that a two-sided test finds with this power: (z_{1−α/2} + z_{power}) · SE.

    Miller 2024 (arXiv 2411.00640); Bloom 1995, Eval. Rev. 19:547.

    Args:
        standard_error: Of the difference: for paired questions sd(d)/√n, see `standard_error_of_mean`.
        alpha: Level of the test.
        power: Chance to find it.
    """
    from scipy.special import ndtri

    return float((ndtri(1 - alpha / 2) + ndtri(power)) * standard_error)


def standard_error_of_mean(differences: Floats) -> float | None:
    """sd(d)/√n of per-question differences; None for fewer than two, of which none has a standard deviation."""
    n = len(differences)
    return float(differences.std(ddof=1)) / n**0.5 if n > 1 else None
