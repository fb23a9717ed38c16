"""Files that are wrong: each is refused with one plain message, and none with anything but a ConfigError."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import given_or_refused, refused
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from localtable.loading import MAX_DEPTH, MAX_FILE_BYTES, parse_json, parse_yaml, path_from, read_mapping, validate
from localtable.places import home, packaged


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "panel.yaml"


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_file_is_named(file: Path) -> None:
    error = refused(read_mapping, file)
    assert str(file) in error.message
    assert "does not exist" in error.message


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "is a folder" in refused(read_mapping, tmp_path).message


@pytest.mark.parametrize("content", [b"", b"  \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_an_empty_file_is_called_empty(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert "is empty" in refused(read_mapping, file).message


def test_a_binary_file_is_called_binary(file: Path) -> None:
    file.write_bytes(b"name: a\0b")
    assert "is binary" in refused(read_mapping, file).message


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(file: Path) -> None:
    file.write_bytes("name: café".encode("latin-1"))
    error = refused(read_mapping, file)
    assert "not UTF-8 text (byte 9)" in error.message
    assert "UTF-8" in error.hint


def test_a_byte_order_mark_is_no_content(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfname: a")
    assert read_mapping(file) == {"name": "a"}


def test_a_file_that_is_too_big_is_refused_with_the_bound(file: Path) -> None:
    file.write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    assert f"{MAX_FILE_BYTES:,}" in refused(read_mapping, file).message


def test_a_device_without_an_end_is_read_to_the_bound_only() -> None:
    assert "the most that are read" in refused(read_mapping, Path("/dev/zero")).message


@pytest.mark.skipif(sys.platform != "linux", reason="a file that even root can't read is Linux' own")
def test_a_file_that_can_not_be_read_says_why() -> None:
    assert "can't be read: Input/output error" in refused(read_mapping, Path("/proc/self/mem")).message


def test_a_link_that_leads_to_itself_is_no_file(file: Path) -> None:
    file.symlink_to(file)
    assert str(file) in refused(read_mapping, file).message


@pytest.mark.parametrize(("content", "found"), [("- a\n- b", "a list"), ("only text", "a text"), ("~", "nothing")])
def test_a_top_level_that_is_no_mapping_is_refused(file: Path, content: str, found: str) -> None:
    file.write_text(content)
    assert f"holds {found}" in refused(read_mapping, file).message


def test_broken_yaml_is_refused_with_line_and_column(file: Path) -> None:
    file.write_text("name: a\nseats: [a, b\nrounds: 2\n")
    assert "line 3, column" in refused(read_mapping, file).message


def test_broken_json_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "panel.json"
    file.write_text('{"name": "a",\n "rounds": }')
    error = refused(read_mapping, file)
    assert "is not valid JSON" in error.message
    assert "line 2" in error.message


def test_two_documents_in_one_file_are_refused(file: Path) -> None:
    file.write_text("a: 1\n---\nb: 2\n")
    assert "single document" in refused(read_mapping, file).message


# ── hostile YAML and JSON ───────────────────────────────────────────────────────────────────────────────────


def test_aliases_that_explode_are_refused_at_the_first_alias() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
        f"{after}: &{after} [{', '.join(['*' + before] * 9)}]"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "aliases (*name) are not allowed" in refused(parse_yaml, bomb, "the file").message


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert parse_yaml("<<: {a: 1}", "the file") == {"<<": {"a": "1"}}


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [ls]", "!!bool yes", "!mine x", "! x", "!!set {a}"])
def test_tags_are_refused(tag: str) -> None:
    assert "tags are not allowed" in refused(parse_yaml, f"a: {tag}", "the file").message


@pytest.mark.parametrize("text", ["rounds: 2\nrounds: 3", "{a: 1, a: 1}", "x: {b: 1, 'b': 2}"])
def test_a_key_that_stands_twice_is_refused_in_yaml(text: str) -> None:
    assert "stands twice" in refused(parse_yaml, text, "the file").message


def test_a_key_that_stands_twice_is_refused_in_json() -> None:
    assert "'a' stands twice" in refused(parse_json, '{"b": {"a": 1, "a": 2}}', "the file").message


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 2, 900, 100_000])
def test_endless_nesting_is_refused_with_the_bound(parse: Any, levels: int) -> None:
    assert str(MAX_DEPTH) in refused(parse, "[" * levels + "]" * levels, "the file").message


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
def test_nesting_below_the_bound_is_read(parse: Any) -> None:
    levels = MAX_DEPTH - 1
    assert str(parse("[" * levels + "]" * levels, "the file")).count("[") == levels


@pytest.mark.parametrize(
    "text", [r'a: "\UFFFFFFFF"', r'a: "\U00110000"', "%YAML " + "9" * 5000 + ".1\n---\na: 1", r'a: "\ud800"', "\x07: a"]
)
def test_characters_that_do_not_exist_are_refused_in_yaml(text: str) -> None:
    refused(parse_yaml, text, "the file")


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\udfff": 1}', r'["a", ["\ud800"]]'])
def test_half_a_character_is_refused_in_json(text: str) -> None:
    assert "surrogate" in refused(parse_json, text, "the file").message


def test_a_whole_character_written_in_two_halves_is_read() -> None:
    assert parse_json(r'"\ud83c\udf45"', "the file") == "🍅"


@pytest.mark.parametrize("text", ["NaN", "-Infinity", '{"a": Infinity}', "{'a': 1}", '{"a": 1,}', '{"a": 1} {"b": 2}'])
def test_what_only_looks_like_json_is_refused(text: str) -> None:
    assert "is not valid JSON" in refused(parse_json, text, "the file").message


# ── scalars stay text ───────────────────────────────────────────────────────────────────────────────────────

WORDS = [
    "No",
    "yes",
    "off",
    "true",
    "1.50",
    "2027",
    "0x1F",
    "010",
    "1e3",
    "12:30:45",
    "2026-12-31",
    ".inf",
    "=",
    "1_000",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_bare_word_stays_text_in_yaml(word: str) -> None:
    assert parse_yaml(f"- {word}", "the file") == [word]


@pytest.mark.parametrize("number", ["1.50", "2027", "1e3", "-0.0", "1" * 5000])
def test_a_number_keeps_its_form_in_json(number: str) -> None:
    assert parse_json(f"[{number}]", "the file") == [number]


@pytest.mark.parametrize("nothing", ["~", "null", "", "Null"])
def test_nothing_is_null(nothing: str) -> None:
    assert parse_yaml(f"a: {nothing}", "the file") == {"a": None}


def test_a_quoted_null_is_text() -> None:
    assert parse_yaml("a: 'null'", "the file") == {"a": "null"}


# ── what a model of the data finds ──────────────────────────────────────────────────────────────────────────


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    temperature: float = 0.0


class _Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    parts: list[_Part] = []
    other: _Part | None = None


def test_an_unknown_key_comes_with_the_nearest_known_one_of_its_own_level() -> None:
    error = refused(validate, _Whole, {"name": "a", "parts": [{}, {"temprature": 1}]}, "the file")
    assert error.message == "the file: unknown key 'parts.1.temprature'"
    assert error.hint == "Did you mean 'temperature'?"


def test_an_unknown_key_like_no_other_comes_with_all_known_ones() -> None:
    error = refused(validate, _Whole, {"name": "a", "other": {"zzz": 1}}, "the file")
    assert error.hint == "Known keys: temperature."


def test_a_misspelt_key_is_said_before_the_one_that_is_missing_for_it() -> None:
    error = refused(validate, _Whole, {"nam": "a"}, "the file")
    assert error.message.startswith("the file: unknown key 'nam' (and 1 more: the key 'name' is missing")
    assert error.hint == "Did you mean 'name'?"


def test_a_wrong_type_is_said_with_place_and_value() -> None:
    error = refused(validate, _Whole, {"name": "a", "parts": [{"temperature": "hot"}]}, "the file")
    assert "parts.0.temperature: input should be a valid number" in error.message
    assert "got 'hot'" in error.message
    assert error.hint == "Write a number."


def test_many_faults_stay_one_short_message() -> None:
    data = {"name": "a", "parts": [{"temperature": "x" * 10_000}] * 50}
    assert "(and 49 more: " in refused(validate, _Whole, data, "the file").message


@given(st.dictionaries(st.text(max_size=5) | st.none(), st.none() | st.text(max_size=5) | st.just([{}]), max_size=4))
def test_no_data_makes_validate_raise_anything_else(data: dict[Any, Any]) -> None:
    given_or_refused(validate, _Whole, data, "the file")


# ── anything at all ─────────────────────────────────────────────────────────────────────────────────────────

YAML_PIECES = st.lists(
    st.sampled_from(
        [*"abc01:-?,[]{}&*!|>%@`#'\"\\ \n\t~=.<U", "\\U", "FFFFFFFF", "---\n", "...", "%YAML 1.1\n", ": ", "- "]
    ),
    max_size=40,
).map("".join)


@given(YAML_PIECES)
@example('"\\UFFFFFFFF"')
@example("? [a]\n: b")
@example("&a [*a]")
def test_no_text_makes_the_yaml_reader_raise_anything_else(text: str) -> None:
    given_or_refused(parse_yaml, text, "the file")


@given(st.text(max_size=60) | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_text_makes_the_json_reader_raise_anything_else(text: str) -> None:
    given_or_refused(parse_json, text, "the file")


@given(content=st.binary(max_size=80), suffix=st.sampled_from([".yaml", ".json"]))
def test_no_bytes_make_the_file_reader_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    file = tmp_path_factory.getbasetemp() / f"any{suffix}"
    file.write_bytes(content)
    given_or_refused(read_mapping, file)


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000, "~no-such-user-here/x"])
def test_a_text_that_can_be_no_path_is_refused(tmp_path: Path, text: str) -> None:
    assert "is no path" in refused(path_from, text, tmp_path).message


def test_a_relative_path_is_read_from_its_own_file_s_folder(tmp_path: Path) -> None:
    assert path_from("sub/../x.yaml", tmp_path) == tmp_path / "x.yaml"


def test_state_lives_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALTABLE_HOME", str(tmp_path / "here"))
    assert home() == tmp_path / "here"


def test_packaged_data_is_there() -> None:
    assert (packaged("examples") / "panels/demo.yaml").is_file()
