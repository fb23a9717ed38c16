"""What is compared: the debate's end with its first vote, with controls at the same questions, with no change at all.

Three contrasts are primary, whatever a run holds of them: does debate beat its own first vote, does it beat as many
samples as cost the same, does belief drift more than by rethinking alone. Everything else is exploratory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localtable.analysis.metrics.best_single import best_single, two_clusters
from localtable.analysis.metrics.controls import SELF_CONSISTENCY, matched_samples, vote_of_first
from localtable.analysis.metrics.dynamics import changes
from localtable.analysis.metrics.metric import answers, finished, later_rounds
from localtable.analysis.sample import LAST, Round, Sample

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Numbers

SOLO = "solo-revise"
FIRST_ROUND = "first-round"


@dataclass(frozen=True)
class Side:
    """One side of a contrast: a question's value is the sum of the one ÷ the sum of the other over its repeats."""

    sample: Sample
    numerators: Floats
    """[debates]"""
    denominators: Floats
    """[debates]"""

    @property
    def one_yes_or_no(self) -> bool:
        """Whether each question has one debate here, and it is right or wrong and nothing between."""
        import numpy as np

        there = self.denominators > 0
        question = self.sample.condition.question[there]
        values = self.numerators[there] / self.denominators[there]
        return bool(np.isin(values, (0.0, 1.0)).all()) and len(np.unique(question)) == len(question)


@dataclass(frozen=True)
class Contrast:
    """What is to be tested."""

    condition: str
    metric: str
    first: str
    second: str
    sides: tuple[Side, Side]
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
    first, last = (_panel(debate, taken) for taken in (debate.first, debate.last))
    if later_rounds(debate) is None:
        yield Contrast(name, "majority_accuracy", name, "its first round", (last, first), primary=True)
        drift = _drift(debate)
        yield Contrast(name, "martingale_drift", name, "", (drift, _nothing(drift)), equivalence=True)
    single = _seats(debate, debate.first)
    if debate.counting.sum() > 1:
        yield Contrast(name, "majority_accuracy", f"{name}, first round", "its single seats", (first, single))
    if two_clusters(debate) is None:
        scores, judged = best_single(debate)
        yield Contrast(name, "majority_accuracy", name, "best single model", (last, _side(debate, scores, judged)))


def _matched(debate: Sample, name: str) -> Iterator[Contrast]:
    last = _panel(debate, debate.last)
    seen = set()
    for matched, samples in matched_samples(debate):
        if (matched.control, matched.k) in seen:  # as many by generated tokens as by all
            continue
        seen.add((matched.control, matched.k))
        side = _side(samples, *vote_of_first(samples, matched.k))
        primary = matched.kind == "total"
        short = ", and there are no more" if matched.k == matched.num_samples and matched.ratio < 1 else ""
        took = f"{matched.ratio:.2f} x the debate's {matched.kind} tokens"
        note = f"{matched.k} of {matched.num_samples} samples took {took}{short}"
        second = f"{matched.control}, {matched.k} samples ({matched.kind} tokens)"
        yield Contrast(name, "majority_accuracy", name, second, (last, side), primary=primary, note=note)


def _beside(debate: Sample, control: Sample) -> Iterator[Contrast]:
    """On the questions that are finished in both; exploratory but for the drift beside solo-revise."""
    both = (debate, control)
    name = debate.condition.name
    named = (name, control.condition.name)
    is_solo = control.condition.control == SOLO
    if any(finished(sample) is not None for sample in both):
        return
    judged = all(answers(sample) is None for sample in both)
    if judged:
        panels, seats = [_panel(s, s.last) for s in both], [_seats(s, s.last) for s in both]
        yield Contrast(name, "majority_accuracy", *named, (panels[0], panels[1]))
        yield Contrast(name, "individual_accuracy", *named, (seats[0], seats[1]))
    if any(later_rounds(sample) is not None for sample in both):
        return
    yield Contrast(name, "change_rate", *named, (_moved(debate), _moved(control)))
    if judged:
        drifts = (_drift(debate), _drift(control))
        yield Contrast(name, "martingale_drift", *named, drifts, primary=is_solo, equivalence=True, most=2.0)
        for metric, wrong in (("correction_rate", True), ("vulnerability", False)):
            yield Contrast(name, metric, *named, (_flipped(debate, wrong=wrong), _flipped(control, wrong=wrong)))


# ── sides ───────────────────────────────────────────────────────────────────────────────────────────────────


def _side(sample: Sample, numerators: Numbers, denominators: Numbers) -> Side:
    """[debates] values and which debates have one, or [debates, seats] likewise."""
    import numpy as np

    above, below = np.where(denominators, numerators, 0), denominators
    if above.ndim > 1:
        above, below = above.sum(axis=1), below.sum(axis=1)
    return Side(sample, above.astype(np.float64), below.astype(np.float64))


def _panel(sample: Sample, taken: Round) -> Side:
    return _side(sample, sample.at(sample.panel_right, taken.place), taken.present & sample.answered)


def _seats(sample: Sample, taken: Round) -> Side:
    judged = sample.at(sample.judged, taken.place) & taken.present[:, None]
    return _side(sample, sample.at(sample.right, taken.place), judged)


def _nothing(side: Side) -> Side:
    import numpy as np

    return Side(side.sample, np.zeros_like(side.numerators), side.denominators)


def _drift(sample: Sample) -> Side:
    change = next(change for change in changes(sample) if LAST in change.labels)
    return _side(sample, change.after.astype(int) - change.before, change.judged)


def _moved(sample: Sample) -> Side:
    change = next(change for change in changes(sample) if LAST in change.labels)
    return _side(sample, (change.voted[0] != change.voted[1]) & change.held, change.held)


def _flipped(sample: Sample, *, wrong: bool) -> Side:
    """From the first round to the last: seats corrected of those wrong, or led astray of those right."""
    change = next(change for change in changes(sample) if LAST in change.labels)
    start = change.judged & (change.before != wrong)
    return _side(sample, start & (change.after != change.before), start)
