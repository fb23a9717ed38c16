"""What a run took: totals over all its conditions, of which there is one and no interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from localtable.analysis.metrics.metric import By, Figure, Metric
from localtable.analysis.run_facts import RunFacts
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.estimate import Estimate

METHOD = "total of the run"
NO_INTERVAL = "a total of the run, all conditions together: there is one, and no interval"
NO_TIME = "no session of this run has said how long it took"
HOUR_S = 3600


class SpeedFigure(NamedTuple):
    """A figure of the run."""

    name: str
    by: By
    estimate: Estimate


def speed_figures(facts: RunFacts) -> Iterator[SpeedFigure]:
    """Seconds by what they went into, hours of devices, debates an hour, tokens a second."""
    finished = sum(condition.finished for condition in facts.conditions)
    total, generating = facts.seconds["total"], facts.seconds["generating"]

    def figure(name: str, value: float | None, by: By) -> SpeedFigure:
        reason = NO_INTERVAL if value is not None else NO_TIME
        return SpeedFigure(name, by, Estimate(value, None, None, finished, METHOD, reason))

    for part, seconds in facts.seconds.items():
        yield figure("seconds", seconds if total > 0 else None, {"part": part})
    yield figure("device_hours", facts.device_seconds / HOUR_S if facts.device_seconds > 0 else None, {})
    yield figure("debates_per_hour", finished / total * HOUR_S if total > 0 else None, {})
    rate = facts.completion_tokens / generating if generating > 0 else None
    yield figure("generated_tokens_per_second", rate, {})


def _of_the_run(sample: Sample) -> Iterator[Figure]:
    """No condition has them."""
    return iter(())


_TOTALS = "run totals: docs/contracts.md"

METRICS = (
    Metric(
        "seconds",
        "efficiency",
        "seconds",
        _of_the_run,
        "wall time of all sessions: total = generating + loading + outside_engines",
        _TOTALS,
        "none",
        scope="run",
    ),
    Metric(
        "device_hours",
        "efficiency",
        "hours",
        _of_the_run,
        "Σ over sessions of their hours × the devices that engines sat on: GPU-hours, where devices are GPUs",
        "docs/store.md, timeline",
        "none",
        scope="run",
    ),
    Metric(
        "debates_per_hour",
        "efficiency",
        "debates per hour",
        _of_the_run,
        "finished debates of all conditions ÷ hours",
        _TOTALS,
        "none",
        scope="run",
    ),
    Metric(
        "generated_tokens_per_second",
        "efficiency",
        "tokens per second",
        _of_the_run,
        "tokens generated for this run ÷ seconds generating",
        _TOTALS,
        "none",
        scope="run",
    ),
)
