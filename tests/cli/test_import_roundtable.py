"""`localtable import roundtable`: what it writes, what it says on stderr, what it refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Command, Ended, run_command

from localtable.transcript import check
from tests.roundtable.copied_pages import LUNCH, TEA, render


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in a folder with a page in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.txt").write_text(render(LUNCH), "utf-8")

    def command(*arguments: str | Path) -> Ended:
        return run_command(capsys, "import", "roundtable", *arguments)

    return command


def test_a_page_becomes_a_transcript(imported: Command) -> None:
    ended = imported("page.txt", "--json", "out.json")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines() == [
        "page.txt: debate, 4 models, 3 options, 1 changed their mind",
        "  the page says: Plurality — Daily (2/4 votes)",
        "  by its votes:  Plurality — Daily (2/4 votes)",
    ]
    data = json.loads(Path("out.json").read_text("utf-8"))
    check(data, "the file")
    about = data["manifest"]["import"]
    assert about["sha256"] == hashlib.sha256(Path("page.txt").read_bytes()).hexdigest()
    assert about["file"] == "page.txt"


def test_a_dash_writes_to_stdout(imported: Command) -> None:
    ended = imported("page.txt", "--json", "-")
    assert json.loads(ended.out)["source"] == "import"


def test_an_open_debate_has_no_verdict_and_notes_are_said(imported: Command) -> None:
    Path("tea.txt").write_text(f"Sign in\n{render(replace(TEA, summary=('So it ended.',)))}", "utf-8")
    result = "Answer: Tea is for company. (1 of 2 models agreed on talk.) Counterpoint: It wakes people up."
    assert imported("tea.txt", "--json", "tea.json").err.splitlines() == [
        "tea.txt: open debate, 2 models, 1 changed their mind",
        f"  the page says: {result}",
        "  note: in no part of the page: lines 1 'Sign in'",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "page.txt is empty"),
        (b"\x7fELF\0\0", "is binary, not text"),
        (b"Options\xff\xfe", "is not UTF-8 text"),
        (b"x" * (4 * 1024 * 1024 + 1), "has more than 4,194,304 bytes"),
        (b"Dear diary", "line 1: 'Dear diary': neither here nor below is anything of a roundtable's page"),
        (render(LUNCH).split("Model")[0].encode(), "there is no line 'Model Responses'"),
    ],
)
def test_what_is_no_page_is_refused_and_nothing_is_written(imported: Command, content: bytes, said: str) -> None:
    Path("page.txt").write_bytes(content)
    ended = imported("page.txt", "--json", "out.json")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "→" in ended.err
    assert not Path("out.json").exists()


def test_a_page_is_never_overwritten_by_its_transcript(imported: Command) -> None:
    ended = imported("page.txt", "--json", "page.txt")
    assert ended.code == 2
    assert "is the page itself" in ended.err
    assert Path("page.txt").read_text("utf-8") == render(LUNCH)


@pytest.mark.parametrize(("out", "said"), [("no/out.json", "does not exist"), (".", "is a folder")])
def test_a_place_that_can_not_be_written_is_said_before_anything_is_read(
    imported: Command, out: str, said: str
) -> None:
    ended = imported("missing.txt", "--json", out)
    assert ended.code == 2
    assert said in ended.err


def test_names_on_a_page_can_not_steer_the_terminal(imported: Command) -> None:
    Path("page.txt").write_text(render(LUNCH).replace("(2/4 votes)", "\x1b[31m(2/4 votes)"), "utf-8")
    assert "\x1b" not in imported("page.txt", "--json", "out.json").err
