"""Votes → tally, agreement and verdict, with the counts that readers of hosted debates know."""

from __future__ import annotations

import pytest
from builders import make_question
from hypothesis import given
from hypothesis import strategies as st

from localtable.protocol.votes import agreed, leading, tally, verdict
from localtable.types import LETTERS, Stop, Verdict

NEVER = Stop("never")
FIVE = make_question("No", "Maybe", "By end of 2027", "Yes", "Exceed it")


def verdict_of(votes: str, options: int = 3, stop: Stop = NEVER) -> Verdict:
    question = make_question(*(f"option {i}" for i in range(options)))
    return verdict(tally(question, list(votes)), 2, stop)


def test_a_tally_lists_every_option_in_the_question_s_order() -> None:
    assert tally(FIVE, ["D", "C", "C", "B", "D", "A"]) == {"A": 1, "B": 1, "C": 2, "D": 2, "E": 0}
    assert list(tally(FIVE, ["D"])) == list("ABCDE")


def test_two_of_six_each_is_a_tie_as_on_the_reference_page() -> None:
    assert verdict(tally(FIVE, list("DCCBDA")), 2, Stop()) == Verdict("tie", ("C", "D"), 2, 6, False, 2)


@pytest.mark.parametrize(
    ("votes", "kind", "options", "count"),
    [
        ("AAAAAA", "unanimous", "A", 6),
        ("B", "unanimous", "B", 1),
        ("AAAABC", "majority", "A", 4),
        ("AABBBB", "majority", "B", 4),
        ("AAB", "majority", "A", 2),
        ("AAABBC", "plurality", "A", 3),
        ("AABBBC", "plurality", "B", 3),
        ("AABC", "plurality", "A", 2),
        ("AAABBB", "tie", "AB", 3),
        ("AB", "tie", "AB", 1),
        ("CBA", "tie", "ABC", 1),
    ],
)
def test_a_verdict_is_called_what_it_is(votes: str, kind: str, options: str, count: int) -> None:
    found = verdict_of(votes)
    assert (found.kind, found.options, found.votes, found.of) == (kind, tuple(options), count, len(votes))


def test_half_of_the_votes_is_no_majority() -> None:
    assert verdict_of("AABC").kind == "plurality"
    assert verdict_of("AAABC").kind == "majority"


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=64))
def test_a_verdict_s_counts_are_right_whatever_was_voted(votes: list[str]) -> None:
    found = verdict(tally(FIVE, votes), 1, Stop())
    counts = {letter: votes.count(letter) for letter in "ABCDE"}
    most = max(counts.values())
    assert found.options == tuple(letter for letter in "ABCDE" if counts[letter] == most) == leading(counts)
    assert (found.votes, found.of) == (most, len(votes))
    assert (found.kind == "unanimous") == (len(set(votes)) == 1)
    assert (found.kind == "tie") == (len(found.options) > 1)
    assert (found.kind in ("unanimous", "majority")) == (most > len(votes) / 2)


# ── agreement ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", ["unanimous", "never"])
def test_only_all_votes_are_agreement_where_no_share_is_named(when: str) -> None:
    stop = Stop(when)  # type: ignore[arg-type]
    assert agreed({"A": 6, "B": 0}, stop)
    assert not agreed({"A": 63, "B": 1}, stop)
    assert not agreed({"A": 3, "B": 3}, stop)


@pytest.mark.parametrize("share", [0.666, 0.6666, 0.667, 0.6667, 2 / 3])
@pytest.mark.parametrize("seats", [3, 6, 30, 60, 63])
def test_two_thirds_however_they_are_rounded_are_two_of_three_seats(share: float, seats: int) -> None:
    enough = seats * 2 // 3
    assert agreed({"A": enough, "B": seats - enough}, Stop("threshold", share))
    assert not agreed({"A": enough - 1, "B": 1, "C": seats - enough}, Stop("threshold", share))


@pytest.mark.parametrize(
    ("votes", "share", "expected"),
    [
        ("AAB", 0.67, False),
        ("AB", 0.5, True),
        ("AB", 0.51, False),
        ("AAAB", 0.75, True),
        ("AAAB", 0.8, False),
        ("AAAAB", 0.8, True),
        ("AAA", 1.0, True),
        ("AAB", 0.01, True),
    ],
)
def test_a_share_is_reached_or_not(votes: str, share: float, expected: bool) -> None:
    assert verdict_of(votes, stop=Stop("threshold", share)).agreement is expected


@given(seats=st.integers(1, 16), share=st.integers(1, 100))
def test_up_to_sixteen_seats_a_share_in_whole_per_cent_is_held_exactly(seats: int, share: int) -> None:
    for votes in range(seats // 2 + 1, seats + 1):
        expected = votes * 100 >= share * seats
        assert agreed({"A": votes, "B": seats - votes}, Stop("threshold", share / 100)) == expected


def test_twenty_six_options_have_twenty_six_letters() -> None:
    question = make_question(*(f"option {i}" for i in range(26)))
    assert "".join(tally(question, [])) == LETTERS
