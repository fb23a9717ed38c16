"""What a metric is: a name, a formula with its source, what it needs, and a function from a sample to figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from localtable.analysis.families import Dimension, Family
from localtable.analysis.sample import Round, Sample
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.statistic import Statistic, ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Numbers

Unit = Literal[
    "share",
    "difference of shares",
    "votes",
    "tokens",
    "nats",
    "rounds",
    "seats",
    "correct",
    "seconds",
    "hours",
    "debates per hour",
    "tokens per second",
    "rows",
    "1",
]
Ballot = Literal["counting", "before", "before and after", "each order", "free", "none"]
"""Which ballot a metric reads: the one that counts (after the statement, unless the panel says `at: before`), the one
before it, both, the single orders of a ballot that was asked in several, the unconstrained reply, or none."""

Scope = Literal["conditions", "debates", "run"]
"""Whose a metric is: every condition's, those that are no control, or the run's as a whole."""

By = Mapping[str, int | str]
"""What a figure is of, beside its condition."""

EVERYTHING: By = {}


class Figure(NamedTuple):
    """A statistic before it has its interval."""

    by: tuple[By, ...]
    """What it is of; more than one where it is the figure of several, as round 2 and the last round of two."""
    result: Statistic | Estimate
    """A statistic has a row for each cluster."""
    verdict: bool = False
    """Whether it is to be tested for equivalence with 0."""


Need = Callable[[Sample], str | None]
"""Why a sample does not have what a metric needs; None where it has."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of an analysis."""

    name: str
    family: Family
    unit: Unit
    compute: Callable[[Sample], Iterator[Figure]]
    formula: str
    source: str
    ballot: Ballot = "counting"
    needs: tuple[Need, ...] = ()
    by_seat: bool = True
    """Whether it can be had of some seats alone: by model and by seat."""
    splits: tuple[Dimension, ...] = ()
    """How it is always broken down, beside the whole."""
    scope: Scope = "conditions"

    def figures(self, sample: Sample) -> list[Figure]:
        """Its figures; one without a value, and with the reason, where the sample lacks what it needs."""
        for need in self.needs:
            reason = need(sample)
            if reason is not None:
                return [missing(reason)]
        return list(self.compute(sample)) or [missing("nothing of it was measured in this run")]


def missing(reason: str, by: By = EVERYTHING) -> Figure:
    """A figure that can't be had."""
    return Figure((by,), Estimate(None, None, None, 0, "none", reason))


# ── what metrics need ───────────────────────────────────────────────────────────────────────────────────────


def finished(sample: Sample) -> str | None:
    """A debate that finished."""
    if sample.whole.any():
        return None
    return "no debate has finished with all its ballots" if len(sample.whole) else "no debate belongs to it"


def answers(sample: Sample) -> str | None:
    """A finished debate with an answer."""
    return finished(sample) or (
        None if (sample.whole & sample.answered).any() else "no finished debate's question has an answer"
    )


def later_rounds(sample: Sample) -> str | None:
    """A second round."""
    return finished(sample) or (None if sample.transitions else "one round: nobody could change a vote")


def two_seats(sample: Sample) -> str | None:
    """Two seats that are asked."""
    return finished(sample) or (None if sample.num_asked > 1 else "one seat has nobody to be compared with")


def peers(sample: Sample) -> str | None:
    """Somebody else at the table, and a round in which they could be read."""
    if finished(sample) is None and len(sample.condition.seats) < 2:
        return "one seat has no peers"
    return later_rounds(sample)


def distributions(sample: Sample) -> str | None:
    """A ballot with a distribution."""
    import numpy as np

    there = ~np.isnan(sample.condition.ballots.confidence) & sample.held[:, :, None]
    return finished(sample) or (None if there.any() else "no ballot has a distribution")


# ── figures of shares ───────────────────────────────────────────────────────────────────────────────────────


def to_clusters(sample: Sample, statistic: Statistic, undefined: str | None = None) -> Statistic:
    """A statistic of debates, summed by cluster; `undefined` says in better words why it may have no value."""
    import numpy as np

    if undefined is not None:
        statistic = replace(statistic, undefined=undefined)
    alone = sample.num_clusters == len(sample.cluster) and (np.diff(sample.cluster) > 0).all()
    return statistic if alone else statistic.by_cluster(sample.cluster, sample.num_clusters)


def labelled(labels: tuple[int | str, ...], by: By = EVERYTHING) -> tuple[By, ...]:
    """One `by` for each name of a round."""
    return tuple({**by, "round": label} for label in labels)


def share(
    sample: Sample,
    numerators: Numbers,
    denominators: Numbers,
    by: tuple[By, ...] = (EVERYTHING,),
    *,
    low: float = 0.0,
    high: float = 1.0,
    undefined: str | None = None,
) -> Figure:
    """Σ numerators ÷ Σ denominators over debates.

    Args:
        sample: Of the debates.
        numerators: [debates] or [debates, seats].
        denominators: As the numerators, or a mask of theirs; what it leaves out counts nowhere.
        by: What it is of.
        low: Least possible ratio.
        high: Greatest possible ratio.
        undefined: Why it may have no value.
    """
    import numpy as np

    above = np.where(denominators, numerators, 0)
    if above.ndim > 1:
        above, denominators = above.sum(axis=1), denominators.sum(axis=1)
    return Figure(by, to_clusters(sample, ratio(above, denominators, low, high), undefined))


def share_by_round(
    sample: Sample,
    numerators: Numbers,
    denominators: Numbers,
    by: By = EVERYTHING,
    *,
    low: float = 0.0,
    high: float = 1.0,
    undefined: str | None = None,
) -> Iterator[Figure]:
    """The same in each round and in the last one: [debates, rounds] or [debates, rounds, seats]."""
    for taken in sample.rounds:
        yield share(
            sample,
            sample.at(numerators, taken.place),
            _present(sample.at(denominators, taken.place), taken),
            labelled(taken.labels, by),
            low=low,
            high=high,
            undefined=undefined,
        )


def _present(denominators: Numbers, taken: Round) -> Numbers:
    import numpy as np

    mask = taken.present if denominators.ndim == 1 else taken.present[:, None]
    found: Numbers = np.where(mask, denominators, 0)
    return found
