"""Debates that were held without a file: kept, listed, shown, opened, cleared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from builders import votes, write_panel, write_script
from command_line import Ended, run_command
from pages import require_inert

from localtable import history
from localtable.cli.debate_files import DebateFiles
from localtable.transcript import check


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Ended:
        return run_command(capsys, *arguments)

    return run


def hold(command: Any, folder: Path, question: str = "Is it?", *more: object) -> Ended:
    panel = write_panel(folder, "Ada", "Bob")
    asked = ("debate", question, "-o", "Yes", "-o", "No", "--engine", "scripted", "--panel", panel, *more)
    ended: Ended = command(*asked)
    return ended


def test_a_debate_without_a_file_is_kept(command: Any, tmp_path: Path) -> None:
    held = hold(command, tmp_path)
    (one,) = history.kept()
    data = json.loads(one.path.read_text("utf-8"))
    check(data, "what was kept")
    assert data["question"]["question"] == "Is it?"
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", one.name)
    shown = command("show", "last")
    assert (shown.code, shown.out) == (0, held.out), "the same screen once more"


def test_the_latest_comes_first_and_names_may_be_begun(command: Any, tmp_path: Path) -> None:
    for name in ("20260101-000000-aaaa", "20260101-000000-bbbb", "20270101-000000-cccc"):
        hold(command, tmp_path, f"Is it {name[-4:]}?")
        (newest,) = (one for one in history.kept() if one.path.stem not in NAMED)
        newest.path.rename(newest.path.with_name(f"{name}.json"))
    listed = command("history")
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "20270101-000000-cccc",
        "20260101-000000-bbbb",
        "20260101-000000-aaaa",
    ]
    assert listed.out.splitlines()[0].endswith("Is it cccc?")
    assert listed.err.startswith(f"3 kept in {history.folder()}, ")
    assert command("history", "list", "--limit", "1").err.count("the latest 1 shown") == 1
    assert command("show", "last").out.startswith("Is it cccc?")
    assert command("show", "20260101-000000-b").out.startswith("Is it bbbb?")
    refused(command("show", "20260101"), "2 kept debates begin with '20260101'")
    refused(command("show", "20270101-000000-cccd"), "no kept debate is called '20270101-000000-cccd'")


def test_what_was_kept_in_one_second_is_in_order_and_what_is_cleared_meanwhile_is_left_out(tmp_path: Path) -> None:
    held = [history.keep({"number": number}) for number in range(12)]
    gone = history.folder() / "20990101-000000-0000.json"
    gone.symlink_to(tmp_path / "nowhere")
    assert [one.path for one in history.kept()] == held[::-1]


NAMED = ("20260101-000000-aaaa", "20260101-000000-bbbb", "20270101-000000-cccc")


def refused(ended: Ended, said: str) -> None:
    assert ended.code == 2
    assert said in ended.err
    assert "  → " in ended.err
    assert ended.out == ""


def test_a_kept_debate_can_be_written_to_files(command: Any, tmp_path: Path) -> None:
    hold(command, tmp_path)
    assert command("show", "last", "--json", "a.json", "--markdown", "a.md", "--html", "a.html").code == 0
    assert (tmp_path / "a.json").read_bytes() == history.find("last").path.read_bytes()
    assert (tmp_path / "a.md").read_text("utf-8").startswith("# Is it?")
    require_inert((tmp_path / "a.html").read_text("utf-8"))
    assert command("show", "last", "--html", "none/a.html").code == 2


def test_open_writes_the_page_and_says_where_it_is(command: Any, tmp_path: Path) -> None:
    hold(command, tmp_path)
    ended = command("open", "last")
    assert ended.code == 0
    page = Path(ended.out.strip())
    assert page == history.find("last").page
    assert require_inert(page.read_text("utf-8")).one("h1").words == "Is it?"
    assert ended.err == "no browser was found here: open that file in one\n"


def test_open_shows_the_page_in_the_browser_that_there_is(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(command, tmp_path)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/shown\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    ended = command("open", "last")
    assert (ended.code, ended.err) == (0, "")
    assert (tmp_path / "shown").read_text() == Path(ended.out.strip()).as_uri()


def test_an_interrupted_debate_is_kept_too(command: Any, tmp_path: Path) -> None:
    script = write_script(
        tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "B"), {"seat": "Bob", "round": 2, "fail": "always"}
    )
    ended = hold(command, tmp_path, "Is it?", "--engine-arg", f"script={script}")
    assert ended.code == 1
    (one,) = history.kept()
    assert json.loads(one.path.read_text("utf-8"))["verdict"] is None
    assert "No result: the debate was interrupted." in command("show", "last").out


@pytest.mark.parametrize("off", ["off", "0", "No", " false "])
def test_the_history_can_be_switched_off(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    monkeypatch.setenv("LOCALTABLE_HISTORY", off)
    assert hold(command, tmp_path).code == 0
    assert history.kept() == []
    assert "LOCALTABLE_HISTORY is off" in command("history").err


def test_clearing_removes_what_it_says(command: Any, tmp_path: Path) -> None:
    for _ in range(3):
        hold(command, tmp_path)
    assert command("open", "last").code == 0
    refused(command("history", "clear"), "what to remove is not said")
    refused(command("history", "clear", "--all", "--keep", "1"), "what to remove is not said")
    latest = history.find("last")
    ended = command("history", "clear", "--keep", "1")
    assert ended.err.startswith("2 removed, ")
    assert history.kept() == [latest]
    assert command("history", "clear", "--all").err.startswith("1 removed, ")
    assert list(history.folder().iterdir()) == [], "its page is gone, too"


def test_without_any_debate_every_command_says_so(command: Any) -> None:
    ended = command("history")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("0 kept in ")
    refused(command("show", "last"), "no debate has been kept yet")
    refused(command("open", "last"), "no debate has been kept yet")
    assert command("history", "clear", "--all").err.startswith("0 removed")


def test_a_damaged_file_spoils_neither_the_list_nor_a_message(command: Any, tmp_path: Path) -> None:
    hold(command, tmp_path)
    (history.folder() / "20250101-000000-dddd.json").write_text('{"schema_version": \x1b[31m')
    ended = command("history")
    assert ended.code == 0
    assert "20250101-000000-dddd  damaged  " in ended.out
    assert "Is it?" in ended.out
    refused(command("show", "2025"), "is not valid JSON")
    refused(command("open", "2025"), "is not valid JSON")


def test_a_history_that_can_not_be_written_takes_nothing_from_the_result(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.folder().parent.mkdir(parents=True, exist_ok=True)
    history.folder().write_text("in the way")
    ended = hold(command, tmp_path)
    assert ended.code == 0
    assert "Is it?" in ended.out
    assert "not kept in the history: " in ended.err


def test_a_debate_is_kept_whose_file_can_not_be_written_after_all(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    checked = DebateFiles.require_writable

    def gone_since(files: DebateFiles, *taken: Path) -> None:
        checked(files, *taken)
        if files.json == out / "a.json.partial":
            out.rmdir()

    monkeypatch.setattr(DebateFiles, "require_writable", gone_since)
    ended = hold(command, tmp_path, "Is it?", "--json", out / "a.json")
    assert ended.code == 3
    assert "a.json can't be written" in ended.err
    assert command("show", "last").out.startswith("Is it?")
