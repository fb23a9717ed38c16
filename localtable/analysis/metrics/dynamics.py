"""What rounds do to votes: who is corrected, who is led astray, whether belief drifts, when it settles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.metrics.metric import (
    Figure,
    Metric,
    answers,
    distributions,
    finished,
    labelled,
    later_rounds,
    share,
)
from localtable.analysis.sample import Sample

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Integers


CONFIDENCES = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)
"""Edges of what a vote is given: less than all others together, and above 0.99 the tail of a softmax."""


class Change(NamedTuple):
    """Seats before and behind a transition, [debates, asked seats]."""

    labels: tuple[int | str, ...]
    before: Flags
    """Whether each was right."""
    after: Flags
    judged: Flags
    voted: tuple[Integers, Integers]
    """Options before and behind."""
    held: Flags


def changes(sample: Sample) -> Iterator[Change]:
    """What happened in each later round, and from first to last."""
    for labels, before, after, present in sample.transitions:
        held = present[:, None] & (sample.at(sample.own_votes, after) >= 0)
        yield Change(
            labels,
            sample.at(sample.right, before),
            sample.at(sample.right, after),
            held & sample.answered[:, None],
            (sample.at(sample.own_votes, before), sample.at(sample.own_votes, after)),
            held,
        )


def _transitions(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        for start, begins in (("right", change.before), ("wrong", ~change.before)):
            for end, ends in (("right", change.after), ("wrong", ~change.after)):
                by = labelled(change.labels, {"from": start, "to": end})
                yield share(sample, begins & ends, change.judged, by)


def _corrections(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        wrong = change.judged & ~change.before
        yield share(sample, change.after, wrong, labelled(change.labels), undefined="no vote was wrong")


def _vulnerability(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        right = change.judged & change.before
        yield share(sample, ~change.after, right, labelled(change.labels), undefined="no vote was right")


def _change_rate(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        yield share(sample, change.voted[0] != change.voted[1], change.held, labelled(change.labels))


def _by_confidence(sample: Sample) -> Iterator[Figure]:
    """Over all later rounds, by what a seat gave its vote in the round before."""
    import numpy as np

    sure, votes = sample.condition.ballots.confidence[:, :-1, sample.asked], sample.own_votes
    there = (votes[:, 1:] >= 0) & ~np.isnan(sure)
    size = (len(votes), there.shape[1] * there.shape[2])
    changed = (votes[:, 1:] != votes[:, :-1]).reshape(size)
    for low, high in pairwise(CONFIDENCES):
        mine = there & (sure > low) & (sure <= high)
        by = {"confidence": f"{low:g} to {high:g}"}
        yield share(sample, changed, mine.reshape(size), (by,), undefined="no vote was given as much, and no more")


def _net_flips(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        won = change.after.sum(axis=1) - change.before.sum(axis=1)
        seats = float(sample.num_asked)
        yield share(sample, won, change.judged.sum(axis=1) > 0, labelled(change.labels), low=-seats, high=seats)


def _drift(sample: Sample) -> Iterator[Figure]:
    for change in changes(sample):
        moved = change.after.astype(int) - change.before
        figure = share(sample, moved, change.judged, labelled(change.labels), low=-1.0)
        yield figure._replace(verdict=True)


def _stability(sample: Sample) -> Iterator[Figure]:
    yield share(sample, last_change(sample), sample.whole, low=1.0, high=float(sample.condition.num_rounds))


def last_change(sample: Sample) -> Integers:
    """[debates] the round from which on no asked seat changes its vote; 1 where none ever does."""
    import numpy as np

    votes = sample.own_votes
    moved = ((votes[:, 1:] != votes[:, :-1]) & (votes[:, 1:] >= 0)).any(axis=2)  # [debates, later rounds]
    numbers = np.arange(2, votes.shape[1] + 1)
    found: Integers = np.where(moved, numbers, 1).max(axis=1, initial=1)
    return found


def _unsettled(sample: Sample) -> Iterator[Figure]:
    ended = last_change(sample) == sample.condition.rounds_held
    yield share(sample, ended & (sample.condition.rounds_held > 1), sample.whole)


def _collapse(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    apart = sample.whole & ~sample.at(sample.unanimous, sample.first.place)
    agreed = sample.at(sample.unanimous, sample.last.place)
    undefined = "no first round was divided"
    yield share(sample, agreed, apart, undefined=undefined)
    right = np.take_along_axis(sample.right, sample.last.place[:, None, None], axis=1)[:, 0, 0]
    judged = apart & sample.answered
    for name, onto in (("right", right), ("wrong", ~right)):
        yield share(sample, agreed & onto, judged, ({"onto": name},), undefined=f"{undefined} and has an answer")


def _by_reading(sample: Sample) -> Iterator[Figure]:
    before = sample.condition.before
    assert before is not None
    for labels, earlier, now, present in sample.transitions:
        if labels == ("last",):
            continue
        belief = sample.at(before.vote[:, :, sample.asked], now)
        moved = belief != sample.at(sample.own_votes, earlier)
        yield share(sample, moved, (belief >= 0) & present[:, None], labelled(labels))


def _by_speaking(sample: Sample) -> Iterator[Figure]:
    before = sample.condition.before
    assert before is not None
    for taken in sample.rounds:
        belief = sample.at(before.vote[:, :, sample.asked], taken.place)
        moved = belief != sample.at(sample.own_votes, taken.place)
        yield share(sample, moved, (belief >= 0) & taken.present[:, None], labelled(taken.labels))


def _both_ballots(sample: Sample) -> str | None:
    if sample.condition.panel.ballot.at != "both" or sample.condition.before is None:
        return "seats voted once in a turn (ballot: {at: both} asks them before and after the statement)"
    return finished(sample)


_MARTINGALE = "Choi et al. 2025, arXiv:2508.17536"
_FLIPS = "arXiv:2605.00914"
EVERY_ROUND = "by round against the one before; `last` against round 1"

METRICS = (
    Metric(
        "transition_share",
        "dynamics",
        "share",
        _transitions,
        f"seats that are right or wrong before and behind ÷ seats; {EVERY_ROUND}",
        _FLIPS,
        needs=(answers, later_rounds),
    ),
    Metric(
        "correction_rate",
        "dynamics",
        "share",
        _corrections,
        f"P(c_t+1 = 1 | c_t = 0); {EVERY_ROUND}",
        _FLIPS,
        needs=(answers, later_rounds),
    ),
    Metric(
        "vulnerability",
        "dynamics",
        "share",
        _vulnerability,
        f"P(c_t+1 = 0 | c_t = 1); {EVERY_ROUND}",
        _FLIPS,
        needs=(answers, later_rounds),
    ),
    Metric(
        "change_rate",
        "dynamics",
        "share",
        _change_rate,
        f"P(a_t+1 ≠ a_t); {EVERY_ROUND}",
        _FLIPS,
        needs=(later_rounds,),
    ),
    Metric(
        "change_by_confidence",
        "dynamics",
        "share",
        _by_confidence,
        "P(a_t+1 ≠ a_t | the probability that the seat gave a_t lies in a bin), over all later rounds",
        "uncertainty and conformity: arXiv:2410.12428",
        needs=(later_rounds, distributions),
    ),
    Metric(
        "net_flips",
        "dynamics",
        "seats",
        _net_flips,
        f"mean over debates of seats that were corrected − seats that were led astray; {EVERY_ROUND}",
        _FLIPS,
        needs=(answers, later_rounds),
    ),
    Metric(
        "martingale_drift",
        "dynamics",
        "difference of shares",
        _drift,
        f"δ = mean over debates and seats of c_t+1 − c_t, tested for equivalence with 0; {EVERY_ROUND}",
        _MARTINGALE,
        needs=(answers, later_rounds),
    ),
    Metric(
        "rounds_to_stability",
        "dynamics",
        "rounds",
        _stability,
        "mean of the round from which on no seat changes its vote (a change in the last round counts that round)",
        "stopping when stable: arXiv:2510.12697",
        needs=(later_rounds,),
    ),
    Metric(
        "unsettled_rate",
        "dynamics",
        "share",
        _unsettled,
        "debates in whose last round some seat still changes ÷ debates",
        "docs/analysis.md",
        needs=(later_rounds,),
    ),
    Metric(
        "disagreement_collapse_rate",
        "dynamics",
        "share",
        _collapse,
        "P(unanimous in the last round | not in the first), and onto a right or a wrong option",
        "arXiv:2509.23055",
        needs=(later_rounds,),
        by_seat=False,
    ),
    Metric(
        "change_by_reading",
        "dynamics",
        "share",
        _by_reading,
        "P(vote before the statement ≠ vote of the round before)",
        "docs/analysis.md",
        "before and after",
        needs=(later_rounds, _both_ballots),
    ),
    Metric(
        "change_by_speaking",
        "dynamics",
        "share",
        _by_speaking,
        "P(vote after the statement ≠ vote before it, in the same turn)",
        "docs/analysis.md",
        "before and after",
        needs=(_both_ballots,),
    ),
)
