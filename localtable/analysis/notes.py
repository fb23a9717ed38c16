"""What an analysis could not compute, what has to be known to read it, and what it could not have seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from localtable.analysis.contrasts import missing_primary
from localtable.analysis.factor_contrasts import missing_contrasts
from localtable.analysis.findings import Comparison, Finding
from localtable.analysis.parts import MIN_QUESTIONS, tags_of
from localtable.analysis.run_facts import RunFacts
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.bootstrap import MAX_UNDEFINED
from localtable.analysis.statistics.calibration import NEARLY_CERTAIN
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.words import listed

FEW_QUESTIONS = 50
"""Below it coverage was not held to its target (docs/analysis.md, Coverage and size)."""
NO_VALUE, NO_INTERVAL = "no value", "no interval"
"""How a note begins that gives the reason for what is missing somewhere among a metric's figures."""
MOST_NAMED = 3
"""Conditions that are named one by one."""
LACKING = "debates lack a ballot"
NOT_TESTED = "primary contrast of the sweep, not tested: "
PARTS = "of parts: "
"""How it begins where only figures that are broken down lack it."""
_RESAMPLES = re.compile(r"in \d+% of resamples")


def notes(
    facts: RunFacts,
    samples: Sequence[Sample],
    findings: Sequence[Finding],
    tests: Sequence[Comparison],
    cluster: str | None,
) -> Iterator[str]:
    """Plain sentences, the gravest first."""
    yield from _debates(facts, samples)
    for sample in samples:
        yield from _ballots(sample)
        yield from _influence(sample)
    yield from _comparisons(facts, samples, tests)
    yield from _parts(samples, findings, cluster)
    yield from _not_computed(findings, tests)


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────


def _debates(facts: RunFacts, samples: Sequence[Sample]) -> Iterator[str]:
    wanted = {sample.condition.name for sample in samples}
    chosen = [condition for condition in facts.conditions if condition.name in wanted]
    if not any(condition.finished for condition in chosen):
        yield "no debate has finished: nothing can be said but what was counted"
    for what, noun in (("failed", "failed"), ("open", "unfinished")):
        left = {condition.name: getattr(condition, what) for condition in chosen if getattr(condition, what)}
        if left:
            counts = ", ".join(f"{name} {count:,}" for name, count in left.items())
            yield f"{noun} debates, of which only what was said counts, and only among the validity figures: {counts}"
    for condition in chosen:
        if condition.left_out:
            yield f"{condition.name}: {condition.left_out:,} debates never held, whose question has no partner"
    for sample in samples:
        lacking = int((sample.condition.finished & ~sample.whole).sum())
        if lacking:
            yield (
                f"{sample.condition.name}: {lacking:,} finished {LACKING} and are left out (see `localtable verify`)"
            )
    if facts.num_answered < facts.num_questions:
        yield f"questions with an answer: {facts.num_answered:,} of {facts.num_questions:,}; accuracy is of these"
    yield from _questions(samples)


def _questions(samples: Sequence[Sample]) -> Iterator[str]:
    debate = next((sample for sample in samples if sample.is_debate), None)
    if debate is None:
        yield "no debate is among the conditions asked for: nothing is compared"
        return
    n = len(set(debate.cluster[debate.whole].tolist()))
    if 0 < n < FEW_QUESTIONS:
        yield f"{n} question{'s' if n > 1 else ''}: intervals of so few cover less surely than they say"
    early = int((debate.whole & (debate.condition.rounds_held < debate.condition.max_rounds)).sum())
    if early:
        yield (
            f"{early:,} of {int(debate.whole.sum()):,} debates ended early: figures of later rounds are of those that"
            " went on, which are the harder ones; `last` is of all"
        )


def _ballots(sample: Sample) -> Iterator[str]:
    import numpy as np

    name, ballots = sample.condition.name, sample.condition.ballots
    there = sample.held[:, :, None] & sample.asked
    number, tied = int(there.sum()), int((ballots.tied & there).sum())
    if not sample.is_debate or not number:
        return
    scripted = [seat.name for seat in sample.condition.seats if not seat.is_model]
    if scripted:
        counting = [seat.name for seat in sample.condition.seats if not seat.is_model and seat.counts]
        votes = f"; the votes of {listed(counting)} count in majorities and rules" if counting else ""
        yield f"{name}: {listed(scripted)} sat there by script, and no figure is of them{votes}"
    if tied:
        yield (
            f"{name}: {tied:,} of {number:,} ballots share their first place exactly: their votes were drawn by the"
            " turns' seeds, and their confidence is half or less"
        )
    without = int((there & np.isnan(ballots.confidence)).sum())
    if without:
        yield (
            f"{name}: {without:,} of {number:,} ballots have no distribution, as endpoints need not give one: what is"
            " reckoned from probabilities (calibration, certainty, change by confidence) leaves them out"
        )
    sure = int((there & (np.nan_to_num(ballots.confidence) > NEARLY_CERTAIN)).sum())
    if sure:
        yield (
            f"{name}: {sure:,} of {number:,} ballots ({sure / number:.0%}) give their vote more than {NEARLY_CERTAIN}:"
            " pools, rankings and calibration rest on small probabilities"
        )
    orders = sample.condition.orders
    if orders is not None:
        short = orders.num_orders < sample.condition.num_options[orders.where[0]]
        if short.any():
            yield (
                f"{name}: {int(short.sum()):,} of {len(short):,} ballots were asked in fewer orders than they have"
                " options: an option has stood at as many places, and what the others would have said is not averaged"
            )


def _influence(sample: Sample) -> Iterator[str]:
    found = sample.condition.influences
    if found is None:
        return
    measured = len(set(zip(*(axis.tolist() for axis in found.where), strict=True)))
    later = int((sample.condition.turns.present[:, 1:] & sample.asked).sum())
    if measured < later:
        yield (
            f"{sample.condition.name}: influence is measured of {measured:,} of {later:,} turns of later rounds: where"
            " they were chosen for having moved, means are of such turns and larger than those of all"
        )


# ── what is compared ────────────────────────────────────────────────────────────────────────────────────────


def _comparisons(facts: RunFacts, samples: Sequence[Sample], tests: Sequence[Comparison]) -> Iterator[str]:
    if facts.run.sweep is not None:
        for lacking in missing_contrasts(samples, facts.run.sweep):
            yield f"{NOT_TESTED}{lacking}"
    for sample in samples if facts.run.sweep is None else ():
        if not sample.is_debate or not sample.whole.any():
            continue
        for lacking in missing_primary(sample):
            yield f"{sample.condition.name}: not tested: {lacking}"
    for test in tests:
        if test.note:
            yield f"{test.name}: {test.note}"


# ── what can't be computed ──────────────────────────────────────────────────────────────────────────────────


def _parts(samples: Sequence[Sample], findings: Sequence[Finding], cluster: str | None) -> Iterator[str]:
    if not any("tag" in finding.by for finding in findings):
        return
    alone = {
        tag
        for sample in samples
        for tag, rows in tags_of(sample.condition, cluster).items()
        if len(set(sample.cluster[rows].tolist())) < MIN_QUESTIONS
    }
    if alone:
        yield f"{len(alone):,} tags that only one question has are no parts of their own"


class _Missing(NamedTuple):
    """A figure or a comparison, and whose it is."""

    name: str
    condition: str
    of_part: bool
    estimate: Estimate


def _not_computed(findings: Sequence[Finding], tests: Sequence[Comparison]) -> Iterator[str]:
    """One note for each reason: which values it takes away, and then which intervals; parts behind the rest."""
    every = {str(finding.by["condition"]) for finding in findings if "condition" in finding.by}
    found = list(_estimates(findings, tests))
    for of_part in (False, True):
        for what, lacks in ((NO_VALUE, "value"), (NO_INTERVAL, "low")):
            by_reason: dict[str, dict[str, set[str]]] = {}
            for name, condition, part, estimate in found:
                missing = getattr(estimate, lacks) is None and (lacks == "value" or estimate.value is not None)
                if part == of_part and missing and estimate.reason is not None:
                    reason = _RESAMPLES.sub(f"in more than {MAX_UNDEFINED:.0%} of resamples", estimate.reason)
                    by_reason.setdefault(reason, {}).setdefault(condition, set()).add(name)
            for reason, by_condition in by_reason.items():
                yield f"{PARTS if of_part else ''}{what}: {reason}: {_named(by_condition, every)}"
    yield from _no_detectable_effect(tests)


def _no_detectable_effect(tests: Sequence[Comparison]) -> Iterator[str]:
    alike = Counter(test.metric for test in tests if test.detectable is None and test.estimate.low is not None)
    if alike:
        named = ", ".join(f"{metric} ({count:,})" for metric, count in alike.items())
        yield f"no detectable effect: in these comparisons no question differs, and nothing says how they vary: {named}"


def _estimates(findings: Sequence[Finding], tests: Sequence[Comparison]) -> Iterator[_Missing]:
    """Every estimate; a test's name says whose it is."""
    for finding in findings:
        condition = str(finding.by.get("condition", ""))
        yield _Missing(finding.metric.name, condition, finding.part is not None, finding.estimate)
    for test in tests:
        yield _Missing(test.name, "", False, test.estimate)


def _named(by_condition: Mapping[str, set[str]], every: set[str]) -> str:
    """`brier, ece (debate, ring)`: which figures, and of which conditions where it is not all of them."""
    names = ", ".join(sorted(set().union(*by_condition.values())))
    conditions = [name for name in by_condition if name]
    if not conditions or set(conditions) == every:
        return names
    if len(conditions) <= MOST_NAMED:
        return f"{names} ({', '.join(conditions)})"
    return f"{names} (in {len(conditions)} of {len(every)} conditions)"
