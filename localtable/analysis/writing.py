"""An analysis as plain data: what `analyze --json` and `--csv` write (docs/contracts.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from localtable import __version__
from localtable.analysis.findings import Analysis, Comparison, Finding
from localtable.analysis.run_facts import RunFacts
from localtable.analysis.statistics.estimate import PValue

SCHEMA_VERSION = 1
DIMENSIONS = ("condition", "round", "model", "seat", "tag", "agreement")
"""Columns of `metrics.csv` that are always there; whatever else figures are broken down by follows."""


def analysis_to_json(analysis: Analysis) -> dict[str, Any]:
    """The whole analysis; what can't be computed is None, with its reason beside it and among the notes."""
    asked = analysis.asked
    return {
        "schema_version": SCHEMA_VERSION,
        "localtable": __version__,
        "run": _run(analysis.facts),
        "asked": {
            "conditions": list(asked.conditions),
            "by": list(asked.by),
            "families": list(asked.families),
            "cluster": asked.cluster,
            "questions": analysis.num_questions,
            "clusters": analysis.num_clusters,
        },
        "metrics": [_finding(finding) for finding in analysis.findings],
        "tests": [_comparison(test) for test in analysis.tests],
        "notes": list(analysis.notes),
    }


def _run(facts: RunFacts) -> dict[str, Any]:
    run = facts.run
    return {
        "uuid": run.uuid,
        "created": run.created,
        "engine": run.engine,
        "panel": facts.panel.name,
        "seats": [{"name": seat.name, "model": seat.model_id} for seat in facts.panel.seats],
        "rounds": facts.panel.rounds,
        "repeats": run.repeats,
        "seed": facts.panel.seed,
        "prompts": {"name": run.prompts_name, "sha256": run.prompts_sha256},
        "questions": facts.num_questions,
        "answered": facts.num_answered,
        "questions_sha256": run.questions_sha256,
        "conditions": [
            {
                "name": condition.name,
                "finished": condition.finished,
                "failed": condition.failed,
                "open": condition.open,
                "left_out": condition.left_out,
            }
            for condition in facts.conditions
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    estimate = finding.estimate
    return {
        "name": finding.metric.name,
        "by": dict(finding.by),
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "method": estimate.method,
        "unit": finding.metric.unit,
        "family": finding.metric.family,
        "verdict": finding.verdict,
        "reason": estimate.reason,
    }


def _comparison(test: Comparison) -> dict[str, Any]:
    estimate = test.estimate
    return {
        "name": test.name,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "p": test.p.p,
        "p_adjusted": test.p_adjusted,
        "n": estimate.n,
        "detectable": test.detectable,
        "method": test.p.method,
        "interval": estimate.method,
        "family": test.family,
        "metric": test.metric,
        "first": test.first,
        "second": test.second,
        "verdict": test.verdict,
        "mcnemar": None if test.mcnemar is None else _p_value(test.mcnemar),
        "reason": estimate.reason or test.p.reason,
    }


def _p_value(p: PValue) -> dict[str, Any]:
    return {"p": p.p, "n": p.n, "method": p.method}


# ── long tables ─────────────────────────────────────────────────────────────────────────────────────────────


def metric_rows(analysis: Analysis) -> Iterator[Sequence[Any]]:
    """A heading and a row for each figure; nothing stands where there is nothing."""
    further = {key: None for finding in analysis.findings for key in finding.by if key not in DIMENSIONS}
    columns = (*DIMENSIONS, *further)
    rest = ("value", "low", "high", "n", "method", "verdict", "reason")
    yield ("name", "family", "unit", *columns, *rest)
    for finding in analysis.findings:
        data = _finding(finding)
        yield (
            *(data[key] for key in ("name", "family", "unit")),
            *(finding.by.get(column) for column in columns),
            *(data[key] for key in rest),
        )


def comparison_rows(analysis: Analysis) -> Iterator[Sequence[Any]]:
    """A heading and a row for each test."""
    yield (*_COMPARED, "mcnemar_p")
    for test in analysis.tests:
        data = _comparison(test)
        yield (*(data[column] for column in _COMPARED), None if test.mcnemar is None else test.mcnemar.p)


_COMPARED = (
    "name",
    "family",
    "metric",
    "first",
    "second",
    "value",
    "low",
    "high",
    "p",
    "p_adjusted",
    "n",
    "detectable",
    "verdict",
    "method",
    "interval",
    "reason",
)
