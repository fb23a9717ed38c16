"""The store's file: what is no store, versions, permissions, damage, a full disk, locks, kills."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders import make_question, make_turn
from store_builders import alter, copy_store, exported, hold_suite, resume, suite, table

from localtable.errors import ConfigError, LocaltableError, PrerequisiteError, StoreError
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.verify import verify_store
from localtable.store import Run, Store, TurnRecord, file, holds_run, locked
from localtable.types import Ballot, OrderedBallot

RUN = Run("scripted", {}, {}, {}, "argue", "0", {})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, all of it in one file."""
    folder = tmp_path_factory.mktemp("whole")
    return copy_store(hold_suite(folder / "run.db", table(folder), suite(4)), folder / "copy.db")


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return copy_store(whole, tmp_path / "store.db")


def read_all(path: Path) -> None:
    """Everything that a reader asks of a store."""
    with Store.open(path, write=False) as opened:
        list(opened.questions())
        for row in opened.all_debates():
            opened.turns(row.id)
        opened.counts()
        opened.sessions()


def refused(call: Callable[[], object], said: str, kind: type[LocaltableError] = ConfigError) -> None:
    with pytest.raises(kind, match=re.escape(said)) as caught:
        call()
    assert caught.value.hint
    assert "\n" not in caught.value.message


# ── what is no store ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"", "holds no run"),
        (b"no database", "is no store"),
        (b"A text that is long enough to be looked at for a header.\n" * 100, "is no store"),
        (b"SQLite format 3\0", "is no store"),
    ],
    ids=["missing", "empty", "short", "a text", "half a header"],
)
def test_what_is_no_store_is_refused_and_left_alone(
    tmp_path: Path, content: bytes | None, said: str, write: bool
) -> None:
    path = tmp_path / "store.db"
    if content is not None:
        path.write_bytes(content)
    refused(lambda: Store.open(path, write=write), said)
    if content is None:
        assert not holds_run(path)
        assert not path.exists()
    else:
        assert path.read_bytes() == content


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    refused(lambda: holds_run(tmp_path), "is no regular file")
    refused(lambda: Store.open(tmp_path, write=False), "does not exist")


def test_another_program_s_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE run (id)")
    before = path.read_bytes()
    said = "is an SQLite file of another program"
    refused(lambda: Store.open(path, write=False), said)
    refused(lambda: Store.open(path, write=True), said)
    refused(lambda: holds_run(path), said)
    refused(lambda: Store.create(path, RUN, suite(1), ["debate"]), said)
    assert path.read_bytes() == before


def test_names_that_mean_something_to_sqlite_are_names(tmp_path: Path, store: Path) -> None:
    for name in ("a?mode=memory", "b#c", "100%41", "é 漢.db", "file:x.db", ":memory:"):
        path = tmp_path / name
        shutil.copyfile(store, path)
        read_all(path)


# ── versions ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_newer_version_is_refused(store: Path) -> None:
    alter(store, f"PRAGMA user_version = {file.VERSION + 1}")
    for write in (True, False):
        refused(lambda write=write: Store.open(store, write=write), f"is a store of version {file.VERSION + 1}")
    refused(lambda: holds_run(store), f"this program reads up to {file.VERSION}")


@contextmanager
def newer_program(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> Iterator[int]:
    """This program with one migration more."""
    folder.mkdir()
    copies = [Path(shutil.copy(migration, folder)) for migration in file.MIGRATIONS]
    following = folder / f"{len(copies) + 1:03}.sql"
    following.write_text(sql)
    with monkeypatch.context() as patched:
        patched.setattr(file, "MIGRATIONS", [*copies, following])
        patched.setattr(file, "VERSION", len(copies) + 1)
        yield len(copies) + 1


def test_an_older_version_is_migrated_where_it_may_be_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(exported(store))
    sql = "ALTER TABLE run ADD COLUMN more TEXT NOT NULL DEFAULT 'new';\nCREATE TABLE extra (id);"
    with newer_program(tmp_path / "migrations", monkeypatch, sql) as version:
        refused(lambda: Store.open(store, write=False), f"older than this program's {version}")
        with Store.open(store, write=True) as opened:
            assert next(opened.query("SELECT more FROM run")) == ("new",)
            assert next(opened.query("PRAGMA user_version")) == (version,)
        with Store.open(store, write=False) as opened:
            assert opened.counts().debates["finished"] == 4
        assert list(exported(store)) == before


def test_a_migration_that_fails_leaves_the_old_version(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with newer_program(tmp_path / "migrations", monkeypatch, "CREATE TABLE extra (id);\nNOT SQL;"):
        refused(lambda: Store.open(store, write=True), "can't be used as a store", StoreError)
    with Store.open(store, write=True) as opened:
        assert next(opened.query("PRAGMA user_version")) == (file.VERSION,)
        assert next(opened.query("SELECT count(*) FROM sqlite_master WHERE name = 'extra'")) == (0,)


# ── permissions ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach: pytest's own are its user's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(call: Callable[[], object]) -> str:
    """What a call says in a process that file modes hold for; root's own is none, so there it becomes `nobody`."""
    import fcntl  # noqa: F401  the child may not be able to read it

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "all is well"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            call()
        except LocaltableError as error:
            said = f"{type(error).__name__}: {error.message}"
        except BaseException as error:  # noqa: BLE001  it is to be told, and this process to end here
            said = f"unexpected {error!r}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_read_only_store_is_read_and_not_written(store: Path, open_folder: Path) -> None:
    path = copy_store(store, open_folder / "store.db")
    path.chmod(0o444)
    open_folder.chmod(0o777)
    assert as_nobody(lambda: read_all(path)) == "all is well"
    assert as_nobody(lambda: Store.open(path, write=True)) == f"ConfigError: {path} is read-only"


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_store_in_a_read_only_folder_is_read(store: Path, open_folder: Path, mode: str) -> None:
    path = copy_store(store, open_folder / "store.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    path.chmod(0o444)
    open_folder.chmod(0o555)
    assert as_nobody(lambda: read_all(path)) == "all is well"
    assert [child.name for child in open_folder.iterdir()] == ["store.db"]


def test_a_killed_writer_s_log_in_a_read_only_folder_is_said(store: Path, open_folder: Path) -> None:
    """What the log holds can't be read there, and to pass over it would show an older state."""
    path = open_folder / "store.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE turns SET attempts = 2")
        for name in ("store.db", "store.db-wal"):
            shutil.copyfile(store.with_name(name), open_folder / name)
    for child in open_folder.iterdir():
        child.chmod(0o444)
    open_folder.chmod(0o555)
    assert as_nobody(lambda: read_all(path)).startswith(f"ConfigError: {path} can't be opened")
    open_folder.chmod(0o777)
    with Store.open(path, write=False) as opened:
        assert next(opened.query("SELECT min(attempts) FROM turns")) == (2,)


def test_a_folder_that_can_not_be_written_takes_no_store(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    path = open_folder / "store.db"
    assert as_nobody(lambda: Store.create(path, RUN, suite(1), ["debate"])).startswith(
        f"ConfigError: {path} can't be opened"
    )
    assert (
        as_nobody(lambda: locked(path).__enter__()) == f"ConfigError: {path}.lock can't be written: Permission denied"
    )


def test_a_store_that_can_not_be_read_is_said(store: Path, open_folder: Path) -> None:
    path = copy_store(store, open_folder / "store.db")
    path.chmod(0)
    if os.geteuid() != 0:
        path.chmod(0o200)
    assert as_nobody(lambda: read_all(path)).startswith(f"ConfigError: {path} can't be opened")


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", range(1, 20))
def test_damage_is_found_wherever_it_is(store: Path, place: int) -> None:
    content = bytearray(store.read_bytes())
    start = len(content) * place // 20
    content[start : start + 9000] = random.Random(place).randbytes(min(9000, len(content) - start))
    store.write_bytes(bytes(content))
    try:
        with Store.open(store, write=False) as opened:
            assert next(verify_store(opened), None) is not None
    except StoreError:  # what stands in the way of looking any further
        pass


def test_a_damaged_schema_that_is_not_even_text_is_damage(store: Path) -> None:
    content = store.read_bytes()
    store.write_bytes(content.replace(b"CREATE TABLE turns", b"CREATE \xb3\xb3\xb3LE turns"))
    for call in (lambda: Store.open(store, write=False), lambda: holds_run(store)):
        with pytest.raises(StoreError, match="is damaged"):
            call()


def test_a_damaged_schema_is_damage(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[100:4096] = b"\xff" * 3996
    store.write_bytes(bytes(content))
    for call in (read_all, holds_run, lambda path: Store.open(path, write=True)):
        with pytest.raises(StoreError, match="is damaged") as caught:
            call(store)
        assert caught.value.exit_code == 1


# ── a full disk ─────────────────────────────────────────────────────────────────────────────────────────────


def limit(opened: Store, pages: int) -> None:
    """The disk has room for so many pages more: SQLite's own SQLITE_FULL."""
    (there,) = next(opened.query("PRAGMA page_count"))
    opened._connection.execute(f"PRAGMA max_page_count = {there + pages}")


def record(number: int, text: str, **changes: Any) -> TurnRecord:
    return TurnRecord(1, number, make_turn("Ada", "A", statement=text, **changes), "toy", text, text, (), False)


@pytest.mark.parametrize("num_orders", [0, 300])
def test_a_full_disk_is_an_error_and_keeps_what_was_committed(tmp_path: Path, num_orders: int) -> None:
    """Wherever it is met: with many orders of the options it is at their rows, which are written together."""
    path, committed = tmp_path / "store.db", 0
    shares = {"A": 0.75, "B": 0.25}
    ballot = Ballot("A", shares, orders=(OrderedBallot(("A", "B"), shares),) * num_orders)

    def fill(opened: Store) -> None:
        nonlocal committed
        while True:
            for i in (1, 2, 3):
                opened.add_turn(record(10 * committed + i, f"{committed} {i} " * 300, ballot=ballot))
            opened.commit()
            committed += 1

    with Store.create(path, RUN, [make_question()], ["debate"]) as opened:
        opened.begin_session({})
        limit(opened, 8 + num_orders // 10)
        with pytest.raises(PrerequisiteError, match="can't be written any more") as caught:
            fill(opened)
        assert caught.value.exit_code == 3
        assert "What was committed is kept" in caught.value.hint
    with Store.open(path, write=True) as opened:
        assert committed > 0
        assert opened.counts().turns == opened.counts().ballots == 3 * committed
        opened.begin_session({})
        opened.add_turn(record(999, "there is room again"))
        opened.commit()
        assert opened.counts().turns == 3 * committed + 1


@pytest.mark.parametrize("pages", [1, 5, 9, 13, 17, 21, 25, 29])
def test_a_run_on_a_full_disk_stops_and_goes_on_where_it_stopped(tmp_path: Path, pages: int) -> None:
    panel, questions = table(tmp_path), suite(6)
    path, options = tmp_path / "run.db", RunOptions(home=tmp_path / "home", engine="scripted")
    begin_suite(path, panel, questions, options, SuiteOptions())
    with open_suite(path, options) as opened:
        limit(opened.store, pages)
        with pytest.raises(PrerequisiteError):
            list(opened.run())
    with Store.open(path, write=False) as there:
        assert [found.line() for found in verify_store(there)] == []
    resume(path)
    assert list(exported(path)) == list(exported(hold_suite(tmp_path / "other.db", panel, questions)))


# ── locks and kills ─────────────────────────────────────────────────────────────────────────────────────────

HOLDS = """
import sys
from pathlib import Path
from localtable.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_refused_with_the_first_one_s_number(store: Path, tmp_path: Path) -> None:
    options = RunOptions(home=tmp_path / "home", engine="scripted")
    with holder(store) as process:
        said = f"{store} is being written by process {process.pid}"
        refused(lambda: locked(store).__enter__(), said, StoreError)
        refused(lambda: open_suite(store, options).__enter__(), said, StoreError)
        refused(lambda: begin_suite(store, table(tmp_path), suite(4), options, SuiteOptions()), said, StoreError)
        read_all(store)


def test_a_lock_goes_with_its_process_however_it_ends(store: Path) -> None:
    for end in (signal.SIGKILL, signal.SIGTERM):
        with holder(store) as process:
            os.kill(process.pid, end)
            process.wait()
            with locked(store):
                pass
    with locked(store):
        pass
    with locked(store):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from store_builders import suite
from localtable.store import Run, Store, file, inputs
def kill(*arguments, **keywords):
    os.kill(os.getpid(), signal.SIGKILL)
match sys.argv[1]:
    case "named": file._set_up = kill
    case "migrated": Store._whole_transaction = kill
    case "asked": inputs.insert_run = kill
    case "paired": inputs.insert_debates = kill
Store.create(Path("run.db"), Run("scripted", {}, {}, {}, "argue", "0", {}), suite(3), ["debate"])
"""


@pytest.mark.parametrize("moment", ["touched", "named", "migrated", "asked", "paired"])
def test_a_file_that_a_killed_process_left_is_taken_up(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "run.db"
    if moment == "touched":
        path.touch()
    else:
        command = [sys.executable, "-c", KILLED, moment, str(Path(__file__).parent.parent)]
        ended = subprocess.run(command, cwd=tmp_path, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert path.exists()
    assert not holds_run(path)
    refused(lambda: Store.open(path, write=False), "holds no run")
    hold_suite(path, table(tmp_path), suite(3))
    with Store.open(path, write=False) as opened:
        assert opened.counts().debates["finished"] == 3
        assert list(verify_store(opened)) == []
