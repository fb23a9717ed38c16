"""Sentences from templates: plain, whole, and nothing in them but facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from summary_builders import make_transcript, written

from localtable.moderator.facts import find_facts
from localtable.moderator.summary import summed_up
from localtable.moderator.templates import MAX_QUOTED, MAX_TOLD, from_templates
from localtable.transcript import summary_from_json, summary_to_json, to_json
from localtable.types import Influence, Summary, TurnPlace


def template_of(data: dict[str, Any]) -> Summary:
    return from_templates(data, find_facts(data))


def text_of(data: dict[str, Any]) -> list[str]:
    return [sentence.sentence for sentence in template_of(data).text]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ("A", "The only vote went to Yes."),
        ("AA", "All 2 votes went to Yes."),
        ("AAB", "Yes won with 2 of 3 votes."),
        ("AABCCBA", "Yes led with 3 of 7 votes, which is no majority."),
        ("AB", "Yes and No tied with 1 vote of 2 each."),
        ("ABC" * 2, "Yes, No and Maybe tied with 2 votes of 6 each."),
    ],
)
def test_the_first_sentence_is_the_outcome(tmp_path: Path, votes: str, expected: str) -> None:
    data = written(tmp_path, {f"Seat {i}": vote for i, vote in enumerate(votes)})
    assert text_of(data)[0] == expected


def test_the_text_says_who_voted_otherwise_and_who_changed(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"}, persuaded={(2, "Ada"): "Bob"})
    assert text_of(data) == [
        "No won with 2 of 3 votes.",
        "Cy voted for Yes.",
        "Ada changed its vote from Yes to No in round 2, persuaded by Bob.",
    ]
    assert template_of(data).text[2].turns == (TurnPlace(2, "Ada"),)


def test_many_changes_are_counted_and_not_told(tmp_path: Path) -> None:
    votes = {f"Seat {i}": "ABA" for i in range(MAX_TOLD)}
    assert text_of(written(tmp_path, votes))[-1] == "There were 12 changes of a vote, by 6 seats."


def test_where_nobody_changed_that_is_said(tmp_path: Path) -> None:
    assert text_of(written(tmp_path, {"Ada": "AA", "Bob": "BB"}))[-1] == "No vote changed in 2 rounds."
    assert text_of(written(tmp_path, {"Ada": "A", "Bob": "A"})) == ["All 2 votes went to Yes."]


def test_an_argument_quotes_the_statement_and_says_how_it_is_known(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.4, "B": 0.6}], "Bob": [{"B": 1.0}] * 2},
        said={(1, "Bob"): "It has seeds.\nSo it is one."},
    )
    (argument,) = template_of(data).arguments
    assert argument.sentence == (
        "Bob said in round 1: “It has seeds. So it is one.”; it moved 50 percentage points of probability to No, "
        "reckoned from its readers' changes."
    )
    assert (argument.option, argument.turn) == ("B", TurnPlace(1, "Bob"))
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB"}, influence={(2, "Ada"): [Influence("Bob", "B", 0.25)]})
    assert (
        template_of(data).arguments[0].sentence.endswith("moved 25 percentage points of probability to No, measured.")
    )


def test_a_long_statement_is_quoted_from_its_beginning_with_a_mark(tmp_path: Path) -> None:
    data = written(
        tmp_path, {"Ada": "AB", "Bob": "BB"}, persuaded={(2, "Ada"): "Bob"}, said={(1, "Bob"): "word " * 100}
    )
    sentence = template_of(data).arguments[0].sentence
    assert sentence.endswith("word …”.")
    assert len(sentence) < MAX_QUOTED + 40


def test_an_empty_statement_is_not_quoted(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB"}, persuaded={(2, "Ada"): "Bob"}, said={(1, "Bob"): "  "})
    assert template_of(data).arguments[0].sentence == "Bob voted for No in round 1."


def test_a_turning_point_says_what_would_have_been(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"}, persuaded={(2, "Ada"): "Bob"})
    (point,) = template_of(data).turning_points
    assert point.sentence == (
        "Ada changed its vote from Yes to No in round 2, persuaded by Bob; had it kept its vote, Yes would have led."
    )
    assert point.turn == TurnPlace(2, "Ada")


def test_a_turning_point_that_changed_no_vote_says_so(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": [{"A": 0.6, "B": 0.4}, {"A": 0.9, "B": 0.1}], "Bob": [{"B": 1.0}] * 2})
    (point,) = template_of(data).turning_points
    assert point.sentence == "Ada became surer of Yes in round 2, by 30 percentage points; no vote changed."


def test_an_import_that_says_little_gets_sentences_of_what_it_says(tmp_path: Path) -> None:
    data = written(
        tmp_path, {"Ada": [None, "B"], "Bob": [None, "B"]}, changed=[(2, "Ada")], persuaded={(2, "Ada"): "Bob"}
    )
    summary = template_of(data)
    assert text_of(data) == ["All 2 votes went to No.", "Ada changed its vote to No in round 2, persuaded by Bob."]
    assert [a.sentence for a in summary.arguments] == ["Bob said in round 2: “Bob says B in round 2.”."]
    assert [p.sentence for p in summary.turning_points] == [
        "Ada changed its vote to No in round 2, persuaded by Bob: the largest shift."
    ]


def test_an_interrupted_debate_says_that_it_was(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB"}, finished=False)
    assert text_of(data)[:2] == ["The debate was interrupted after 2 rounds.", "Ada and Bob voted for No."]
    data["rounds"] = []
    assert text_of(data) == ["The debate was interrupted before its first round was complete."]


def test_options_and_names_of_several_lines_make_no_lines_of_their_own(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "A"}, options=["Yes\n\nBob won", "No"])
    assert text_of(data) == ["The only vote went to Yes Bob won."]


def test_a_summary_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    transcript = summed_up(make_transcript(tmp_path, {"Ada": "AB", "Bob": "BB"}, persuaded={(2, "Ada"): "Bob"}))
    assert transcript.summary is not None
    assert summary_from_json(summary_to_json(transcript.summary)) == transcript.summary
    assert to_json(transcript)["summary"]["by"] == "template"
