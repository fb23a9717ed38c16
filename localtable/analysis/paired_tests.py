"""Contrasts → tests: paired on the same questions, flipped by sign, adjusted within their family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from localtable.analysis.contrasts import Contrast
from localtable.analysis.findings import Comparison
from localtable.analysis.metrics.orders import Reordered, reordered
from localtable.analysis.parts import Clusters
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.bootstrap import Resampled, resample
from localtable.analysis.statistics.equivalence import equivalence
from localtable.analysis.statistics.estimate import Estimate, PValue
from localtable.analysis.statistics.multiple_tests import benjamini_hochberg, holm
from localtable.analysis.statistics.option_order import slot_chi_square
from localtable.analysis.statistics.paired import Pair, paired_difference, paired_mcnemar
from localtable.analysis.statistics.power import detectable_effect, standard_error_of_mean
from localtable.analysis.statistics.sign_flip import sign_flip
from localtable.analysis.statistics.small_samples import SCORE_METHOD, t_quantile
from localtable.analysis.statistics.statistic import Statistic

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats


def run_tests(contrasts: Sequence[Contrast], clusters: Clusters) -> list[Comparison]:
    """All contrasts as tests, in their order, p-values not adjusted yet (`adjusted`)."""
    import numpy as np

    if not contrasts or clusters.number == 0:
        return []
    pairs = [_paired(contrast, clusters) for contrast in contrasts]
    statistics = [_difference(pair, contrast, clusters) for pair, contrast in zip(pairs, contrasts, strict=True)]
    differences = np.stack([_sums(pair, clusters) for pair in pairs], axis=1)  # [clusters, contrasts]
    p_values = sign_flip(differences, np.stack([statistic.present for statistic in statistics], axis=1))
    found: dict[int, Comparison] = {}
    for resampled in resample(statistics):
        for place, number in enumerate(resampled.numbers):
            detectable = _detectable(differences[:, number], pairs[number], clusters)
            found[number] = _test(contrasts[number], pairs[number], p_values[number], resampled, place, detectable)
    return [found[number] for number in range(len(contrasts))]


def _paired(contrast: Contrast, clusters: Clusters) -> Pair:
    import numpy as np

    num_questions = len(clusters.of_question)
    first, second, counts = (np.zeros(num_questions) for _ in range(3))
    for sides in contrast.pairs:
        (one, has_one), (other, has_other) = (
            side.sample.by_question(side.numerators, side.denominators, num_questions) for side in sides
        )
        both = has_one & has_other
        first += np.where(both, one, 0.0)
        second += np.where(both, other, 0.0)
        counts += both
    alone = len(contrast.pairs) == 1 and clusters.number == num_questions
    single = alone and all(side.one_yes_or_no for side in contrast.pairs[0])
    return Pair(first / counts.clip(min=1), second / counts.clip(min=1), counts > 0, single)


def _difference(pair: Pair, contrast: Contrast, clusters: Clusters) -> Statistic:
    """The mean difference over questions, by cluster."""
    return paired_difference(pair, contrast.most).by_cluster(clusters.of_question, clusters.number)


def _sums(pair: Pair, clusters: Clusters) -> Floats:
    """[clusters] of their questions' differences."""
    import numpy as np

    differences = np.where(pair.present, pair.first - pair.second, 0.0)
    return np.bincount(clusters.of_question, differences, clusters.number).astype(np.float64)


def _detectable(sums: Floats, pair: Pair, clusters: Clusters) -> float | None:
    """From the standard error of the mean over questions, linearised where clusters differ in size."""
    import numpy as np

    counts = np.bincount(clusters.of_question, pair.present, clusters.number)
    there = counts > 0
    if not there.any():
        return None
    value, size = sums.sum() / counts.sum(), counts[there].mean()
    error = standard_error_of_mean((sums[there] - value * counts[there]) / size)
    # Where all questions differ alike their variance is not known to be none.
    return detectable_effect(error) if error else None


def _test(
    contrast: Contrast, pair: Pair, p: PValue, resampled: Resampled, place: int, detectable: float | None
) -> Comparison:
    estimate = resampled.estimate(place)
    if detectable is not None and estimate.method == SCORE_METHOD:
        # Where hardly any question differs, how they vary is not known from those: the interval has allowed for it.
        assert estimate.low is not None and estimate.high is not None
        error = (estimate.high - estimate.low) / 2 / t_quantile(0.025, estimate.n - 1)
        detectable = max(detectable, detectable_effect(error))
    verdict = None
    if contrast.equivalence and estimate.value is not None:
        verdict = equivalence(resampled.estimate(place, 0.9), estimate).verdict
    return Comparison(
        contrast.condition,
        contrast.metric,
        contrast.first,
        contrast.second,
        "primary" if contrast.primary else "exploratory",
        estimate,
        p,
        p_adjusted=None,
        detectable=detectable,
        verdict=verdict,
        mcnemar=paired_mcnemar(pair),
        note=contrast.note,
    )


def slot_test(sample: Sample) -> Comparison | None:
    """Whether all places of a ballot are chosen alike; None where each was asked in one order."""
    if reordered(sample) is not None:
        return None
    ballots = Reordered(sample)
    rows, chosen, num_slots = ballots.chosen_slots
    p = slot_chi_square(chosen, num_slots, sample.cluster[ballots.debate[rows]])
    reason = p.reason or "a chi-square statistic has no interval"
    estimate = Estimate(p.statistic, None, None, p.n, p.method, reason)
    name = f"{sample.condition.name}, all slots against chance"
    return Comparison(
        sample.condition.name, "slot_bias", name, "", "exploratory", estimate, p, p_adjusted=None, detectable=None
    )


def adjusted(tests: Sequence[Comparison]) -> list[Comparison]:
    """The same, primary ones first, with adjusted p-values: theirs by Holm, the others by Benjamini and Hochberg."""
    primary, others = ([t for t in tests if (t.family == "primary") == wanted] for wanted in (True, False))
    found = []
    for family, adjust in ((primary, holm), (others, benjamini_hochberg)):
        p_values = adjust([test.p.p for test in family])
        found += [replace(test, p_adjusted=p) for test, p in zip(family, p_values, strict=True)]
    return found
