"""Letters and slots: against counted examples, scipy's chi-square, and simulated panels without a preference."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.option_order import (
    permutation_consistency,
    recall_spread,
    slot_bias,
    slot_chi_square,
)


@pytest.mark.reference
def test_recall_spread_is_the_standard_deviation_of_recalls() -> None:
    """Recalls 1, 1/2 and 0; the letter C is never the answer."""
    votes, answers = np.array([0, 0, 1, 2, 0, 2, -1]), np.array([0, 0, 1, 1, 3, 3, 0])
    (estimate,) = bootstrap([recall_spread(votes, answers)])
    assert estimate.value == pytest.approx(np.std([1.0, 0.5, 0.0]), abs=1e-9)


@pytest.mark.parametrize("answers", [np.full(20, 2), np.full(20, -1)])
def test_one_letter_has_no_spread(answers: np.ndarray) -> None:
    (estimate,) = bootstrap([recall_spread(np.zeros(20, int), answers)])
    assert estimate.value is None and estimate.reason


def test_consistency_is_the_chance_that_two_orders_agree() -> None:
    votes = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [2, 1, 0, 3]])
    (estimate,) = bootstrap([permutation_consistency(votes)])
    assert estimate.value == pytest.approx((1 + 2 / 6 + 0) / 3, abs=1e-9)


def test_slot_bias_is_above_its_share() -> None:
    chosen, slots = np.array([0, 0, 1, 4, -1]), np.array([2, 4, 4, 5, 5])
    first, last = bootstrap([slot_bias(chosen, slots, 0), slot_bias(chosen, slots, 4)])
    assert (first.value, first.n) == (pytest.approx((0.5 + 0.75 - 0.25 - 0.2) / 4), 4)
    assert (last.value, last.n) == (pytest.approx(0.8), 1)


@pytest.mark.reference
@pytest.mark.parametrize("firsts", [50, 61, 70])
def test_with_two_slots_and_one_ballot_a_question_it_is_pearsons(firsts: int) -> None:
    chosen = (np.arange(100) >= firsts).astype(int)
    theirs = scipy.stats.chisquare([firsts, 100 - firsts])
    ours = slot_chi_square(chosen, np.full(100, 2), np.arange(100))
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-6)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-6)


def test_with_more_slots_it_is_near_pearsons() -> None:
    chosen = np.random.default_rng(0).choice(4, 4000, p=[0.26, 0.26, 0.25, 0.23])
    theirs = scipy.stats.chisquare(np.bincount(chosen))
    ours = slot_chi_square(chosen, np.full(4000, 4), np.arange(4000))
    assert ours.statistic == pytest.approx(theirs.statistic, rel=0.05)


def test_six_seats_with_one_mind_are_no_six_observations() -> None:
    chosen = np.random.default_rng(1).integers(0, 4, 100)
    one = slot_chi_square(chosen, np.full(100, 4), np.arange(100))
    six = slot_chi_square(chosen.repeat(6), np.full(600, 4), np.arange(100).repeat(6))
    assert (six.p, six.n) == (pytest.approx(one.p), 100)


def test_a_preference_is_found() -> None:
    rng = np.random.default_rng(2)
    chosen = np.where(rng.random(600) < 0.2, 0, rng.integers(0, 4, 600))
    assert slot_chi_square(chosen, np.full(600, 4), np.arange(100).repeat(6)).p < 0.001  # type: ignore[operator]


def test_what_can_t_be_tested_says_why() -> None:
    few = slot_chi_square(np.array([0, 1, 2]), np.full(3, 4), np.arange(3))
    assert few.p is None and "too few" in str(few.reason)
    none = slot_chi_square(np.full(5, -1), np.full(5, 4), np.arange(5))
    assert none.p is None and none.n == 0
    for slots in (2, 3, 7):  # seats that mind the content, under all rotations; thirds don't sum to 1 exactly
        level = slot_chi_square(np.tile(np.arange(slots), 30), np.full(30 * slots, slots), np.arange(30).repeat(slots))
        assert level.p is None and "alike" in str(level.reason)
