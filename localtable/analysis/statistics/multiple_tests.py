"""p-values of a family of tests, adjusted: one in twenty of them is below 5 % when nothing is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted so that at 5 % any false finding in the family has a chance of 5 %, whatever the tests share.

    max over j ≤ i of min(1, (m − j + 1) p_(j)), p ascending (Holm 1979, Scand. J. Statist. 6:65). For the contrasts
    that a sweep names as primary.

    Args:
        p_values: Those that are None were not computed: they stay None and don't count in m.
    """

    def adjust(p: Floats) -> Floats:
        import numpy as np

        order = np.argsort(p)
        stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        adjusted = np.empty_like(p)
        adjusted[order] = stepped.clip(max=1.0)
        return adjusted

    return _adjusted(p_values, adjust)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted so that at 5 % at most 5 % of the findings are expected to be false, if the tests are independent.

    min over j ≥ i of min(1, p_(j) m/j) (Benjamini & Hochberg 1995, J. R. Statist. Soc. B 57:289), by
    scipy.stats.false_discovery_control. For what is exploratory.

    Args:
        p_values: Those that are None were not computed: they stay None and don't count in m.
    """

    def adjust(p: Floats) -> Floats:
        from scipy.stats import false_discovery_control

        adjusted: Floats = false_discovery_control(p)
        return adjusted

    return _adjusted(p_values, adjust)


def _adjusted(p_values: Sequence[float | None], adjust: Callable[[Floats], Floats]) -> list[float | None]:
    import numpy as np

    known = [p for p in p_values if p is not None]
    adjusted = iter(adjust(np.array(known)).tolist() if known else ())
    return [None if p is None else next(adjusted) for p in p_values]
