"""`localtable report` and `debate --html` from the command line down, and every way to ask for them wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import write_panel
from command_line import Ended, run_command
from pages import parsed, require_inert
from store_builders import copy_store
from summary_builders import written

from localtable.cli import report
from localtable.transcript import dump


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        return run_command(capsys, *arguments)

    return run


def transcript(folder: Path, **changes: Any) -> Path:
    data = {**written(folder, {"Ada": "AB", "Bob": "BB"}), **changes}
    (folder / "debate.json").write_text(dump(data), "utf-8")
    return folder / "debate.json"


def test_a_transcript_becomes_a_page_and_a_text(command: Any, tmp_path: Path) -> None:
    ended = command("report", transcript(tmp_path), "--html", "out.html", "--markdown", "out.md")
    assert (ended.code, ended.out) == (0, "")
    assert require_inert((tmp_path / "out.html").read_text("utf-8")).one("h1").words == "Is a tomato a fruit?"
    assert (tmp_path / "out.md").read_text("utf-8").startswith("# Is a tomato a fruit?")


def test_a_debate_writes_its_page(command: Any, tmp_path: Path) -> None:
    panel = write_panel(tmp_path, "Ada", "Bob")
    asked = ("debate", "Is it?", "-o", "Yes", "-o", "No", "--engine", "scripted", "--panel", panel)
    assert command(*asked, "--html", "out.html", "--json", "out.json").code == 0
    page = (tmp_path / "out.html").read_text("utf-8")
    assert require_inert(page).one("h1").words == "Is it?"
    assert command("report", "out.json", "--html", "again.html").code == 0
    assert (tmp_path / "again.html").read_text("utf-8") == page


def test_a_store_becomes_one_file(command: Any, tmp_path: Path, example: Path) -> None:
    ended = command("report", example, "--html", "run.html", "--condition", "debate")
    assert ended.code == 0
    assert ended.err == "4 debates: run.html\n"
    page = require_inert((tmp_path / "run.html").read_text("utf-8"), scripts=1)
    assert len(page.all("article", class_="debate")) == 4
    assert list(tmp_path.glob(".*")) == [], "nothing is left beside it"


def test_a_large_run_becomes_a_folder(
    command: Any, tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST_IN_ONE_FILE", 7)
    for _ in range(2):  # what is there is replaced
        ended = command("report", example, "--html", "out")
        assert ended.code == 0
        assert ended.err == f"8 debates: {Path('out') / 'index.html'}\n"
    assert len(list((tmp_path / "out" / "debates").iterdir())) == 8
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "debates").touch()
    refused(command("report", example, "--html", "other"), 3, "debates can't be made")
    refused(command("report", example, "--html", "file"), 2, "is a file, and a run of more than 7 debates")


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────


def refused(ended: Ended, code: int, said: str) -> None:
    assert ended.code == code, ended.err
    assert said in ended.err
    assert ended.out == ""
    first, second = ended.err.splitlines()
    assert first.startswith("Error: ")
    assert second.startswith("  → ")


BAD: list[tuple[str, bytes, str]] = [
    ("empty", b"", "is empty"),
    ("binary", b"\x7fELF\0\0", "is binary"),
    ("damaged", b'{"schema_version": 1, "question": {', "is not valid JSON"),
    ("not a number", b'{"schema_version": NaN}', "NaN is not a JSON value"),
    ("endless", b'{"schema_version": 1e999}', "1e999 is no number"),
    ("half a character", b'{"schema_version": 1, "question": "\\ud800"}', "half of a surrogate pair"),
    ("deep", b"[" * 100_000, "is not valid JSON"),
    ("a list", b"[]", "is no transcript"),
    ("newer", b'{"schema_version": 2}', "is a transcript of version 2; this program reads up to 1"),
    ("older", b'{"schema_version": 0}', "is no transcript"),
    ("no parts", b'{"schema_version": 1}', "'question' is a required property"),
]


@pytest.mark.parametrize(("content", "said"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_what_is_no_transcript_is_refused(command: Any, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    refused(command("report", "bad.json", "--html", "out.html"), 2, said)
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rounds", 0, "turns", 0, "seat"), "Nobody", "round 1: turns of Nobody, Bob"),
        (("rounds", 0, "turns", 0, "seat"), "Bob", "round 1: turns of Bob, Bob"),
        (("rounds", 1, "number"), 1, "has rounds in the order [1, 1]"),
        (("rounds", 0, "tally"), {"Z": 1}, "names option Z; the options are A to C"),
        (("question", "answer"), "D", "names option D"),
        (("rounds", 0, "turns", 0, "previous_vote"), "D", "names option D"),
        (("rounds", 0, "turns", 0, "influence"), [{"peer": "Bob", "option": "D", "direct": 0.1}], "names option D"),
        (("manifest", "import"), [5], "at manifest/import"),
        (("manifest", "timings"), {"seconds": "long"}, "at manifest/timings/seconds"),
        (("manifest", "cost"), {"total": "much"}, "at manifest/cost/total"),
        (("verdict", "options"), ["E"], "names option E"),
        (("panel", "seats", 1, "name"), "Ada", "has two seats of one name"),
        (("rounds", 0, "turns", 0, "ballot", "vote"), "D", "votes D; the options are A to C"),
    ],
)
def test_a_transcript_that_contradicts_itself_is_refused(
    command: Any, tmp_path: Path, path: tuple[str | int, ...], value: Any, said: str
) -> None:
    data = json.loads(transcript(tmp_path).read_text("utf-8"))
    inside = data
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    (tmp_path / "bad.json").write_text(json.dumps(data))
    refused(command("report", "bad.json", "--html", "out.html"), 2, said)


def test_a_bad_command_is_one_plain_message(command: Any, tmp_path: Path, example: Path) -> None:
    debate = transcript(tmp_path)
    store = copy_store(example, tmp_path / "run.db")
    refused(command("report", debate), 2, "no output is named")
    refused(command("report", "none.json", "--html", "out.html"), 2, "none.json does not exist")
    refused(command("report", debate, "--html", "none/out.html"), 2, "does not exist")
    refused(command("report", debate, "--html", "."), 2, "is a folder, not a file")
    refused(command("report", debate, "--html", debate), 2, "is the input itself")
    refused(command("report", debate, "--html", "out", "--markdown", "out"), 2, "is named for two outputs")
    refused(command("report", debate, "--html", "out", "--condition", "debate"), 2, "--condition is for a run")
    for spelt in (store, "run.db", "./run.db", "linked.db"):
        (tmp_path / "linked.db").unlink(missing_ok=True)
        (tmp_path / "linked.db").symlink_to(store)
        refused(command("report", "run.db", "--html", spelt), 2, "is the store itself")
    refused(command("report", store, "--markdown", "out.md"), 2, "--markdown is for a single debate")
    refused(command("report", store, "--html", "out.html", "--condition", "debat"), 2, "debat")
    refused(command("report", store, "--html", "none/out.html"), 2, "does not exist")
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0" + bytes(200))
    assert command("report", "other.db", "--html", "out.html").code in (1, 2)
    assert not (tmp_path / "out.html").exists()


def test_a_page_says_which_conditions_it_is_of(command: Any, tmp_path: Path, mixed: Path) -> None:
    assert command("report", mixed, "--html", "run.html").code == 0
    page = parsed((tmp_path / "run.html").read_text("utf-8"))
    data = json.loads(page.one("script", id="data").text)
    shown = {row[2] for row in data["rows"]}
    assert {"debate", "votes-only", "noise-peers"} < shown
    assert shown == {summary.rpartition(":")[0].removeprefix("Panel of ") for summary in panels(page)}


def panels(page: Any) -> list[str]:
    found = page.one("section", **{"aria-labelledby": "settings"}).all("summary")
    return [summary.words for summary in found if summary.words.startswith("Panel")]
