"""Wording as data: presets, users' files, slots."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from setting import WORDING, reworded

from localtable.errors import ConfigError
from localtable.prompts import load_wording, preset_names
from localtable.prompts.wording import REQUIRED, SLOT, SLOTS, WordingFile, fill, parse_wording

PRESETS = ["answer", "answer-2", "answer-3", "argue", "argue-2", "argue-3"]


def written(folder: Path, **parts: Any) -> Path:
    """A wording file with other parts; None leaves one out."""
    data = deepcopy(WORDING)
    for path, value in parts.items():
        *above, last = path.split("__")
        place = data
        for name in above:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    file = folder / "wording.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def refusal(file: Path | str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_wording(str(file))
    return caught.value


# ── presets ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_are_two_presets_in_three_paraphrases_each() -> None:
    assert preset_names() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_under_its_own_name(name: str) -> None:
    wording = load_wording(name)
    assert wording.name == name
    assert wording.parts.description
    assert wording.parts.system is None


def test_no_two_presets_have_the_same_hash() -> None:
    assert len({load_wording(name).sha256 for name in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_tells_a_seat_who_it_is_and_what_it_chose(name: str) -> None:
    parts = load_wording(name).parts
    for text in (parts.statement.own, parts.later_round.own, parts.ballot.before):
        assert {"seat", "persona"} <= set(SLOT.findall(text))
    assert set(SLOT.findall(parts.peer)) == {"name", "vote", "statement"}
    assert "{context}" in parts.statement.shared.splitlines()  # alone on its line, so that it can disappear


@pytest.mark.parametrize("name", ["answer", "answer-2", "answer-3"])
def test_the_preset_answer_asks_for_a_last_line_that_names_the_answer(name: str) -> None:
    parts = load_wording(name).parts
    assert parts.statement.own.rstrip().splitlines()[-1].startswith("Answer:")
    assert parts.later_round.own.rstrip().splitlines()[-1].startswith("Answer:")


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    error = refusal("arguee")
    assert "unknown prompts 'arguee'" in error.message
    assert "'argue'" in error.hint


def test_a_preset_that_resembles_none_is_refused_with_all_names() -> None:
    assert all(name in refusal("xyz").hint for name in PRESETS)


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_users_file_loads(tmp_path: Path) -> None:
    wording = load_wording(str(written(tmp_path)))
    assert wording.name == "plain"
    assert wording.parts.cut == "[… {count} tokens left out …]"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.yaml").message


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [("statment", {}, "statement"), ("few_shots", "x", "few_shot"), ("ballot__befor", "x", "before")],
)
def test_an_unknown_key_is_refused_with_the_nearest(tmp_path: Path, key: str, value: object, near: str) -> None:
    error = refusal(written(tmp_path, **{key: value}))
    assert f"unknown key '{key.replace('__', '.')}'" in error.message
    assert repr(near) in error.hint


@pytest.mark.parametrize("path", ["statement__shared", "statement__own", "peer", "ballot__after", "later_round__own"])
def test_a_missing_part_is_refused(tmp_path: Path, path: str) -> None:
    assert f"the key '{path.replace('__', '.')}' is missing" in refusal(written(tmp_path, **{path: None})).message


@pytest.mark.parametrize("path", ["peer", "cut", "ballot__own_reasoning"])
def test_an_empty_part_is_refused(tmp_path: Path, path: str) -> None:
    assert path.replace("__", ".") in refusal(written(tmp_path, **{path: ""})).message


def test_an_unknown_slot_is_refused_with_the_nearest(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, statement__shared="{question} {option}"))
    assert "unknown slot {option} in 'statement.shared'" in error.message
    assert "'options'" in error.hint


def test_a_slot_that_resembles_none_is_refused_with_all_slots_of_its_part(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, peer="{name} {statement} {zzz}"))
    assert error.hint == "Slots of this part: name, statement, vote."


def test_a_slot_in_a_part_that_has_none_is_refused(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, ballot__own_reasoning="only {seat}"))
    assert "unknown slot {seat} in 'ballot.own_reasoning'" in error.message
    assert error.hint == "Slots of this part: none."


@pytest.mark.parametrize(("path", "slot"), [(path, slot) for path in REQUIRED for slot in sorted(REQUIRED[path])])
def test_a_part_without_a_slot_that_it_needs_is_refused(tmp_path: Path, path: str, slot: str) -> None:
    rest = " ".join(f"{{{other}}}" for other in REQUIRED[path] - {slot})
    error = refusal(written(tmp_path, **{path.replace(".", "__"): f"Text {rest}"}))
    assert f"{path!r} lacks the slot {{{slot}}}" in error.message


def test_every_part_says_which_slots_it_may_have() -> None:
    # A part without an entry would never be checked.
    for path in SLOTS:
        value: Any = load_wording("argue").parts
        for name in path.split("."):
            value = getattr(value, name)
        assert value is None or isinstance(value, str)
    data = load_wording("argue").parts.model_dump()
    del data["roles"]  # as many as one likes, and no slots in any of them
    paths = {f"{k}.{inner}" for k, v in data.items() if isinstance(v, dict) for inner in v}
    paths |= {k for k, v in data.items() if not isinstance(v, dict)} - {"name", "description"}
    assert paths == set(SLOTS)


# ── hashes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_hash_changes_with_every_part_of_the_wording() -> None:
    changes = [
        {"system": "Be brief."},
        {"few_shot": "An example."},
        {"statement__own": "Speak, {seat}."},
        {"peer": "{name}: {statement}"},
        {"cut": "[cut]"},
        {"ballot__own_reasoning": "nobody"},
        {"name": "other"},
    ]
    hashes = {reworded(**change).sha256 for change in ({}, *changes)}
    assert len(hashes) == len(changes) + 1


def test_the_hash_does_not_change_with_the_description() -> None:
    assert reworded(description="Something else.").sha256 == reworded().sha256


# ── filling slots ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_fills_a_slot_is_not_read_for_slots() -> None:
    assert fill("{a} {b}", {"a": "{b}", "b": "{a}{b}"}) == "{b} {a}{b}"


def test_a_line_of_nothing_but_empty_slots_disappears() -> None:
    assert fill("one\n{a}\n{b} {c}\ntwo", {"a": "", "b": "", "c": ""}) == "one\ntwo"


def test_a_line_that_says_more_than_its_empty_slot_stays() -> None:
    assert fill("one\nvote: {a}\n{b} {c}", {"a": "", "b": "", "c": "x"}) == "one\nvote: \n x"


def test_empty_lines_of_the_wording_stay() -> None:
    assert fill("one\n\n{a}\n\ntwo\n", {"a": "x"}) == "one\n\nx\n\ntwo"


def test_braces_of_json_are_no_slots() -> None:
    assert fill('{"vote": "letter"} {a} {} {A}', {"a": "x"}) == '{"vote": "letter"} x {} {A}'


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_filled_slot_holds_its_value_as_it_is(first: str, second: str) -> None:
    assert fill("<{a}|{b}>", {"a": first, "b": second}) == f"<{first}|{second}>"


# ── what wordings did not have from the beginning ─────────────────────────────────────────────────────────────


def test_a_wording_that_says_nothing_of_later_parts_has_the_hash_that_it_had_before_them() -> None:
    """Computed at f82b11b, which knew none of them: a run begun then can be resumed and verified now."""
    assert reworded().sha256 == "7d1eeed0838ccd07705b08e6ef3bc3537ff01f131cf2f2e7eb33d54e6d426ba6"


@pytest.mark.parametrize(
    "changes",
    [
        {"participant": "Voice {number}"},
        {"tally": "So far:\n{counts}"},
        {"roles": {"peacemaker": "Make peace."}},
        {"roles": {}},
    ],
)
def test_one_that_says_them_otherwise_has_another_hash(changes: dict[str, Any]) -> None:
    assert reworded(**changes).sha256 != reworded().sha256
    stored = reworded(**changes).parts.model_dump(mode="json")
    assert parse_wording(WordingFile.model_validate(stored), "stored").sha256 == reworded(**changes).sha256


def test_a_role_is_told_without_slots() -> None:
    with pytest.raises(ConfigError, match=r"unknown slot \{seat\} in 'roles.sceptic'"):
        reworded(roles={"sceptic": "You are {seat}."})
