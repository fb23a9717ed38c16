"""Ballots that were answered in words: which replies name an option, and what each vote was read from."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.ballots import LabelSet, mean_mass, probe_labels, read_answer, read_reply, weakest
from localtable.errors import BallotError
from localtable.prompts import ByteTokenizer
from localtable.types import OrderedBallot

TEXTS = ("Paris", "London", "Rome")


def labels(count: int = 3) -> LabelSet:
    return replace(probe_labels(ByteTokenizer(), "vote", count), replies=True)


@pytest.mark.parametrize(
    ("reply", "label", "source"),
    [
        ('{"vote": "B"}', "B", "structured"),
        (' {\n "vote":\t"B" }\n', "B", "structured"),
        ('{"vote": "\\u0042"}', "B", "structured"),
        ('<think>\n{"vote": "A"}?\n</think>\n\n{"vote": "B"}', "B", "structured"),
        ('```json\n{"vote": "B"}\n```', "B", "parsed"),
        ('{"vote": "B", "why": "so"}', "B", "parsed"),
        ('{"vote": "London"}', "B", "parsed"),
        ('{"vote": ["B"]}', "B", "parsed"),
        ("B", "B", "parsed"),
        ("**B)** London", "B", "parsed"),
        ("I have thought about it.\nMy vote is for London.", "B", "parsed"),
        ("The answer is B", "B", "parsed"),
    ],
)
def test_what_a_reply_names(reply: str, label: str, source: str) -> None:
    answer = read_answer(reply, "vote", "ABC", TEXTS)
    assert answer is not None
    assert (answer.label, answer.source) == (label, source)
    assert answer.place is None or reply[answer.place : answer.place + 1] == label


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "{}",
        '{"vote": "D"}',
        '{"vote": 2}',
        '{"votes": "B"}',
        "I abstain.",
        "[" * 9999,
        "Paris or London",
        "<think>\nLondon",
    ],
)
def test_what_names_nothing_is_no_vote(reply: str) -> None:
    assert read_answer(reply, "vote", "ABC", TEXTS) is None


def test_a_letter_that_is_a_word_is_not_where_the_label_stands() -> None:
    answer = read_answer("A capital is asked for.\nAnswer: A", "vote", "ABC", TEXTS)
    assert answer is not None and (answer.label, answer.place) == ("A", None)


def test_other_labels_than_letters_are_read_by_themselves_alone() -> None:
    many = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabc")
    names = tuple(f"Seat {i}" for i in range(len(many)))
    answer = read_answer('{"persuaded_by": "c"}', "persuaded_by", many, names)
    assert answer is not None and answer.label == "c"
    assert read_answer("Seat 28", "persuaded_by", many, names) is None


@given(st.text(max_size=200))
def test_no_reply_is_too_odd(reply: str) -> None:
    answer = read_answer(reply, "vote", "ABC", TEXTS)
    assert answer is None or answer.label in "ABC"


def test_listed_probabilities_are_made_to_sum_to_one_and_their_mass_is_kept() -> None:
    logprobs = {ord("A"): math.log(0.2), ord("C"): math.log(0.6)}
    reading = read_reply(labels(), b'{"vote": "C"}', logprobs, ("B", "C", "A"), TEXTS, 1)
    assert reading.source == "logprobs"
    assert reading.mass == pytest.approx(0.8)
    assert reading.choice.chosen == "A", "the third label stands for the first option here"
    assert reading.choice.distribution == pytest.approx({"B": 0.25, "C": 0.0, "A": 0.75})


def test_without_probabilities_all_is_on_the_answer() -> None:
    reading = read_reply(labels(), b'{"vote": "B"}', {}, ("A", "B", "C"), TEXTS, 1)
    assert (reading.source, reading.mass) == ("structured", None)
    assert reading.choice.distribution == {"A": 0.0, "B": 1.0, "C": 0.0}


@pytest.mark.parametrize(
    ("reply", "logprobs"),
    [(b"none of them", {}), (b'{"vote": "A"}', {ord("A"): 0.5}), (b'{"vote": "A"}', {ord("A"): -math.inf})],
)
def test_a_reply_that_can_t_be_read_is_refused(reply: bytes, logprobs: dict[int, float]) -> None:
    with pytest.raises(BallotError):
        read_reply(labels(), reply, logprobs, ("A", "B", "C"), TEXTS, 1)


def test_a_ballot_in_several_orders_is_worth_its_weakest() -> None:
    assert weakest(["logprobs", "parsed", "structured"]) == "parsed"
    listed = OrderedBallot(("A", "B"), {"A": 1.0, "B": 0.0}, "logprobs", 0.8)
    assert mean_mass([listed, replace(listed, mass=0.9)]) == pytest.approx(0.85)
    assert mean_mass([listed, replace(listed, source="parsed", mass=None)]) is None
