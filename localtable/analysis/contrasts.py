"""What is compared: the debate's end with its first vote, with controls at the same questions, with no change at all.

Three contrasts are primary, whatever a run holds of them: does debate beat its own first vote, does it beat as many
samples as cost the same, does belief drift more than by rethinking alone. Everything else is exploratory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from localtable.analysis.metrics.best_single import best_single, two_clusters
from localtable.analysis.metrics.controls import SELF_CONSISTENCY, matched_samples, vote_of_first
from localtable.analysis.metrics.metric import answers, later_rounds
from localtable.analysis.sample import Sample
from localtable.analysis.sides import (
    COMPARABLE,
    Side,
    drift_side,
    nothing_side,
    panel_side,
    seats_side,
    side_of,
)

SOLO = "solo-revise"
FIRST_ROUND = "first-round"


@dataclass(frozen=True)
class Contrast:
    """What is to be tested."""

    condition: str
    metric: str
    first: str
    second: str
    pairs: tuple[tuple[Side, Side], ...]
    """Conditions that are compared with each other; a question's difference is the mean over the pairs that have it."""
    primary: bool = False
    equivalence: bool = False
    """Whether it is also asked if the two are as good as equal."""
    most: float = 1.0
    """The greatest difference that a question can have."""
    note: str | None = None


def contrasts(debate: Sample) -> Iterator[Contrast]:
    """A debate's contrasts with its own first round and with its controls, those that this run can make."""
    name = debate.condition.name
    if answers(debate) is None:
        yield from _within(debate, name)
    for control in debate.siblings.values():
        if control.condition.control == SELF_CONSISTENCY:
            continue
        # The first round is the debate's own, generated once: compared with it above.
        if control.condition.control != FIRST_ROUND:
            yield from _beside(debate, control)
    if answers(debate) is None:
        yield from _matched(debate, name)


def missing_primary(debate: Sample) -> Iterator[str]:
    """Which primary contrasts the run has no control for."""
    controls = {other.condition.control for other in debate.siblings.values()}
    if SELF_CONSISTENCY not in controls:
        yield "debate against self-consistency at matched tokens: the run has no such control"
    if SOLO not in controls and debate.condition.max_rounds > 1:
        yield (
            "drift against solo-revise: the run has no such control, so that drift, correction_rate and vulnerability"
            " can't be told from seats that rethink alone (regression to the mean)"
        )


def _within(debate: Sample, name: str) -> Iterator[Contrast]:
    first, last = (panel_side(debate, taken) for taken in (debate.first, debate.last))
    if later_rounds(debate) is None:
        yield Contrast(name, "majority_accuracy", name, "its first round", ((last, first),), primary=True)
        drift = drift_side(debate)
        yield Contrast(name, "martingale_drift", name, "", ((drift, nothing_side(drift)),), equivalence=True)
    single = seats_side(debate, debate.first)
    if debate.counting.sum() > 1:
        yield Contrast(name, "majority_accuracy", f"{name}, first round", "its single seats", ((first, single),))
    if two_clusters(debate) is None:
        scores, judged = best_single(debate)
        yield Contrast(name, "majority_accuracy", name, "best single model", ((last, side_of(debate, scores, judged)),))


def _matched(debate: Sample, name: str) -> Iterator[Contrast]:
    last = panel_side(debate, debate.last)
    seen = set()
    for matched, samples in matched_samples(debate):
        if (matched.control, matched.k) in seen:  # as many by generated tokens as by all
            continue
        seen.add((matched.control, matched.k))
        side = side_of(samples, *vote_of_first(samples, matched.k))
        primary = matched.kind == "total"
        short = ", and there are no more" if matched.k == matched.num_samples and matched.ratio < 1 else ""
        took = f"{matched.ratio:.2f} x the debate's {matched.kind} tokens"
        note = f"{matched.k} of {matched.num_samples} samples took {took}{short}"
        second = f"{matched.control}, {matched.k} samples ({matched.kind} tokens)"
        yield Contrast(name, "majority_accuracy", name, second, ((last, side),), primary=primary, note=note)


def _beside(debate: Sample, control: Sample) -> Iterator[Contrast]:
    """On the questions that are finished in both; exploratory but for the drift beside solo-revise."""
    primary = {"martingale_drift"} if control.condition.control == SOLO else set[str]()
    for metric in COMPARABLE:
        found = between(metric, [(debate, control)], debate.condition.name, control.condition.name)
        if found is not None:
            yield replace(found, primary=metric in primary)


def between(metric: str, pairs: Sequence[tuple[Sample, Sample]], first: str, second: str) -> Contrast | None:
    """Conditions compared by a metric, exploratory; None where no pair has it on both sides.

    Args:
        metric: One of `COMPARABLE`.
        pairs: Of conditions, each first one with its second.
        first: What the first ones are called.
        second: What the second ones are called.
    """
    by = COMPARABLE[metric]
    sides = tuple(
        (by.side(one), by.side(other)) for one, other in pairs if by.needs(one) is None and by.needs(other) is None
    )
    if not sides:
        return None
    name = pairs[0][0].condition.name
    return Contrast(name, metric, first, second, sides, equivalence=by.equivalence, most=by.most)
