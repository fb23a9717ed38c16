"""Sentences held against a debate: what is true passes, what is not is found, what claims nothing is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import hold, make_panel, make_question
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from summary_builders import written

from localtable.moderator.checks import Checked, check_sentence, ground_of
from localtable.moderator.facts import find_facts
from localtable.moderator.templates import from_templates
from localtable.transcript import to_json
from localtable.types import TurnPlace

Check = Callable[[str], Checked]
SAID = {
    (1, "Ada"): "It tastes of summer, and that is all I know.",
    (1, "Bob"): "Botanists call it a berry. “Berry” is their word.",
    (2, "Ada"): "Bob is right about the berry.",
}


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Ada: Yes → No in round 2, by Bob; Bob: No; Cy: Yes; Dan: No → Maybe in round 2. No leads with none: a tie of
    No (Ada, Bob) against Yes (Cy) and Maybe (Dan): No leads with 2 of 4.
    """
    data = written(
        tmp_path,
        {"Ada": "AB", "Bob": "BB", "Cy": "AA", "Dan": "BC"},
        persuaded={(2, "Ada"): "Bob"},
        said=SAID,
    )
    ground = ground_of(data, find_facts(data))
    return lambda sentence: check_sentence(sentence, ground)


def kinds(checked: Checked) -> set[str]:
    return {problem.kind for problem in checked.problems}


@pytest.mark.parametrize(
    "sentence",
    [
        "No led with 2 of 4 votes, which is no majority.",
        "No won two votes, while Yes and Maybe got one vote each.",
        "Half of the discussion was about taste.",
        "Ada first voted for Yes and then moved to No.",
        "Ada voted for Yes in round 1 and for No in round 2.",
        "Bob stuck with No, while Cy stayed at Yes.",
        "Neither Bob nor Cy changed their vote.",
        "Only Cy voted for Yes in the end.",
        "Dan did not vote for No in round 2.",
        "Dan, who had voted for No, ended up with Maybe.",
        "Two of the four seats changed their minds.",
        "Ada credits Bob for its switch.",
        "Bob persuaded Ada, but nobody persuaded Cy.",
        "The vote was not unanimous.",
        "There was no tie.",
        "Nobody agreed with Maybe at the start.",
        "In round 1 the votes were split between two options.",
        "Ada (Toy) changed its vote.",
        "Ada: Yes → No.",
        "It took two rounds.",
        "Ada changed its vote to No in the second round.",
    ],
)
def test_what_is_true_holds(check: Check, sentence: str) -> None:
    assert check(sentence).problems == ()


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Zoe voted for Yes.", "name"),
        ("Bob and Zoe voted for No.", "name"),
        ("Ada was persuaded by Marvin.", "name"),
        ("According to the panel, Priya changed her mind.", "name"),
        ("Ada voted for Yes.", "vote"),
        ("Cy and Bob both chose No.", "vote"),
        ("Bob stayed with Yes.", "vote"),
        ("Ada won.", "vote"),
        ("Everyone voted for No.", "vote"),
        ("Only Ada voted for No.", "vote"),
        ("Cy voted for Perhaps.", "vote"),
        ("Yes won the debate.", "count"),
        ("No received 3 votes.", "count"),
        ("Three of four seats voted for No.", "vote"),
        ("The debate ended in a tie.", "count"),
        ("The panel was unanimous.", "count"),
        ("No has the majority.", "count"),
        ("After three rounds nothing was decided.", "count"),
        ("In round 3 nothing happened.", "count"),
        ("Three seats changed their vote.", "count"),
        ("Five seats took part.", "count"),
        ("The chance rose to 87 %.", "count"),
        ("Ada moved from No to Yes.", "direction"),
        ("Cy changed its vote.", "direction"),
        ("Ada never changed its mind.", "direction"),
        ("Ada persuaded Bob.", "direction"),
        ("Dan was convinced by Bob.", "direction"),
        ("Cy persuaded Ada to vote for No.", "direction"),
        ("Ada changed in round 1.", "direction"),
        ("Bob said “tomatoes are berries”.", "quotation"),
        ("Ada argued that “botanists call it a berry”.", "quotation"),
        ("In round 2, Bob said “botanists call it a berry”.", "quotation"),
        ("“Botanists hardly call it a berry,” said Bob.", "quotation"),
    ],
)
def test_what_is_false_is_found_and_called_what_it_is(check: Check, sentence: str, kind: str) -> None:
    checked = check(sentence)
    assert kind in kinds(checked) or (kind == "vote" and "count" in kinds(checked)), checked
    assert all(problem.what for problem in checked.problems)


@pytest.mark.parametrize(
    "sentence",
    [
        "Ada argued that taste decides.",
        "Cy held that summers differ.",
        "The statements were short.",
        "Some reasons carried more weight than others.",
        "Surprisingly little was said about seeds.",
        "Botanists came up more than once.",
        "",
        "…",
        "Yes.",
    ],
)
def test_what_claims_nothing_that_can_be_checked_is_kept(check: Check, sentence: str) -> None:
    assert check(sentence).holds


def test_a_quotation_leads_to_the_turn_in_which_it_stands(check: Check) -> None:
    found = check("Bob had a point: “botanists call it a berry”.")
    assert found.holds
    assert found.turns == (TurnPlace(1, "Bob"),)
    assert check("Bob said: “Botanists call it … their word.”").turns == (TurnPlace(1, "Bob"),)
    assert check("The word “berry” came up.").turns == (TurnPlace(1, "Bob"),)


def test_a_part_of_a_word_is_no_quotation(check: Check) -> None:
    assert kinds(check("Ada said “all I kn”.")) == {"quotation"}


def test_a_sentence_without_a_quotation_leads_to_the_turns_of_whom_it_names(check: Check) -> None:
    assert check("Ada changed its vote in round 2.").turns == (TurnPlace(2, "Ada"),)
    assert check("Ada and Bob voted for No.").turns == (TurnPlace(2, "Ada"), TurnPlace(2, "Bob"))


def test_what_would_have_been_is_held_against_the_turning_points(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"})
    ground = ground_of(data, find_facts(data))
    assert check_sentence("Had Ada kept its vote, Yes would have won.", ground).holds
    assert not check_sentence("Had Ada kept its vote, Maybe would have won.", ground).holds


def test_models_stand_for_their_seats(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", cards=[_card("small"), _card("large")], rounds=1)
    data = to_json(hold(tmp_path, make_question("Yes", "No"), panel).whole)
    votes = {
        turn["seat"]: data["question"]["options"]["AB".index(turn["ballot"]["vote"])]
        for turn in data["rounds"][0]["turns"]
    }
    ground = ground_of(data, find_facts(data))
    other = {"Yes": "No", "No": "Yes"}
    assert check_sentence(f"The model Small voted for {votes['Ada']}.", ground).holds
    assert not check_sentence(f"Small voted for {other[votes['Ada']]}.", ground).holds
    assert kinds(check_sentence("Bob (Small) spoke first.", ground)) == {"name"}


def _card(name: str) -> dict[str, Any]:
    from builders import CARD

    return {**CARD, "id": name, "name": name.title()}


def test_a_debate_of_which_little_is_known_supports_little(tmp_path: Path) -> None:
    data = written(
        tmp_path, {"Ada": [None, "B"], "Bob": [None, "B"]}, changed=[(2, "Ada")], persuaded={(2, "Ada"): "Bob"}
    )
    ground = ground_of(data, find_facts(data))
    assert check_sentence("Bob persuaded Ada to change to No.", ground).holds
    assert not check_sentence("Ada voted for Yes in round 1.", ground).holds
    assert not check_sentence("Ada moved from Yes to No.", ground).holds


@pytest.mark.parametrize("number", ["1.2.3", "9" * 400])
@pytest.mark.parametrize(
    "sentence",
    [
        "In round {}, Ada voted for No.",
        "{} seats voted for No.",
        "No was chosen by {} seats.",
        "Rounds {}-2 were short.",
    ],
)
def test_what_is_no_number_counts_nothing(check: Check, number: str, sentence: str) -> None:
    assert not check(sentence.format(number)).holds


@pytest.mark.parametrize(
    ("sentence", "holds"),
    [
        ("Ada and Bob agreed on No.", True),
        ("Ada and Bob agreed on Yes.", False),
        ("Everyone agreed on No.", False),
        ("Ada and Bob did not agree on Yes.", True),
        ("In round 1, Ada and Cy agreed upon Yes.", True),
        ("Ada agreed with Bob on one thing.", True),
    ],
)
def test_who_agrees_on_an_option_has_voted_for_it(check: Check, sentence: str, holds: bool) -> None:
    assert check(sentence).holds is holds


def test_two_letters_are_no_option(check: Check) -> None:
    assert not check("Ada voted for option AB.").holds


@pytest.mark.parametrize(
    ("sentence", "holds"),
    [
        ("ADA LOVELACE voted for Istanbul.", True),
        ("ada lovelace voted for Paris.", False),
        ("Istanbul won.", True),
        ("Paris won.", False),
    ],
)
def test_a_name_is_known_in_letters_that_only_read_like_its_own(tmp_path: Path, sentence: str, holds: bool) -> None:
    debate = written(tmp_path, {"Ada Lovelace": "BA", "Bob": "AA"}, options=("İstanbul", "Paris"))
    assert check_sentence(sentence, ground_of(debate, find_facts(debate))).holds is holds


# ── whatever a debate is called ─────────────────────────────────────────────────────────────────────────────

NAMES = ["Ada", "No", "Participant 1", "Smol-2", "Élise", "GPT-5.4", "the panel"]
OPTIONS = [
    ("Yes", "No", "Maybe"),
    ("Ada", "Bob", "Cy"),
    ("A", "B", "C"),
    ("2.20", "2", "1/2"),
    ("It rises", "It falls", "It stays the same"),
    ("All of them", "None", "Some"),
    ("By end of 2027", "Never; “never”", "<b>Exceed</b> it"),
]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("ABC", min_size=1, max_size=4), min_size=1, max_size=5),
    st.sampled_from(OPTIONS),
    st.data(),
)
def test_any_sentence_is_read_to_its_end(
    tmp_path: Path, votes: list[str], options: tuple[str, ...], data: st.DataObject
) -> None:
    rounds = max(map(len, votes))
    seats = {name: vote.ljust(rounds, vote[-1]) for name, vote in zip(NAMES, votes, strict=False)}
    debate = written(tmp_path, seats, options=options)
    ground = ground_of(debate, find_facts(debate))
    words = st.sampled_from(
        [*seats, *options, "voted", "for", "2 of 3", "“x”", "persuaded", "by", ",", "round 2", "'", "\x00"]
    )
    sentence = " ".join(data.draw(st.lists(words | st.text(max_size=5), max_size=12)))
    assert isinstance(check_sentence(sentence, ground), Checked)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("ABC", min_size=4, max_size=4), min_size=1, max_size=6),
    st.sampled_from(OPTIONS[:1] + OPTIONS[4:5]),
    st.booleans(),
    st.data(),
)
def test_every_sentence_from_a_template_holds(
    tmp_path: Path, votes: list[str], options: tuple[str, ...], sure: bool, data: st.DataObject
) -> None:
    names = ["Ada", "Bob", "Cy", "Dan", "Eve", "Fay"]
    seats = {n: [{v: 0.8, "D": 0.2} if sure else v for v in own] for n, own in zip(names, votes, strict=False)}
    persuaded = {
        (number, seat): data.draw(st.sampled_from([peer for peer in seats if peer != seat]))
        for seat, own in zip(seats, votes, strict=True)
        for number in (2, 3, 4)
        if own[number - 1] != own[number - 2] and len(seats) > 1 and data.draw(st.booleans())
    }
    debate = written(tmp_path, seats, options=(*options, "Other"), persuaded=persuaded)
    facts = find_facts(debate)
    ground, summary = ground_of(debate, facts), from_templates(debate, facts)
    for part in (*summary.text, *summary.arguments, *summary.turning_points):
        assert check_sentence(part.sentence, ground).problems == (), part.sentence
