"""Parquet out of a store: every figure is the transcripts', every debate is there, nothing is half written."""

from __future__ import annotations

import json
import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builders import make_panel, make_question
from store_builders import hold_suite, mixed_store

from localtable.errors import LocaltableError, PrerequisiteError
from localtable.runner import finished_transcripts
from localtable.store import Store, parquet
from localtable.store.parquet import file_names, schema_of, write_tables
from localtable.store.tables import TABLES, Table
from localtable.transcript import PARTS, to_json

Rows = list[dict[str, Any]]
Tables = Mapping[str, Rows]


def written(path: Path, folder: Path, conditions: list[str] | None = None) -> Tables:
    with Store.open(path, write=False) as store:
        chosen = conditions or [name for name, _ in store.conditions().values()]
        counts = write_tables(store, folder, chosen)
    tables = {table.name: pq.read_table(folder / f"{table.name}.parquet").to_pylist() for table in TABLES}
    assert counts == {name: len(rows) for name, rows in tables.items()}
    return tables


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def tables(mixed: Path) -> Tables:
    return written(mixed, mixed.parent / "tables")


@pytest.fixture(scope="module")
def transcripts(mixed: Path) -> Rows:
    with Store.open(mixed, write=False) as store:
        return [to_json(transcript) for transcript in finished_transcripts(store)]


def key(row: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("question", "condition", "repeat", *names))


def key_of(transcript: Mapping[str, Any], *more: Any) -> tuple[Any, ...]:
    return (transcript["question"]["id"], transcript["condition"], transcript["repeat"], *more)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_debate_s_row_is_its_transcript_s_verdict(tables: Tables, transcripts: Rows) -> None:
    rows = {key(row): row for row in tables["debates"] if row["state"] == "finished"}
    assert len(rows) == len(transcripts)
    for transcript in transcripts:
        row, verdict, question = rows[key_of(transcript)], transcript["verdict"], transcript["question"]
        assert row["reason"] is None
        assert (row["verdict"], row["votes"], row["of"]) == (verdict["kind"], verdict["votes"], verdict["of"])
        assert (row["rounds"], row["agreement"]) == (verdict["rounds"], verdict["agreement"])
        assert json.loads(row["leading"]) == verdict["options"]
        assert row["num_leading"] == len(verdict["options"])
        answered = question["answer"] is not None
        assert row["answer_leads"] == (question["answer"] in verdict["options"] if answered else None)
        assert row["num_turns"] == sum(len(round_["turns"]) for round_ in transcript["rounds"])
        assert json.loads(row["options"]) == question["options"]
        assert json.loads(row["tags"]) == question["tags"]
        assert (row["num_options"], row["answer"]) == (len(question["options"]), question["answer"])
        assert row["seed"] == transcript["manifest"]["seeds"]["run"]
        assert row["prompts_sha256"] == transcript["manifest"]["prompts"]["sha256"]


def test_a_turn_s_row_has_the_transcript_s_figures(tables: Tables, transcripts: Rows) -> None:
    rows = {key(row, "round", "seat"): row for row in tables["turns"] if row["state"] == "finished"}
    seen = 0
    for transcript in transcripts:
        models = {seat["name"]: seat["model"] for seat in transcript["panel"]["seats"]}
        for round_ in transcript["rounds"]:
            for turn in round_["turns"]:
                seen += 1
                row = rows[key_of(transcript, round_["number"], turn["seat"])]
                assert_turn(row, turn, transcript["question"]["answer"])
                assert row["model"] == models[turn["seat"]]
                assert row["num_options"] == len(transcript["question"]["options"])
    assert seen == len(rows) > 100


def assert_turn(row: Mapping[str, Any], turn: Mapping[str, Any], answer: str | None) -> None:
    same = ("position", "stated", "changed_mind", "statement", "finish_reason", "truncated", "attempts")
    for name in (*same, "names_letter", "peers_cut", "reasoning_truncated", "seed"):
        assert row[name] == turn[name], name
    assert_vote(row, turn["ballot"], answer)
    for part in PARTS:
        for kind in ("prompt_tokens", "cached_tokens", "completion_tokens"):
            assert row[f"{part}_{kind}"] == turn["usage"]["by_part"][part][kind]
    assert row["finished"].tzinfo is not None and row["finished"].astimezone(UTC).year >= 2026
    assert len(bytes.fromhex(row["prompt_sha256"])) == 32


def assert_vote(row: Mapping[str, Any], ballot: Mapping[str, Any], answer: str | None) -> None:
    assert row["vote"] == ballot["vote"]
    assert row["confidence"] == ballot["confidence"]  # to the last bit
    assert row["persuaded_by"] == ballot["persuaded_by"]
    assert row["answer"] == answer
    assert row["correct"] == (None if answer is None else ballot["vote"] == answer)


def ballots_of(turn: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    before = turn.get("ballot_before")
    return {"after": turn["ballot"]} if before is None else {"before": before, "after": turn["ballot"]}


def test_ballots_and_distributions_are_the_transcript_s(tables: Tables, transcripts: Rows) -> None:
    rows = {key(row, "round", "seat", "at"): row for row in tables["ballots"]}
    options: dict[tuple[Any, ...], Rows] = defaultdict(list)
    for row in tables["distributions"]:
        options[key(row, "round", "seat", "at")].append(row)
    seen = 0
    for transcript in transcripts:
        question = transcript["question"]
        for round_ in transcript["rounds"]:
            for turn in round_["turns"]:
                for at, ballot in ballots_of(turn).items():
                    seen += 1
                    place = key_of(transcript, round_["number"], turn["seat"], at)
                    row = rows[place]
                    assert_vote(row, ballot, question["answer"])
                    assert (json.loads(row["tied"]), row["num_tied"]) == (ballot["tied"], len(ballot["tied"]))
                    assert row["label_mass"] == ballot.get("label_mass")
                    assert row["counts"] == (at == "after")
                    found = options[place]
                    assert {o["letter"]: o["probability"] for o in found} == ballot["distribution"]
                    assert [o["option"] for o in found] == question["options"]
                    assert [o["letter"] for o in found if o["is_vote"]] == [ballot["vote"]]
                    answers = [o["is_answer"] for o in found]
                    none = [None] * len(answers)
                    letters = [o["letter"] == question["answer"] for o in found]
                    assert answers == (none if question["answer"] is None else letters)
                    assert {o["order"] for o in found} == {0}
    assert seen == sum(row["state"] == "finished" for row in tables["ballots"])
    assert any(row["num_tied"] == 2 for row in tables["ballots"])
    assert {row["at"] for row in tables["ballots"]} == {"before", "after"}


def test_the_fixture_has_what_these_tests_are_about(tables: Tables) -> None:
    turns = tables["turns"]
    for name in ("changed_mind", "truncated", "reused"):
        assert {row[name] for row in turns} == {True, False}, name
    assert any(row["persuaded_by"] for row in turns)
    assert any(row["thinking_completion_tokens"] for row in turns)
    assert {row["condition"] for row in turns} >= {"debate", "votes-only", "noise-peers", "self-consistency:small"}


def test_equal_first_prompts_have_equal_hashes_and_later_ones_differ(tables: Tables) -> None:
    hashes: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in tables["turns"]:
        if row["condition"] in ("debate", "votes-only") and row["question"] == "last":
            hashes[row["round"], row["seat"]].add(row["prompt_sha256"])
    assert len(hashes[1, "Ada"]) == 1  # in both conditions and repeats
    assert len(hashes[2, "Ada"]) > 1


# ── failed and open debates ─────────────────────────────────────────────────────────────────────────────────


def test_failed_debates_are_rows_with_their_reason_and_their_turns(tables: Tables) -> None:
    failed = [row for row in tables["debates"] if row["state"] == "failed"]
    assert len(failed) == 6  # debate, votes-only and noise-peers, twice
    for row in failed:
        assert row["question"] == "broken"
        assert "the script fails this turn" in row["reason"]
        assert [row[name] for name in ("rounds", "verdict", "leading", "answer_leads", "votes", "agreement")] == [
            None
        ] * 6
        assert row["num_turns"] == sum(key(turn) == key(row) for turn in tables["turns"]) >= 3


def test_noise_debates_name_their_partner(tables: Tables) -> None:
    for row in tables["debates"]:
        assert (row["partner"] is not None) == (row["condition"] == "noise-peers")
        assert row["partner"] != row["question"]


def test_open_debates_are_rows_without_a_verdict(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob")
    questions = [make_question(id=f"q{i}", question=f"Question {i}?") for i in range(3)]
    store = hold_suite(tmp_path / "open.db", panel, questions, stop_after=0)
    tables = written(store, tmp_path / "tables")
    assert [(row["question"], row["state"], row["num_turns"]) for row in tables["debates"]] == [
        ("q0", "open", 0),
        ("q1", "open", 0),
        ("q2", "open", 0),
    ]
    assert tables["turns"] == tables["ballots"] == tables["distributions"] == []


def test_rows_stand_in_the_suite_s_order(tables: Tables) -> None:
    places = [(row["question_place"], row["repeat"]) for row in tables["debates"]]
    assert places == sorted(places)
    place = {row["question"]: row["question_place"] for row in tables["debates"]}
    for name in ("turns", "ballots", "distributions"):
        order = [(place[row["question"]], row["repeat"]) for row in tables[name]]
        assert order == sorted(order)


def test_conditions_are_chosen(mixed: Path, tmp_path: Path) -> None:
    tables = written(mixed, tmp_path / "tables", ["votes-only"])
    for name, rows in tables.items():
        assert {row["condition"] for row in rows} == (set() if name == "influences" else {"votes-only"})


# ── the files ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_file_has_the_columns_types_and_meanings_of_its_table(mixed: Path, tables: Tables, table: Table) -> None:
    schema = pq.read_schema(mixed.parent / "tables" / f"{table.name}.parquet")
    assert schema.equals(schema_of(table), check_metadata=False)
    assert [field.name for field in schema] == [column.name for column in table.columns]
    for column, field in zip(table.columns, schema, strict=True):
        assert field.nullable == column.nullable
        assert field.metadata[b"description"].decode() == column.meaning


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_query_sorts_a_whole_table(mixed: Path, table: Table) -> None:
    with Store.open(mixed, write=False) as store:
        plan = [row[3] for row in store.query(f"EXPLAIN QUERY PLAN {table.sql}", None)]
    assert plan[0] == "SCAN debates"
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    assert not any("MATERIALIZE" in step for step in plan)


def test_many_rows_are_many_row_groups(mixed: Path, tables: Tables, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(parquet, "TABLES", tuple(replace(table, rows_at_once=7) for table in TABLES))
    assert written(mixed, tmp_path / "tables") == tables
    file = pq.ParquetFile(tmp_path / "tables/turns.parquet")
    assert file.num_row_groups == -(-len(tables["turns"]) // 7)


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file grows above so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_what_was_there(mixed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "turns.parquet").write_text("old")
    with Store.open(mixed, write=False) as store:
        names = [name for name, _ in store.conditions().values()]
        with full_disk(9_000), pytest.raises(PrerequisiteError) as caught:
            write_tables(store, folder, names)
        with full_disk(9_000), pytest.raises(PrerequisiteError):
            write_tables(store, tmp_path / "new", names)
    assert "can't be written: File too large" in caught.value.message
    assert caught.value.hint
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("turns.parquet", "old")]
    assert not (tmp_path / "new").exists()


def test_a_damaged_store_leaves_nothing(mixed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "damaged.db"
    raw = bytearray(mixed.read_bytes())
    middle = len(raw) // 2
    raw[4096 * 3 : middle] = b"\xff" * (middle - 4096 * 3)
    copy.write_bytes(raw)
    with pytest.raises(LocaltableError), Store.open(copy, write=False) as store:
        write_tables(store, tmp_path / "tables", ["debate"])
    assert not (tmp_path / "tables").exists()


def test_what_is_there_is_replaced_and_other_files_stay(mixed: Path, tmp_path: Path, tables: Tables) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "turns.parquet").write_text("old")
    assert written(mixed, folder) == tables
    assert {path.name for path in folder.iterdir()} == {*file_names(), "notes.txt"}
