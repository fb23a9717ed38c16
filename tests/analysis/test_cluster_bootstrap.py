"""Intervals: against published ones, scipy and statsmodels, and in the cases that a bootstrap can't do."""

from __future__ import annotations

import time

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.proportion import proportion_confint

from localtable.analysis import wilson
from localtable.analysis.statistics.agreement import fleiss_kappa
from localtable.analysis.statistics.bootstrap import bootstrap, resample
from localtable.analysis.statistics.resampling import NUM_RESAMPLES, resample_counts
from localtable.analysis.statistics.small_samples import SCORE_METHOD, effective_questions, t_quantile
from localtable.analysis.statistics.statistic import Statistic, difference, mean, mean_difference, ratio


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_newcombes_table(successes: int, trials: int, low: float, high: float) -> None:
    """Newcombe 1998, Statist. Med. 17:857, table I, method 3."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.reference
@pytest.mark.parametrize(("successes", "trials"), [(1, 7), (50, 100), (0, 9), (12, 12), (333, 1000)])
def test_wilson_is_statsmodels(successes: int, trials: int) -> None:
    theirs = proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx(theirs, abs=1e-9)


def test_every_resample_draws_as_many_questions_and_the_same_ones_each_time() -> None:
    counts = resample_counts(37, "a name")
    assert counts.shape == (NUM_RESAMPLES, 37) and (counts.sum(axis=1, dtype=int) == 37).all()
    resample_counts.cache_clear()
    assert (resample_counts(37, "a name") == counts).all()
    assert (resample_counts(37, "another") != counts).any()
    assert counts.mean() == pytest.approx(1) and counts.var() == pytest.approx(1 - 1 / 37, abs=0.02)


@pytest.mark.reference
def test_standard_error_and_acceleration_of_a_mean_are_the_textbooks() -> None:
    """sd/√n, and skewness/(6√n) (Efron & Tibshirani 1993, eq. 14.15)."""
    values = np.random.default_rng(0).exponential(size=80)
    (resampled,) = resample([mean(values, high=np.inf)])
    assert resampled.standard_errors[0] == pytest.approx(scipy.stats.sem(values), abs=1e-9)
    assert resampled.acceleration[0] == pytest.approx(scipy.stats.skew(values) / (6 * 80**0.5), abs=1e-9)


def test_the_interval_of_a_mean_is_near_scipys_bca() -> None:
    values = np.random.default_rng(1).beta(2, 5, 400)
    (ours,) = bootstrap([mean(values)])
    theirs = scipy.stats.bootstrap((values,), np.mean, random_state=0, n_resamples=20_000).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.002)


def test_a_ratios_standard_error_is_the_linearised_one() -> None:
    """Cochran 1977, ch. 6: √(n/(n − 1) Σ (y − Rx)²)/Σx, here within the jackknife's second order."""
    rng = np.random.default_rng(2)
    cases = rng.integers(1, 7, 300)
    hits = rng.binomial(cases, 0.3)
    share = hits.sum() / cases.sum()
    linear = (300 / 299 * ((hits - share * cases) ** 2).sum()) ** 0.5 / cases.sum()
    (resampled,) = resample([ratio(hits, cases)])
    assert resampled.standard_errors[0] == pytest.approx(linear, rel=5e-3)


def test_repeated_questions_add_no_evidence() -> None:
    """Six identical seats are one: rows are summed by question before anything is resampled."""
    right = np.random.default_rng(4).random(120) < 0.6
    alone = mean(right)
    six = mean(right.repeat(6)).by_cluster(np.arange(120).repeat(6), 120)
    (one, many) = bootstrap([alone, six])
    assert (one.low, one.high, one.n) == pytest.approx((many.low, many.high, many.n))


def test_an_estimate_does_not_depend_on_what_else_is_computed() -> None:
    rng = np.random.default_rng(5)
    statistics = [ratio(rng.binomial(6, 0.4, 200), np.full(200, 6)) for _ in range(3)]
    assert bootstrap(statistics)[2] == bootstrap(statistics[2:])[0]
    assert bootstrap(statistics, name="b")[2] != bootstrap(statistics[2:])[0]


def test_a_wider_confidence_is_wider() -> None:
    (resampled,) = resample([mean(np.random.default_rng(6).random(60))])
    narrow, wide = resampled.estimate(0, 0.9), resampled.estimate(0, 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


@pytest.mark.parametrize(("successes", "trials"), [(0, 100), (100, 100), (1, 100), (3, 40), (2, 5), (499, 500)])
def test_shares_with_hardly_an_event_have_wilsons_interval(successes: int, trials: int) -> None:
    """With t for z, and with as many trials as have the same variance: n − 1 where it is estimated from n."""
    (estimate,) = bootstrap([mean(np.arange(trials) < successes)])
    effective = trials if successes in (0, trials) else trials - 1
    low, high = wilson(successes / trials * effective, effective, t_quantile(0.025, trials - 1))
    assert (estimate.low, estimate.high, estimate.method) == (
        pytest.approx(low, abs=1e-9),
        pytest.approx(high, abs=1e-9),
        SCORE_METHOD,
    )


def test_no_difference_anywhere_still_has_a_width() -> None:
    """0 of 500 questions differ: at most Wilson's upper bound of them do, by 1 at most, to either side."""
    (estimate,) = bootstrap([mean_difference(np.ones(500), np.ones(500))])
    upper = wilson(0, 500, t_quantile(0.025, 499))[1]
    assert (estimate.low, estimate.high) == (pytest.approx(-upper), pytest.approx(upper))


def test_the_same_half_in_every_question_still_has_a_width() -> None:
    (estimate,) = bootstrap([ratio(np.full(50, 3), np.full(50, 6))])
    upper = wilson(0, 50, t_quantile(0.025, 49))[1]
    assert (estimate.low, estimate.high) == (pytest.approx(0.5 - upper / 2), pytest.approx(0.5 + upper / 2))


def test_effective_questions_are_questions_at_most() -> None:
    right = np.random.default_rng(7).binomial(1, 0.5, 400) * 6.0
    assert effective_questions(right, np.full(400, 6.0)) == pytest.approx(399)
    spread = np.full(400, 3.0)
    spread[:2] = (2.0, 4.0)
    assert effective_questions(spread, np.full(400, 6.0)) == pytest.approx(400)


def test_differences_are_paired() -> None:
    """What two conditions share cancels: the interval is far shorter than of two separate samples."""
    rng = np.random.default_rng(8)
    chance = rng.random(300)
    first, second = rng.binomial(6, chance) / 6, rng.binomial(6, chance) / 6
    one, other, both = bootstrap([mean(first), mean(second), mean_difference(first, second)])
    assert both.value == pytest.approx(one.value - other.value)  # type: ignore[operator]
    assert both.high - both.low < 0.8 * np.hypot(one.high - one.low, other.high - other.low)  # type: ignore[operator]


def test_ratios_of_different_denominators_are_subtracted_as_such() -> None:
    rng = np.random.default_rng(9)
    cases = rng.integers(0, 7, (2, 200))
    hits = rng.binomial(cases, [[0.5], [0.3]])
    sides = [ratio(*side) for side in zip(hits, cases, strict=True)]
    one, other, both = bootstrap([*sides, difference(*sides)])
    assert both.value == pytest.approx(one.value - other.value)  # type: ignore[operator]
    assert both.low < both.value < both.high  # type: ignore[operator]
    with pytest.raises(ValueError, match="200 rows can't be paired with 3"):
        difference(sides[0], mean(np.ones(3)))


def test_figures_of_any_kind_are_subtracted() -> None:
    rng = np.random.default_rng(11)
    votes = [np.where(rng.random((150, 4)) < share, 0, rng.integers(0, 4, (150, 4))) for share in (0.6, 0.3)]
    sides = [fleiss_kappa((vote + np.arange(150)[:, None]) % 4) for vote in votes]
    one, other, both = bootstrap([*sides, difference(*sides)])
    assert both.value == pytest.approx(one.value - other.value)  # type: ignore[operator]
    assert 0 < both.low < both.value < both.high  # type: ignore[operator]


def test_a_figure_that_resamples_seldom_have_gets_no_interval() -> None:
    """A case in one question of ten: 1 − 1/e of the resamples have none of it."""

    def rare(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[..., 0] / np.maximum(sums[..., 1] - 60, 0)

    sums = np.stack([np.arange(1.0, 61), np.ones(60)], axis=1)
    sums[0, 1] = 4.0
    (estimate,) = bootstrap([Statistic(sums, rare)])
    assert estimate.value is not None and estimate.low is None and "undefined" in str(estimate.reason)


@pytest.mark.timeout(120)
def test_a_hundred_figures_of_ten_thousand_questions_take_a_moment() -> None:
    """About 0.5 s on two free cores; processor time of the best of several, since others may use them, too."""
    rng = np.random.default_rng(10)
    cases = rng.integers(0, 7, (100, 10_000))
    statistics = [ratio(rng.binomial(of, 0.3), of) for of in cases]
    best = 60.0
    for trial in range(5):
        began = time.process_time()
        bootstrap(statistics, name=f"trial {trial}")
        best = min(best, time.process_time() - began)
    assert best < 8.0
