"""Is a difference as good as none? A p-value above 5 % can't say so: absence of evidence is no evidence of absence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localtable.analysis.statistics.estimate import Estimate

MARGIN = 0.02
"""Differences within ± 2 points count as none."""

METHOD = "two one-sided tests at 5 % by the 90 % interval (Schuirmann 1987), difference at 5 % by the 95 % interval"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What a difference's intervals say of a margin around 0."""

    verdict: Literal["equivalent", "different", "unresolved"]
    margin: float
    method: str
    reason: str | None = None
    """Why an interval that it takes is missing; then the verdict is `unresolved`."""


def equivalence(interval_90: Estimate, interval_95: Estimate, margin: float = MARGIN) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657), as intervals.

    `equivalent`: the 90 % interval lies inside the margin, also if it leaves 0 out: such a difference is there, as
    the p-value beside it says, and too small to matter. `different`: not equivalent, and the 95 % interval leaves
    out 0. `unresolved`: neither.

    Args:
        interval_90: The difference with its 90 % interval.
        interval_95: The same with its 95 % interval.
        margin: Above 0, in the difference's own unit.
    """
    for estimate in (interval_90, interval_95):
        if estimate.low is None or estimate.high is None:
            return Equivalence("unresolved", margin, METHOD, estimate.reason)
    low_90, high_90, low_95, high_95 = (
        bound for e in (interval_90, interval_95) for bound in (e.low, e.high) if bound is not None
    )
    if -margin < low_90 and high_90 < margin:
        return Equivalence("equivalent", margin, METHOD)
    if low_95 > 0 or high_95 < 0:
        return Equivalence("different", margin, METHOD)
    return Equivalence("unresolved", margin, METHOD)
