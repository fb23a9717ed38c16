"""Drawings of a run's figures: accuracy by round, reliability; each beside the table that has the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from localtable.analysis.findings import Finding
from localtable.report.analysis.figures import Figures

WIDTH, HEIGHT = 460.0, 260.0
LEFT, BOTTOM, TOP, RIGHT = 46.0, 36.0, 12.0, 10.0
MOST_SERIES = 8
"""Of a sweep with more conditions the first are drawn: there are as many colours."""


@dataclass(frozen=True, slots=True)
class Point:
    """A figure with its interval, in the drawing's own coordinates."""

    x: float
    y: float
    low: float | None
    high: float | None
    title: str


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together."""

    label: str
    colour: int
    points: Sequence[Point]

    @property
    def path(self) -> str:
        """The line through them."""
        return "M" + "L".join(f"{point.x} {point.y}" for point in self.points)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its axes."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    diagonal: bool = False
    left_out: int = 0
    """Series that there was no colour for."""


def accuracy_chart(figures: Figures, conditions: Sequence[str], rounds: int) -> Chart | None:
    """The majority's accuracy, round by round, of each condition; None without a question that has an answer."""
    found = []
    for condition in conditions:
        points = list(_by_round(figures, condition, rounds))
        if points:
            found.append((condition, points))
    if not found:
        return None
    series = [Series(name, place, points) for place, (name, points) in enumerate(found[:MOST_SERIES])]
    ticks = [Tick(_x((n - 1) / max(rounds - 1, 1) if rounds > 1 else 0.5), str(n)) for n in range(1, rounds + 1)]
    title = "Majority right, by round"
    return Chart(title, "round", "%", series, ticks, _percents(_y), left_out=len(found) - len(series))


def _by_round(figures: Figures, condition: str, rounds: int) -> Iterator[Point]:
    for number in range(1, rounds + 1):
        finding = figures.find("majority_accuracy", condition=condition, round=number)
        if finding is not None and finding.estimate.value is not None:
            x = (number - 1) / (rounds - 1) if rounds > 1 else 0.5
            yield _point(finding, x, f"{condition}, round {number}")


def reliability_chart(figures: Figures, condition: str) -> Chart | None:
    """How often votes of a confidence are right, in the last round; None where nothing is known of that."""
    points = []
    for accuracy in figures.all("reliability", condition=condition, **{"is": "accuracy"}):
        by = {**accuracy.by, "is": "confidence"}
        confidence = figures.find("reliability", **by)
        if confidence is None or confidence.estimate.value is None or accuracy.estimate.value is None:
            continue
        points.append(_point(accuracy, confidence.estimate.value, f"confidence {accuracy.by['bin']}"))
    if not points:
        return None
    points.sort(key=lambda point: point.x)
    series = [Series(condition, 0, points)]
    title = "How often a vote of some confidence is right"
    return Chart(title, "confidence, %", "right, %", series, _percents(_x), _percents(_y), diagonal=True)


def _point(finding: Finding, x: float, what: str) -> Point:
    estimate = finding.estimate
    assert estimate.value is not None
    bounds = "" if estimate.low is None else f" [{estimate.low:.1%}, {estimate.high:.1%}]"
    low, high = (None if bound is None else _y(bound) for bound in (estimate.low, estimate.high))
    return Point(_x(x), _y(estimate.value), low, high, f"{what}: {estimate.value:.1%}{bounds}, n = {estimate.n:,}")


def _percents(place: Callable[[float], float]) -> list[Tick]:
    return [Tick(place(part / 4), f"{part * 25}") for part in range(5)]


def _x(share: float) -> float:
    return round(LEFT + 12 + share * (WIDTH - LEFT - RIGHT - 24), 1)


def _y(share: float) -> float:
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)
