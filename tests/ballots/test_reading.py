"""Log-probabilities become a vote and its distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.ballots import LabelSet, choose, read_choice
from localtable.ballots.reading import SUM_TOLERANCE
from localtable.errors import BallotError

ABC = LabelSet("vote", ("A", "B", "C"), (1, 2), ((10,), (20,), (30,)), "(A|B|C)", True, '{{"{key}":"{label}"}}')
DOUBLED = LabelSet("vote", ("A", "B"), (1, 2), ((10, 11), (20, 21)), "(A|B)", True, '{{"{key}":"{label}"}}')


def logs(probabilities: Mapping[int, float]) -> dict[int, float]:
    return {i: math.log(p) if p else -math.inf for i, p in probabilities.items()}


# ── the vote ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_vote_is_the_most_probable_option() -> None:
    choice = read_choice(ABC, logs({10: 0.2, 20: 0.7, 30: 0.1}), ("A", "B", "C"), seed=0)
    assert choice.chosen == "B"
    assert choice.distribution == pytest.approx({"A": 0.2, "B": 0.7, "C": 0.1})
    assert choice.tied == ()


def test_a_label_means_what_the_ballot_listed_under_it() -> None:
    choice = read_choice(ABC, logs({10: 0.2, 20: 0.7, 30: 0.1}), ("C", "A", "B"), seed=0)
    assert choice.chosen == "A"
    assert list(choice.distribution) == ["C", "A", "B"]
    assert choice.distribution["C"] == pytest.approx(0.2)


def test_two_ids_of_one_letter_add_up() -> None:
    choice = read_choice(DOUBLED, logs({10: 0.3, 11: 0.25, 20: 0.4, 21: 0.05}), ("A", "B"), seed=0)
    assert choice.chosen == "A"  # although the single most probable id is B's
    assert choice.distribution == pytest.approx({"A": 0.55, "B": 0.45})


def test_an_impossible_label_has_probability_0() -> None:
    choice = read_choice(ABC, logs({10: 0.0, 20: 1.0, 30: 0.0}), ("A", "B", "C"), seed=0)
    assert choice.distribution == {"A": 0.0, "B": 1.0, "C": 0.0}


def test_log_probabilities_of_other_ids_are_not_counted() -> None:
    choice = read_choice(ABC, logs({10: 0.2, 20: 0.7, 30: 0.1, 99: 0.9}), ("A", "B", "C"), seed=0)
    assert choice.distribution["B"] == pytest.approx(0.7)


# ── ties ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exact_tie_is_drawn_by_the_seed_and_said() -> None:
    tie = logs({10: 0.4, 20: 0.2, 30: 0.4})
    drawn = Counter(read_choice(ABC, tie, ("A", "B", "C"), seed=seed).chosen for seed in range(400))
    assert set(drawn) == {"A", "C"}
    assert min(drawn.values()) > 140  # 200 are due; 140 is six standard deviations below
    assert read_choice(ABC, tie, ("A", "B", "C"), seed=1).tied == ("A", "C")


def test_the_same_seed_draws_the_same() -> None:
    tie = logs({10: 1 / 3, 20: 1 / 3, 30: 1 / 3})
    for seed in range(20):
        first, second = (read_choice(ABC, tie, ("A", "B", "C"), seed=seed) for _ in range(2))
        assert first == second


def test_a_tie_is_drawn_among_what_labels_mean_not_by_their_place() -> None:
    for seed in range(20):
        straight = choose({"A": 0.5, "B": 0.5}, seed)
        turned = choose({"B": 0.5, "A": 0.5}, seed)
        assert straight.chosen == turned.chosen


def test_nearly_equal_is_no_tie() -> None:
    choice = choose({"A": 0.5, "B": math.nextafter(0.5, 1)}, seed=0)
    assert choice.chosen == "B" and choice.tied == ()


# ── what is no ballot ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_id_is_an_error_that_names_it() -> None:
    with pytest.raises(BallotError, match=r"allowed ids \[20\]"):
        read_choice(ABC, logs({10: 0.9, 30: 0.1}), ("A", "B", "C"), seed=0)


@pytest.mark.parametrize("total", [0.9, 1.1, 0.0, 1 - 2 * SUM_TOLERANCE, math.nan])
def test_probabilities_that_do_not_sum_to_1_are_an_error(total: float) -> None:
    shares = {i: math.log(total / 3) if total else -math.inf for i in (10, 20, 30)}
    with pytest.raises(BallotError, match="not to 1 within"):
        read_choice(ABC, shares, ("A", "B", "C"), seed=0)


def test_what_rounding_leaves_is_made_up_for() -> None:
    choice = read_choice(ABC, logs({10: 0.2003, 20: 0.7002, 30: 0.1}), ("A", "B", "C"), seed=0)
    assert math.fsum(choice.distribution.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("meaning", [("A", "B"), ("A", "B", "C", "D"), ("A", "B", "B")])
def test_every_label_needs_a_meaning_of_its_own(meaning: Sequence[str]) -> None:
    with pytest.raises(BallotError, match="3 labels need as many different meanings"):
        read_choice(ABC, logs({10: 0.2, 20: 0.7, 30: 0.1}), meaning, seed=0)


# ── in general ────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def ballots(draw: st.DrawFn) -> tuple[LabelSet, dict[int, float], tuple[str, ...]]:
    """Labels with one or two ids each, and log-probabilities as an engine computes them from logits."""
    count = draw(st.integers(2, 26))
    ids = [(2 * i, 2 * i + 1) if draw(st.booleans()) else (2 * i,) for i in range(count)]
    logits = {i: draw(st.floats(-60, 60, width=16)) for both in ids for i in both}
    highest = max(logits.values())
    normaliser = highest + math.log(math.fsum(math.exp(x - highest) for x in logits.values()))
    names = tuple(chr(65 + i) for i in range(count))
    labels = LabelSet("vote", names, (), tuple(ids), "", True, "")
    return labels, {i: x - normaliser for i, x in logits.items()}, tuple(draw(st.permutations(names)))


@given(ballots(), st.integers(0, 2**63 - 1))
def test_a_distribution_covers_every_option_and_sums_to_1(
    ballot: tuple[LabelSet, dict[int, float], tuple[str, ...]], seed: int
) -> None:
    labels, logprobs, meaning = ballot
    choice = read_choice(labels, logprobs, meaning, seed)
    assert set(choice.distribution) == set(labels.labels)
    assert math.fsum(choice.distribution.values()) == pytest.approx(1, abs=1e-9)
    assert all(0 <= p <= 1 for p in choice.distribution.values())


@given(ballots(), st.integers(0, 2**63 - 1))
def test_the_vote_has_the_highest_probability_and_is_among_the_tied(
    ballot: tuple[LabelSet, dict[int, float], tuple[str, ...]], seed: int
) -> None:
    labels, logprobs, meaning = ballot
    choice = read_choice(labels, logprobs, meaning, seed)
    best = max(choice.distribution.values())
    leaders = sorted(name for name, p in choice.distribution.items() if p == best)
    assert choice.distribution[choice.chosen] == best
    assert choice.tied == (tuple(leaders) if len(leaders) > 1 else ())
    assert choice.chosen in leaders


@given(ballots(), st.integers(0, 2**63 - 1), st.randoms(use_true_random=False))
def test_the_order_of_the_labels_changes_no_vote(
    ballot: tuple[LabelSet, dict[int, float], tuple[str, ...]], seed: int, random: object
) -> None:
    labels, logprobs, meaning = ballot
    places = list(range(len(meaning)))
    random.shuffle(places)  # type: ignore[attr-defined]
    turned = LabelSet(
        "vote", tuple(labels.labels[i] for i in places), (), tuple(labels.token_ids[i] for i in places), "", True, ""
    )
    first = read_choice(labels, logprobs, meaning, seed)
    second = read_choice(turned, logprobs, tuple(meaning[i] for i in places), seed)
    assert second.chosen == first.chosen
    assert second.distribution == pytest.approx(first.distribution)
