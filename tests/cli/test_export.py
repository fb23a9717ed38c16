"""`localtable export` from the command line down: transcripts, tables, what is counted, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import make_panel, make_question, write_script
from command_line import Command, Ended, run_command
from store_builders import hold_suite, mixed_store

from localtable.cli.main import run
from localtable.runner import finished_transcripts
from localtable.store import Store
from localtable.store.parquet import file_names
from localtable.transcript import check, to_json


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with finished and failed debates of several conditions; nobody may write it."""
    path = mixed_store(tmp_path_factory.mktemp("mixed"))
    path.chmod(0o444)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def export(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        return run_command(capsys, "export", *arguments)

    return command


def refused(ended: Ended, said: str, code: int = 2) -> None:
    assert ended.code == code
    assert said in ended.err
    assert "  → " in ended.err
    assert ended.out == ""


def small(folder: Path, count: int = 3, *turns: Any, **keys: Any) -> Path:
    panel = make_panel(folder, "Ada", "Bob")
    questions = [make_question(id=f"q{i}", question=f"Question {i}?") for i in range(count)]
    return hold_suite(folder / "run.db", panel, questions, write_script(folder, *turns), **keys)


# ── transcripts ─────────────────────────────────────────────────────────────────────────────────────────────


def test_stdout_has_the_finished_debates_in_the_suite_s_order(mixed: Path, export: Command) -> None:
    ended = export(mixed)
    assert ended.code == 0
    with Store.open(mixed, write=False) as store:
        expected = [to_json(transcript) for transcript in finished_transcripts(store)]
    given = [json.loads(line) for line in ended.out.splitlines()]
    assert given == expected
    assert len(given) > 20
    for data in given:
        check(data, "the line")


def test_lines_are_compact_and_keep_their_characters(mixed: Path, export: Command) -> None:
    first = export(mixed).out.split("\n")[0]
    assert "Ü 1" in first
    assert first == json.dumps(json.loads(first), ensure_ascii=False, separators=(",", ":"))


def test_failed_debates_are_told_with_their_reasons(mixed: Path, export: Command) -> None:
    ended = export(mixed)
    lines = ended.err.splitlines()
    assert lines[0].endswith(" finished, 0 unfinished and 6 failed debates")
    assert lines[1].startswith("  failed: broken · debate · repeat 0: ")
    assert "the script fails this turn" in lines[1]
    assert len(lines) == 7


def test_of_many_failed_debates_the_first_are_told(folder: Path, export: Command) -> None:
    store = small(folder, 13, {"seat": "Ada", "fail": "always"})
    ended = export(store)
    assert (ended.code, ended.out) == (0, "")
    lines = ended.err.splitlines()
    assert lines[0] == "0 finished, 0 unfinished and 13 failed debates"
    assert sum(line.startswith("  failed: ") for line in lines) == 10
    assert lines[-1] == "  … and 3 more that failed"


def test_a_reason_can_not_steer_the_terminal_and_is_short(folder: Path, export: Command) -> None:
    store = small(folder, 1, {"seat": "Ada", "fail": "always"})
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE debates SET reason = ?", ("\x1b[31mred\n" + "long " * 100,))
    connection.close()
    line = export(store).err.splitlines()[1]
    assert "\\x1b[31mred long" in line
    assert line.endswith("…")
    assert len(line) < 300


def test_a_store_that_nothing_is_finished_in_is_no_error(folder: Path, export: Command) -> None:
    ended = export(small(folder, stop_after=0), "--out", "out.jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "0 finished, 3 unfinished and 0 failed debates\n"
    assert (folder / "out.jsonl").read_bytes() == b""


def test_a_run_that_was_broken_off_gives_what_it_has(folder: Path, export: Command) -> None:
    panel = make_panel(folder, "Ada", "Bob", engine={"max_num_seqs": "2"})
    questions = [make_question(id=f"q{i}", question=f"Question {i}?") for i in range(40)]
    ended = export(hold_suite(folder / "run.db", panel, questions, stop_after=20))
    finished = len(ended.out.splitlines())
    assert 1 <= finished < 40
    assert f"{finished} finished, {40 - finished} unfinished" in ended.err


def test_a_file_holds_what_stdout_would(mixed: Path, folder: Path, export: Command) -> None:
    ended = export(mixed, "--out", "out.jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert (folder / "out.jsonl").read_text("utf-8") == export(mixed).out
    assert [path.name for path in folder.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("debate",), {"debate"}),
        (("votes-only", "debate"), {"debate", "votes-only"}),
        (("self-consistency",), {"self-consistency:small", "self-consistency:large"}),
        (("self-consistency:large",), {"self-consistency:large"}),
    ],
)
def test_conditions_are_chosen_by_name(mixed: Path, export: Command, wanted: tuple[str, ...], found: set[str]) -> None:
    ended = export(mixed, *(part for name in wanted for part in ("--condition", name)))
    given = [json.loads(line)["condition"] for line in ended.out.splitlines()]
    assert set(given) == found
    assert ended.err.startswith(f"{len(given)} finished")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vote-only", "Did you mean 'votes-only'?"),
        ("self-consistancy", "Did you mean 'self-consistency'?"),
        ("zzz", "Known conditions of this run: debate, "),
    ],
)
def test_an_unknown_condition_is_refused(mixed: Path, export: Command, name: str, hint: str) -> None:
    ended = export(mixed, "--condition", "debate", "--condition", name)
    refused(ended, f"the run has no condition {name!r}")
    assert hint in ended.err


# ── stores that others hold ─────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_exported_while_it_is_written(folder: Path, export: Command) -> None:
    store = small(folder)
    writer = sqlite3.connect(store, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE debates SET state = 'open'")
    ended = export(store, "--parquet", "tables")
    assert ended.code == 0
    assert ended.err.startswith("3 finished, 0 unfinished")
    writer.execute("COMMIT")
    assert export(store).err.startswith("0 finished, 3 unfinished")
    writer.close()


def test_what_is_committed_meanwhile_changes_nothing(
    folder: Path, export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localtable.cli import export as module

    store = small(folder)
    whole = module._lines

    def with_a_writer(*arguments: Any) -> Iterator[bytes]:
        for line in whole(*arguments):
            with sqlite3.connect(store) as writer:
                writer.execute("UPDATE debates SET state = 'failed', reason = 'late'")
            writer.close()
            yield line

    monkeypatch.setattr(module, "_lines", with_a_writer)
    ended = export(store)
    assert len(ended.out.splitlines()) == 3
    assert ended.err == "3 finished, 0 unfinished and 0 failed debates\n"


def test_a_folder_that_can_not_be_written_is_read(folder: Path, export: Command) -> None:
    store = small(folder)
    closed = folder / "closed"
    closed.mkdir()
    shutil.copy(store, closed / "run.db")
    closed.chmod(0o555)
    try:
        ended = export(closed / "run.db")
    finally:
        closed.chmod(0o755)
    assert (ended.code, len(ended.out.splitlines())) == (0, 3)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_tables_come_without_transcripts_unless_a_file_is_named(mixed: Path, folder: Path, export: Command) -> None:
    ended = export(mixed, "--parquet", "tables")
    assert (ended.code, ended.out) == (0, "")
    assert "\nrows: debates " in ended.err
    assert {path.name for path in (folder / "tables").iterdir()} == set(file_names())
    both = export(mixed, "--parquet", "more", "--out", "out.jsonl")
    assert (both.code, both.out) == (0, "")
    assert (folder / "out.jsonl").stat().st_size > 0
    assert (folder / "more/turns.parquet").is_file()


def test_tables_are_of_the_chosen_conditions(mixed: Path, folder: Path, export: Command) -> None:
    import pyarrow.parquet as pq

    export(mixed, "--parquet", "tables", "--condition", "votes-only")
    assert set(pq.read_table(folder / "tables/turns.parquet")["condition"].to_pylist()) == {"votes-only"}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_there_is_replaced_by_force_only(mixed: Path, folder: Path, export: Command) -> None:
    (folder / "out.jsonl").write_text("old")
    (folder / "tables").mkdir()
    (folder / "tables/turns.parquet").write_text("old")
    refused(export(mixed, "--out", "out.jsonl"), "out.jsonl exists")
    refused(export(mixed, "--parquet", "tables"), "turns.parquet exists")
    assert (folder / "out.jsonl").read_text() == (folder / "tables/turns.parquet").read_text() == "old"
    assert export(mixed, "--out", "out.jsonl", "--parquet", "tables", "--force").code == 0
    assert (folder / "out.jsonl").read_text("utf-8").startswith("{")
    assert (folder / "tables/turns.parquet").read_bytes().startswith(b"PAR1")


@pytest.mark.parametrize("name", ["run.db", "run.db-wal", "run.db-shm", "run.db.lock", "link"])
def test_the_store_is_never_written_over(folder: Path, export: Command, name: str) -> None:
    store = small(folder)
    (folder / "link").symlink_to(store)
    before = store.read_bytes()
    refused(export(store, "--out", name, "--force"), "is the store itself, or belongs to it")
    assert store.read_bytes() == before


def test_one_file_can_not_be_two_outputs(mixed: Path, folder: Path, export: Command) -> None:
    (folder / "tables").mkdir()
    ended = export(mixed, "--out", "tables/turns.parquet", "--parquet", "tables")
    refused(ended, "turns.parquet is named for something else, too")
    assert list((folder / "tables").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "."), "is a folder"),
        (("--out", "missing/out.jsonl"), "does not exist"),
        (("--out", "/dev/null"), "is no regular file"),
        (("--out", "x" * 300), "File name too long"),
        (("--parquet", "missing/tables"), "does not exist"),
        (("--parquet", "file"), "is no folder"),
        (("--parquet", "/dev/null"), "is no folder"),
        (("--parquet", "/proc/tables"), "can't be written"),
        (("--parquet", "taken"), "turns.parquet is a folder"),
    ],
)
def test_a_place_that_can_not_be_written_is_refused(
    mixed: Path, folder: Path, export: Command, arguments: tuple[str, str], said: str
) -> None:
    (folder / "file").write_text("mine")
    (folder / "taken/turns.parquet").mkdir(parents=True)
    refused(export(mixed, *arguments), said)
    assert {path.name for path in folder.iterdir()} == {"file", "taken"}


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.db", "does not exist"), ("text.db", "is no store"), ("other.db", "of another program"), (".", "")],
)
def test_what_is_no_store_is_refused(folder: Path, export: Command, name: str, said: str) -> None:
    (folder / "text.db").write_text("a text that is long enough to be taken for a file of SQLite's" * 20)
    with sqlite3.connect(folder / "other.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    refused(export(name, "--out", "out.jsonl"), said)
    assert not (folder / "out.jsonl").exists()


def test_a_full_disk_on_stdout_is_told(mixed: Path, export: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full, monkeypatch.context() as patched:
        patched.setattr("sys.stdout", full)
        code = run(["export", str(mixed)])
        patched.undo()
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, full.fileno())  # so that closing it can write what it still holds
        os.close(descriptor)
    assert code == 3


def test_an_error_on_the_way_leaves_the_old_file(
    mixed: Path, folder: Path, export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localtable import transcript

    (folder / "out.jsonl").write_text("old")
    written, seen = transcript.to_json, []

    def fails_late(given: Any) -> Any:
        seen.append(given)
        if len(seen) > 3:
            raise KeyboardInterrupt
        return written(given)

    monkeypatch.setattr(transcript, "to_json", fails_late)
    assert export(mixed, "--out", "out.jsonl", "--force").code == 130
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("out.jsonl", "old")]
