"""Tests of differences: against Fisher's own example, scipy, statsmodels and published p-values."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from localtable.analysis.statistics.equivalence import equivalence
from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.mcnemar import mcnemar_mid_p
from localtable.analysis.statistics.multiple_tests import benjamini_hochberg, holm
from localtable.analysis.statistics.power import detectable_effect, standard_error_of_mean
from localtable.analysis.statistics.sign_flip import NUM_FLIPS, sign_flip

DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)


@pytest.mark.reference
def test_all_signs_of_darwins_maize_are_fishers() -> None:
    """Fisher 1935, §21: 1,726 of the 32,768 sums are as far out."""
    (test,) = sign_flip(DARWIN[:, None])
    assert test.p == pytest.approx(1726 / 32768, abs=1e-12) and test.n == 15


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(3))
def test_all_signs_are_scipys_exact_permutation_test(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 5, 11) / 6
    theirs = scipy.stats.permutation_test(
        (differences, np.zeros(11)), lambda a, b, axis: (a - b).sum(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=np.inf, alternative="two-sided",
    )  # fmt: skip
    (test,) = sign_flip(differences[:, None])
    far_out = np.abs(theirs.null_distribution) >= abs(differences.sum()) - 1e-9
    assert test.p == pytest.approx(far_out.mean(), abs=1e-9)


def test_random_signs_come_near_the_normal_distribution_and_are_the_same_each_time() -> None:
    differences = np.random.default_rng(1).normal(0.08, 0.5, (300, 2))
    first, again = sign_flip(differences), sign_flip(differences)
    assert first == again
    for test, column in zip(first, differences.T, strict=True):
        z = abs(column.sum()) / (column**2).sum() ** 0.5
        assert test.p == pytest.approx(2 * scipy.stats.norm.sf(z), abs=0.015)


def test_p_is_never_0() -> None:
    (test,) = sign_flip(np.ones((200, 1)))
    assert test.p == 1 / (NUM_FLIPS + 1)


def test_questions_without_a_difference_change_nothing_but_n() -> None:
    padded = np.concatenate([DARWIN, np.zeros(400)])[:, None]
    (alone,), (among,) = sign_flip(DARWIN[:, None]), sign_flip(padded)
    assert (among.p, among.n) == (alone.p, 415)
    (none,) = sign_flip(np.zeros((30, 1)))
    assert none.p == 1.0


def test_missing_differences_are_not_looked_at() -> None:
    holes = np.column_stack([np.concatenate([DARWIN, [np.nan] * 3]), np.full(18, np.nan)])
    known, nothing = sign_flip(holes, ~np.isnan(holes))
    assert (known.p, known.n) == (pytest.approx(1726 / 32768), 15)
    assert (nothing.p, nothing.n) == (None, 0) and nothing.reason


def test_mid_p_is_the_published_one() -> None:
    """Fagerland, Lydersen & Laake 2013, on airway hyper-responsiveness before and after a transplant: 1 against 7."""
    assert mcnemar_mid_p(1, 7).p == pytest.approx(0.039, abs=5e-4)


@pytest.mark.reference
@pytest.mark.parametrize(("b", "c"), [(1, 7), (10, 25), (40, 41), (0, 6)])
def test_mid_p_is_statsmodels_exact_p_less_the_observed_tables(b: int, c: int) -> None:
    exact = mcnemar([[50, b], [c, 30]], exact=True).pvalue
    assert mcnemar_mid_p(b, c).p == pytest.approx(exact - scipy.stats.binom.pmf(min(b, c), b + c, 0.5), abs=1e-9)


def test_mid_p_of_no_difference_is_1() -> None:
    assert [mcnemar_mid_p(n, n).p for n in (0, 4)] == pytest.approx([1.0, 1.0])


BENJAMINI = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528]
BENJAMINI += [0.759, 1.0]


def test_the_thrombolysis_trials_give_as_many_findings_as_published() -> None:
    """Benjamini & Hochberg 1995, §3.2: 4 of the 15 with theirs, 3 with Bonferroni's, so with Holm's."""
    assert sum(p <= 0.05 for p in benjamini_hochberg(BENJAMINI) if p is not None) == 4
    assert sum(p <= 0.05 for p in holm(BENJAMINI) if p is not None) == 3


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(2))
def test_adjusted_p_values_are_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.4, 2, 12)
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)
    assert benjamini_hochberg(p.tolist()) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-9)


def test_what_was_not_computed_is_no_part_of_the_family() -> None:
    assert holm([0.01, None, 0.03]) == [0.02, None, 0.03]
    assert benjamini_hochberg([None, 0.02]) == [None, 0.02]
    assert holm([]) == [] and benjamini_hochberg([None]) == [None]


def test_the_detectable_effect_is_the_published_one() -> None:
    """20 % discordant pairs: 12.5 points at 100 questions, 5.6 at 500 (Miller 2024's formula, research/peers.md §5)."""
    sd = 0.2**0.5
    assert detectable_effect(sd / 100**0.5) == pytest.approx(0.125, abs=5e-4)
    assert detectable_effect(sd / 500**0.5) == pytest.approx(0.056, abs=5e-4)


@pytest.mark.reference
@pytest.mark.parametrize(("alpha", "power", "n"), [(0.05, 0.8, 100), (0.01, 0.9, 37)])
def test_the_detectable_effect_is_statsmodels(alpha: float, power: float, n: int) -> None:
    theirs = NormalIndPower().solve_power(None, n, alpha / 2, power, ratio=0, alternative="larger")
    assert detectable_effect(1 / n**0.5, alpha, power) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.reference
def test_the_standard_error_needs_two_differences() -> None:
    assert standard_error_of_mean(DARWIN) == pytest.approx(scipy.stats.sem(DARWIN))
    assert standard_error_of_mean(DARWIN[:1]) is None


def interval(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high, 100, "x")


@pytest.mark.parametrize(
    ("of_90", "of_95", "verdict"),
    [
        ((-0.010, 0.015), (-0.013, 0.018), "equivalent"),
        ((0.005, 0.015), (0.004, 0.016), "equivalent"),
        ((0.020, 0.090), (0.013, 0.097), "different"),
        ((-0.090, -0.03), (-0.10, -0.02), "different"),
        ((-0.030, 0.010), (-0.035, 0.015), "unresolved"),
        ((0.001, 0.021), (-0.001, 0.023), "unresolved"),
        ((0.000, 0.020), (-0.002, 0.022), "unresolved"),
    ],
)
def test_verdicts(of_90: tuple[float, float], of_95: tuple[float, float], verdict: str) -> None:
    assert equivalence(interval(*of_90), interval(*of_95)).verdict == verdict


def test_no_interval_resolves_nothing_and_says_why() -> None:
    missing = Estimate(0.0, None, None, 1, "x", "one question")
    found = equivalence(missing, missing)
    assert (found.verdict, found.reason) == ("unresolved", "one question")


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.019, 0.03])
def test_equivalence_by_the_90_percent_interval_is_statsmodels_two_one_sided_tests(shift: float) -> None:
    differences = np.random.default_rng(2).normal(shift, 0.1, 400)
    summary = DescrStatsW(differences)
    found = equivalence(interval(*summary.tconfint_mean(0.1)), interval(*summary.tconfint_mean(0.05)))
    p = ttost_paired(differences, np.zeros(400), -0.02, 0.02)[0]
    assert (found.verdict == "equivalent") == (p < 0.05)
