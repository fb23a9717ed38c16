"""Are probabilities what they say, of a vote and of the panel's share of votes, and do they tell right from wrong?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.metrics.metric import (
    By,
    Figure,
    Metric,
    answers,
    distributions,
    labelled,
)
from localtable.analysis.sample import Round, Sample
from localtable.analysis.statistics import calibration, selective
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.statistic import Statistic, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers


class Rows(NamedTuple):
    """Confidences against being right, [rows]: a row for each ballot, or for each panel."""

    by: tuple[By, ...]
    confidence: Floats
    right: Flags
    cluster: Integers
    num_clusters: int

    def figure(self, statistic: Statistic) -> Figure:
        """A statistic of these rows, summed by cluster."""
        return Figure(self.by, statistic.by_cluster(self.cluster, self.num_clusters))


def _ballots(sample: Sample, taken: Round) -> Rows:
    """Each asked seat's ballot that has a distribution, of a question with an answer."""
    import numpy as np

    confidence = sample.at(sample.condition.ballots.confidence[:, :, sample.asked], taken.place)
    there = taken.present[:, None] & sample.answered[:, None] & ~np.isnan(confidence)
    cluster = np.broadcast_to(sample.cluster[:, None], there.shape)[there]
    right = sample.at(sample.right, taken.place)[there]
    return Rows(labelled(taken.labels, {"of": "seat"}), confidence[there], right, cluster, sample.num_clusters)


def _panels(sample: Sample, taken: Round) -> Rows:
    """Each panel whose first place is not shared: the share of votes that the leading option has."""
    counts = sample.at(sample.vote_counts, taken.place)
    shares = counts.max(axis=1) / counts.sum(axis=1).clip(min=1)
    single = sample.at(sample.leading, taken.place).max(axis=1) == 1
    there = taken.present & sample.answered & single
    right = sample.at(sample.panel_right, taken.place)[there] == 1
    by = labelled(taken.labels, {"of": "panel"})
    return Rows(by, shares[there], right, sample.cluster[there], sample.num_clusters)


def _rows(sample: Sample) -> Iterator[Rows]:
    """Of seats in each round; of the panel, where several seats decide and all of them are asked about."""
    panel = sample.counting.sum() > 1 and sample.asks_everybody
    for taken in sample.rounds:
        yield _ballots(sample, taken)
        if panel:
            yield _panels(sample, taken)


def _statistic(compute: Callable[[Floats, Flags], Statistic]) -> Callable[[Sample], Iterator[Figure]]:
    def figures(sample: Sample) -> Iterator[Figure]:
        for rows in _rows(sample):
            yield rows.figure(compute(rows.confidence, rows.right))

    return figures


def _estimated(compute: Callable[[Floats, Flags, Integers], Estimate]) -> Callable[[Sample], Iterator[Figure]]:
    def figures(sample: Sample) -> Iterator[Figure]:
        for rows in _rows(sample):
            yield Figure(rows.by, compute(rows.confidence, rows.right, rows.cluster))

    return figures


def _ece(confidence: Floats, right: Flags, cluster: Integers) -> Estimate:
    return calibration.ece(confidence, right, calibration.equal_width_edges(), cluster)


def _ece_equal_mass(confidence: Floats, right: Flags, cluster: Integers) -> Estimate:
    edges = calibration.equal_mass_edges(confidence) if len(confidence) else calibration.equal_width_edges()
    return calibration.ece(confidence, right, edges, cluster)


def _multiclass(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    distribution = sample.condition.ballots.distribution[:, :, sample.asked]
    for taken in sample.rounds:
        given = sample.at(distribution, taken.place)  # [debates, seats, options]
        there = taken.present[:, None] & sample.answered[:, None] & ~np.isnan(given).any(axis=2)
        answer = np.broadcast_to(sample.condition.answer[:, None], there.shape)[there]
        cluster = np.broadcast_to(sample.cluster[:, None], there.shape)[there]
        statistic = calibration.brier_multiclass(given[there], answer)
        yield Figure(labelled(taken.labels), statistic.by_cluster(cluster, sample.num_clusters))


def _overconfidence(sample: Sample) -> Iterator[Figure]:
    for rows in _rows(sample):
        yield rows.figure(mean(rows.confidence - rows.right, low=-1.0))


def _reliability(sample: Sample) -> Iterator[Figure]:
    """In the last round."""
    rows = _ballots(sample, sample.last)
    edges = calibration.equal_width_edges()
    bins = calibration.bin_of(rows.confidence, edges)
    for place in sorted(set(bins.tolist())):
        mine = bins == place
        by = {"bin": f"{edges[place]:.3f} to {edges[place + 1]:.3f}"}
        for name, values in (("accuracy", rows.right), ("confidence", rows.confidence)):
            named = rows._replace(by=tuple({**label, "is": name, **by} for label in rows.by))
            yield named.figure(mean(values, mine))


_GUO = "Guo et al. 2017, arXiv:1706.04599"
_OF = "of seats (probability of the vote) and of the panel (share of votes; shared first places left out)"

METRICS = (
    Metric(
        "ece",
        "calibration",
        "share",
        _estimated(_ece),
        f"Σ_b n_b/n |accuracy_b − confidence_b|, 15 bins of one width; {_OF}",
        f"Naeini et al. 2015; {_GUO}, eq. 3; too high by chance, which the interval takes off",
        needs=(answers, distributions),
    ),
    Metric(
        "ece_equal_mass",
        "calibration",
        "share",
        _estimated(_ece_equal_mass),
        f"the same with 15 bins of as many rows each as ties allow; {_OF}",
        "Nguyen & O'Connor 2015, EMNLP",
        needs=(answers, distributions),
    ),
    Metric(
        "brier",
        "calibration",
        "1",
        _statistic(calibration.brier),
        f"mean of (p − c)², p the confidence, c whether the vote is right, 0 to 1; {_OF}",
        "Brier 1950, Mon. Weather Rev. 78:1",
        needs=(answers, distributions),
    ),
    Metric(
        "brier_multiclass",
        "calibration",
        "1",
        _multiclass,
        "mean of Σ_o (p_o − 1[o = y])², 0 to 2, of seats",
        "Brier 1950, Mon. Weather Rev. 78:1",
        needs=(answers, distributions),
    ),
    Metric(
        "overconfidence",
        "calibration",
        "difference of shares",
        _overconfidence,
        f"mean confidence − accuracy; {_OF}",
        _GUO,
        needs=(answers, distributions),
    ),
    Metric(
        "auroc",
        "calibration",
        "share",
        _estimated(selective.auroc),
        f"P(a right vote's confidence > a wrong one's), ties half; {_OF}",
        "Hanley & McNeil 1982, Radiology 143:29",
        needs=(answers, distributions),
    ),
    Metric(
        "aurc",
        "calibration",
        "share",
        _estimated(selective.aurc),
        f"mean over k of the error rate among the k most confident, ties in every order; {_OF}",
        "Geifman & El-Yaniv 2017, arXiv:1705.08500",
        needs=(answers, distributions),
    ),
    Metric(
        "reliability",
        "calibration",
        "share",
        _reliability,
        "accuracy and mean confidence of the ballots in each of 15 bins of confidence, in the last round",
        _GUO,
        needs=(answers, distributions),
    ),
)
