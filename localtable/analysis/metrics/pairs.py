"""Two seats at a time: do they agree, and do they err together? In the first round and in the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import Figure, Metric, answers, finished, labelled, to_clusters, two_seats
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.agreement import cohen_kappa
from localtable.analysis.statistics.error_overlap import double_fault, error_agreement, error_phi, yule_q
from localtable.analysis.statistics.statistic import Statistic

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Integers

MAX_SEATS = 12
"""66 pairs; with more, a pair is no longer what anybody reads."""


def _pairs(sample: Sample) -> Iterator[tuple[tuple[dict[str, int | str], ...], Integers, Flags]]:
    """For each pair and round: what it is called, both votes [debates, 2], and the rows that have them."""
    import numpy as np

    names = [seat.name for seat, asked in zip(sample.condition.seats, sample.asked, strict=True) if asked]
    rounds = [sample.first] if sample.first is sample.last else [sample.first, sample.last]
    for taken in rounds:
        votes = np.where(taken.present[:, None], sample.at(sample.own_votes, taken.place), np.int8(-1))
        for one, other in combinations(range(len(names)), 2):
            by = labelled(taken.labels, {"seat": names[one], "peer": names[other]})
            yield tuple(dict(label) for label in by), votes[:, [one, other]], taken.present


def _of_votes(compute: Callable[[Integers, Integers], Statistic]) -> Callable[[Sample], Iterator[Figure]]:
    def figures(sample: Sample) -> Iterator[Figure]:
        for by, votes, _ in _pairs(sample):
            yield Figure(by, to_clusters(sample, compute(votes[:, 0], votes[:, 1])))

    return figures


def _of_errors(compute: Callable[[Flags, Flags, Flags], Statistic]) -> Callable[[Sample], Iterator[Figure]]:
    def figures(sample: Sample) -> Iterator[Figure]:
        for by, votes, present in _pairs(sample):
            wrong = votes != sample.condition.answer[:, None]
            yield Figure(by, to_clusters(sample, compute(wrong[:, 0], wrong[:, 1], present & sample.answered)))

    return figures


def _error_agreement(sample: Sample) -> Iterator[Figure]:
    for by, votes, _ in _pairs(sample):
        found = error_agreement(votes, sample.condition.answer, sample.condition.num_options)
        yield Figure(by, to_clusters(sample, found.observed, "the two were never wrong on the same question"))


def _few_seats(sample: Sample) -> str | None:
    if sample.num_asked <= MAX_SEATS:
        return two_seats(sample)
    return f"{sample.num_asked} seats have too many pairs to list: {MAX_SEATS} at most"


_DIVERSITY = "Kuncheva & Whitaker 2003, Mach. Learn. 51:181"
_WHICH = "for each pair of seats, in the first round and the last"

METRICS = (
    Metric(
        "cohen_kappa",
        "agreement",
        "1",
        _of_votes(cohen_kappa),
        f"(p_o − p_e) ÷ (1 − p_e), over letters, {_WHICH}",
        "Cohen 1960, Educ. Psychol. Meas. 20:37",
        needs=(finished, _few_seats),
        by_seat=False,
    ),
    Metric(
        "pair_error_agreement",
        "agreement",
        "share",
        _error_agreement,
        f"P(a_i = a_j | both wrong), {_WHICH}",
        "Kim, Garg, Peng & Garg 2025, arXiv:2506.07962",
        needs=(answers, _few_seats),
        by_seat=False,
    ),
    Metric(
        "error_phi",
        "agreement",
        "1",
        _of_errors(error_phi),
        f"correlation of two seats' errors, {_WHICH}",
        _DIVERSITY,
        needs=(answers, _few_seats),
        by_seat=False,
    ),
    Metric(
        "yule_q",
        "agreement",
        "1",
        _of_errors(yule_q),
        f"(ad − bc) ÷ (ad + bc), a both wrong, b and c one, d none, {_WHICH}",
        f"Yule 1900; {_DIVERSITY}",
        needs=(answers, _few_seats),
        by_seat=False,
    ),
    Metric(
        "double_fault",
        "agreement",
        "share",
        _of_errors(double_fault),
        f"questions that both have wrong ÷ questions, {_WHICH}",
        f"Giacinto & Roli 2001, Image Vis. Comput. 19:699; {_DIVERSITY}",
        needs=(answers, _few_seats),
        by_seat=False,
    ),
)
