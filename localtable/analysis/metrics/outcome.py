"""Who is right: single seats, the vote, the panel, and what could have been; and what debate adds to each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localtable.analysis.metrics.best_single import best_single, two_clusters
from localtable.analysis.metrics.metric import (
    Figure,
    Metric,
    answers,
    labelled,
    share,
    share_by_round,
)
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.repeats import variance_parts

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats

NEVER_WRONG = "no first vote is wrong"
NEVER_RIGHT = "no first vote is right"


def _individual(sample: Sample) -> Iterator[Figure]:
    yield from share_by_round(sample, sample.right, sample.judged)
    before = sample.condition.before
    if before is not None:
        votes = before.vote[:, :, sample.asked]
        judged = sample.judged & (votes >= 0)
        right = votes == sample.condition.answer[:, None, None]
        yield from share_by_round(sample, right, judged, {"ballot": "before"})


def _majority(sample: Sample) -> Iterator[Figure]:
    return share_by_round(sample, sample.panel_right, sample.panel_judged)


def _oracle(sample: Sample) -> Iterator[Figure]:
    return share_by_round(sample, sample.some_right, sample.panel_judged)


def _oracle_gap(sample: Sample) -> Iterator[Figure]:
    return share_by_round(sample, sample.some_right - sample.panel_right, sample.panel_judged, low=-1.0)


def _best_single(sample: Sample) -> Iterator[Figure]:
    scores, judged = best_single(sample)
    yield share(sample, scores, judged)


def _vote_gain(sample: Sample) -> Iterator[Figure]:
    # Seats are as many in each debate, so that the mean over seats is that over debates of their means.
    at = sample.first.place
    single = sample.at(sample.right, at).mean(axis=1)
    yield share(sample, sample.at(sample.panel_right, at) - single, sample.at(sample.panel_judged, at), low=-1.0)


def _debate_gain(sample: Sample) -> Iterator[Figure]:
    gained = _panel(sample, "last") - _panel(sample, "first")
    yield share(sample, gained, sample.whole & sample.answered, low=-1.0)


def _panel_gain(sample: Sample) -> Iterator[Figure]:
    scores, judged = best_single(sample)
    yield share(sample, _panel(sample, "last") - scores, judged, low=-1.0)


def _panel(sample: Sample, which: str) -> Floats:
    """[debates] how right the panel is in its first or its last round."""
    found: Floats = sample.at(sample.panel_right, (sample.first if which == "first" else sample.last).place)
    return found


def _recovery(sample: Sample) -> Iterator[Figure]:
    first, last, judged = _panel(sample, "first"), _panel(sample, "last"), sample.whole & sample.answered
    yield share(sample, (1 - first) * last * judged, (1 - first) * judged, undefined=NEVER_WRONG)


def _loss(sample: Sample) -> Iterator[Figure]:
    first, last, judged = _panel(sample, "first"), _panel(sample, "last"), sample.whole & sample.answered
    yield share(sample, first * (1 - last) * judged, first * judged, undefined=NEVER_RIGHT)


def _variance(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    question = sample.condition.question.astype(np.int64)
    of_question = np.zeros(int(question.max(initial=-1)) + 1, np.int64)
    of_question[question] = sample.cluster
    for taken in sample.rounds:
        right, judged = sample.at(sample.panel_right, taken.place), taken.present & sample.answered
        parts = variance_parts(right, judged, question, len(of_question))
        for name, statistic in parts._asdict().items():
            by = labelled(taken.labels, {"part": name})
            yield Figure(by, statistic.by_cluster(of_question, sample.num_clusters))


_PEERS = "Choi et al. 2025, arXiv:2508.17536"
_ORACLE = "pass@N; oracle gap of arXiv:2605.00914"

METRICS = (
    Metric(
        "individual_accuracy",
        "outcome",
        "share",
        _individual,
        "mean over debates and seats of c_it = 1[a_it = y]",
        _PEERS,
        needs=(answers,),
        splits=("model", "agreement"),
    ),
    Metric(
        "majority_accuracy",
        "outcome",
        "share",
        _majority,
        "mean of 1[m_t = y], m_t the plurality of round t; a shared first place counts 1 ÷ leading options",
        f"MV@N; {_PEERS}",
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "oracle_accuracy",
        "outcome",
        "share",
        _oracle,
        "mean of max_i c_it: some seat is right",
        _ORACLE,
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "oracle_gap",
        "outcome",
        "difference of shares",
        _oracle_gap,
        "oracle_accuracy − majority_accuracy",
        _ORACLE,
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "best_single_accuracy",
        "outcome",
        "share",
        _best_single,
        "round-1 accuracy of the model that is best in round 1 of other questions (cross-fitted over 10 folds)",
        "cross-fitting as Chernozhukov et al. 2018, Econometrics J. 21:C1; docs/analysis.md",
        needs=(answers, two_clusters),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "vote_gain",
        "outcome",
        "difference of shares",
        _vote_gain,
        "majority_accuracy − individual_accuracy, both of round 1",
        _PEERS,
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "debate_gain",
        "outcome",
        "difference of shares",
        _debate_gain,
        "majority_accuracy of the last round − that of round 1",
        _PEERS,
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "panel_gain",
        "outcome",
        "difference of shares",
        _panel_gain,
        "majority_accuracy of the last round − best_single_accuracy",
        "docs/analysis.md",
        needs=(answers, two_clusters),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "majority_wrong_recovery",
        "outcome",
        "share",
        _recovery,
        "P(m_T = y | m_1 ≠ y), shared first places in proportion",
        "arXiv:2605.00914",
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "majority_right_loss",
        "outcome",
        "share",
        _loss,
        "P(m_T ≠ y | m_1 = y), shared first places in proportion",
        "arXiv:2605.00914",
        needs=(answers,),
        by_seat=False,
        splits=("agreement",),
    ),
    Metric(
        "accuracy_variance",
        "outcome",
        "1",
        _variance,
        "of 1[m_t = y]: `between` questions, and `within` them over repeats; n questions, each held K times, give"
        " majority_accuracy the variance (between + within ÷ K) ÷ n",
        "Miller 2024, arXiv:2411.00640",
        needs=(answers,),
        by_seat=False,
    ),
)
