"""What confederates vote: by a word, an option, or a list; what can't be is refused with the question's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from builders import make_question, refused

from localtable.protocol import scripted_vote, statement_for
from localtable.types import Confederate, Question

ASKED = make_question("Yes", "No", "Perhaps", "B", answer="A")


def vote(said: str | Mapping[str, str], question: Question = ASKED, name: str = "Cy", **changes: object) -> str:
    seat = replace(Confederate(name, said, "{option}"), **changes)  # type: ignore[arg-type]
    return scripted_vote(seat, question, 7, 0)


@pytest.mark.parametrize(
    ("said", "letter"),
    [("right", "A"), ("C", "C"), ("Perhaps", "C"), ("B", "D"), ({"q": "No", "other": "A"}, "B"), ({"q": "right"}, "A")],
)
def test_a_vote_is_a_word_a_letter_a_text_or_what_a_list_says(said: str | Mapping[str, str], letter: str) -> None:
    assert vote(said) == letter


def test_wrong_is_any_wrong_option_as_likely_as_another() -> None:
    drawn = Counter(vote("wrong", replace(ASKED, id=str(number))) for number in range(600))
    assert set(drawn) == {"B", "C", "D"}
    assert all(abs(count - 200) < 50 for count in drawn.values())


def test_wrong_is_one_option_for_all_who_are_together_and_each_s_own_for_the_others() -> None:
    names = [f"seat {number}" for number in range(20)]
    assert len({vote("wrong", name=name) for name in names}) == 1
    assert len({vote("wrong", name=name, together=False) for name in names}) == 3


def test_wrong_is_drawn_anew_by_seed_and_repeat() -> None:
    seat = Confederate("Cy", "wrong", "{option}")
    assert len({scripted_vote(seat, ASKED, seed, 0) for seed in range(20)}) == 3
    assert len({scripted_vote(seat, ASKED, 0, repeat) for repeat in range(20)}) == 3


@pytest.mark.parametrize("said", ["E", "a", "yes", "Wrong", "A, B"])
def test_a_vote_that_is_no_option_is_refused_with_the_question(said: str) -> None:
    error = refused(vote, said)
    assert error.message == f"the confederate 'Cy' votes {said!r}, which is no option of the question 'q'"
    assert "A to D" in error.hint


@pytest.mark.parametrize("said", ["right", "wrong", {"q": "wrong"}])
def test_right_and_wrong_need_an_answer(said: str | Mapping[str, str]) -> None:
    error = refused(vote, said, replace(ASKED, answer=None))
    assert "the question 'q' has no answer" in error.message


def test_a_list_without_the_question_is_refused() -> None:
    assert refused(vote, {"other": "A"}).message == "the confederate 'Cy' has no vote on the question 'q'"


def test_what_is_said_names_the_option_and_fills_nothing_twice() -> None:
    seat = Confederate("Cy", "A", "{option}! I say {option}.")
    assert statement_for(seat, "a {option} b") == "a {option} b! I say a {option} b."
