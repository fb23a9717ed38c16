"""Two panels compared: which questions are the same, and every figure against one that was worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_panel, make_question, make_round, make_turn, refused
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from localtable.analysis.compare import Compared, Panel, PanelReader, compare, match
from localtable.analysis.compare.writing import compared_to_json
from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.distance import jensen_shannon, total_variation
from localtable.analysis.statistics.mcnemar import mcnemar_mid_p
from localtable.analysis.statistics.sign_flip import sign_flip
from localtable.analysis.statistics.statistic import mean
from localtable.protocol.votes import verdict
from localtable.transcript import to_json
from localtable.types import Ballot, Question, Stop, Transcript
from tests.roundtable.copied_pages import LUNCH, TEA, Said, read, render


def held(folder: Path, question: Question, votes: str, **changes: Any) -> dict[str, Any]:
    """A transcript of one round in which the seats vote so; probability 0.75 for the vote, 0.25 for another option."""
    names = ("Ada", "Bob", "Cy", "Dee")[: len(votes)]
    turns = [make_turn(name, vote, ballot=_ballot(question, vote)) for name, vote in zip(names, votes, strict=True)]
    round_ = make_round(1, *turns, letters="".join(question.letters))
    found = verdict(round_.tally, 1, Stop())
    return to_json(Transcript(question, make_panel(folder, *names, rounds=1), 0, (round_,), found, **changes))


def _ballot(question: Question, vote: str) -> Ballot:
    other = next(letter for letter in question.letters if letter != vote)
    return Ballot(vote, {letter: {vote: 0.75, other: 0.25}.get(letter, 0.0) for letter in question.letters})


def panel_of(*transcripts: dict[str, Any], where: str = "here") -> Panel:
    reader = PanelReader(where)
    for data in transcripts:
        reader.add(data)
    return reader.panel()


def value(compared: Compared, name: str) -> float | None:
    return next(figure.estimate.value for figure in compared.figures if figure.name == name)


# ── which questions are the same ────────────────────────────────────────────────────────────────────────────


def options_of(first: Question, second: Question, folder: Path) -> Sequence[tuple[str, ...]]:
    found = match(panel_of(held(folder, first, "AB")), panel_of(held(folder, second, "AB")))
    return [matched.options for matched in found.matched]


@pytest.mark.parametrize(
    ("second", "same"),
    [
        (make_question("Yes", "No"), True),
        (make_question("Yes", "No", id="other"), True),
        (make_question("No", "Yes", id="other"), True),
        (make_question("yes", " NO", id="other", question=" is a  TOMATO a\nfruit?"), True),
        (make_question("Yes", "No", question="Another one with its id?"), True),
        (make_question("Yes", "No", id="other", question="Is a potato a fruit?"), False),
        (make_question("Yes", "Maybe"), False),
        (make_question("Yes", "No", "Maybe"), False),
        (make_question("Yes", "No", "Maybe", id="other"), False),
    ],
)
def test_questions_are_the_same_by_id_or_by_text_and_options(tmp_path: Path, second: Question, same: bool) -> None:
    assert options_of(make_question("Yes", "No"), second, tmp_path) == ([("Yes", "No")] if same else [])


def test_where_case_is_the_only_difference_between_options_it_is_one_between_questions(tmp_path: Path) -> None:
    first = make_question("AA", "Aa")
    assert options_of(first, make_question("Aa", "AA", id="other"), tmp_path) == [("AA", "Aa")]
    assert options_of(first, make_question("aa", "AA", id="other"), tmp_path) == []


def test_an_id_with_other_options_is_said_and_not_compared(tmp_path: Path) -> None:
    shared = make_question("Yes", "No", id="both", question="Both?")
    first = panel_of(held(tmp_path, make_question(), "AB"), held(tmp_path, shared, "AB"))
    second = panel_of(held(tmp_path, make_question("Yes", "Maybe"), "AB"), held(tmp_path, shared, "AB"))
    compared = compare(first, second)
    assert (len(compared.questions), compared.matching.only_first, compared.matching.only_second) == (1, 1, 1)
    assert "q: both have a question of this id, with other options; it is not compared" in compared.notes


def test_letters_may_differ_between_two_sides(tmp_path: Path) -> None:
    first = held(tmp_path, make_question("Yes", "No", "Maybe", answer="Yes"), "AAC")
    second = held(tmp_path, make_question("Maybe", "Yes", "No", id="other", answer="Yes"), "BBA")
    compared = compare(panel_of(first), panel_of(second))
    assert value(compared, "same_outcome") == 1
    assert value(compared, "total_variation_of_votes") == 0
    assert [[cell.value for cell in row] for row in compared.agreement] == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert compared.accuracy[0].difference.value == 0


def test_nothing_in_common_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    first, second = (
        panel_of(held(tmp_path, make_question(), "AB"), where="one.db"),
        panel_of(read(render(TEA)), where="tea"),
    )
    error = refused(compare, first, second)
    assert "one.db (1 question) and tea (0 questions, 1 without options to vote for)" in error.message


# ── figures by hand ─────────────────────────────────────────────────────────────────────────────────────────


def test_distances_are_of_votes_and_of_probabilities_where_both_have_them(tmp_path: Path) -> None:
    question = make_question("Yes", "No")
    compared = compare(panel_of(held(tmp_path, question, "AAAB")), panel_of(held(tmp_path, question, "ABBB")))
    assert value(compared, "total_variation_of_votes") == pytest.approx(0.5)  # ¾ against ¼
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert value(compared, "jensen_shannon_of_votes") == pytest.approx(1 - entropy)
    # A: three seats at 0.75 and one at 0.25; B the other way round.
    assert value(compared, "total_variation_of_probabilities") == pytest.approx(0.625 - 0.375)
    assert not any("no question has probabilities" in note for note in compared.notes)


def test_an_import_has_votes_alone_and_that_is_said(tmp_path: Path) -> None:
    question = make_question(*LUNCH.options, id="lunch", question=LUNCH.question)
    compared = compare(panel_of(held(tmp_path, question, "ABCC")), panel_of(read(render(LUNCH))))
    assert value(compared, "total_variation_of_votes") == pytest.approx(0)
    assert value(compared, "total_variation_of_probabilities") is None
    assert any("no question has probabilities of all seats on both sides" in note for note in compared.notes)
    assert compared.spent[0].completion_tokens == 4 * 6
    assert compared.spent[1].completion_tokens is None


def test_a_page_that_lists_no_options_is_compared_over_those_of_the_other_side(tmp_path: Path) -> None:
    question = make_question(*LUNCH.options, "Hourly", id="lunch", question=LUNCH.question)
    bare = replace(LUNCH, options=())
    for sides in (
        (held(tmp_path, question, "DBCC"), read(render(bare))),
        (read(render(bare)), held(tmp_path, question, "DBCC")),
    ):
        compared = compare(*(panel_of(side) for side in sides))
        assert sorted(compared.questions[0].matched.options) == sorted(question.options)
        assert value(compared, "total_variation_of_votes") == pytest.approx(0.25)
        assert any("lists no options" in note for note in compared.notes)
    unlisted = replace(bare, responses=(*LUNCH.responses[:3], Said("Elm", "At noon", "So.")))
    union = compare(panel_of(read(render(bare))), panel_of(read(render(unlisted))))
    assert union.questions[0].matched.options == ("Daily", "On Fridays", "Never", "At noon")
    fewer = replace(bare, responses=(Said("Elm", "At noon", "So."),))
    for one, other in ((bare, fewer), (fewer, bare)):
        union = compare(panel_of(read(render(one))), panel_of(read(render(other))))
        assert union.questions[0].matched.options == ("Daily", "On Fridays", "Never", "At noon")


def test_a_shared_first_place_is_shared(tmp_path: Path) -> None:
    question = make_question("Yes", "No", answer="Yes")
    compared = compare(panel_of(held(tmp_path, question, "AB")), panel_of(held(tmp_path, question, "AAB")))
    assert value(compared, "same_outcome") == pytest.approx(0.5)
    majority = compared.accuracy[0]
    assert (majority.first.value, majority.second.value) == (0.5, 1.0)
    assert majority.mcnemar is None, "half right is no yes or no"


def test_several_debates_of_a_question_count_once(tmp_path: Path) -> None:
    question = make_question("Yes", "No", answer="Yes")
    again = {**held(tmp_path, question, "BB"), "repeat": 1}
    compared = compare(panel_of(held(tmp_path, question, "AA"), again), panel_of(held(tmp_path, question, "AB")))
    assert compared.figures[0].estimate.n == 1
    assert compared.accuracy[0].first.value == 0.5
    assert [[cell.value for cell in row] for row in compared.agreement] == [[0.5, 0.5], [0.5, 0.5]]


def test_accuracy_is_tested_as_an_analysis_tests_it(tmp_path: Path) -> None:
    first, second = "AAAAABBBABAA", "ABABABABBBBA"
    questions = [make_question("Yes", "No", id=f"q{i}", question=f"Is it {i}?", answer="Yes") for i in range(12)]
    sides = [[held(tmp_path, q, vote) for q, vote in zip(questions, votes, strict=True)] for votes in (first, second)]
    compared = compare(*(panel_of(*side) for side in sides))
    majority = next(figure for figure in compared.accuracy if figure.name == "majority_accuracy")
    right = [np.array([vote == "A" for vote in votes], float) for votes in (first, second)]
    difference = right[0] - right[1]
    assert majority.difference.value == pytest.approx(difference.mean())
    assert majority.p == sign_flip(difference[:, None])[0]
    assert majority.mcnemar == mcnemar_mid_p(int((difference > 0).sum()), int((difference < 0).sum()))
    assert majority.first == bootstrap([mean(right[0])])[0]
    assert majority.difference.low is not None
    alike = np.mean([one == other for one, other in zip(first, second, strict=True)])
    assert compared.agreement[0][0].value == pytest.approx(alike)


def test_seats_that_a_script_plays_are_not_asked_how_good_they_are(tmp_path: Path) -> None:
    data = held(tmp_path, make_question("Yes", "No", answer="Yes"), "AAB")
    played = {"vote": "B", "statement": "No.", "counts": False, "together": True, "poses_as": None, "confidence": 1.0}
    data["panel"]["seats"][2] = {"name": "Cy", "confederate": played}
    accuracy = {figure.name: figure for figure in compare(panel_of(data), panel_of(data)).accuracy}
    assert accuracy["individual_accuracy"].first.value == 1
    for seat in ("Ada", "Bob"):
        data["panel"]["seats"][("Ada", "Bob").index(seat)] = {"name": seat, "confederate": {**played, "counts": True}}
    assert [figure.name for figure in compare(panel_of(data), panel_of(data)).accuracy] == ["majority_accuracy"]


def test_without_an_answer_there_is_no_accuracy_and_two_answers_cancel(tmp_path: Path) -> None:
    question = make_question("Yes", "No")
    assert compare(panel_of(held(tmp_path, question, "A")), panel_of(held(tmp_path, question, "A"))).accuracy == ()
    one, other = (make_question("Yes", "No", answer=answer) for answer in ("Yes", "No"))
    compared = compare(panel_of(held(tmp_path, one, "A")), panel_of(held(tmp_path, other, "A")))
    assert compared.accuracy == ()
    assert "q: the two sides have other answers; neither counts" in compared.notes
    known = compare(panel_of(held(tmp_path, question, "A")), panel_of(held(tmp_path, other, "A")))
    assert known.accuracy[0].first.value == 0, "one side knows it"


def test_what_can_not_be_compared_is_counted(tmp_path: Path) -> None:
    whole = held(tmp_path, make_question(), "AB")
    left = panel_of(whole, {**held(tmp_path, make_question(id="open"), "A"), "verdict": None}, where="left")
    right = panel_of(whole, read(render(TEA)), where="right")
    notes = compare(left, right).notes
    assert "left: 1 debate left out: without a verdict" in notes
    assert "right: 1 debate left out: without options to vote for" in notes


def test_costs_are_known_where_every_debate_says_them(tmp_path: Path) -> None:
    data = held(tmp_path, make_question(), "AB")
    priced = {**data, "manifest": {**data["manifest"], "cost": {"total": 0.25, "models": {"toy": 0.25}}}}
    compared = compare(panel_of(priced, {**priced, "repeat": 1}), panel_of(priced, {**data, "repeat": 1}))
    assert [spent.cost for spent in compared.spent] == [0.5, None]


def test_a_comparison_with_itself_finds_no_difference(tmp_path: Path) -> None:
    data = compared_to_json(compare(*[panel_of(held(tmp_path, make_question(answer="A"), "ABA"))] * 2))
    by_name = {figure["name"]: figure["value"] for figure in data["figures"]}
    assert by_name["same_outcome"] == 1
    assert by_name["jensen_shannon_of_probabilities"] == 0
    assert data["questions"][0]["a"] == data["questions"][0]["b"]
    assert data["accuracy"][0]["difference"]["value"] == 0


# ── distances ───────────────────────────────────────────────────────────────────────────────────────────────

SHARES = arrays.arrays(np.float64, (3, 5), elements=st.floats(0.0009765625, 1, width=32))


@given(SHARES, SHARES)
def test_distances_are_symmetric_bounded_and_zero_only_where_nothing_differs(one: Any, other: Any) -> None:
    p, q = (weights / weights.sum(axis=1, keepdims=True) for weights in (one, other))
    for distance in (total_variation, jensen_shannon):
        found = distance(p, q)
        assert ((found >= 0) & (found <= 1)).all()
        assert found == pytest.approx(distance(q, p), abs=1e-12)
        assert distance(p, p) == pytest.approx(0, abs=1e-12)
    apart = np.eye(5)[:2]
    assert total_variation(apart[0], apart[1]) == 1
    assert jensen_shannon(apart[0], apart[1]) == pytest.approx(1)
    # Pinsker's inequality holds for the divergence in nats from the middle.
    assert (jensen_shannon(p, q) * math.log(2) >= total_variation(p, q) ** 2 / 2 - 1e-12).all()


def test_jensen_shannon_is_that_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.0, 0.2, 0.7])
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)
