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
NO_METER = "no engine of this run has said what its steps came to"
NO_STEPS = "its engine has ended no session in which it worked for long enough to tell"
HOUR_S = 3600
_OF_STEPS = (("rows_per_step", "decode_rows", "decode_steps"), ("prompt_time_share", "prompt_seconds", "seconds"))
"""Each with the figures that it is a quotient of."""


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
    for name, part, whole in _OF_STEPS:
        if not facts.steps:
            yield SpeedFigure(name, {}, Estimate(None, None, None, finished, METHOD, NO_METER))
        for model, steps in facts.steps.items():
            value, of = steps[part], steps[whole]
            reason = NO_INTERVAL if value is not None and of else NO_STEPS
            value = value / of if value is not None and of else None
            yield SpeedFigure(name, {"model": model}, Estimate(value, None, None, finished, METHOD, reason))


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
    Metric(
        "rows_per_step",
        "efficiency",
        "rows",
        _of_the_run,
        "of each model: Σ over its engine's decode steps of the turns that went on in them ÷ those steps",
        _TOTALS,
        "none",
        scope="run",
    ),
    Metric(
        "prompt_time_share",
        "efficiency",
        "share",
        _of_the_run,
        "of each model: share of its engine's steps' seconds that prompts took, by a fit to the steps",
        "docs/scheduling.md",
        "none",
        scope="run",
    ),
)
