"""Calibration and ranking by confidence: against Brier's and Hanley & McNeil's examples, scipy, and brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import scipy.stats

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.calibration import (
    bin_of,
    brier,
    brier_multiclass,
    ece,
    equal_mass_edges,
    equal_width_edges,
)
from localtable.analysis.statistics.selective import aurc, auroc
from localtable.analysis.statistics.statistic import Statistic


def value(statistic: Statistic) -> float:
    found = bootstrap([statistic])[0].value
    assert found is not None
    return found


PLACES = np.arange(30)
SURE, RIGHT = (PLACES * 17) % 23 / 23, (PLACES * PLACES * 5) % 7 < 3


@pytest.mark.reference
def test_briers_own_example() -> None:
    """Brier 1950, table 1: ten forecasts of rain, P = 0.19."""
    rain = np.array([0.7, 0.9, 0.8, 0.4, 0.2, 0, 0, 0, 0, 0.1])
    forecasts = np.column_stack([rain, 1 - rain])
    happened = np.where(np.isin(np.arange(10), [1, 2, 3]), 0, 1)
    assert value(brier_multiclass(forecasts, happened)) == pytest.approx(0.19, abs=1e-9)
    assert value(brier(rain, happened == 0)) == pytest.approx(0.19 / 2, abs=1e-9)


@pytest.mark.reference
def test_brier_is_scikit_learns() -> None:
    """0.37019533711405156 by brier_score_loss of scikit-learn 1.9.1."""
    assert value(brier(SURE, RIGHT)) == pytest.approx(0.37019533711405156, abs=1e-9)


@pytest.mark.reference
def test_auroc_is_scikit_learns() -> None:
    """0.3360000000000001, and 0.34 with ties, by roc_auc_score of scikit-learn 1.9.1."""
    assert auroc(SURE, RIGHT, PLACES).value == pytest.approx(0.336, abs=1e-9)
    assert auroc(np.round(SURE * 4) / 4, RIGHT, PLACES).value == pytest.approx(0.34, abs=1e-9)


def test_auroc_of_the_tomograms_is_the_published_one() -> None:
    """Hanley & McNeil 1982, table I: 109 images rated from 1 to 5, area .893, standard error .032."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    ratings = np.concatenate([np.repeat(np.arange(5.0), counts) for counts in (normal, abnormal)])
    ill = np.arange(109) >= 58
    estimate = auroc(ratings, ill, np.arange(109))
    assert estimate.value == pytest.approx(0.893, abs=5e-4)
    assert (estimate.high - estimate.low) / (2 * 1.98) == pytest.approx(0.032, abs=0.002)  # type: ignore[operator]


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(2))
def test_auroc_is_mann_and_whitneys_u(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure, right = rng.integers(0, 7, 90) / 6, rng.random(90) < 0.6
    u = scipy.stats.mannwhitneyu(sure[right], sure[~right]).statistic
    assert auroc(sure, right, np.arange(90)).value == pytest.approx(u / (right.sum() * (~right).sum()), abs=1e-9)


def test_ballots_of_one_question_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    sure, right = rng.random(60), rng.random(60) < 0.5
    six = auroc(sure.repeat(6), right.repeat(6), np.arange(60).repeat(6))
    one = auroc(sure, right, np.arange(60))
    apart = auroc(sure.repeat(6), right.repeat(6), np.arange(360))
    assert (six.low, six.high) == pytest.approx((one.low, one.high))
    assert six.high - six.low > 2 * (apart.high - apart.low)  # type: ignore[operator]


def test_aurc_is_the_mean_over_all_orders_of_ties() -> None:
    sure = np.array([0.9, 0.9, 0.9, 0.5, 0.5, 0.2])
    right = np.array([True, False, True, True, False, False])
    areas = []
    for top in permutations(range(3)):
        for middle in permutations((3, 4)):
            wrong = ~right[[*top, *middle, 5]]
            areas.append(np.mean(np.cumsum(wrong) / np.arange(1, 7)))
    assert aurc(sure, right, np.arange(6)).value == pytest.approx(np.mean(areas), abs=1e-9)


def test_the_best_ranking_has_geifmans_area() -> None:
    """Errors last: mean of max(0, k − 70)/k over k = 1 … 100."""
    sure, right = np.linspace(1, 0, 100), np.arange(100) < 70
    expected = np.mean([max(0, k - 70) / k for k in range(1, 101)])
    assert aurc(sure, right, np.arange(100)).value == pytest.approx(expected, abs=1e-9)


def test_the_interval_of_aurc_is_near_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(4)
    sure = rng.random(400)
    right = rng.random(400) < 0.3 + 0.6 * sure
    resampled = []
    for _ in range(2000):
        drawn = rng.integers(0, 400, 400)
        resampled.append(aurc(sure[drawn], right[drawn], np.arange(400)).value)
    estimate = aurc(sure, right, np.arange(400))
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.015)


@pytest.mark.parametrize("right", [np.ones(9, bool), np.zeros(9, bool)])
def test_where_all_are_right_or_wrong_there_is_nothing_to_tell_apart(right: np.ndarray) -> None:
    assert "all are right, or all wrong" in str(auroc(np.linspace(0, 1, 9), right, np.arange(9)).reason)
    estimate = aurc(np.linspace(0, 1, 9), right, np.arange(9))
    assert estimate.value == (0.0 if right[0] else 1.0) and estimate.low is not None


def test_no_ballots_and_one_question_say_so() -> None:
    nothing = np.zeros(0)
    assert auroc(nothing, nothing > 0, nothing.astype(int)).reason == "there is no ballot to judge"
    assert aurc(nothing, nothing > 0, nothing.astype(int)).reason == "there is no ballot to judge"
    alone = auroc(np.array([0.2, 0.8]), np.array([False, True]), np.array([4, 4]))
    assert (alone.value, alone.low) == (1.0, None) and "one question" in str(alone.reason)


def test_perfect_ranking_keeps_a_width() -> None:
    estimate = auroc(np.linspace(0, 1, 50), np.arange(50) >= 40, np.arange(50))
    assert estimate.value == 1.0 and 0.6 < estimate.low < 0.75  # type: ignore[operator]


def test_bins_are_open_below_and_closed_above() -> None:
    edges = equal_width_edges(10)
    assert bin_of(np.array([0.0, 0.1, 0.1000001, 0.95, 1.0]), edges).tolist() == [0, 0, 1, 9, 9]


def test_ece_is_the_weighted_gap_of_bins() -> None:
    """Three ballots of 0.95, two right; one of 0.35, wrong: 3/4 |0.95 − 2/3| + 1/4 |0.35 − 0|."""
    sure, right = np.array([0.95, 0.95, 0.95, 0.35]), np.array([True, True, False, False])
    expected = 3 / 4 * (0.95 - 2 / 3) + 1 / 4 * 0.35
    assert ece(sure, right, equal_width_edges(10), np.arange(4)).value == pytest.approx(expected, abs=1e-9)


def test_ece_is_what_its_bins_come_to() -> None:
    for edges in (equal_width_edges(), equal_mass_edges(SURE, 5)):
        bins = bin_of(SURE, edges)
        gaps = {b: abs(RIGHT[bins == b].mean() - SURE[bins == b].mean()) for b in bins.tolist()}
        expected = sum((bins == b).sum() / 30 * gap for b, gap in gaps.items())
        assert ece(SURE, RIGHT, edges, PLACES).value == pytest.approx(expected, abs=1e-9)


def test_bins_of_equal_mass_hold_as_many_rows_as_ties_allow() -> None:
    counts = np.bincount(bin_of(SURE, equal_mass_edges(SURE, 5)))
    assert max(counts) - min(counts) <= 2
    assert len(equal_mass_edges(np.full(40, 0.999), 5)) == 3


def test_missing_confidences_are_not_looked_at() -> None:
    sure = np.concatenate([SURE, [np.nan] * 5])
    right = np.concatenate([RIGHT, [True] * 5])
    present = ~np.isnan(sure)
    assert value(brier(sure, right, present)) == value(brier(SURE, RIGHT))


def test_the_interval_of_ece_allows_for_what_chance_adds() -> None:
    """Perfectly calibrated: the figure is some 0.08 all the same, and the interval reaches down to 0."""
    rng = np.random.default_rng(6)
    sure = rng.random(150)
    estimate = ece(sure, rng.random(150) < sure, equal_width_edges(), np.arange(150))
    assert estimate.value > 0.04 and estimate.low == 0.0  # type: ignore[operator]


def test_what_is_taken_off_ece_is_what_a_folded_normal_adds() -> None:
    """One bin whose gap is 0 on average: E|N(0, s)| = s √(2/π); far from 0 nothing is taken off."""
    rng = np.random.default_rng(8)
    values = []
    for _ in range(400):
        right = rng.random(200) < 0.5
        estimate = ece(np.full(200, 0.5), right, equal_width_edges(1), np.arange(200))
        values.append(estimate.value)
    assert np.mean(values) == pytest.approx(0.5 / np.sqrt(200) * np.sqrt(2 / np.pi), rel=0.1)
    far = ece(np.full(200, 0.1), np.arange(200) < 150, equal_width_edges(1), np.arange(200))
    assert (far.low + far.high) / 2 == pytest.approx(far.value, abs=1e-6)  # type: ignore[operator]
    assert far.high - far.low == pytest.approx(2 * 1.972 * np.sqrt(0.75 * 0.25 / 199), rel=1e-3)  # type: ignore[operator]


def test_ballots_of_one_question_widen_the_interval_of_ece() -> None:
    rng = np.random.default_rng(9)
    sure, right = rng.random(60), rng.random(60) < 0.3
    six = ece(sure.repeat(6), right.repeat(6), equal_width_edges(), np.arange(60).repeat(6))
    one = ece(sure, right, equal_width_edges(), np.arange(60))
    assert (six.value, six.low, six.high, six.n) == pytest.approx((one.value, one.low, one.high, 60))


def test_ece_of_little_says_why_it_has_no_interval() -> None:
    nothing = np.zeros(0)
    assert ece(nothing, nothing > 0, equal_width_edges(), nothing).reason == "there is no ballot to judge"
    alone = ece(np.array([0.2, 0.8]), np.array([False, True]), equal_width_edges(), np.array([4, 4]))
    assert alone.value == pytest.approx(0.2) and "one question" in str(alone.reason)
    same = ece(np.ones(9), np.ones(9, bool), equal_width_edges(), np.arange(9))
    assert (same.value, same.low) == (0.0, None) and "no variance" in str(same.reason)
