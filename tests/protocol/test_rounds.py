"""A debate as a state machine: rounds open and close, stop rules end it, everybody's place is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_panel, make_question, make_turn, record

from localtable.engines.base import Request
from localtable.protocol import Debate, build_round
from localtable.types import Stop

NAMES = ("Ada", "Bob", "Cy")


@pytest.fixture
def debate(tmp_path: Path) -> Debate:
    return Debate(make_question("Yes", "No", "Maybe"), make_panel(tmp_path, *NAMES, rounds="3"))


def with_stop(debate: Debate, stop: Stop, rounds: int = 3) -> Debate:
    return replace(debate, panel=replace(debate.panel, stop=stop, rounds=rounds))


def played(debate: Debate, *rounds: str) -> Debate:
    for votes in rounds:
        order = [seat.name for seat in debate.order]
        turns = {
            name: make_turn(name, vote, position=order.index(name) + 1) for name, vote in zip(NAMES, votes, strict=True)
        }
        debate = debate.close_round(turns)
    return debate


def test_a_new_debate_has_round_1_open_and_no_verdict(debate: Debate) -> None:
    assert debate.open_round == 1
    assert debate.verdict is None


def test_rounds_open_one_after_another_until_the_last_one(debate: Debate) -> None:
    assert [played(debate, *["ABC"] * n).open_round for n in range(4)] == [1, 2, 3, None]


@pytest.mark.parametrize(
    ("stop", "votes", "ends"),
    [
        (Stop("unanimous"), "AAA", True),
        (Stop("unanimous"), "AAB", False),
        (Stop("threshold", 0.6667), "AAB", True),
        (Stop("threshold", 0.6667), "ABC", False),
        (Stop("never"), "AAA", False),
    ],
)
def test_a_stop_rule_ends_a_debate_early_or_not(debate: Debate, stop: Stop, votes: str, ends: bool) -> None:
    after = played(with_stop(debate, stop), votes)
    assert (after.open_round is None) == ends
    assert after.verdict is not None
    assert after.verdict.rounds == 1


def test_agreement_in_a_later_round_ends_it_there(debate: Debate) -> None:
    after = played(with_stop(debate, Stop("unanimous")), "AAB", "BBB")
    assert after.open_round is None
    assert after.verdict is not None
    assert (after.verdict.kind, after.verdict.rounds, after.verdict.agreement) == ("unanimous", 2, True)


def test_the_verdict_is_that_of_the_last_round(debate: Debate) -> None:
    after = played(debate, "AAA", "AAB", "BBC")
    assert after.verdict is not None
    assert (after.verdict.kind, after.verdict.options, after.verdict.rounds) == ("majority", ("B",), 3)


def test_the_first_round_is_blind_and_later_ones_show_the_round_before(debate: Debate) -> None:
    after = played(debate, "ABC", "BBC")
    assert debate.shown_to(NAMES[0], 1) == ()
    assert votes_shown(after, 2) == ["Yes", "No", "Maybe"]
    assert votes_shown(after, 3) == ["No", "No", "Maybe"]


def votes_shown(debate: Debate, round_number: int) -> list[str | None]:
    return [turn.vote for turn in sorted(debate.shown_to(NAMES[1], round_number), key=lambda turn: turn.seat)]


def test_a_seat_s_previous_vote_is_its_own(debate: Debate) -> None:
    after = played(debate, "ABC")
    assert [after.previous_vote(name, 2) for name in NAMES] == ["A", "B", "C"]
    assert [after.previous_vote(name, 1) for name in NAMES] == [None, None, None]


def test_turns_stand_in_speaking_order_however_they_came(debate: Debate) -> None:
    order = [seat.name for seat in debate.order]
    turns = [make_turn(name, "A", position=order.index(name) + 1) for name in NAMES]
    for arrived in (turns, turns[::-1]):
        assert [turn.seat for turn in build_round(debate, 1, arrived).turns] == order


def test_a_round_of_some_turns_counts_only_those(debate: Debate) -> None:
    round_ = build_round(debate, 1, [make_turn("Bob", "B", position=2)])
    assert round_.tally == {"A": 0, "B": 1, "C": 0}


def test_a_round_does_not_close_before_every_seat_has_voted(debate: Debate) -> None:
    with pytest.raises(AssertionError):
        debate.close_round({"Ada": make_turn("Ada", "A")})


def test_one_order_serves_all_rounds_and_repeats_rotate_it(debate: Debate) -> None:
    first = [seat.name for seat in debate.order]
    assert [seat.name for seat in played(debate, "ABC").order] == first
    assert [seat.name for seat in replace(debate, repeat=1).order] == [*first[1:], first[0]]


def test_a_slice_of_a_suite_does_not_change_a_prompt(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *NAMES)
    questions = [make_question("Yes", "No", id=f"q-{i}") for i in range(4)]
    whole, part = record(questions, panel), record(questions[2:3], panel)

    def asked(requests: list[Request]) -> set[tuple[str, tuple[int, ...], int]]:
        of_third = [r for r in requests if r.origin is not None and r.origin.question_id == "q-2"]
        return {(r.origin, r.prompt_token_ids, r.seed) for r in of_third}

    assert len(whole.requests) > len(part.requests)
    assert asked(whole.requests) == asked(part.requests)
