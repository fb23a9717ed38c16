"""Agreement: against published tables, statsmodels, scipy and values that the krippendorff package gave."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_counts

from localtable.analysis.statistics.agreement import (
    chance_corrected_agreement,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
    vote_counts,
    vote_entropy,
)
from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.statistic import Statistic


def value(statistic: Statistic) -> float:
    found = bootstrap([statistic])[0].value
    assert found is not None
    return found


def votes_of(counts: list[list[int]]) -> np.ndarray:
    """[rows, options] counts → [rows, seats] votes."""
    return np.array([np.repeat(np.arange(len(row)), row) for row in counts])


FOURTEEN_RATERS = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]

MISSING = -1
KRIPPENDORFF_C = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
        [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
    ]
).T


def random_votes(seed: int, seats: int = 5, options: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, options, (60, 1))
    return np.where(rng.random((60, seats)) < 0.5, truth, rng.integers(0, options, (60, seats)))


@pytest.mark.reference
def test_fleiss_kappa_of_fourteen_raters_is_the_published_one() -> None:
    """Ten subjects, five categories, κ = 0.210 (the worked example of "Fleiss' kappa" in Wikipedia)."""
    votes = votes_of(FOURTEEN_RATERS)
    assert value(fleiss_kappa(votes)) == pytest.approx(0.210, abs=5e-4)
    assert value(fleiss_kappa(votes)) == pytest.approx(fleiss_of_counts(np.array(FOURTEEN_RATERS)), abs=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(3))
def test_fleiss_kappa_is_statsmodels(seed: int) -> None:
    votes = random_votes(seed)
    assert value(fleiss_kappa(votes)) == pytest.approx(fleiss_of_counts(vote_counts(votes)), abs=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("options", [2, 4])
def test_with_one_number_of_options_chance_corrected_agreement_is_randolphs_kappa(options: int) -> None:
    votes = random_votes(options, options=options)
    theirs = fleiss_of_counts(vote_counts(votes), method="randolph")
    assert value(chance_corrected_agreement(votes, np.full(60, options))) == pytest.approx(theirs, abs=1e-9)


def test_chance_differs_with_the_number_of_options() -> None:
    """Two seats: all of 2 options agreed on, none of 10: (1 − 1/2) + (0 − 1/10) over (1 − 1/2) + (1 − 1/10)."""
    votes, options = np.array([[0, 0], [3, 7]]), np.array([2, 10])
    assert value(chance_corrected_agreement(votes, options)) == pytest.approx(0.4 / 1.4, abs=1e-9)


def test_letters_of_other_questions_don_t_matter_to_chance_corrected_agreement() -> None:
    """Where A is nearly always right, kappa takes agreement on A for chance; relabelled by question it doesn't."""
    rng = np.random.default_rng(0)
    votes = np.where(rng.random((60, 5)) < 0.8, 0, rng.integers(0, 4, (60, 5)))
    relabelled = (votes + rng.integers(0, 4, (60, 1))) % 4
    own, other = (value(chance_corrected_agreement(v, np.full(60, 4))) for v in (votes, relabelled))
    assert own == pytest.approx(other, abs=1e-9)
    assert value(fleiss_kappa(votes)) < value(fleiss_kappa(relabelled)) - 0.2


def test_cohens_own_table() -> None:
    """Cohen 1960, table 1: 200 cases, κ = .492."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (np.repeat(place.ravel(), table.ravel()) for place in np.indices(table.shape))
    assert value(cohen_kappa(first, second)) == pytest.approx(0.492, abs=5e-4)


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(2))
def test_cohens_kappa_is_statsmodels(seed: int) -> None:
    first, second, *_ = random_votes(seed).T
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    assert value(cohen_kappa(first, second)) == pytest.approx(cohens_kappa(table).kappa, abs=1e-9)


def test_cohens_kappa_leaves_out_what_either_lacks() -> None:
    first, second = np.array([0, 1, 2, -1, 0, 1]), np.array([0, 1, -1, 2, 1, 1])
    whole = (first >= 0) & (second >= 0)
    assert value(cohen_kappa(first, second)) == value(cohen_kappa(first[whole], second[whole]))


@pytest.mark.reference
def test_krippendorffs_binary_example() -> None:
    """Krippendorff 2011, part A: .095; 0.09523809523809534 by the krippendorff package 0.9.0."""
    votes = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
    assert value(krippendorff_alpha(votes)) == pytest.approx(0.09523809523809534, abs=1e-9)


@pytest.mark.reference
def test_krippendorffs_example_of_two_observers() -> None:
    """Krippendorff 2011, part B: .692; 0.6919642857142858 by the package."""
    votes = np.array([["abcde".index(letter) for letter in seat] for seat in ("aabbdcccedda", "babbbccceddd")]).T
    assert value(krippendorff_alpha(votes)) == pytest.approx(0.6919642857142858, abs=1e-9)


@pytest.mark.reference
def test_krippendorffs_example_with_missing_data() -> None:
    """Krippendorff 2011, part C: .743; 0.743421052631579 by the package."""
    assert value(krippendorff_alpha(KRIPPENDORFF_C)) == pytest.approx(0.743421052631579, abs=1e-9)


@pytest.mark.reference
def test_alpha_below_chance_is_the_packages() -> None:
    """Values of the krippendorff package 0.9.0 (GPL, so no dependency)."""
    votes = (np.arange(60).reshape(20, 3) ** 2 * 7) % 5 % 4
    holes = votes.copy()
    holes[::7, 1] = MISSING
    assert value(krippendorff_alpha(votes)) == pytest.approx(-0.22916666666666674, abs=1e-9)
    assert value(krippendorff_alpha(holes)) == pytest.approx(-0.25812619502868084, abs=1e-9)


def test_pairwise_agreement_is_the_mean_over_pairs_of_seats() -> None:
    votes = random_votes(5)
    pairs = [np.mean(votes[:, i] == votes[:, j]) for i in range(5) for j in range(i)]
    assert value(pairwise_agreement(votes)) == pytest.approx(np.mean(pairs), abs=1e-9)


def test_pairwise_agreement_skips_missing_votes_and_rows_without_two() -> None:
    votes = np.array([[0, 0, -1], [1, -1, -1], [0, 1, 2], [-1, -1, -1]])
    (estimate,) = bootstrap([pairwise_agreement(votes)])
    assert (estimate.value, estimate.n) == (0.5, 2)


@pytest.mark.reference
def test_entropy_is_scipys() -> None:
    votes = random_votes(6)
    theirs = scipy.stats.entropy(vote_counts(votes), axis=1).mean()
    assert value(vote_entropy(votes, np.full(60, 4))) == pytest.approx(theirs, abs=1e-9)
    split = np.array([[0, 1], [2, 3]])
    assert value(vote_entropy(split, np.full(2, 4))) == pytest.approx(math.log(2), abs=1e-9)


@pytest.mark.parametrize("statistic", [fleiss_kappa, krippendorff_alpha])
def test_where_everybody_always_votes_a_there_is_no_kappa(statistic: object) -> None:
    (estimate,) = bootstrap([statistic(np.zeros((40, 3), int))])  # type: ignore[operator]
    assert estimate.value is None and "same letter" in str(estimate.reason)


def test_whole_agreement_on_different_letters_is_1_and_has_no_width() -> None:
    votes = np.arange(40).repeat(3).reshape(40, 3) % 4
    (estimate,) = bootstrap([fleiss_kappa(votes)])
    assert (estimate.value, estimate.low) == (pytest.approx(1.0), None)
    assert "no variance" in str(estimate.reason)


@pytest.mark.parametrize("statistic", [fleiss_kappa, krippendorff_alpha, pairwise_agreement])
def test_one_seat_agrees_with_nobody(statistic: object) -> None:
    (estimate,) = bootstrap([statistic(np.arange(40)[:, None] % 4)])  # type: ignore[operator]
    assert estimate.value is None and estimate.reason


def test_no_rows_are_no_failure() -> None:
    nothing = np.zeros((0, 3), np.int8)
    for statistic in (fleiss_kappa(nothing), krippendorff_alpha(nothing), pairwise_agreement(nothing)):
        assert bootstrap([statistic])[0].value is None
