"""Questions and suites: what is accepted as it was written, what is refused and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import given_or_refused, refused
from hypothesis import given
from hypothesis import strategies as st

from localtable.config import load_question, load_suite, parse_question
from localtable.config.question import MAX_LINE_BYTES
from localtable.errors import ConfigError
from localtable.types import LETTERS

YES_NO = {"question": "Is it?", "options": ["Yes", "No"]}


def refuse(**changes: Any) -> ConfigError:
    return refused(parse_question, {**YES_NO, **changes}, "the question")


def numbered(count: int) -> list[str]:
    return [f"option {number}" for number in range(count)]


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [2, 26])
def test_two_to_twenty_six_options_are_fine(count: int) -> None:
    question = parse_question({"question": "Which?", "options": numbered(count)}, "the question")
    assert question.letters == tuple(LETTERS[:count])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_options_are_refused(count: int) -> None:
    error = refuse(options=numbered(count))
    assert f"options: list should have at least 2 items, not {count}" in error.message
    assert error.hint == "Give at least 2."


def test_more_than_twenty_six_options_are_refused() -> None:
    error = refuse(options=numbered(27))
    assert "options: list should have at most 26 items, not 27" in error.message
    assert error.hint == "Give at most 26."


@pytest.mark.parametrize("again", ["Yes", " Yes ", "\tYes"])
def test_a_repeated_option_is_refused_and_named(again: str) -> None:
    error = refuse(options=["Yes", "No", again])
    assert f"{again.strip()!r} repeats 'Yes'" in error.message


def test_options_may_differ_in_case_alone() -> None:
    assert parse_question({"question": "Which?", "options": ["AA", "Aa", "aa"], "answer": "Aa"}, "q").answer == "B"


def test_options_that_differ_in_white_space_only_are_the_same() -> None:
    assert "repeats" in refuse(options=["By  2027", "By 2027"]).message


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_option_is_refused_with_its_place(empty: str) -> None:
    assert "options.1: string should have at least 1 character" in refuse(options=["Yes", empty]).message


@pytest.mark.parametrize("wrong", ["Yes", None, {"A": "Yes"}, [["Yes"], ["No"]], ["Yes", True], ["Yes", None]])
def test_options_of_a_wrong_type_are_refused(wrong: Any) -> None:
    assert "options" in refuse(options=wrong).message


@pytest.mark.parametrize("question", ["", "   ", None, ["Is it?"]])
def test_a_question_without_text_is_refused(question: Any) -> None:
    assert "question: " in refuse(question=question).message


@pytest.mark.parametrize("key", ["question", "options"])
def test_a_missing_key_is_named(key: str) -> None:
    data = {name: value for name, value in YES_NO.items() if name != key}
    assert refused(parse_question, data, "the question").message == f"the question: the key {key!r} is missing"


def test_an_unknown_key_comes_with_the_nearest_known_one() -> None:
    error = refuse(anser="A")
    assert "unknown key 'anser'" in error.message
    assert error.hint == "Did you mean 'answer'?"


def test_half_a_character_is_refused_wherever_it_came_from() -> None:
    assert "unicode" in refuse(question="Is it \udcff?").message


def test_yaml_words_stay_the_text_that_was_written(tmp_path: Path) -> None:
    file = tmp_path / "question.yaml"
    file.write_text("question: 2027\noptions: [No, Yes, 1.50, 2027, 010, true, 1e3]\n")
    question = load_question(file)
    assert question.question == "2027"
    assert question.options == ("No", "Yes", "1.50", "2027", "010", "true", "1e3")


def test_json_numbers_stay_the_text_that_was_written(tmp_path: Path) -> None:
    file = tmp_path / "question.json"
    file.write_text('{"question": "How many?", "options": [1.50, 2027, 1e3]}')
    assert load_question(file).options == ("1.50", "2027", "1e3")


# ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("answer", "letter"), [("B", "B"), ("No", "B"), (" Yes ", "A")])
def test_an_answer_is_a_letter_or_a_text(answer: str, letter: str) -> None:
    assert parse_question({**YES_NO, "answer": answer}, "the question").answer == letter


def test_a_text_that_is_also_a_letter_is_the_text() -> None:
    options = ["B", "A", "C"]
    assert parse_question({"question": "Which?", "options": options, "answer": "A"}, "the question").answer == "B"
    assert parse_question({"question": "Which?", "options": options, "answer": "C"}, "the question").answer == "C"


@pytest.mark.parametrize("answer", ["C", "Maybe", "b", "yes", "AB"])
def test_an_answer_that_is_no_option_is_refused_with_what_would_be(answer: str) -> None:
    error = refuse(answer=answer)
    assert f"the answer {answer!r} is none of the options" in error.message
    assert "A to B" in error.hint


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_id_follows_from_the_content() -> None:
    first = parse_question(YES_NO, "the question")
    assert first.id == parse_question({**YES_NO, "tags": ["x"], "answer": "A"}, "the question").id
    assert first.id.startswith("q-")
    others = [{"question": "Is it not?"}, {"options": ["No", "Yes"]}, {"context": "It rains."}]
    ids = {parse_question({**YES_NO, **change}, "the question").id for change in others}
    assert len({first.id, *ids}) == 4


def test_the_id_of_a_content_stays_the_same_from_release_to_release() -> None:
    assert parse_question(YES_NO, "the question").id == "q-14e2cda85790"


# ── suites ──────────────────────────────────────────────────────────────────────────────────────────────────


def suite(tmp_path: Path, *lines: str | bytes) -> Path:
    file = tmp_path / "suite.jsonl"
    file.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return file


def refuse_suite(file: Path) -> ConfigError:
    return refused(lambda: list(load_suite(file)))


GOOD = json.dumps({**YES_NO, "id": "one"})


def test_a_suite_gives_its_questions_one_by_one(tmp_path: Path) -> None:
    file = suite(tmp_path, b"\xef\xbb\xbf" + GOOD.encode(), "", json.dumps({**YES_NO, "id": "two"}), "  ")
    assert [question.id for question in load_suite(file)] == ["one", "two"]


@pytest.mark.parametrize("line", ["{", "[]", '"text"', "{'question': 1}", "not json", '{"question": "x"}'])
def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    file = suite(tmp_path, GOOD, "", line)
    assert refuse_suite(file).message.startswith(f"{file}, line 3")


def test_questions_before_a_broken_line_have_been_given(tmp_path: Path) -> None:
    questions = load_suite(suite(tmp_path, GOOD, "{"))
    assert next(questions).id == "one"
    refused(next, questions)


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    assert "line 2 is not UTF-8" in refuse_suite(suite(tmp_path, GOOD, b'{"question": "\xff"}')).message


def test_a_line_that_is_too_long_is_named_with_the_bound(tmp_path: Path) -> None:
    error = refuse_suite(suite(tmp_path, GOOD, b" " * (MAX_LINE_BYTES + 1)))
    assert f"line 2 has more than {MAX_LINE_BYTES:,} bytes" in error.message


def test_a_device_without_an_end_is_no_suite() -> None:
    assert "line 1 has more than" in refuse_suite(Path("/dev/zero")).message


def test_an_id_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    error = refuse_suite(suite(tmp_path, GOOD, json.dumps({**YES_NO, "id": "two"}), GOOD))
    assert "line 3: the id 'one' stands already in" in error.message


def test_the_same_content_twice_has_the_same_id_twice(tmp_path: Path) -> None:
    assert ", line 1" in refuse_suite(suite(tmp_path, json.dumps(YES_NO), json.dumps(YES_NO))).message


@pytest.mark.parametrize("content", ["", "\n\n  \n"])
def test_an_empty_suite_is_refused(tmp_path: Path, content: str) -> None:
    assert "holds no question" in refuse_suite(suite(tmp_path, content)).message


def test_a_missing_suite_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none.jsonl") in refuse_suite(tmp_path / "none.jsonl").message


def test_a_folder_is_no_suite(tmp_path: Path) -> None:
    assert "directory" in refuse_suite(tmp_path).message


# ── anything at all ─────────────────────────────────────────────────────────────────────────────────────────

ANY = st.none() | st.booleans() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=4)


@given(
    st.fixed_dictionaries(
        {},
        optional={key: ANY for key in ("question", "options", "id", "context", "answer", "tags", "other")},
    )
)
def test_no_data_makes_the_reader_raise_anything_else(data: dict[str, Any]) -> None:
    question = given_or_refused(parse_question, data, "the question")
    if question is not None:
        assert 2 <= len(question.options) == len(set(question.options))
        assert question.answer is None or question.answer in question.letters


@given(st.binary(max_size=60))
def test_no_bytes_make_a_suite_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        list(load_suite(file))
