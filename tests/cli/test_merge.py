"""`localtable merge`: shards become one store that nothing tells from a run that was never divided."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store_builders import alter, copy_store, exported, hold_suite, resume, suite, table

from localtable.cli.main import run
from localtable.errors import PrerequisiteError
from localtable.runner.keys import combine
from localtable.store import Store, holds_run
from localtable.store import merging as merging_module
from localtable.store.merging import COPIED, WHOLE, merge
from localtable.types import Panel

QUESTIONS = suite(8)
OPTIONS = {"controls": ("votes-only", "solo-revise", "self-consistency"), "repeats": 2}


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def shards(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three shards; the second one was stopped in the midst of debates."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / f"{number}.db" for number in (1, 2, 3)]
    for number, path in enumerate(paths, start=1):
        stop = 100 if number == 2 else None
        hold_suite(path, panel, QUESTIONS, shard=(number, 3), stop_after=stop, **OPTIONS)
    return paths


@pytest.fixture(scope="module")
def undivided(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hold_suite(tmp_path_factory.mktemp("undivided") / "run.db", panel, QUESTIONS, **OPTIONS)


def test_merged_and_finished_shards_export_what_the_undivided_run_exports(
    shards: list[Path], undivided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.db"
    assert run(["merge", *map(str, shards), "--store", str(target)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "80 debates (" in said.err
    assert f"`localtable resume {target}` goes on with what is open" in said.err
    assert "absent" not in said.err
    assert run(["verify", "--prompts", str(target)]) == 0
    resume(target)
    assert run(["verify", "--prompts", str(target)]) == 0
    merged, whole = list(exported(target)), list(exported(undivided))
    assert len(whole) == 80
    assert merged == whole
    with Store.open(target, write=False) as there, Store.open(undivided, write=False) as other:
        assert (there.run().shard, there.run().num_shards) == (1, 1)
        assert there.counts().debates == other.counts().debates
        assert there.counts().turns == other.counts().turns


def test_a_merged_store_is_gone_on_with_as_the_undivided_run(shards: list[Path], panel: Panel, tmp_path: Path) -> None:
    target = tmp_path / "all.db"
    assert run(["merge", *map(str, shards), "--store", str(target)]) == 0
    hold_suite(target, panel, QUESTIONS, **OPTIONS)  # refuses another run's store
    with Store.open(target, write=False) as store:
        assert store.num_open() == 0


def test_sources_are_left_as_they_were(shards: list[Path], tmp_path: Path) -> None:
    copies = [copy_store(path, tmp_path / path.name) for path in shards]
    before = [hashlib.sha256(path.read_bytes()).digest() for path in copies]
    assert run(["merge", *map(str, copies), "--store", str(tmp_path / "all.db")]) == 0
    assert [hashlib.sha256(path.read_bytes()).digest() for path in copies] == before


def test_missing_shards_are_said_and_their_debates_absent(
    shards: list[Path], undivided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = tmp_path / "two.db"
    assert run(["merge", str(shards[2]), str(shards[0]), "--store", str(two)]) == 0
    assert "shard 2 of 3 is missing: its debates are absent" in capsys.readouterr().err
    assert run(["verify", "--prompts", str(two)]) == 0
    names = {question.id for number, question in enumerate(QUESTIONS) if number % 3 != 1}
    assert list(exported(two)) == [data for data in exported(undivided) if data["question"]["id"] in names]
    whole = tmp_path / "whole.db"
    assert run(["merge", str(two), str(shards[1]), "--store", str(whole)]) == 0
    assert "absent" not in capsys.readouterr().err
    resume(whole)
    assert list(exported(whole)) == list(exported(undivided))
    assert run(["verify", str(whole)]) == 0


def test_shards_without_a_question_are_not_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions, panel = suite(2), table(tmp_path)
    paths = [hold_suite(tmp_path / f"{n}.db", panel, questions, shard=(n, 3)) for n in (1, 2, 3)]
    assert run(["merge", *map(str, paths[:2]), "--store", str(tmp_path / "a.db")]) == 0
    assert "absent" not in capsys.readouterr().err
    assert run(["merge", *map(str, paths), "--store", str(tmp_path / "b.db")]) == 0
    assert list(exported(tmp_path / "a.db")) == list(exported(tmp_path / "b.db"))


def test_one_store_with_noise_is_copied_whole(tmp_path: Path) -> None:
    panel = table(tmp_path)
    path = hold_suite(tmp_path / "run.db", panel, suite(7), controls=("noise-peers",))
    assert run(["merge", str(path), "--store", str(tmp_path / "copy.db")]) == 0
    assert list(exported(tmp_path / "copy.db")) == list(exported(path))
    assert run(["verify", "--prompts", str(tmp_path / "copy.db")]) == 0


def refused(capsys: pytest.CaptureFixture[str], said: str, *arguments: object) -> None:
    assert run(["merge", *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert [line[:4] for line in error.splitlines()] == ["Erro", "  → "]


def test_a_shard_that_is_named_twice_is_refused_by_its_first_debate(
    shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.db"
    copy = copy_store(shards[0], tmp_path / "copy.db")
    refused(capsys, "the debate on 'q-0' (debate, repeat 0), shard 1 of 3,", shards[0], copy, "--store", target)
    refused(capsys, "is in", shards[0], shards[0], "--store", target)
    assert not holds_run(target)


def test_stores_of_other_runs_are_refused(
    shards: list[Path], undivided: Path, panel: Panel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.db"
    other = hold_suite(tmp_path / "o.db", table(tmp_path, seed=1), QUESTIONS, shard=(2, 3), stop_after=0, **OPTIONS)
    refused(capsys, "the panel differs (seed: 0 there, 1 here)", shards[0], other, "--store", target)
    fewer = hold_suite(tmp_path / "f.db", panel, suite(5), shard=(2, 3), stop_after=0, **OPTIONS)
    refused(capsys, "the questions differ", shards[0], fewer, "--store", target)
    refused(capsys, "the number of shards differs (3 there, 1 here)", shards[0], undivided, "--store", target)
    refused(capsys, "does not exist", shards[0], tmp_path / "none.db", "--store", target)
    assert not target.exists()


def test_a_target_that_holds_a_run_is_refused(
    shards: list[Path], undivided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "holds a run already", *shards, "--store", copy_store(undivided, tmp_path / "run.db"))
    refused(capsys, "holds a run already", *shards, "--store", shards[0])
    (tmp_path / "text").write_text("not a database, but long enough to be looked at" * 50)
    refused(capsys, "is no store", *shards, "--store", tmp_path / "text")


def test_every_table_of_the_schema_is_merged(shards: list[Path]) -> None:
    with Store.open(shards[0], write=False) as store:
        tables = {row[0] for row in store.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"run", *WHOLE, *COPIED}


def test_different_answers_to_an_equal_request_are_both_kept(shards: list[Path], tmp_path: Path) -> None:
    """As two engines may give them whose numerics depend on the batch."""
    one, two = (copy_store(path, tmp_path / path.name) for path in (shards[0], shards[2]))
    with closing(sqlite3.connect(one)) as a, closing(sqlite3.connect(two)) as b, b:
        key, identity, request, prompt, seed = a.execute(
            "SELECT key, identity, request_sha256, prompt_sha256, seed FROM generations WHERE seconds NOT NULL LIMIT 1"
        ).fetchone()
        b.execute(
            "UPDATE generations SET key = ?, identity = ?, request_sha256 = ?, prompt_sha256 = ?, seed = ?"
            " WHERE id = (SELECT max(id) FROM generations)",
            (key, identity, request, prompt, seed),
        )
        number, said = b.execute("SELECT id, token_ids FROM generations ORDER BY id DESC LIMIT 1").fetchone()
        (uses,) = b.execute("SELECT count(*) FROM steps WHERE generation = ?", (number,)).fetchone()
    assert run(["merge", str(one), str(two), "--store", str(tmp_path / "all.db")]) == 0
    with closing(sqlite3.connect(tmp_path / "all.db")) as merged:
        rows = merged.execute(
            "SELECT generations.key, identity, request_sha256, prompt_sha256, seed, count(steps.turn) FROM generations"
            " JOIN steps ON generation = generations.id WHERE token_ids = ? AND identity LIKE '%|%' GROUP BY 1",
            (said,),
        ).fetchall()
    ((there, *parts, used),) = rows
    assert there == combine(*parts)
    assert there != key
    assert used == uses


def test_a_full_disk_leaves_a_target_without_a_run(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, target = merging_module.create, tmp_path / "all.db"

    def small(path: Path) -> sqlite3.Connection:
        connection = real(path)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    sources = [Store.open(path, write=False) for path in shards]
    monkeypatch.setattr(merging_module, "create", small)
    with pytest.raises(PrerequisiteError, match="full"):
        merge(sources, target, combine)
    monkeypatch.undo()
    for source in sources:
        source.close()
    assert not holds_run(target)
    assert run(["merge", *map(str, shards), "--store", str(target)]) == 0
    assert run(["verify", str(target)]) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from localtable.store import merging
real = merging._insert_run
def killed(*arguments, **keywords):
    real(*arguments, **keywords)
    os.kill(os.getpid(), signal.SIGKILL)
merging._insert_run = killed
from localtable.cli.main import run
run(sys.argv[1:])
"""


def test_a_kill_at_the_last_moment_leaves_no_run(shards: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "all.db"
    command = ["merge", *map(str, shards), "--store", str(target)]
    ended = subprocess.run([sys.executable, "-c", KILLED, *command], check=False, env={**os.environ})
    assert ended.returncode == -signal.SIGKILL
    assert target.exists()
    assert not holds_run(target)
    assert run(command) == 0
    assert run(["verify", str(target)]) == 0


def test_a_changed_fact_goes_along_and_is_found(shards: list[Path], tmp_path: Path) -> None:
    copy = copy_store(shards[0], tmp_path / "1.db")
    alter(copy, "UPDATE turns SET attempts = 2 WHERE id = 1")
    assert run(["merge", str(copy), str(shards[2]), "--store", str(tmp_path / "all.db")]) == 0
    assert run(["verify", str(tmp_path / "all.db")]) == 1
