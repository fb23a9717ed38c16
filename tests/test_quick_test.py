"""The quick test of transcripts passes nothing that jsonschema would refuse, and everything that is written."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from builders import CARD, REASONING, hold, make_panel, make_question, votes, write_script
from jsonschema import Draft202012Validator

from localtable.transcript import check, to_json, transcript_schema
from localtable.transcript.schema import compiled, quick_test

ODD = (None, True, 0, 1, 1.0, -1, 0.5, 2.5, "", "A", "A\n", "a", "stop", [], ["A"], [1, -1], {}, {"A": 0.5}, {"b": 1})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A debate with everything in it: thinking, both ballots, a changed mind."""
    folder = tmp_path_factory.mktemp("written")
    cards = [{**CARD, "reasoning": REASONING}]
    panel = make_panel(folder, "Ada", "Bob", cards=cards, thinking={"on": "true"}, ballot={"at": "both"})
    turns = [*votes("Ada", "A", "B"), *votes("Bob", "B", "B")]
    data = to_json(hold(folder, make_question(tags=["t"]), panel, write_script(folder, *turns)).whole)
    for round_ in data["rounds"]:
        for turn in round_["turns"]:
            turn["token_ids"] = turn["token_ids"][:2]
            turn["influence"] = [{"peer": "Bob", "direct": 0.5}]
            turn["ballot"]["orders"] = [{"order": ["A", "B"], "distribution": {"A": 0.5, "B": 0.5}}]
    return data


def changes(node: Any) -> Iterator[str]:
    """Every way in which one place of a document can differ, one at a time; the document is as it was behind each."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        kept = node[key]
        for odd in ODD:
            node[key] = odd
            yield f"{key}: {odd!r}"
        node[key] = kept
        for deeper in changes(kept):
            yield f"{key}/{deeper}"
    if isinstance(node, dict):
        whole = copy.copy(node)
        for key in whole:
            del node[key]
            yield f"without {key}"
            node[key] = whole[key]
        for key in ("extra", "Z"):
            node[key] = 1
            yield f"with {key}"
            del node[key]


def test_what_the_quick_test_passes_the_schema_allows(written: dict[str, Any]) -> None:
    quick, schema = quick_test(), Draft202012Validator(transcript_schema())
    data = copy.deepcopy(written)
    data["manifest"] = {"engine": "scripted"}
    data["rounds"] = [{**data["rounds"][1], "turns": data["rounds"][1]["turns"][:1]}]
    passed = refused = 0
    for change in changes(data):
        if quick(data):
            assert schema.is_valid(data), change
            passed += 1
        else:
            refused += 1
    assert passed > 100
    assert refused > 1000


def test_what_is_written_takes_the_quick_way(written: dict[str, Any]) -> None:
    assert quick_test()(written)


def test_what_it_turns_away_without_need_is_let_through_all_the_same(written: dict[str, Any]) -> None:
    data = {**written, "repeat": 0.0}
    assert not quick_test()(data)
    check(data, "the file")


def test_a_keyword_that_it_does_not_know_is_no_silent_pass() -> None:
    with pytest.raises(AssertionError):
        compiled({"type": "string", "maxLength": 3}, {})
