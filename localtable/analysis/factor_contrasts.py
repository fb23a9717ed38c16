"""What a sweep is for: one level of a factor against another, over all variants that differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from localtable.analysis.contrasts import Contrast, between
from localtable.analysis.sample import Sample
from localtable.analysis.sides import COMPARABLE
from localtable.errors import ConfigError
from localtable.loading import nearest
from localtable.types import PrimaryContrast


def require_comparable(primary: Sequence[PrimaryContrast], where: str) -> None:
    """Refuse contrasts that no analysis makes: whoever names one wants its test when the run is paid for.

    Args:
        primary: A sweep's.
        where: What to call its file in an error.

    Raises:
        ConfigError: Says which metric.
    """
    for contrast in primary:
        if contrast.metric not in COMPARABLE:
            raise ConfigError(
                f"{where}: primary: variants can't be compared by {contrast.metric!r}",
                hint=nearest(contrast.metric, list(COMPARABLE), kind="metrics"),
            )


def factor_contrasts(samples: Sequence[Sample], sweep: Mapping[str, Any]) -> Iterator[Contrast]:
    """Those that the sweep names are primary; each factor's first level against its others is looked at besides.

    Args:
        samples: All conditions that are analysed.
        sweep: As the store's run has it: factors with their levels, and primary contrasts.
    """
    debates = [sample for sample in samples if sample.is_debate]
    named = [(contrast["metric"], contrast["factor"], *contrast["levels"]) for contrast in sweep["primary"]]
    besides = [
        (metric, factor, level, first)
        for factor, levels in sweep["factors"].items()
        for first, *others in [list(levels)]
        for level in others
        for metric in COMPARABLE
    ]
    done = set()
    for metric, factor, one, other in [*named, *besides]:
        if (metric, factor, frozenset((one, other))) in done or metric not in COMPARABLE:
            continue
        done.add((metric, factor, frozenset((one, other))))
        pairs = _matched(debates, factor, one, other)
        found = between(metric, pairs, f"{factor} {one}", f"{factor} {other}") if pairs else None
        if found is not None:
            yield replace(found, condition="", primary=(metric, factor, one, other) in named)


def missing_contrasts(samples: Sequence[Sample], sweep: Mapping[str, Any]) -> Iterator[str]:
    """Which of a sweep's primary contrasts can't be made, and why."""
    made = {(contrast.metric, contrast.first, contrast.second) for contrast in factor_contrasts(samples, sweep)}
    for contrast in sweep["primary"]:
        metric, factor = contrast["metric"], contrast["factor"]
        one, other = contrast["levels"]
        if metric not in COMPARABLE:
            yield f"{metric} by {factor}: conditions are compared by {', '.join(COMPARABLE)}"
        elif (metric, f"{factor} {one}", f"{factor} {other}") not in made:
            yield f"{metric}: {factor} {one} − {factor} {other}: no two variants that differ in it alone have it"


def _matched(debates: Sequence[Sample], factor: str, one: str, other: str) -> list[tuple[Sample, Sample]]:
    """Variants of the one level with that of the other level that is the same in all other factors."""

    def rest(sample: Sample) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((key, level) for key, level in sample.condition.levels.items() if key != factor))

    others = {rest(sample): sample for sample in debates if sample.condition.levels.get(factor) == other}
    return [
        (sample, others[rest(sample)])
        for sample in debates
        if sample.condition.levels.get(factor) == one and rest(sample) in others
    ]
