"""Arrays → findings: every metric of every condition and of its parts, with intervals, tests and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from localtable.analysis.contrasts import contrasts
from localtable.analysis.factor_contrasts import factor_contrasts
from localtable.analysis.families import Dimension
from localtable.analysis.findings import Analysis, Breakdown, Comparison, Finding, Verdict
from localtable.analysis.metrics.metric import Metric
from localtable.analysis.metrics.registry import METRICS
from localtable.analysis.metrics.speed import speed_figures
from localtable.analysis.notes import notes
from localtable.analysis.paired_tests import adjusted, run_tests, slot_test
from localtable.analysis.parts import Clusters, clusters_of, parts_of
from localtable.analysis.run_facts import RunFacts
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.bootstrap import resample
from localtable.analysis.statistics.equivalence import equivalence
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.statistic import Statistic
from localtable.analysis.table import RunTable

CELLS_AT_ONCE = 4_000_000
"""Of statistics' sums that wait for their intervals: 32 MB."""


def analyze(
    table: RunTable,
    facts: RunFacts,
    *,
    by: Sequence[Dimension] = (),
    families: Sequence[str] = (),
    cluster: str | None = None,
) -> Analysis:
    """Compute everything.

    Args:
        table: The conditions that are analysed.
        facts: Of the run.
        by: How to break figures down, beside the whole; one after the other, not crossed.
        families: Which metrics; all if none is named. Tests are made in any case, since which are made decides how
            they are adjusted.
        cluster: A kind of tag: questions that share their `CLUSTER:…` tag are one unit of inference.

    Raises:
        ConfigError: No question has such a tag.
    """
    clusters = clusters_of(table, cluster)
    samples = _samples(table, clusters)
    wanted = [metric for metric in METRICS.values() if not families or metric.family in families]
    findings = [finding for sample in samples for finding in _findings(sample, wanted, by, cluster)]
    findings += [
        Finding(METRICS[name], named, estimate)
        for name, named, estimate in speed_figures(facts)
        if METRICS[name] in wanted
    ]
    tests = _tests(samples, clusters, facts)
    return Analysis(
        facts=facts,
        asked=Breakdown(tuple(c.name for c in table.conditions), tuple(by), tuple(families), cluster),
        num_questions=len(clusters.of_question),
        num_clusters=clusters.number,
        findings=tuple(findings),
        tests=tuple(tests),
        notes=tuple(notes(facts, samples, findings, tests, cluster)),
    )


def _samples(table: RunTable, clusters: Clusters) -> list[Sample]:
    """Each condition, with the controls of its debate beside it."""
    import numpy as np

    siblings: dict[str, dict[str, Sample]] = {condition.debate: {} for condition in table.conditions}
    found = []
    for condition in table.conditions:
        asked = np.array([seat.is_model for seat in condition.seats], np.bool_)
        of_debates = clusters.of_question[condition.question]
        sample = Sample(condition, of_debates, clusters.number, asked, siblings[condition.debate])
        if condition.name != condition.debate:
            siblings[condition.debate][condition.name] = sample
        found.append(sample)
    return found


def _tests(samples: Sequence[Sample], clusters: Clusters, facts: RunFacts) -> list[Comparison]:
    """A sweep says itself which of them are primary."""
    found = []
    sweep = facts.run.sweep
    if sweep is not None:
        found += run_tests(list(factor_contrasts(samples, sweep)), clusters)
    for sample in samples:
        if sample.is_debate:
            own = contrasts(sample) if sweep is None else (replace(c, primary=False) for c in contrasts(sample))
            found += run_tests(list(own), clusters)
            slots = slot_test(sample)
            found += [slots] if slots is not None else []
    return adjusted(found)


class _Waiting(NamedTuple):
    """A figure whose interval is still to be computed."""

    metric: Metric
    by: Mapping[str, int | str]
    names: Sequence[Mapping[str, int | str]]
    part: Dimension | None
    statistic: Statistic
    verdict: bool


def _findings(
    sample: Sample, metrics: Sequence[Metric], by: Sequence[Dimension], cluster: str | None
) -> Iterator[Finding]:
    """One condition's figures: the whole, and its parts."""
    waiting: list[_Waiting | Finding] = []
    cells = 0
    for label, part, dimension in parts_of(sample, {*by, *(d for m in metrics for d in m.splits)}, cluster):
        for metric in metrics:
            if not _applies(metric, sample, dimension, by):
                continue
            named = {"condition": sample.condition.name, **label}
            for figure in metric.figures(part):
                if isinstance(figure.result, Estimate):
                    waiting += [Finding(metric, {**named, **name}, figure.result, dimension) for name in figure.by]
                    continue
                waiting.append(_Waiting(metric, named, figure.by, dimension, figure.result, figure.verdict))
                cells += figure.result.sums.size
            if cells > CELLS_AT_ONCE:
                yield from _estimated(waiting)
                waiting, cells = [], 0
    yield from _estimated(waiting)


def _applies(metric: Metric, sample: Sample, dimension: Dimension | None, by: Sequence[Dimension]) -> bool:
    if metric.scope == "run" or (metric.scope == "debates" and not sample.is_debate):
        return False
    if dimension is None:
        return True
    if dimension in ("model", "seat") and not metric.by_seat:
        return False
    return dimension in by or dimension in metric.splits


def _estimated(waiting: Sequence[_Waiting | Finding]) -> Iterator[Finding]:
    """In the same order, with intervals."""
    open_ones = [one for one in waiting if isinstance(one, _Waiting)]
    estimates: dict[int, tuple[Estimate, Verdict | None]] = {}
    for resampled in resample([one.statistic for one in open_ones]):
        for place, number in enumerate(resampled.numbers):
            estimate = resampled.estimate(place)
            verdict: Verdict | None = None
            if open_ones[number].verdict and estimate.value is not None:
                verdict = equivalence(resampled.estimate(place, 0.9), estimate).verdict
            estimates[number] = (estimate, verdict)
    number = 0
    for one in waiting:
        if isinstance(one, Finding):
            yield one
            continue
        estimate, verdict = estimates[number]
        number += 1
        for name in one.names:
            yield Finding(one.metric, {**one.by, **name}, estimate, one.part, verdict)
