"""Datasets → suites: each published form, the general one, and rows that can't become a question."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builders import given_or_refused, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from localtable.config import load_suite
from localtable.config.datasets import (
    SCHEMAS,
    ImportRecord,
    Schema,
    find_schema,
    import_dataset,
    local_source,
    record_path,
)
from localtable.config.datasets.conversion import RowError
from localtable.config.datasets.selection import select
from localtable.types import Question

Rows = Sequence[Mapping[str, Any]]

MMLU = [
    {"question": "What is 1 + 1?", "subject": "abstract_algebra", "choices": ["1", "2", "3", "4"], "answer": 1},
    {"question": "Where is the heart?", "subject": "anatomy", "choices": ["arm", "leg", "chest", "toe"], "answer": 2},
    {"question": "What is 2 + 2?", "subject": "abstract_algebra", "choices": ["1", "2", "3", "4"], "answer": 3},
]
PRO = [
    {
        "question_id": 70,
        "question": "Which is the tenth?",
        "options": [f"number {n}" for n in range(1, 11)],
        "answer": "J",
        "answer_index": 9,
        "cot_content": "",
        "category": "business",
        "src": "ori_mmlu-business_ethics",
    }
]
GPQA = [
    {
        "Question": f"Which\nparticle, {n}?",
        "Correct Answer": "the right one\n",
        "Incorrect Answer 1": "wrong, 1",
        "Incorrect Answer 2": "wrong 2",
        "Incorrect Answer 3": 'wrong "3"',
        "Record ID": f"rec{n}",
        "High-level domain": "Physics",
        "Subdomain": "Quantum Mechanics",
        "Writer's Difficulty Estimate": "Hard",
    }
    for n in range(40)
]
ARC = [
    {
        "id": "Mercury_7175875",
        "question": "Which planet is red?",
        "choices": {"text": ["Venus", "Mars", "Earth"], "label": ["A", "B", "C"]},
        "answerKey": "B",
    },
    {
        "id": "NYSEDREGENTS_2015_4_8",
        "question": "Which planet is ours?",
        "choices": {"text": ["Venus", "Mars", "Earth", "Pluto", "Sun"], "label": ["1", "2", "3", "4", "5"]},
        "answerKey": "3",
    },
]
COMMONSENSE = [
    {
        "id": "075e483d21c29a511267ef62bedc0461",
        "question": "Where is a revolving door?",
        "question_concept": "revolving door",
        "choices": {"label": ["A", "B", "C"], "text": ["bank", "library", "mall"]},
        "answerKey": "A",
    },
    {
        "id": "61fe6e879ff18686d7552425a36344c8",
        "question": "Where do people go?",
        "question_concept": "people",
        "choices": {"label": ["A", "B", "C"], "text": ["race", "home", "away"]},
        "answerKey": "",
    },
]
PUBLISHED: dict[str, Rows] = {"mmlu": MMLU, "mmlu-pro": PRO, "gpqa": GPQA, "arc": ARC, "commonsense-qa": COMMONSENSE}
ROW = {"text": "Is it?", "a": "Yes", "b": "No", "right": "A"}
GENERIC = Schema(name="generic", question="text", options=("a", "b"), answer="right")


def write(path: Path, rows: Rows) -> Path:
    """Rows in the form that the file's suffix says."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, list(rows[0]))
            lines.writeheader()
            for row in rows:
                lines.writerow({k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()})
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(json.dumps(rows))
    return path


def run(schema: Schema, *paths: Path, out: Path, **options: Any) -> ImportRecord:
    source = local_source([str(path) for path in paths], config=None, split=None)
    return import_dataset(schema, source, out, **{"seed": 0 if schema.shuffled else None, **options})


def questions_of(schema: Schema, rows: Rows, folder: Path, suffix: str = ".jsonl", **options: Any) -> list[Question]:
    out = folder / "suite.jsonl"
    run(schema, write(folder / f"rows{suffix}", rows), out=out, **options)
    return list(load_suite(out))


def row_refused(rows: Rows, folder: Path, schema: Schema = GENERIC) -> RowError:
    """The error of the first row that is refused; nothing has been written then."""
    out = folder / "suite.jsonl"
    error = refused(run, schema, write(folder / "rows.jsonl", rows), out=out)
    assert {path.name for path in folder.iterdir()} == {"rows.jsonl"}, "nothing is left behind"
    assert isinstance(error, RowError)
    assert error.hint.endswith("--skip-invalid leaves such rows out.")
    return error


# ── published forms ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".json"])
@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_published_form_is_read_the_same_from_every_kind_of_file(name: str, suffix: str, tmp_path: Path) -> None:
    questions = questions_of(SCHEMAS[name], PUBLISHED[name], tmp_path, suffix)
    (tmp_path / "again").mkdir()
    assert questions == questions_of(SCHEMAS[name], PUBLISHED[name], tmp_path / "again")
    assert len(questions) == len(PUBLISHED[name])


def test_mmlu_counts_rows_within_a_subject_and_answers_from_0(tmp_path: Path) -> None:
    first, second, third = questions_of(SCHEMAS["mmlu"], MMLU, tmp_path, ".parquet")
    assert [q.id for q in (first, second, third)] == [
        "mmlu/abstract_algebra/1",
        "mmlu/anatomy/1",
        "mmlu/abstract_algebra/2",
    ]
    assert [q.answer for q in (first, second, third)] == ["B", "C", "D"]
    assert second.tags == ("anatomy",)
    assert second.options == ("arm", "leg", "chest", "toe")


def test_mmlu_pro_has_ten_options_and_ids_of_its_own(tmp_path: Path) -> None:
    (question,) = questions_of(SCHEMAS["mmlu-pro"], PRO, tmp_path, ".parquet")
    assert (question.id, question.answer, question.tags) == ("mmlu-pro/70", "J", ("business",))
    assert question.text_of("J") == "number 10"


def test_mmlu_pros_padding_is_left_out_at_the_end_only(tmp_path: Path) -> None:
    rows = [{**PRO[0], "options": ["N/A", "x", "y", "N/A", "N/A"], "answer": "C", "answer_index": 2}]
    (question,) = questions_of(SCHEMAS["mmlu-pro"], rows, tmp_path)
    assert question.options == ("N/A", "x", "y")


def test_two_answer_columns_that_differ_are_refused(tmp_path: Path) -> None:
    error = row_refused([{**PRO[0], "answer_index": 3}], tmp_path, SCHEMAS["mmlu-pro"])
    assert "answer is 'J', but answer_index is 3, not 9" in error.message


def test_arcs_labels_are_letters_or_numbers(tmp_path: Path) -> None:
    first, second = questions_of(SCHEMAS["arc"], ARC, tmp_path, ".parquet")
    assert (first.id, first.text_of(first.answer or "")) == ("arc/Mercury_7175875", "Mars")
    assert (second.answer, second.text_of("C")) == ("C", "Earth")


def test_choices_may_be_a_list_of_labelled_texts(tmp_path: Path) -> None:
    choices = [{"label": "1", "text": "Venus"}, {"label": "2", "text": "Mars"}]
    (question,) = questions_of(SCHEMAS["arc"], [{**ARC[0], "choices": choices, "answerKey": "2"}], tmp_path, ".parquet")
    assert (question.options, question.answer) == (("Venus", "Mars"), "B")


def test_a_row_without_an_answer_is_kept_and_counted(tmp_path: Path) -> None:
    out = tmp_path / "suite.jsonl"
    record = run(SCHEMAS["commonsense-qa"], write(tmp_path / "rows.parquet", COMMONSENSE), out=out)
    assert [question.answer for question in load_suite(out)] == ["A", None]
    assert (record.questions, record.without_answer) == (2, 1)


def test_a_published_schema_names_its_repository_and_reads_its_columns() -> None:
    for schema in SCHEMAS.values():
        assert schema.repo is not None
        assert set(schema.columns) <= set(PUBLISHED[schema.name][0])


def test_an_unknown_dataset_comes_with_the_nearest_known_one() -> None:
    error = refused(find_schema, "MMLU-Po")
    assert error.message == "no dataset is called 'MMLU-Po'"
    assert error.hint == "Did you mean 'mmlu-pro'?"
    assert "generic" in refused(find_schema, "zzz").hint


# ── shuffling ───────────────────────────────────────────────────────────────────────────────────────────────


def test_gpqas_options_are_shuffled_by_seed_and_id_alone(tmp_path: Path) -> None:
    questions = questions_of(SCHEMAS["gpqa"], GPQA, tmp_path, ".csv")
    assert {question.answer for question in questions} == set("ABCD")
    assert all(question.text_of(question.answer or "") == "the right one" for question in questions)
    assert questions[0].id == "gpqa/rec0"
    assert questions[0].tags[:2] == ("Physics", "Quantum Mechanics")
    (alone,) = questions_of(SCHEMAS["gpqa"], GPQA[7:8], tmp_path, ".csv")
    assert alone == questions[7]
    assert questions_of(SCHEMAS["gpqa"], GPQA, tmp_path, ".csv", seed=1) != questions


def test_the_order_of_a_seed_stays_the_same_from_release_to_release(tmp_path: Path) -> None:
    tags = [question.tags[-1] for question in questions_of(SCHEMAS["gpqa"], GPQA[:4], tmp_path)]
    assert tags == ["shuffled:ABDC", "shuffled:CDBA", "shuffled:BCDA", "shuffled:BCDA"]


def test_tags_say_how_to_undo_a_shuffle(tmp_path: Path) -> None:
    schema = Schema(name="generic", question="question", options=("options",), answer="answer", answer_is="letter")
    (plain,) = questions_of(schema, PRO, tmp_path)
    (shuffled,) = questions_of(schema, PRO, tmp_path, seed=3)
    assert shuffled.id == plain.id, "an id that doesn't change with the seed"
    tag = shuffled.tags[-1].removeprefix("shuffled:")
    assert sorted(tag) == list("ABCDEFGHIJ")
    assert tuple(plain.text_of(letter) for letter in tag) == shuffled.options
    assert shuffled.text_of(shuffled.answer or "") == plain.text_of(plain.answer or "")


@pytest.mark.parametrize(("count", "seed", "said"), [(21, None, "A"), (20, None, None), (21, 0, None)])
def test_a_right_answer_that_never_moves_is_noticed(
    count: int, seed: int | None, said: str | None, tmp_path: Path
) -> None:
    rows = write(tmp_path / "rows.jsonl", [{**ROW, "text": f"Is it {n}?"} for n in range(count)])
    record = run(GENERIC, rows, out=tmp_path / "suite.jsonl", seed=seed)
    assert (record.same_place, record.answers_at) == (said, {"A": count})


# ── how answers are read ────────────────────────────────────────────────────────────────────────────────────


def answered(value: Any, options: Sequence[str], kind: Any, folder: Path) -> Question:
    schema = Schema(name="generic", question="q", options=("o",), answer="a", answer_is=kind)
    (question,) = questions_of(schema, [{"q": "Which?", "o": options, "a": value}], folder, ".parquet")
    return question


@pytest.mark.parametrize(
    ("kind", "value", "letter"),
    [
        ("letter", "B", "B"),
        ("letter", "b", "B"),
        ("index", 1, "B"),
        ("index", "0", "A"),
        ("index", 2.0, "C"),
        ("index1", 1, "A"),
        ("text", "five", "B"),
        (None, "C", "C"),
        (None, " seven ", "C"),
    ],
)
def test_an_answer_is_a_letter_a_place_or_a_text(kind: Any, value: Any, letter: str, tmp_path: Path) -> None:
    assert answered(value, ["three", "five", "seven"], kind, tmp_path).answer == letter


@pytest.mark.parametrize(
    ("kind", "value", "bound"),
    [
        ("letter", "D", "A to C"),
        ("index", 3, "a whole number from 0 to 2"),
        ("index", -1, "a whole number from 0 to 2"),
        ("index", "B", "a whole number from 0 to 2"),
        ("index1", 0, "a whole number from 1 to 3"),
        ("text", "nine", "an option's text word for word"),
        (None, "nine", "A to C, or an option's text word for word"),
    ],
)
def test_an_answer_out_of_range_names_file_row_value_and_bound(
    kind: Any, value: Any, bound: str, tmp_path: Path
) -> None:
    schema = Schema(name="generic", question="q", options=("o",), answer="a", answer_is=kind)
    rows = [{"q": "Which?", "o": ["three", "five", "seven"], "a": value}]
    error = row_refused(rows, tmp_path, schema)
    assert error.message == f"{tmp_path / 'rows.jsonl'}, line 1: a is '{value}'; it has to be {bound}"


def test_a_label_out_of_range_names_the_labels(tmp_path: Path) -> None:
    error = row_refused([{**ARC[1], "answerKey": "A"}], tmp_path, SCHEMAS["arc"])
    assert "answerKey is 'A'; it has to be 1, 2, 3, 4, 5" in error.message


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (2, ["three", "five", "seven"]),  # a place, but counted from where?
        (0, ["three", "five", "seven"]),  # only one fits this row; the next row may need the other
        ("A", ["B", "A", "C"]),
        ("2", ["10", "20", "2", "4"]),
    ],
)
def test_an_answer_that_may_mean_two_options_is_refused(value: Any, options: list[str], tmp_path: Path) -> None:
    schema = Schema(name="generic", question="q", options=("o",), answer="a")
    rows = write(tmp_path / "rows.parquet", [{"q": "Which?", "o": options, "a": value}])
    error = refused(run, schema, rows, out=tmp_path / "suite.jsonl", skip_invalid=True)
    assert f"the answer '{value}' may mean" in error.message
    assert "--answer-is" in error.hint


def test_a_text_that_is_a_letter_too_is_written_as_its_reader_takes_it(tmp_path: Path) -> None:
    question = answered("A", ["B", "A", "C"], "letter", tmp_path)
    assert (question.answer, question.text_of("A")) == ("A", "B")
    assert json.loads((tmp_path / "suite.jsonl").read_text())["answer"] == "B"
    assert answered("A", ["B", "A", "C"], "text", tmp_path).answer == "B"
    assert answered("5", ["4", "5", "6"], None, tmp_path).answer == "B", "neither place is in range"


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_context_tags_and_ids_come_from_named_columns(tmp_path: Path) -> None:
    schema = Schema("generic", "text", ("a", "b"), "right", id="n", context="story", tags=("topic", "more"))
    rows = [
        {**ROW, "n": 7, "story": "It rains.", "topic": "weather", "more": ["x", "y"]},
        {**ROW, "n": 8, "story": " ", "topic": None, "more": []},
    ]
    first, second = questions_of(schema, rows, tmp_path, ".parquet")
    assert (first.id, first.context, first.tags) == ("7", "It rains.", ("weather", "x", "y"))
    assert (second.id, second.context, second.tags) == ("8", None, ())


def test_a_row_may_have_fewer_options_than_there_are_columns(tmp_path: Path) -> None:
    schema = Schema("generic", "text", ("a", "b", "c", "d"), "right")
    (question,) = questions_of(schema, [{**ROW, "c": "", "d": ""}], tmp_path, ".csv")
    assert question.options == ("Yes", "No")
    assert (
        "options.2: string should have at least 1 character"
        in row_refused([{**ROW, "c": "", "d": "Perhaps"}], _fresh(tmp_path), schema).message
    )


def _fresh(folder: Path) -> Path:
    (folder / "fresh").mkdir()
    return folder / "fresh"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["x"], "list should have at least 2 items, not 1"),
        ([], "list should have at least 2 items, not 0"),
        ([f"o{n}" for n in range(27)], "list should have at most 26 items, not 27"),
        (["Yes", "No", "Yes"], "the options must differ, but 'Yes' repeats 'Yes'"),
        ("Yes or no", "o holds str, not a list of options"),
        (None, "o holds NoneType, not a list of options"),
        ('["Yes", ', "o is not valid JSON"),
        ([["Yes"], ["No"]], "list is neither a text nor a number"),
        ([True, False], "bool is neither a text nor a number"),
        ({"text": ["x", "y"], "label": ["A"]}, "2 options need a label each, got ['A']"),
        ({"text": ["x", "y"], "label": ["A", "A"]}, "2 options need a label each"),
    ],
)
def test_a_row_with_wrong_options_is_refused_by_name(options: Any, said: str, tmp_path: Path) -> None:
    schema = Schema(name="generic", question="q", options=("o",), answer="a")
    good = {"q": "Which?", "o": ["x", "y"], "a": "A"}
    error = row_refused([good, {**good, "o": options}], tmp_path, schema)
    assert error.message.startswith(f"{tmp_path / 'rows.jsonl'}, line 2")
    assert said in error.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": ""}, "question: "),
        ({"text": {"stem": "Is it?"}}, "text: dict is neither a text nor a number"),
        ({"text": "x" * 1_100_000}, "above 1,048,576"),
        ({"id": ""}, "id is empty"),
        ({"id": "1"}, "the id '1' stands already in row 1 of all"),
    ],
)
def test_any_other_row_that_is_no_question_is_refused_by_name(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    schema = Schema("generic", "text", ("a", "b"), "right", id="id")
    error = row_refused([{**ROW, "id": "1"}, {**ROW, "id": "2", **change}], tmp_path, schema)
    assert f"{tmp_path / 'rows.jsonl'}, line 2" in error.message
    assert said in error.message


def test_rows_left_out_are_counted_listed_and_leave_later_ids_as_they_are(tmp_path: Path) -> None:
    rows = [MMLU[0], {**MMLU[0], "answer": 4}, {**MMLU[0], "choices": ["1", "1", "2", "3"]}, MMLU[2]]
    out = tmp_path / "suite.jsonl"
    record = run(SCHEMAS["mmlu"], write(tmp_path / "rows.parquet", rows), out=out, skip_invalid=True)
    assert [question.id for question in load_suite(out)] == ["mmlu/abstract_algebra/1", "mmlu/abstract_algebra/4"]
    assert (record.rows_read, record.questions, record.rows_left_out) == (4, 2, 2)
    assert "rows.parquet, row 2: answer is '4'; it has to be a whole number from 0 to 3" in record.left_out[0]
    assert "row 3: the options must differ" in record.left_out[1]


def test_where_every_row_is_left_out_nothing_is_written(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", [{**ROW, "right": "C"}] * 3)
    error = refused(run, GENERIC, rows, out=tmp_path / "suite.jsonl", skip_invalid=True)
    assert "all 3 rows were left out; the first: " in error.message
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_limit_counts_questions_and_reads_no_further(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join([json.dumps({**ROW, "right": "Z"}), json.dumps(ROW), "{broken"]))
    record = run(GENERIC, rows, out=tmp_path / "suite.jsonl", limit=1, skip_invalid=True)
    assert (record.questions, record.rows_left_out) == (1, 1)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".json"])
def test_missing_columns_are_named_with_what_the_file_has(suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"rows{suffix}", [{"Question": "Is it?", "a": "Yes", "right": "A"}])
    schema = Schema("generic", "question", ("a", "b"), "right")
    error = refused(run, schema, file, out=tmp_path / "suite.jsonl")
    assert error.message == f"{file} has no column 'question', 'b'; it has 'Question', 'a', 'right'"
    assert error.hint == "Did you mean 'Question'?"


BROKEN = {
    "magic.parquet": (b"PAR1 but no more", "is not valid Parquet, or damaged"),
    "empty.parquet": (b"", "is not valid Parquet, or damaged"),
    "quote.csv": (b'text,a,b,right\nIs it?,"Yes,No,A\n', "is not valid CSV: unexpected end of data"),
    "short.csv": (b"text,a,b,right\nIs it?,Yes\n", "row 1 (line 2) has 2 fields, the header has 4"),
    "twice.csv": (b"text,a,a,right\n", "has the column 'a' twice"),
    "empty.csv": (b"", "has no column 'text', 'a', 'b', 'right'; it has none"),
    "header.csv": (b"text,a,b,right\n", "no row, so no question"),
    "latin.csv": ("text,a,b,right\nÜber?,Yes,No,A\n".encode("latin-1"), "is not UTF-8 text"),
    "latin.jsonl": ('{"text": "Ü"}'.encode("latin-1"), "is not UTF-8 text"),
    "latin.json": ('[{"text": "Ü"}]'.encode("latin-1"), "is not UTF-8 text"),
    "broken.jsonl": (b'{"text": \n', "line 1 is not valid JSON"),
    "list.jsonl": (b"[1, 2]\n", "line 1 is no object"),
    "empty.jsonl": (b"\n", "no row, so no question"),
    "half.jsonl": (b'{"text": "\\ud800", "a": "Yes", "b": "No", "right": "A"}\n', "half of a surrogate pair"),
    "cut.json": (b'[{"text": "Is it?", ', "row 1 is not valid JSON"),
    "open.json": (json.dumps([ROW]).encode()[:-1], "behind row 1 a comma or ] is needed, found 'the end'"),
    "comma.json": (json.dumps([ROW]).encode()[:-1] + b";]", "behind row 1 a comma or ] is needed, found ';'"),
    "trailing.json": (json.dumps([ROW]).encode() + b"[]", "something stands behind the closing ]"),
    "empty.json": (b"[]", "no row, so no question"),
    "number.json": (b"[1, 2]", "row 1 is no object"),
    "object.json": (json.dumps(ROW).encode(), "is no list of rows"),
    "uneven.json": (b'{"text": ["Is it?"], "a": []}', "is no list of rows"),
    "deep.json": (b"[" * 100_000, "nested deeper than"),
    "nothing.json": (b"", "is not valid JSON"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_file_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    content, said = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    error = refused(run, GENERIC, tmp_path / name, out=tmp_path / "suite.jsonl", skip_invalid=True)
    assert name in error.message
    assert said in error.message
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_damaged_parquet_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.parquet", MMLU).read_bytes()
    file = tmp_path / "damaged.parquet"
    for at in range(0, len(whole), 97):
        file.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
        given_or_refused(run, SCHEMAS["mmlu"], file, out=tmp_path / "suite.jsonl")
        file.write_bytes(whole[:at])
        refused(run, SCHEMAS["mmlu"], file, out=tmp_path / "suite.jsonl")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".parquet", ".csv", ".jsonl", ".json"]))
def test_any_bytes_are_refused_in_words(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows{suffix}"
    file.write_bytes(content)
    refused(run, GENERIC, file, out=tmp_path / "suite.jsonl")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "text": st.text(),
                "o": st.lists(st.text(max_size=5) | st.integers() | st.none(), max_size=5),
                "right": st.text(max_size=2) | st.integers(-1, 5) | st.none(),
            }
        ),
        max_size=4,
    ),
    seed=st.none() | st.integers(0, 9),
)
def test_whatever_rows_hold_every_line_is_read_back_or_refused(rows: Rows, seed: int | None, tmp_path: Path) -> None:
    schema = Schema("generic", "text", ("o",), "right")
    out = tmp_path / "suite.jsonl"
    record = given_or_refused(run, schema, write(tmp_path / "rows.json", rows), out=out, seed=seed, skip_invalid=True)
    if record is not None:
        assert len(list(load_suite(out))) == record.questions == record.rows_read - record.rows_left_out


@pytest.mark.parametrize(
    "content", [{"data": [ROW, {**ROW, "text": "Was it?"}]}, {key: [value, f"{value} "] for key, value in ROW.items()}]
)
def test_json_may_be_rows_under_data_or_lists_by_column(content: Any, tmp_path: Path) -> None:
    content = content if "data" in content else {**content, "text": ["Is it?", "Was it?"]}
    (tmp_path / "rows.json").write_text(json.dumps(content))
    run(GENERIC, tmp_path / "rows.json", out=tmp_path / "suite.jsonl")
    assert [question.question for question in load_suite(tmp_path / "suite.jsonl")] == ["Is it?", "Was it?"]


def test_numbers_in_json_stay_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"text": "How much?", "a": 1.50, "b": 2, "right": "A"}]')
    run(GENERIC, tmp_path / "rows.json", out=tmp_path / "suite.jsonl")
    assert next(load_suite(tmp_path / "suite.jsonl")).options == ("1.50", "2")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    for suffix in (".csv", ".jsonl", ".json"):
        file = write(tmp_path / f"rows{suffix}", [ROW])
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        assert run(GENERIC, file, out=tmp_path / "suite.jsonl").questions == 1


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    rows = [{**ROW, "text": f"Is it {n}? " + "x" * 4000} for n in range(3000)]
    for suffix in (".json", ".jsonl", ".csv"):
        file = write(tmp_path / f"rows{suffix}", rows)
        assert file.stat().st_size > 12_000_000
        tracemalloc.start()
        run(GENERIC, file, out=tmp_path / "suite.jsonl")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3_000_000


# ── which files ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folders_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("b", "a", "c"):
        write(folder / f"{name}.parquet", [{**ROW, "text": name}])
    (folder / "dataset_infos.json").write_text("{}")
    (folder / ".cache.parquet").write_bytes(b"")
    record = run(GENERIC, folder, out=tmp_path / "suite.jsonl")
    assert [question.question for question in load_suite(tmp_path / "suite.jsonl")] == ["a", "b", "c"]
    assert [file.name for file in record.files] == ["a.parquet", "b.parquet", "c.parquet"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [ROW])
    record = run(GENERIC, file, tmp_path, file, out=tmp_path / "suite")
    assert (len(record.files), record.questions) == (1, 1)


NAMES = ["all/test-00000-of-00001.parquet", "all/dev-00000-of-00001.parquet", "anatomy/test-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("names", "config", "split", "chosen"),
    [
        (NAMES, "all", "test", NAMES[:1]),
        (NAMES, "anatomy", None, NAMES[2:]),
        (NAMES, None, "dev", NAMES[1:2]),
        (["gpqa_main.csv", "gpqa_diamond.csv", "gpqa_experts.csv"], "gpqa_diamond", None, ["gpqa_diamond.csv"]),
        (["default/test/0000.parquet", "default/train/0000.parquet"], None, "test", ["default/test/0000.parquet"]),
        (
            ["ARC-Easy/ARC-Easy-Test.jsonl", "ARC-Easy/ARC-Easy-Dev.jsonl"],
            "ARC-Easy",
            "test",
            ["ARC-Easy/ARC-Easy-Test.jsonl"],
        ),
    ],
)
def test_config_and_split_are_words_of_the_names(
    names: list[str], config: str | None, split: str | None, chosen: list[str]
) -> None:
    assert select(names, "it", config=config, split=split) == chosen


def test_a_choice_that_leaves_nothing_says_what_there_is() -> None:
    error = refused(select, NAMES, "cais/mmlu", config="none", split="test")
    assert error.message.startswith("cais/mmlu holds no file of config 'none' and split 'test'; it holds all/dev-0")
    assert "holds no .parquet" in refused(select, ["README.md"], "it", config=None, split=None).message


@pytest.mark.parametrize(
    ("name", "said"), [("gone.csv", "does not exist"), ("rows.txt", "has the suffix '.txt'"), ("bad\0name", "no path")]
)
def test_a_source_that_is_no_data_file_is_refused(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("")
    assert said in refused(local_source, [f"{tmp_path}/{name}"], config=None, split=None).message


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_record_says_what_the_suite_was_made_from(tmp_path: Path) -> None:
    import hashlib

    out, rows = tmp_path / "suite.jsonl", write(tmp_path / "gpqa_main.csv", GPQA)
    run(SCHEMAS["gpqa"], rows, out=out, seed=5, limit=30)
    record = json.loads(record_path(out).read_text())
    assert record["dataset"] == "gpqa"
    assert record["shuffle_seed"] == 5
    assert record["files"] == [
        {
            "name": "gpqa_main.csv",
            "bytes": rows.stat().st_size,
            "sha256": hashlib.sha256(rows.read_bytes()).hexdigest(),
        }
    ]
    assert record["suite_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (record["questions"], record["rows_read"], record["limit"]) == (30, 30, 30)
    assert record["answers_at"] == {"A": 30}
    assert str(tmp_path) not in record_path(out).read_text(), "no path of a machine"


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.parquet", ARC)
    for name in ("one.jsonl", "two.jsonl"):
        run(SCHEMAS["arc"], rows, out=tmp_path / name)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_a_suite_that_is_replaced_stays_whole_where_the_new_one_fails(tmp_path: Path) -> None:
    out = tmp_path / "suite.jsonl"
    out.write_text("as it was")
    refused(run, GENERIC, write(tmp_path / "rows.jsonl", [ROW, {**ROW, "right": "Z"}]), out=out)
    assert out.read_text() == "as it was"


def test_a_suite_is_never_written_over_what_it_is_read_from(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [ROW])
    assert "is one of the files that are read" in refused(run, GENERIC, file, out=file).message
