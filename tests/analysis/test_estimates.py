"""What statistics come out as: never a NaN, never a gap without its reason."""

from __future__ import annotations

import numpy as np
import pytest

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.estimate import Estimate, PValue
from localtable.analysis.statistics.statistic import NO_CASE, mean, ratio


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Estimate(number, None, None, 3, "x", "why")
    with pytest.raises(ValueError, match="not finite"):
        Estimate(0.5, number, 1.0, 3, "x")
    with pytest.raises(ValueError, match="not finite"):
        PValue(number, 3, "x")


def test_what_is_missing_has_a_reason_and_only_that() -> None:
    for values in ((None, None, None), (0.5, None, None)):
        with pytest.raises(ValueError, match="reason"):
            Estimate(*values, n=3, method="x")
    with pytest.raises(ValueError, match="reason"):
        Estimate(0.5, 0.4, 0.6, 3, "x", "but nothing is missing")
    with pytest.raises(ValueError, match="reason"):
        PValue(None, 3, "x")


def test_no_question_has_no_value() -> None:
    for nothing in (mean(np.zeros(0)), mean(np.zeros(5), np.zeros(5, bool)), ratio(np.zeros(5), np.zeros(5))):
        (estimate,) = bootstrap([nothing])
        assert (estimate.value, estimate.low, estimate.n, estimate.reason) == (None, None, 0, NO_CASE)


def test_one_question_has_a_value_and_no_interval() -> None:
    (estimate,) = bootstrap([ratio(np.array([2, 0]), np.array([3, 0]))])
    assert estimate.value == pytest.approx(2 / 3) and estimate.low is None and estimate.n == 1
    assert "one question" in str(estimate.reason)


def test_a_mean_without_bounds_and_without_variance_says_so() -> None:
    (estimate,) = bootstrap([mean(np.full(50, 120.0), high=float("inf"))])
    assert (estimate.value, estimate.low) == (120.0, None)
    assert "no variance" in str(estimate.reason)


def test_figures_of_hardly_any_questions_are_finite_or_have_a_reason() -> None:
    """Whatever comes in: the constructors refuse the rest."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(1, 14))
        denominators = rng.integers(0, 3, n)
        numerators = rng.binomial(denominators, rng.choice([0, 0.5, 1]))
        shares = bootstrap([ratio(numerators, denominators), mean(numerators, denominators > 0, high=2.0)])
        for estimate in shares:
            assert estimate.low is None or 0 <= estimate.low <= estimate.high <= 2  # type: ignore[operator]
