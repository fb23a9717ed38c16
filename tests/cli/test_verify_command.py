"""`localtable verify` from the command line down: what is said where, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Ended, run_command
from store_builders import alter, copy_store, hold_suite, suite, table

from localtable.cli.main import run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return copy_store(hold_suite(folder / "run.db", table(folder), suite(6)), folder / "copy.db")


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return copy_store(whole, tmp_path / "store.db")


def verify(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    return run_command(capsys, "verify", *arguments)


@pytest.mark.parametrize("options", [(), ("--prompts",)])
def test_a_clean_store_is_said_on_stderr_and_nothing_on_stdout(
    store: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    before = store.read_bytes()
    ended = verify(capsys, store, *options)
    assert ended == (0, "", f"{store}: 6 debates, 54 turns: no disagreement\n")
    assert store.read_bytes() == before


def test_each_disagreement_is_a_line_and_the_code_is_1(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter(
        store,
        "UPDATE debates SET votes = 9 WHERE id = 2",
        "UPDATE turns SET attempts = 2 WHERE debate = 3 AND round = 1 AND seat = 'Ada'",
    )
    ended = verify(capsys, store)
    assert ended.code == 1
    verdict, attempts = ended.out.splitlines()
    assert verdict.startswith('debate 2 (q-1, debate, 0): verdict says {"kind": ')
    assert '"votes": 9' in verdict
    assert ', the votes say {"kind": ' in verdict
    assert attempts == "debate 3 (q-2, debate, 0), round 1, Ada: attempts says 2, the steps say 1"
    assert ended.err == f"{store}: 6 debates, 54 turns: 2 disagreements\n"


def test_json_is_an_array_of_where_what_stored_and_derived(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(verify(capsys, store, "--json").out) == []
    alter(store, "UPDATE turns SET attempts = 2 WHERE id = 1", "UPDATE texts SET sha256 = x'00' WHERE id = 1")
    ended = verify(capsys, store, "--json")
    assert ended.code == 1
    text, attempts = json.loads(ended.out)
    assert (text["where"], text["what"], text["stored"]) == ("text 1", "sha256", "00")
    assert len(text["derived"]) == 64
    assert list(attempts) == ["where", "what", "stored", "derived"]
    assert (attempts["what"], attempts["stored"], attempts["derived"]) == ("attempts", 2, 1)


def test_hostile_text_steers_no_terminal(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE questions SET name = ? WHERE id = 2", ("\x1b[2J\u202e\nq: state says fine",))
        connection.execute("UPDATE debates SET reason = 'x' WHERE id = 2")
    ended = verify(capsys, store)
    assert ended.code == 1
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
    assert not any(line.startswith("q: state") for line in ended.out.splitlines())
    json.loads(verify(capsys, store, "--json").out)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.db", None, "does not exist"),
        ("folder", None, "does not exist"),
        ("text.db", b"This is a text and no database, whatever it is called.\n" * 20, "is no store"),
        ("short.db", b"short", "is no store"),
        ("empty.db", b"", "holds no run"),
    ],
)
def test_what_is_no_store_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, said: str
) -> None:
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ended = verify(capsys, tmp_path / name)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err
    assert "  → " in ended.err


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-that-name/store.db", "/proc/1/mem", "/dev/null"])
def test_what_can_be_no_store_is_bad_input(capsys: pytest.CaptureFixture[str], name: str) -> None:
    for command in (["verify", name], ["merge", name, "--store", "all.db"], ["merge", "none.db", "--store", name]):
        assert run(command) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("Error: ")
        assert "  → " in captured.err


def test_a_newer_version_is_bad_input(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter(store, "PRAGMA user_version = 999")
    ended = verify(capsys, store)
    assert (ended.code, ended.out) == (2, "")
    assert "is a store of version 999" in ended.err
    assert "Update localtable." in ended.err


@pytest.mark.parametrize("options", [(), ("--json",), ("--prompts",)])
@pytest.mark.parametrize("place", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
def test_a_damaged_file_is_an_error_or_a_disagreement(
    store: Path, capsys: pytest.CaptureFixture[str], place: float, options: tuple[str, ...]
) -> None:
    content = bytearray(store.read_bytes())
    start = max(int(len(content) * place), 4096)
    content[start : start + 6000] = b"\xa5" * min(6000, len(content) - start)
    store.write_bytes(bytes(content))
    ended = verify(capsys, store, *options)
    assert ended.code == 1
    assert "unexpected" not in ended.err
    if options == ("--json",) and ended.out:
        assert json.loads(ended.out)
    assert ended.out or ended.err.startswith("Error: ")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_an_error_or_a_disagreement(
    store: Path, capsys: pytest.CaptureFixture[str], share: float
) -> None:
    content = store.read_bytes()
    store.write_bytes(content[: int(len(content) * share)])
    ended = verify(capsys, store)
    assert ended.code == 1
    assert "unexpected" not in ended.err


def test_every_byte_of_a_run_counts_little_for_its_reader(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Single bytes flipped all over the file: whatever comes of it, it is said in the program's own words."""
    content = store.read_bytes()
    for start in range(100, len(content), max(len(content) // 40, 1)):
        changed = bytearray(content)
        changed[start] ^= 0xFF
        store.write_bytes(bytes(changed))
        ended = verify(capsys, store)
        assert ended.code in (0, 1, 2), start
        assert "unexpected" not in ended.err, start
