"""How much seats agree, more than by chance or not, and whether they err together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import (
    Figure,
    Metric,
    answers,
    finished,
    labelled,
    share,
    share_by_round,
    to_clusters,
    two_seats,
)
from localtable.analysis.sample import Round, Sample
from localtable.analysis.statistics import agreement, error_overlap
from localtable.analysis.statistics.error_correlation import effective_votes, error_components, error_correlation
from localtable.analysis.statistics.jury import jury_accuracy
from localtable.analysis.statistics.statistic import Statistic, difference, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Integers


def _votes(sample: Sample, taken: Round) -> Integers:
    """[debates, asked seats] of a round; −1 where it was not held."""
    import numpy as np

    return np.where(taken.present[:, None], sample.at(sample.own_votes, taken.place), np.int8(-1))


def _errors(sample: Sample, taken: Round) -> tuple[Flags, Flags]:
    """[debates, asked seats] who is wrong, and of whom that is known."""
    judged = sample.at(sample.judged, taken.place) & taken.present[:, None]
    return judged & ~sample.at(sample.right, taken.place), judged


def _of_votes(compute: Callable[[Integers, Integers], Statistic]) -> Callable[[Sample], Iterator[Figure]]:
    """A figure of a round's votes and their numbers of options."""

    def figures(sample: Sample) -> Iterator[Figure]:
        for taken in sample.rounds:
            statistic = compute(_votes(sample, taken), sample.condition.num_options)
            yield Figure(labelled(taken.labels), to_clusters(sample, statistic))

    return figures


def _of_errors(compute: Callable[[Flags, Flags], Statistic]) -> Callable[[Sample], Iterator[Figure]]:
    """A figure of who is wrong in a round."""

    def figures(sample: Sample) -> Iterator[Figure]:
        for taken in sample.rounds:
            yield Figure(labelled(taken.labels), to_clusters(sample, compute(*_errors(sample, taken))))

    return figures


def _error_agreement(part: str) -> Callable[[Sample], Iterator[Figure]]:
    def figures(sample: Sample) -> Iterator[Figure]:
        for taken in sample.rounds:
            votes = _votes(sample, taken)
            found = error_overlap.error_agreement(votes, sample.condition.answer, sample.condition.num_options)
            undefined = "no two seats were wrong on the same question"
            yield Figure(labelled(taken.labels), to_clusters(sample, getattr(found, part), undefined))

    return figures


def _unanimity(sample: Sample) -> Iterator[Figure]:
    return share_by_round(sample, sample.unanimous, sample.held)


def _chance(sample: Sample) -> Iterator[Figure]:
    yield share(sample, 1 / sample.condition.num_options, sample.whole)


def _components(sample: Sample) -> Iterator[Figure]:
    for taken in sample.rounds:
        parts = error_components(*_errors(sample, taken), sample.cluster, sample.num_clusters)
        for name, statistic in zip(("within", "between"), parts, strict=True):
            yield Figure(labelled(taken.labels, {"part": name}), statistic)


def _jury(sample: Sample) -> Iterator[Figure]:
    for taken in sample.rounds:
        judged = taken.present & sample.answered
        expected = jury_accuracy(sample.at(sample.right, taken.place), judged)
        yield Figure(labelled(taken.labels), to_clusters(sample, expected))


def _jury_gap(sample: Sample) -> Iterator[Figure]:
    for taken in sample.rounds:
        judged = taken.present & sample.answered
        reached = mean(sample.at(sample.panel_right, taken.place), judged)
        expected = jury_accuracy(sample.at(sample.right, taken.place), judged)
        yield Figure(labelled(taken.labels), to_clusters(sample, difference(reached, expected)))


_BY_CHANCE = "docs/analysis.md, Agreement and chance"

METRICS = (
    Metric(
        "unanimity_rate",
        "agreement",
        "share",
        _unanimity,
        "debates in which all seats vote alike ÷ debates",
        "docs/analysis.md",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "pairwise_agreement",
        "agreement",
        "share",
        _of_votes(lambda votes, _: agreement.pairwise_agreement(votes)),
        "mean over debates of P_q, the share of pairs of seats that vote alike",
        "Fleiss 1971, Psychol. Bull. 76:378",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "chance_agreement",
        "agreement",
        "share",
        _chance,
        "mean over debates of 1/k_q, k_q the question's number of options",
        _BY_CHANCE,
        "none",
        needs=(finished,),
        by_seat=False,
    ),
    Metric(
        "chance_corrected_agreement",
        "agreement",
        "1",
        _of_votes(agreement.chance_corrected_agreement),
        "Σ(P_q − 1/k_q) ÷ Σ(1 − 1/k_q)",
        f"Brennan & Prediger 1981, Educ. Psychol. Meas. 41:687; {_BY_CHANCE}",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "fleiss_kappa",
        "agreement",
        "1",
        _of_votes(lambda votes, _: agreement.fleiss_kappa(votes)),
        "(P̄ − P̄_e) ÷ (1 − P̄_e), P̄_e = Σ_j p_j² over letters",
        f"Fleiss 1971, Psychol. Bull. 76:378; {_BY_CHANCE}",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "krippendorff_alpha",
        "agreement",
        "1",
        _of_votes(lambda votes, _: agreement.krippendorff_alpha(votes)),
        "1 − D_o ÷ D_e, nominal, over letters",
        f"Krippendorff 2011, Computing Krippendorff's Alpha-Reliability; {_BY_CHANCE}",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "vote_entropy",
        "agreement",
        "nats",
        _of_votes(agreement.vote_entropy),
        "mean over debates of −Σ_o p_o ln p_o, p_o the share of votes",
        "Shannon 1948, Bell Syst. Tech. J. 27:379",
        needs=(two_seats,),
        by_seat=False,
    ),
    Metric(
        "error_agreement",
        "agreement",
        "share",
        _error_agreement("observed"),
        "P(a_i = a_j | both wrong) over pairs of seats",
        "Kim, Garg, Peng & Garg 2025, arXiv:2506.07962",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "error_agreement_chance",
        "agreement",
        "share",
        _error_agreement("chance"),
        "Σ_k p_k ÷ (k − 1), p_k the share of those pairs with k options",
        "Kim, Garg, Peng & Garg 2025, arXiv:2506.07962",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "error_agreement_excess",
        "agreement",
        "difference of shares",
        _error_agreement("excess"),
        "error_agreement − error_agreement_chance",
        "Kim, Garg, Peng & Garg 2025, arXiv:2506.07962",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "error_correlation",
        "agreement",
        "1",
        _of_errors(error_correlation),
        "mean covariance of two seats' errors ÷ mean variance of one's",
        "Kish 1965, Survey Sampling, §5.4; docs/analysis.md",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "error_correlation_components",
        "agreement",
        "1",
        _components,
        "the same within questions (over repeats) and between them",
        "Searle, Casella & McCulloch 1992, Variance Components; docs/analysis.md",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "effective_votes",
        "agreement",
        "votes",
        _of_errors(effective_votes),
        "N ÷ (1 + (N − 1) ρ̄), ρ̄ the error correlation",
        "Kish 1965, Survey Sampling, §8.2",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "jury_accuracy",
        "agreement",
        "share",
        _jury,
        "P(a majority of N independent seats is right), each as often as it is; half where they split in two",
        "Condorcet 1785; Grofman, Owen & Feld 1983, Theory Decis. 15:261",
        needs=(answers, two_seats),
        by_seat=False,
    ),
    Metric(
        "jury_gap",
        "agreement",
        "difference of shares",
        _jury_gap,
        "majority_accuracy − jury_accuracy",
        "Condorcet 1785; Grofman, Owen & Feld 1983, Theory Decis. 15:261",
        needs=(answers, two_seats),
        by_seat=False,
    ),
)
