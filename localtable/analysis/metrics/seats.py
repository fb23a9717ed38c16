"""What a seat is worth to its panel: without it, and as a member of any part of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import Figure, Metric, answers, labelled, share
from localtable.analysis.metrics.pairs import MAX_SEATS
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.shapley import seat_values

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


def _seat_value(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    for place in _places(sample):
        others = sample.counting & (np.arange(len(sample.counting)) != place)
        without = sample.weight_of_answer(sample.shares_of_first(sample.count_votes(others)))
        yield from _by_round(sample, place, sample.panel_right - without)


def _shapley(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    answer = sample.condition.answer.clip(min=0)
    options = np.arange(sample.vote_counts.shape[2])
    first = np.argsort(options != answer[:, None], axis=1, kind="stable")[:, None, :]  # the right one, then all others
    counts = np.take_along_axis(sample.vote_counts, first, axis=2).astype(np.int64)
    shape = counts.shape
    num_options = np.repeat(sample.condition.num_options, shape[1]).astype(np.int64)
    sorted_values = seat_values(counts.reshape(-1, shape[2]), num_options).reshape(shape)
    values = np.zeros(shape)  # [debates, rounds, options]
    np.put_along_axis(values, np.broadcast_to(first, shape), sorted_values, axis=2)
    for place in _places(sample):
        voted = sample.votes[:, :, place, None].clip(min=0).astype(np.int64)
        yield from _by_round(sample, place, np.take_along_axis(values, voted, axis=2)[:, :, 0])


def _places(sample: Sample) -> list[int]:
    """Of seats that are asked and whose votes decide."""
    import numpy as np

    found: list[int] = np.flatnonzero(sample.asked & sample.counting).tolist()
    return found


def _by_round(sample: Sample, place: int, values: Floats) -> Iterator[Figure]:
    """[debates, rounds] of one seat."""
    for taken in sample.rounds:
        by = labelled(taken.labels, {"seat": sample.condition.seats[place].name})
        yield share(sample, sample.at(values, taken.place), taken.present & sample.answered, by, low=-1.0)


def _two_counting(sample: Sample) -> str | None:
    return None if sample.counting.sum() > 1 else "one seat decides: without it nothing is left"


def _few_counting(sample: Sample) -> str | None:
    number = int(sample.counting.sum())
    return None if number <= MAX_SEATS else f"{number} seats have too many coalitions: {MAX_SEATS} at most"


METRICS = (
    Metric(
        "seat_value",
        "social",
        "difference of shares",
        _seat_value,
        "majority_accuracy − that of the panel without the seat",
        "leave-one-out; docs/analysis.md",
        needs=(answers, _two_counting),
        by_seat=False,
    ),
    Metric(
        "seat_shapley",
        "social",
        "difference of shares",
        _shapley,
        "Shapley value of majority_accuracy: what the seat adds to a coalition that it joins, mean over all orders of"
        " joining; nobody's vote counts 1/k, so that the values of all seats sum to majority_accuracy − 1/k",
        "Shapley 1953, Contributions to the Theory of Games II, p. 307; docs/analysis.md",
        needs=(answers, _two_counting, _few_counting),
        by_seat=False,
    ),
)
