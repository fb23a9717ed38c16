"""A turn as a state machine: which step comes next, for every kind of turn there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from localtable.protocol import Draft, Text, Vote, next_step
from localtable.protocol.turn import MAX_ATTEMPTS
from localtable.types import BallotRule, BallotTime, Usage


def text(said: str = "It is so.") -> Text:
    return Text(tuple(said.encode()), said, cut=False)


def vote(letter: str) -> Vote:
    return Vote(letter, {"A": 0.5, "B": 0.5}, ())


def steps(
    at: BallotTime,
    *,
    thinking: bool,
    previous: str | None,
    before: str = "A",
    after: str = "A",
    peers: int = 2,
) -> list[str]:
    """All steps of a turn, from nothing to its end."""
    draft = Draft("Ada", 2 if previous else 1, previous, peers)
    taken: list[str] = []
    while (step := next_step(draft, rule=BallotRule(at), thinking=thinking)) is not None:
        taken.append(step)
        assert len(taken) < 10, taken
        match step:
            case "before":
                draft = replace(draft, before=vote(before))
            case "thinking":
                draft = replace(draft, thinking=text())
            case "statement":
                draft = draft.after_statement(text(), Usage())
            case "ballot":
                draft = replace(draft, ballot=vote(after))
            case "persuaded":
                draft = replace(draft, asked_who=True)
    return taken


ALL = list(product(("after", "before", "both"), (False, True), (None, "A", "B")))


@pytest.mark.parametrize(("at", "thinking", "previous"), ALL)
def test_a_turn_takes_its_steps_in_order(at: BallotTime, thinking: bool, previous: str | None) -> None:
    expected = ["before"] if at in ("before", "both") else []
    expected += ["thinking"] if thinking else []
    expected += ["statement"]
    expected += ["ballot"] if at in ("after", "both") else []
    expected += ["persuaded"] if previous == "B" else []
    assert steps(at, thinking=thinking, previous=previous) == expected


def test_with_both_ballots_only_the_later_one_says_whether_a_mind_was_changed() -> None:
    assert "persuaded" in steps("both", thinking=False, previous="A", before="A", after="B")
    assert "persuaded" not in steps("both", thinking=False, previous="A", before="B", after="A")


def test_a_seat_that_is_alone_is_not_asked_who_persuaded_it() -> None:
    assert steps("after", thinking=False, previous="B", peers=0) == ["statement", "ballot"]


def test_nobody_changes_a_mind_in_the_first_round() -> None:
    assert not Draft("Ada", 1, None, 2, ballot=vote("B")).changed_mind
    assert Draft("Ada", 2, "A", 2, ballot=vote("B")).changed_mind
    assert not Draft("Ada", 2, "B", 2, ballot=vote("B")).changed_mind


def test_an_empty_statement_is_asked_for_once_more_and_then_kept() -> None:
    draft = Draft("Ada", 1, None, 2)
    draft = draft.after_statement(text(""), Usage())
    assert (draft.statement, draft.attempts) == (None, 1)
    assert next_step(draft, rule=BallotRule(), thinking=False) == "statement"
    draft = draft.after_statement(text(""), Usage())
    assert (draft.statement, draft.attempts) == (text(""), MAX_ATTEMPTS)
    assert next_step(draft, rule=BallotRule(), thinking=False) == "ballot"


def test_a_second_attempt_that_says_something_is_kept() -> None:
    draft = Draft("Ada", 1, None, 2).after_statement(text(""), Usage()).after_statement(text("Yes."), Usage())
    assert draft.statement == text("Yes.")
    assert draft.attempts == 2


def test_usage_adds_up_by_part() -> None:
    draft = Draft("Ada", 1, None, 2)
    for step in ("before", "thinking", "statement", "statement", "ballot", "persuaded"):
        draft = draft.after(step, Usage(10, 4, 1))
    assert draft.usage == {
        "ballot": Usage(30, 12, 3),
        "thinking": Usage(10, 4, 1),
        "statement": Usage(20, 8, 2),
    }
