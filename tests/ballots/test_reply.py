"""What an unconstrained reply to a ballot votes for."""

from __future__ import annotations

import pytest
from builders import make_question

from localtable.ballots import replied_vote

QUESTION = make_question("Paris", "Rome", "No city", "A town")


@pytest.mark.parametrize(
    ("reply", "vote"),
    [
        ('{"vote": "B"}', "B"),
        ('{"vote":"Rome"}', "B"),
        ('Sure! {"vote": "A"} is my ballot.', "A"),
        ("{'vote': 'C'}", "C"),
        ("B", "B"),
        ("B)", "B"),
        ('"B."', "B"),
        ("B) Rome", "B"),
        ("(C) No city", "C"),
        ("**D**", "D"),
        ("Rome", "B"),
        ("I vote for Paris.", "A"),
        ("My vote is\nRome", "B"),
        ("A town", "D"),
    ],
)
def test_what_names_an_option_is_a_vote(reply: str, vote: str) -> None:
    assert replied_vote(reply, QUESTION) == vote


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        '{"vote": "E"}',
        '{"vote": "Berlin"}',
        '{"vote": ""}',
        "E",
        "A difficult choice",
        "Both Paris and Rome are fine.",
        "I would rather not say.",
        '{"answer": "B", "vote"',
        "\N{REPLACEMENT CHARACTER}" * 8,
    ],
)
def test_what_names_none_or_several_is_none(reply: str) -> None:
    assert replied_vote(reply, QUESTION) is None
