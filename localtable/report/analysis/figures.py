"""Figures by what they are of, and as text: in the unit of their metric, the same number that JSON has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.analysis.findings import Analysis, Finding
from localtable.analysis.statistics.estimate import Estimate

NOTHING = "–"
"""Where there is no value: the notes say why."""
_PLACES = {"votes": 2, "rounds": 2, "seats": 2, "rows": 1, "correct": 3, "nats": 3, "1": 3, "seconds": 1, "hours": 3}
_WHOLE = ("tokens", "debates per hour", "tokens per second")


class Figures:
    """Looks figures up."""

    def __init__(self, analysis: Analysis) -> None:
        self._by_name: dict[str, list[Finding]] = {}
        for finding in analysis.findings:
            self._by_name.setdefault(finding.metric.name, []).append(finding)

    def find(self, name: str, **by: int | str) -> Finding | None:
        """The figure of exactly this."""
        return next((finding for finding in self._by_name.get(name, ()) if dict(finding.by) == by), None)

    def all(self, name: str, **by: int | str) -> Iterator[Finding]:
        """The figures of this, broken down by whatever else."""
        for finding in self._by_name.get(name, ()):
            if all(finding.by.get(key) == value for key, value in by.items()):
                yield finding

    def each(self, name: str, key: str, **by: int | str) -> Iterator[Finding]:
        """The figures of exactly this, one for each value of a key more."""
        for finding in self.all(name, **by):
            if finding.by.keys() == {*by, key}:
                yield finding

    def some(self, names: Sequence[str], **by: int | str) -> bool:
        """Whether any of these metrics has a value of this."""
        return any(finding.estimate.value is not None for name in names for finding in self.all(name, **by))


def number(value: float | None, unit: str) -> str:
    """A value in its unit: shares in %, their differences in points with a sign."""
    if value is None:
        return NOTHING
    if unit == "share":
        return f"{value * 100:.1f}"
    if unit == "difference of shares":
        return f"{round(value * 100, 1) + 0.0:+.1f}"  # −0.0 + 0.0 is 0.0
    if unit in _WHOLE:
        return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    return f"{value:,.{_PLACES[unit]}f}"


def bounds(estimate: Estimate, unit: str) -> str:
    """The interval; nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number(estimate.low, unit)}, {number(estimate.high, unit)}]"


def with_bounds(finding: Finding | None) -> str:
    """`51.2 [44.0, 58.3]`; a value without an interval stands alone."""
    if finding is None:
        return NOTHING
    interval = bounds(finding.estimate, finding.metric.unit)
    value = number(finding.estimate.value, finding.metric.unit)
    return f"{value} {interval}" if interval else value


def value(finding: Finding | None) -> str:
    """The value alone."""
    return NOTHING if finding is None else number(finding.estimate.value, finding.metric.unit)
