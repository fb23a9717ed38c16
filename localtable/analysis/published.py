"""A run's figures held against those that a paper reports: same, different, or not to be told, and why.

Works on what `analyze --json` writes, so that every number here is one that the analysis gives anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from localtable.analysis.families import DIMENSIONS, Dimension, Family
from localtable.analysis.metrics.registry import METRICS
from localtable.analysis.sides import COMPARABLE
from localtable.errors import ConfigError
from localtable.loading import nearest
from localtable.protocol.conditions import CONTROLS
from localtable.types import variant_name

if TYPE_CHECKING:
    from localtable.config.published import Published, PublishedFigure
    from localtable.types import Sweep

Answer = Literal["same", "different", "can't tell"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A published figure beside the run's own."""

    figure: PublishedFigure
    row: Mapping[str, Any] | None
    """Of `metrics` or `tests` in the analysis; None where it has no such row."""
    unit: str
    answer: Answer
    why: str
    """Why it can't be told; else empty."""


class _Held(NamedTuple):
    """What was held, as far as a comparison asks for it."""

    baseline: Mapping[str, str]
    """Levels by factor."""
    models: Mapping[str, frozenset[str]]
    """Ids of the cards that sit there, by variant."""
    questions: Collection[str]
    """Their ids."""


def judge(published: Published, analysis: Mapping[str, Any], sweep: Sweep, questions: Collection[str]) -> list[Judged]:
    """Hold each published figure against the run's.

    Args:
        published: What the paper reports.
        analysis: As `analyze --json` writes it.
        sweep: That was held.
        questions: Ids of those that were asked.

    Raises:
        ConfigError: A figure is of a metric that there is none of, or that conditions are not compared by.
    """
    models = {variant.name: frozenset(card.id for card in variant.panel.cards) for variant in sweep.variants}
    held = _Held(sweep.variants[0].levels, models, questions)
    return [_judge(figure, published, analysis, held) for figure in published.figures]


def needed(published: Published) -> tuple[list[Dimension], list[Family]]:
    """How an analysis must break figures down to have all that are published, and which families of metrics it needs.

    Raises:
        ConfigError: As `judge`.
    """
    for figure in published.figures:
        _require_metric(figure)
    named = {key for figure in published.figures for key in figure.by}
    dimensions: list[Dimension] = [dimension for dimension in DIMENSIONS if dimension in named and dimension != "round"]
    return dimensions, list({METRICS[figure.metric].family: None for figure in published.figures})


def _require_metric(figure: PublishedFigure) -> None:
    compared = figure.factor is not None or figure.against is not None
    known = list(COMPARABLE) if compared else list(METRICS)
    if figure.metric not in known:
        how = "conditions can't be compared by" if compared else "unknown metric"
        raise ConfigError(
            f"published: {figure.name}: {how} {figure.metric!r}", hint=nearest(figure.metric, known, kind="metrics")
        )


# ── which figure of the run ─────────────────────────────────────────────────────────────────────────────────


def _judge(figure: PublishedFigure, published: Published, analysis: Mapping[str, Any], held: _Held) -> Judged:
    _require_metric(figure)
    variant = variant_name({factor: figure.of.get(factor, level) for factor, level in held.baseline.items()})
    row = _row(figure, variant, analysis)
    compared = figure.factor is not None or figure.against is not None
    unit = "difference of shares" if compared else METRICS[figure.metric].unit
    answer, why = _compare(figure, row)
    elsewhere = _elsewhere(figure, published, variant, held)
    if elsewhere and row is not None and row["value"] is not None:
        answer, why = "can't tell", elsewhere
    return Judged(figure, row, unit, answer, why)


def _row(figure: PublishedFigure, variant: str, analysis: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted: Mapping[str, str]
    if figure.between is not None:
        first, second = (f"{figure.factor} {level}" for level in figure.between)
        wanted, rows = {"metric": figure.metric, "first": first, "second": second}, analysis["tests"]
        return _only(rows, lambda row: {key: row[key] for key in wanted}, wanted)
    if figure.against is not None:
        second = f"{variant}/{figure.against}" if figure.against in CONTROLS else figure.against
        wanted, rows = {"metric": figure.metric, "first": variant, "second": second}, analysis["tests"]
        return _only(rows, lambda row: {key: row[key] for key in wanted}, wanted)
    condition = f"{variant}/{figure.control}" if figure.control else variant
    rows = [row for row in analysis["metrics"] if row["name"] == figure.metric]
    return _only(rows, lambda row: {k: str(v) for k, v in row["by"].items()}, {"condition": condition, **figure.by})


def _only(
    rows: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], Mapping[str, str]], wanted: Mapping[str, str]
) -> Mapping[str, Any] | None:
    return next((row for row in rows if of(row) == wanted), None)


def _elsewhere(figure: PublishedFigure, published: Published, variant: str, held: _Held) -> str:
    """Why a run says nothing of the paper's own figure, whatever it comes to; empty where it does."""
    if figure.models == "any":
        return ""
    sit = frozenset().union(*held.models.values()) if figure.factor is not None else held.models[variant]
    if sit != frozenset(figure.models):
        return "other models" if figure.models else "other models: no card is the paper's"
    ids = published.data.ids
    if ids is None or not all(question.startswith(ids) for question in held.questions):
        return "other questions"
    return ""


# ── what counts as the same ─────────────────────────────────────────────────────────────────────────────────

_TOO_FEW = "too few questions: the interval is too wide"


def _compare(figure: PublishedFigure, row: Mapping[str, Any] | None) -> tuple[Answer, str]:
    if row is None:
        return "can't tell", "the run has no such figure"
    if row["value"] is None or row["low"] is None:
        return "can't tell", str(row["reason"] or "it has no interval")
    return _CRITERIA[figure.same](figure, row)


def _interval(figure: PublishedFigure, row: Mapping[str, Any]) -> tuple[Answer, str]:
    least, most = figure.bounds
    assert least is not None and most is not None
    if row["low"] > most or row["high"] < least:
        return "different", ""
    half = (row["high"] - row["low"]) / 2
    if half > figure.margin:
        return "can't tell", _TOO_FEW
    return "same", ""


def _equivalent(figure: PublishedFigure, row: Mapping[str, Any]) -> tuple[Answer, str]:
    assert figure.value is not None
    least, most = figure.value - figure.margin, figure.value + figure.margin
    if row["low"] > most or row["high"] < least:
        return "different", ""
    if least <= row["low"] and row["high"] <= most:
        return "same", ""
    return "can't tell", _TOO_FEW


def _at_most(figure: PublishedFigure, row: Mapping[str, Any]) -> tuple[Answer, str]:
    assert figure.value is not None
    if row["low"] > figure.value + figure.margin:
        return "different", ""
    if row["high"] <= figure.value + figure.margin:
        return "same", ""
    return "can't tell", _TOO_FEW


def _one_sided(sign: int) -> Callable[[PublishedFigure, Mapping[str, Any]], tuple[Answer, str]]:
    def compare(figure: PublishedFigure, row: Mapping[str, Any]) -> tuple[Answer, str]:
        low, high = sorted((sign * row["low"], sign * row["high"]))
        if low > 0:
            return "same", ""
        if high < 0:
            return "different", ""
        return "can't tell", _TOO_FEW

    return compare


_CRITERIA: Mapping[str, Callable[[PublishedFigure, Mapping[str, Any]], tuple[Answer, str]]] = {
    "interval": _interval,
    "equivalent": _equivalent,
    "at_most": _at_most,
    "more": _one_sided(1),
    "less": _one_sided(-1),
}
