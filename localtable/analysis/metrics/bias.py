"""What letters, places and the order of speakers do to votes, whatever options and statements say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import (
    EVERYTHING,
    Figure,
    Metric,
    answers,
    labelled,
    peers,
    share,
    to_clusters,
)
from localtable.analysis.metrics.orders import Reordered, reordered
from localtable.analysis.metrics.social import Meeting
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.option_order import recall_spread, slot_bias
from localtable.analysis.statistics.statistic import difference, mean, ratio
from localtable.types import LETTERS

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags


def _letters(sample: Sample) -> Iterator[Figure]:
    """Over all rounds and by round."""
    votes, answer = sample.own_votes, sample.condition.answer[:, None, None]
    for place in range(int(sample.condition.num_options.max(initial=0))):
        there = sample.judged & (place < sample.condition.num_options)[:, None, None]
        excess = (votes == place).astype(int) - (answer == place)
        by = {"letter": LETTERS[place]}
        for taken in sample.rounds:
            here = sample.at(there, taken.place) & taken.present[:, None]
            yield share(sample, sample.at(excess, taken.place), here, labelled(taken.labels, by), low=-1.0)


def _recall(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    answer = np.broadcast_to(sample.condition.answer[:, None], (len(sample.cluster), sample.num_asked))
    cluster = np.broadcast_to(sample.cluster[:, None], answer.shape)
    for taken in sample.rounds:
        votes = np.where(taken.present[:, None], sample.at(sample.own_votes, taken.place), np.int8(-1))
        statistic = recall_spread(votes.ravel(), answer.ravel())
        by_cluster = statistic.by_cluster(cluster.ravel(), sample.num_clusters)
        yield Figure(labelled(taken.labels, {"orders": "pooled" if reordered(sample) is None else "own"}), by_cluster)
    if reordered(sample) is None:
        ballots = Reordered(sample)
        known = sample.condition.answer[ballots.debate]
        statistic = recall_spread(ballots.own_order_vote, known)
        yield Figure(({"orders": "own"},), ballots.summed(statistic))


def _slots(sample: Sample) -> Iterator[Figure]:
    ballots = Reordered(sample)
    rows, chosen, num_slots = ballots.chosen_slots
    for slot in range(int(num_slots.max(initial=0))):
        statistic = slot_bias(chosen, num_slots, slot)
        yield Figure(({"slot": slot + 1},), ballots.summed(statistic, rows))


def _flips(sample: Sample) -> Iterator[Figure]:
    ballots = Reordered(sample)
    for name, distance in ballots.distances():
        for label, mine in ballots.by_round():
            yield Figure(({"pooled": name, **label},), ballots.summed(mean(distance, mine)))


def _consistency(sample: Sample) -> Iterator[Figure]:
    ballots = Reordered(sample)
    for label, mine in ballots.by_round():
        yield Figure((label,), ballots.summed(mean(1 - ballots.between_orders, mine)))


def _gap(sample: Sample) -> Iterator[Figure]:
    ballots = Reordered(sample)
    answer = sample.condition.answer[ballots.debate]
    gap = ballots.right_under_some_not_all(answer.clip(min=0))
    for label, mine in ballots.by_round():
        yield Figure((label,), ballots.summed(mean(gap, mine & (answer >= 0))))


def _changed_by_pooling(sample: Sample) -> Iterator[Figure]:
    ballots = Reordered(sample)
    for label, mine in ballots.by_round():
        yield Figure((label,), ballots.summed(mean(ballots.moved_by_pooling, mine)))


def _first_speaker(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    meeting = Meeting(sample)
    position = sample.condition.turns.position[:, :-1]
    seen = {first: [np.zeros(meeting.before.shape, int) for _ in range(2)] for first in (True, False)}
    for peer in range(meeting.before.shape[2]):
        apart = meeting.differs_from(peer)
        for first, (moved, pairs) in seen.items():
            here = apart & ((position[:, :, peer, None] == 1) == first)
            pairs += here
            moved += here & meeting.adopts(peer)
    sums = {first: [counted.sum(axis=(1, 2)) for counted in both] for first, both in seen.items()}
    effect = difference(ratio(*sums[True]), ratio(*sums[False]))
    yield Figure((EVERYTHING,), to_clusters(sample, effect, "nobody differed from a first or from another speaker"))


def _by_position(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    meeting = Meeting(sample)
    position = sample.condition.turns.position[:, :-1]
    for place in range(1, meeting.before.shape[2] + 1):
        pairs, moved = np.zeros(len(position), int), np.zeros(len(position), int)
        for peer in range(meeting.before.shape[2]):
            here: Flags = meeting.differs_from(peer) & (position[:, :, peer, None] == place)
            pairs += here.sum(axis=(1, 2))
            moved += (here & meeting.adopts(peer)).sum(axis=(1, 2))
        yield share(sample, moved, pairs, ({"position": place},), undefined="nobody differed from this speaker")


def _one_order(sample: Sample) -> str | None:
    if sample.condition.panel.visibility.order != "fixed":
        return "readers meet turns in different orders (visibility: order), so that nobody is first for all"
    return peers(sample)


_ORDER = "Pezeshkpour & Hruschka 2024, arXiv:2308.11483"

METRICS = (
    Metric(
        "order_flip_rate",
        "bias",
        "share",
        _flips,
        "P(the vote is another when the options are listed in another order): of two single orders (`none` pooled), of"
        " two pools of half the orders each (`halves`: too high for the pool of all), of the pool of all and that"
        " without one order (`all but one`: too low)",
        f"{_ORDER}; docs/analysis.md",
        "each order",
        (reordered,),
    ),
    Metric(
        "permutation_consistency",
        "bias",
        "share",
        _consistency,
        "P(two of a ballot's orders vote for the same content)",
        _ORDER,
        "each order",
        (reordered,),
    ),
    Metric(
        "order_gap",
        "bias",
        "share",
        _gap,
        "accuracy with each ballot's best order − with its worst, of the orders that were asked",
        f"sensitivity gap; {_ORDER}",
        "each order",
        (answers, reordered),
    ),
    Metric(
        "pooling_change_rate",
        "bias",
        "share",
        _changed_by_pooling,
        "ballots whose pooled vote is not that of the question's own order ÷ ballots asked in several",
        "docs/analysis.md",
        "each order",
        (reordered,),
    ),
    Metric(
        "slot_bias",
        "bias",
        "difference of shares",
        _slots,
        "P(vote = slot) − 1/k over all orders, a slot being a place in the ballot and its letter at once",
        "Zheng et al. 2024, arXiv:2309.03882",
        "each order",
        (reordered,),
    ),
    Metric(
        "letter_bias",
        "bias",
        "difference of shares",
        _letters,
        "P(vote = letter) − P(answer = letter), letters in the question's own order",
        "Zheng et al. 2024, arXiv:2309.03882",
        needs=(answers,),
    ),
    Metric(
        "recall_spread",
        "bias",
        "share",
        _recall,
        "RStd: standard deviation over letters of P(vote = letter | answer = letter), pooled and in the question's own"
        " order",
        "Zheng et al. 2024, arXiv:2309.03882; positive by chance alone",
        needs=(answers,),
    ),
    Metric(
        "first_speaker_effect",
        "bias",
        "difference of shares",
        _first_speaker,
        "conformity with the peer that is read first − with the others",
        "order of peers: arXiv:2511.11040; docs/analysis.md",
        needs=(peers, _one_order),
    ),
    Metric(
        "adoption_by_position",
        "bias",
        "share",
        _by_position,
        "conformity with the peer that is read at this place",
        "order of peers: arXiv:2511.11040; docs/analysis.md",
        needs=(peers, _one_order),
    ),
)
