"""Errors made together: against counted examples, statsmodels, numpy and simulated truths."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import Table2x2

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.error_correlation import effective_votes, error_components, error_correlation
from localtable.analysis.statistics.error_overlap import double_fault, error_agreement, error_phi, yule_q
from localtable.analysis.statistics.jury import condorcet_jury
from localtable.analysis.statistics.statistic import Statistic


def value(statistic: Statistic) -> float:
    found = bootstrap([statistic])[0].value
    assert found is not None
    return found


def test_error_agreement_counts_pairs_that_are_both_wrong() -> None:
    votes = np.array([[1, 1, 2, 0], [0, 0, 0, 0], [3, 2, 2, 2], [1, 1, -1, 0], [2, 2, 2, 2]])
    answers, options = np.array([0, 0, 1, 0, -1]), np.array([4, 4, 5, 2, 4])
    found = error_agreement(votes, answers, options)
    # wrong pairs: three in row 0 (one agrees), six in row 2 (three agree), one in row 3 (agrees)
    assert value(found.observed) == pytest.approx(5 / 10, abs=1e-9)
    assert value(found.chance) == pytest.approx((3 / 3 + 6 / 4 + 1 / 1) / 10, abs=1e-9)
    assert value(found.excess) == pytest.approx(0.5 - 0.35, abs=1e-9)


def test_errors_that_fall_anywhere_agree_as_by_chance() -> None:
    rng = np.random.default_rng(0)
    options = rng.choice([3, 5, 10], 4000)
    votes = (rng.random((4000, 5)) * options[:, None]).astype(int)
    (excess,) = bootstrap([error_agreement(votes, np.zeros(4000, int), options).excess])
    assert excess.low < 0 < excess.high  # type: ignore[operator]
    assert excess.high - excess.low < 0.02  # type: ignore[operator]


def two_seats(a: int, b: int, c: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([True, True, False, False], [a, b, c, d]), np.repeat([True, False, True, False], [a, b, c, d])


@pytest.mark.reference
@pytest.mark.parametrize("cells", [(10, 5, 3, 82), (20, 20, 20, 20), (3, 30, 25, 2)])
def test_phi_q_and_double_fault_are_numpys_statsmodels_and_counted(cells: tuple[int, int, int, int]) -> None:
    first, second = two_seats(*cells)
    odds = Table2x2(np.reshape(cells, (2, 2))).oddsratio
    assert value(error_phi(first, second)) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-9)
    assert value(yule_q(first, second)) == pytest.approx((odds - 1) / (odds + 1), abs=1e-9)
    assert value(double_fault(first, second)) == pytest.approx(cells[0] / sum(cells), abs=1e-9)


def test_what_is_not_present_is_not_counted() -> None:
    first, second = two_seats(10, 5, 3, 82)
    more = np.concatenate([first, [True] * 7]), np.concatenate([second, [False] * 7])
    present = np.arange(107) < 100
    for statistic in (error_phi, yule_q, double_fault):
        assert value(statistic(*more, present)) == value(statistic(first, second))


def test_a_seat_that_is_always_right_has_no_correlation() -> None:
    first, second = two_seats(0, 0, 30, 20)
    assert "always right" in str(bootstrap([error_phi(first, second)])[0].reason)
    assert "tells them apart" in str(bootstrap([yule_q(first, second)])[0].reason)


def errors_of(rng: np.random.Generator, rows: int, seats: int, chance: float, correlation: float) -> np.ndarray:
    spread = 1 / correlation - 1
    return rng.random((rows, seats)) < rng.beta(chance * spread, (1 - chance) * spread, (rows, 1))


@pytest.mark.reference
def test_the_panels_correlation_is_mean_covariance_over_mean_variance() -> None:
    errors = errors_of(np.random.default_rng(1), 300, 4, 0.4, 0.3)
    covariance = np.cov(errors.T, ddof=0)
    pairs = np.mean([covariance[i, j] for i, j in combinations(range(4), 2)])
    ours = value(error_correlation(errors, np.ones_like(errors)))
    assert ours == pytest.approx(pairs / np.diag(covariance).mean(), abs=1e-9)


@pytest.mark.reference
def test_of_two_equally_good_seats_it_is_phi() -> None:
    errors = np.column_stack(two_seats(10, 7, 7, 60))
    ours = value(error_correlation(errors, np.ones_like(errors)))
    assert ours == pytest.approx(np.corrcoef(errors.T)[0, 1], abs=1e-9)


def test_rows_with_a_seat_missing_are_left_out() -> None:
    errors = errors_of(np.random.default_rng(2), 100, 3, 0.5, 0.3)
    present = np.ones_like(errors)
    present[:20, 1] = False
    assert value(error_correlation(errors, present)) == value(error_correlation(errors[20:], present[20:]))


def test_effective_votes_are_kishs() -> None:
    """The variance of the number of wrong votes is that of N_eff independent ones, scaled: N v (1 + (N − 1) ρ)."""
    errors = errors_of(np.random.default_rng(3), 500, 6, 0.4, 0.25)
    rates = errors.mean(axis=0)
    design_effect = errors.sum(axis=1).var() / (rates * (1 - rates)).sum()
    assert value(effective_votes(errors, np.ones_like(errors))) == pytest.approx(6 / design_effect, abs=1e-9)


def test_one_voice_is_one_vote() -> None:
    errors = (np.arange(60) % 3 == 0).repeat(5).reshape(60, 5)
    assert value(effective_votes(errors, np.ones_like(errors))) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("errors", [np.zeros((50, 3), bool), np.arange(50)[:, None] % 2 == 0])
def test_no_variance_and_no_peers_give_a_reason(errors: np.ndarray) -> None:
    for statistic in (error_correlation, effective_votes):
        (estimate,) = bootstrap([statistic(errors, np.ones_like(errors))])
        assert estimate.value is None and estimate.reason


def test_components_are_those_of_the_definition() -> None:
    """By loops over all pairs of seats and of repeats, where some questions have two repeats and some three."""
    rng = np.random.default_rng(4)
    questions = np.concatenate([np.arange(30).repeat(2), np.arange(20)])
    errors = rng.random((80, 3)) < rng.random((30, 1))[questions]
    same, other, own, rates = [], [], [], []
    for question in range(30):
        mine = errors[questions == question].astype(float)
        repeats = range(len(mine))
        same.append(np.mean([mine[r, i] * mine[r, j] for r in repeats for i, j in combinations(range(3), 2)]))
        apart = [(r, s) for r, s in product(repeats, repeats) if r != s]
        other.append(np.mean([mine[r, i] * mine[s, j] for r, s in apart for i, j in combinations(range(3), 2)]))
        own.append(np.mean([mine[r, i] * mine[s, i] for r, s in apart for i in range(3)]))
        rates.append(mine.mean(axis=0))
    mean_rates = np.mean(rates, axis=0)
    products = np.mean([mean_rates[i] * mean_rates[j] for i, j in combinations(range(3), 2)])
    found = error_components(errors, np.ones_like(errors), questions, 30)
    within = (np.mean(same) - np.mean(other)) / (np.mean(rates) - np.mean(own))
    between = (np.mean(other) - products) / (np.mean(own) - np.mean(mean_rates**2))
    assert value(found.within) == pytest.approx(within, abs=1e-9)
    assert value(found.between) == pytest.approx(between, abs=1e-9)


def test_hard_questions_are_between_and_contagion_is_within() -> None:
    rng = np.random.default_rng(5)
    questions = np.arange(2000).repeat(3)
    hardness = rng.beta(1, 1, (2000, 1))[questions]
    independent = rng.random((6000, 4)) < hardness
    contagious = np.where(rng.random((6000, 4)) < 0.6, rng.random((6000, 1)) < hardness, independent)
    for errors, truth in ((independent, 0.0), (contagious, 0.36)):
        found = error_components(errors, np.ones_like(errors), questions, 2000)
        within, between = bootstrap([found.within])[0], bootstrap([found.between])[0]
        assert within.low - 0.01 < truth < within.high + 0.01  # type: ignore[operator]
        assert between.value == pytest.approx(1.0, abs=0.03)


def test_without_repeats_there_are_no_components() -> None:
    errors = np.arange(120).reshape(40, 3) % 2 == 0
    found = error_components(errors, np.ones_like(errors), np.arange(40), 40)
    for component in found:
        (estimate,) = bootstrap([component])
        assert (estimate.value, estimate.reason) == (None, "no question has two repeats")


@pytest.mark.reference
@pytest.mark.parametrize(("p", "n", "published"), [(0.7, 3, 0.784), (0.6, 5, 0.68256), (0.5, 101, 0.5), (0.8, 1, 0.8)])
def test_condorcets_jury(p: float, n: int, published: float) -> None:
    assert condorcet_jury([p] * n) == pytest.approx(published, abs=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("n", [9, 10])
def test_a_jury_of_equals_is_scipys_binomial(n: int) -> None:
    split = scipy.stats.binom.pmf(n / 2, n, 0.55) / 2 if n % 2 == 0 else 0.0
    assert condorcet_jury([0.55] * n) == pytest.approx(scipy.stats.binom.sf(n // 2, n, 0.55) + split, abs=1e-9)


def test_a_jury_of_unequals_is_the_sum_over_all_outcomes() -> None:
    accuracies = np.array([0.9, 0.6, 0.55, 0.3])
    total = 0.0
    for right in product([0, 1], repeat=4):
        chance = np.prod(np.where(right, accuracies, 1 - accuracies))
        total += chance * (1.0 if sum(right) > 2 else 0.5 if sum(right) == 2 else 0.0)
    assert condorcet_jury(accuracies.tolist()) == pytest.approx(total, abs=1e-9)
