"""One side of a comparison: what a metric is of each question, so that two conditions can be paired on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localtable.analysis.metrics.dynamics import changes
from localtable.analysis.metrics.metric import Need, answers, finished, later_rounds, peers
from localtable.analysis.metrics.social import Meeting, differing_pairs
from localtable.analysis.sample import LAST, Round, Sample

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Numbers


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


def side_of(sample: Sample, numerators: Numbers, denominators: Numbers) -> Side:
    """[debates] values and which debates have one, or [debates, seats] likewise."""
    import numpy as np

    above, below = np.where(denominators, numerators, 0), denominators
    if above.ndim > 1:
        above, below = above.sum(axis=1), below.sum(axis=1)
    return Side(sample, above.astype(np.float64), below.astype(np.float64))


def panel_side(sample: Sample, taken: Round) -> Side:
    """How right the panel is in a round."""
    return side_of(sample, sample.at(sample.panel_right, taken.place), taken.present & sample.answered)


def seats_side(sample: Sample, taken: Round) -> Side:
    """The share of asked seats that are right in a round."""
    judged = sample.at(sample.judged, taken.place) & taken.present[:, None]
    return side_of(sample, sample.at(sample.right, taken.place), judged)


def nothing_side(side: Side) -> Side:
    """0 on the same questions."""
    import numpy as np

    return Side(side.sample, np.zeros_like(side.numerators), side.denominators)


def drift_side(sample: Sample) -> Side:
    """Seats that are right in the last round − in the first, by seat."""
    change = next(change for change in changes(sample) if LAST in change.labels)
    return side_of(sample, change.after.astype(int) - change.before, change.judged)


def moved_side(sample: Sample) -> Side:
    """The share of asked seats that vote otherwise in the last round than in the first."""
    change = next(change for change in changes(sample) if LAST in change.labels)
    return side_of(sample, (change.voted[0] != change.voted[1]) & change.held, change.held)


def flipped_side(sample: Sample, *, wrong: bool) -> Side:
    """From the first round to the last: seats corrected of those wrong, or led astray of those right."""
    change = next(change for change in changes(sample) if LAST in change.labels)
    start = change.judged & (change.before != wrong)
    return side_of(sample, start & (change.after != change.before), start)


def _judged_later(sample: Sample) -> str | None:
    return answers(sample) or later_rounds(sample)


def unanimity_side(sample: Sample) -> Side:
    """Whether all seats agree in the last round."""
    return side_of(sample, sample.at(sample.unanimous, sample.last.place), sample.whole)


def gap_side(sample: Sample) -> Side:
    """Pairs of seats that differed: those in which the seat adopts − those in which it keeps, of all later rounds."""
    pairs = differing_pairs(Meeting(sample))
    met = pairs.met.sum(axis=(1, 2))
    return side_of(sample, (pairs.adopted - pairs.kept).sum(axis=(1, 2)), met)


@dataclass(frozen=True, slots=True)
class Comparable:
    """A metric that conditions can be compared by, as it stands in the last round or from the first to it."""

    side: Callable[[Sample], Side]
    needs: Need
    most: float = 1.0
    """The greatest difference that a question can have."""
    equivalence: bool = False


COMPARABLE: Mapping[str, Comparable] = {
    "majority_accuracy": Comparable(lambda sample: panel_side(sample, sample.last), answers),
    "individual_accuracy": Comparable(lambda sample: seats_side(sample, sample.last), answers),
    "unanimity_rate": Comparable(unanimity_side, finished),
    "change_rate": Comparable(moved_side, later_rounds),
    "martingale_drift": Comparable(drift_side, _judged_later, most=2.0, equivalence=True),
    "correction_rate": Comparable(lambda sample: flipped_side(sample, wrong=True), _judged_later),
    "vulnerability": Comparable(lambda sample: flipped_side(sample, wrong=False), _judged_later),
    "conformity_gap": Comparable(gap_side, peers, most=2.0),
}
