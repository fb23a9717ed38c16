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

    def stepped(p: Floats) -> Floats:
        import numpy as np

        found: Floats = np.maximum.accumulate(p * np.arange(len(p), 0, -1))
        return found

    return _adjusted(p_values, stepped)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted so that at 5 % at most 5 % of the findings are expected to be false, if the tests are independent.

    min over j ≥ i of min(1, p_(j) m/j) (Benjamini & Hochberg 1995, J. R. Statist. Soc. B 57:289). For what is
    exploratory. Here and not by scipy.stats, whose import alone takes a second or two.

    Args:
        p_values: Those that are None were not computed: they stay None and don't count in m.
    """

    def stepped(p: Floats) -> Floats:
        import numpy as np

        found: Floats = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
        return found

    return _adjusted(p_values, stepped)


def _adjusted(p_values: Sequence[float | None], stepped: Callable[[Floats], Floats]) -> list[float | None]:
    """What `stepped` makes of the p-values that there are, ascending, at their own places and at most 1."""
    import numpy as np

    places = [place for place, p in enumerate(p_values) if p is not None]
    p = np.array([p_values[place] for place in places], np.float64)
    order = np.argsort(p, kind="stable")
    adjusted: list[float | None] = [None] * len(p_values)
    for place, value in zip(order.tolist(), stepped(p[order]).clip(max=1.0).tolist(), strict=True):
        adjusted[places[place]] = value
    return adjusted
