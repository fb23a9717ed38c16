"""The command as a process: signals, pipes, terminals, and errors that are never tracebacks."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, write_panel, write_script

from localtable.cli.main import COMMANDS, run
from localtable.transcript import check

PROGRAM = (sys.executable, "-m", "localtable.cli.main")
WAIT_S = 60


def debate(folder: Path, *arguments: str, delay_s: float = 0.0, turns: Any = (), **panel: Any) -> list[str]:
    """A command line for a debate of two seats that never agree, over ten rounds."""
    file = write_panel(folder, "Ada", "Bob", **{"rounds": "10", "stop": {"when": "never"}, **panel})
    script = write_script(folder, *turns, delay_s=delay_s)
    asked = ("debate", "Is it?", "-o", "Yes", "-o", "No", "--panel", str(file), "--engine", "scripted")
    return [*PROGRAM, *asked, "--engine-arg", f"script={script}", *arguments]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test starts; whatever it does, none is left."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(command: list[str], processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    processes.append(process)
    return process


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"it ended without a word of {words!r}")


def gone(process: subprocess.Popen[str]) -> bool:
    """Whether nothing of the process's own session is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_the_first_signal_ends_cleanly_with_what_is_done(
    tmp_path: Path, processes: list[subprocess.Popen[str]], number: signal.Signals
) -> None:
    command = debate(tmp_path, "--json", str(tmp_path / "out.json"), delay_s=0.2)
    process = start(command, processes)
    read_until(process, "round 1 closed")
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert out == ""
    assert "stopping" in err
    assert "what was finished is in" in err
    assert "Error: interrupted" in err
    assert "Traceback" not in err
    data = json.loads((tmp_path / "out.json.partial").read_text())
    check(data, "out.json.partial")
    assert 1 <= len(data["rounds"]) < 10
    assert {turn["seat"] for turn in data["rounds"][0]["turns"]} == {"Ada", "Bob"}
    assert data["manifest"]["interrupted"] is True
    assert not (tmp_path / "out.json").exists()
    assert not list(tmp_path.glob(".*"))
    assert gone(process)


def test_the_second_signal_ends_at_once_and_leaves_no_process(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(debate(tmp_path, "--json", str(tmp_path / "out.json"), delay_s=600), processes)
    read_until(process, "toy ready")
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "Traceback" not in err
    assert gone(process)
    assert not list(tmp_path.glob("*out.json*"))


# ── terminals and pipes ─────────────────────────────────────────────────────────────────────────────────────


def in_a_terminal(command: list[str], *, signals: int = 0) -> tuple[int, str]:
    """Run a command whose stdout and stderr are a terminal; give it so many Ctrl-C once it shows something."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, start_new_session=True
    )
    os.close(child)
    shown = b""
    deadline = time.monotonic() + WAIT_S
    try:
        while select.select([parent], [], [], max(deadline - time.monotonic(), 0))[0]:
            try:
                part = os.read(parent, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
            if signals and (b"waiting" in shown if signals == 2 else b"stopping" in shown):
                process.send_signal(signal.SIGINT)
                signals -= 1
        return process.wait(WAIT_S), shown.decode(errors="replace")
    finally:
        os.close(parent)
        if process.poll() is None:
            process.kill()
            process.wait()


HOSTILE = "\x1b]0;owned\x07[blink]streamed[/blink] \u202eword by word"


def test_a_live_screen_streams_statements_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    turns = [{"statement": HOSTILE, "vote": "A"}]
    code, shown = in_a_terminal(debate(tmp_path, delay_s=0.03, turns=turns, rounds="1"))
    assert code == 0
    assert "is speaking" in shown
    assert "Unanimous — Yes (2/2 votes)" in shown
    assert "\\x1b]0;owned\\x07[blink]streamed[/blink] \\u202eword by word" in shown
    assert "\x1b]0;owned" not in shown
    assert "\u202e" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"


def test_two_signals_leave_the_terminal_with_its_cursor(tmp_path: Path) -> None:
    code, shown = in_a_terminal(debate(tmp_path, delay_s=600), signals=2)
    assert code == 130
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"


def test_a_reader_that_has_seen_enough_gets_no_traceback(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    cards = [{**CARD, "context_length": "9000000"}]
    turns = [{"statement": "A long line of words. " * 20_000, "vote": "A"}]
    command = debate(tmp_path, turns=turns, cards=cards, rounds="1", sampling={"max_tokens": "500000"})
    process = start(command, processes)
    assert process.stdout is not None
    assert process.stdout.readline() == "Is it?\n"
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(WAIT_S)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">/dev/full"])
def test_a_stream_that_is_closed_or_full_gets_no_traceback(tmp_path: Path, redirection: str, unbuffered: str) -> None:
    command = " ".join(debate(tmp_path, "--json", str(tmp_path / "out.json"), rounds="1"))
    command = command.replace("Is it?", "'Is it?'")
    ended = subprocess.run(
        ["bash", "-c", f"{command} {redirection}"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert (tmp_path / "out.json").exists(), "the file was asked for, and is there whatever the screen does"
    if redirection == ">/dev/full":
        assert ended.returncode == 3
        assert "can't be written" in ended.stderr
        assert "No space left on device" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr


def test_a_terminal_without_a_dash_still_gets_its_result(tmp_path: Path) -> None:
    command = debate(tmp_path, turns=[{"vote": "A", "statement": "naïve 漢字"}], rounds="1")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WAIT_S, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Unanimous \\u2014 Yes (2/2 votes)" in ended.stdout
    assert "na\\xefve" in ended.stdout


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_debug_shows_where_an_error_came_from_wherever_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ("debate", "q.yaml", "--engine", "scripted", "--panel", str(tmp_path / "none.yaml"))
    for arguments in (("--debug", *bad), (*bad, "--debug")):
        assert run(arguments) == 2
        err = capsys.readouterr().err
        assert "Traceback (most recent call last)" in err
        assert "Error: " in err
    assert run(bad) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_defect_is_told_as_one_line_that_asks_for_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A home that is a file breaks what no check foresees.
    (tmp_path / "home").write_text("")
    monkeypatch.setitem(COMMANDS, "no_such_module", "")
    assert run(["no_such_module"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: unexpected ModuleNotFoundError: ")
    assert "--debug" in err
    assert "Traceback" not in err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert name in out
        assert line in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"localtable {name}" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    from localtable import __version__

    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_no_command_at_all_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert "debate" in captured.out + captured.err
