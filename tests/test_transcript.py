"""Transcripts as JSON: every one fits the packaged schema, and what does not is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import (
    CARD,
    REASONING,
    hold,
    make_panel,
    make_question,
    make_round,
    make_turn,
    refused,
    votes,
    write_script,
)

from localtable.errors import LocaltableError
from localtable.transcript import SCHEMA_VERSION, check, dump, to_json, transcript_schema
from localtable.types import Ballot, Transcript, Verdict

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A debate with everything in it: thinking, both ballots, a changed mind."""
    folder = tmp_path_factory.mktemp("written")
    cards = [{**CARD, "reasoning": REASONING}]
    panel = make_panel(folder, "Ada", "Bob", cards=cards, thinking={"on": "true"}, ballot={"at": "both"})
    turns = [*({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B")), *votes("Bob", "B", "B")]
    return to_json(hold(folder, make_question("Yes", "No", answer="A"), panel, write_script(folder, *turns)).whole)


def test_the_schema_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(transcript_schema())


def test_a_transcript_has_what_the_contract_names(written: dict[str, Any]) -> None:
    assert set(written) == {
        *("schema_version", "question", "panel", "repeat", "rounds", "verdict", "turning_points"),
        *("summary", "source", "condition", "manifest"),
    }
    turn = next(t for t in written["rounds"][1]["turns"] if t["seat"] == "Ada")
    assert {"seat", "position", "statement", "reasoning", "stated", "ballot", "ballot_before"} <= set(turn)
    assert {"changed_mind", "finish_reason", "truncated", "seed", "usage"} <= set(turn)
    assert set(turn["ballot"]) == {"vote", "tied", "distribution", "confidence", "persuaded_by"}
    assert turn["ballot"]["persuaded_by"] == "Bob"
    assert turn["ballot"]["confidence"] == turn["ballot"]["distribution"][turn["ballot"]["vote"]]
    assert set(written["verdict"]) == {"kind", "options", "votes", "of", "agreement", "rounds"}
    assert written["question"]["answer"] == "A"
    assert [point["kind"] for point in written["turning_points"]] == ["decisive"]


def test_a_transcript_survives_its_text(written: dict[str, Any]) -> None:
    text = dump(written)
    assert json.loads(text) == written
    assert dump(json.loads(text)) == text
    check(json.loads(text), "the file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("rounds"), "'rounds' is a required property (at the top level)"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d.update(schema_version=0), "schema_version"),
        (lambda d: d["rounds"][0]["turns"][0].pop("ballot"), "(at rounds/0/turns/0)"),
        (lambda d: d["rounds"][0]["turns"][0]["ballot"].update(vote="a"), "rounds/0/turns/0/ballot/vote"),
        (lambda d: d["rounds"][0]["turns"][0]["ballot"].update(vote="C"), "votes C; the options are A to B"),
        (lambda d: d["rounds"][0]["turns"][0]["ballot"].update(distribution={"A": 0.5, "B": 0.4}), "sums to 0.9"),
        (lambda d: d["rounds"][0]["turns"][0]["ballot"].update(distribution={"A": 0.5, "C": 0.5}), "over ['A', 'C']"),
        (lambda d: d["rounds"][0]["turns"][0]["ballot_before"].update(distribution={"A": 1, "B": 1}), "sums to 2"),
        (lambda d: d["verdict"].update(kind="landslide"), "verdict"),
        (lambda d: d["question"].update(options=["only"]), "question/options"),
        (lambda d: d.update(rounds="none"), "rounds"),
        (lambda d: d["panel"].update(seed=[1]), "panel/seed"),
        (lambda d: d["rounds"][1]["turns"][0].update(previous_vote="Z"), "names option Z; the options are A to B"),
        (lambda d: d["turning_points"][0].update(before="Z"), "names option Z"),
        (lambda d: d["turning_points"][0].update(verdict_without=["A", "Z"]), "names option Z"),
    ],
)
def test_what_breaks_the_schema_is_refused_with_its_place(written: dict[str, Any], change: Change, said: str) -> None:
    data = copy.deepcopy(written)
    change(data)
    assert said in refused(check, data, "the file").message


@pytest.mark.parametrize("data", [None, [], "text", 3, {}])
def test_what_is_no_transcript_at_all_is_refused(data: Any) -> None:
    assert "is no transcript" in refused(check, data, "the file").message


def test_a_transcript_of_a_later_version_asks_for_an_update(written: dict[str, Any]) -> None:
    error = refused(check, {**written, "schema_version": SCHEMA_VERSION + 1}, "the file")
    assert "version 2; this program reads up to 1" in error.message
    assert "Update" in error.hint


def test_a_distribution_may_be_missing_where_nobody_knows_it(tmp_path: Path) -> None:
    turn = make_turn("Ada", "A", ballot=Ballot("A", None), seed=None, usage=None, finish_reason=None)
    verdict = Verdict("unanimous", ("A",), 1, 1, True, 1)
    panel = make_panel(tmp_path, "Ada")
    data = to_json(Transcript(make_question(), panel, 0, (make_round(1, turn),), verdict, source="import"))
    assert data["rounds"][0]["turns"][0]["ballot"]["confidence"] is None
    assert data["rounds"][0]["turns"][0]["usage"] is None


def test_a_transcript_that_breaks_its_own_schema_is_a_defect_of_ours(tmp_path: Path) -> None:
    turn = make_turn("Ada", "A", ballot=Ballot("A", {"A": 0.5, "B": 0.4}))
    transcript = Transcript(make_question(), make_panel(tmp_path, "Ada"), 0, (make_round(1, turn),), None)
    with pytest.raises(LocaltableError, match=r"sums to 0\.9") as caught:
        to_json(transcript)
    assert caught.value.exit_code == 1
    assert "report" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["rounds"][0]["turns"][0].update(ballot=None), "null at ballot"),
        (lambda d: d["rounds"][0]["turns"][0].update(truncated=None), "null at truncated"),
        (lambda d: d["panel"].update(rounds=None), "null at panel"),
        (lambda d: d["verdict"].update(rounds=None), "null at verdict"),
    ],
)
def test_only_an_import_may_leave_open_what_every_run_knows(written: dict[str, Any], change: Change, said: str) -> None:
    data = copy.deepcopy(written)
    change(data)
    assert said in refused(check, data, "the file").message
    check({**data, "source": "import"}, "the file")


def test_an_import_may_have_no_options_and_then_names_none(written: dict[str, Any]) -> None:
    data = {**copy.deepcopy(written), "source": "import", "verdict": None, "summary": None, "turning_points": []}
    data["question"] |= {"options": [], "answer": None}
    for round_ in data["rounds"]:
        round_["tally"] = None
        for turn in round_["turns"]:
            turn |= {"ballot": None}
            del turn["ballot_before"]
    check(data, "the file")
    data["question"]["answer"] = "A"
    assert "names option A; there are no options" in refused(check, data, "the file").message
