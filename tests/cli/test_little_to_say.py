"""Stores of which little can be said, sweeps among them: every command that reads one says what it can, and no NaN."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import make_panel, make_question, votes, write_script
from command_line import run_command
from store_builders import NAMED, hold_suite
from sweep_builders import hold_sweep, write_sweep

PRIMARY = [{"metric": "majority_accuracy", "factor": "rounds", "levels": ["3", "2"]}]


def sweep(folder: Path, *, stop_after: int | None = None, script: Path | None = None) -> Path:
    file = write_sweep(folder, controls=["solo-revise"], primary=PRIMARY)
    arguments = {"engine_arguments": {"script": str(script)}} if script else {}
    return hold_sweep(folder / "run.db", file, stop_after=stop_after, **arguments)


def one_question(folder: Path) -> Path:
    panel = make_panel(folder, "Ada", "Bob", cards=NAMED)
    question = make_question("Yes", "No", answer="A")
    return hold_suite(folder / "run.db", panel, [question], controls=("solo-revise", "self-consistency"))


def all_alike(folder: Path) -> Path:
    script = write_script(folder, *votes("Ada", "A", "A", "A"), *votes("Bob", "A", "A", "A"))
    return sweep(folder, script=script)


STORES: dict[str, Callable[[Path], Path]] = {
    "an empty sweep": lambda folder: sweep(folder, stop_after=0),
    "a running sweep": lambda folder: sweep(folder, stop_after=21),
    "a sweep that failed": lambda folder: sweep(
        folder, script=write_script(folder, {"round": 2, "seat": "Bob", "fail": "always"})
    ),
    "a sweep in which nothing varies": all_alike,
    "one question": one_question,
}
COMMANDS = (
    ("analyze", "{}"),
    ("analyze", "{}", "--by", "model", "--by", "agreement", "--family", "outcome", "--family", "calibration"),
    ("analyze", "{}", "--json", "-"),
    ("analyze", "{}", "--explain", "auroc", "--explain", "ece"),
    ("methods", "{}"),
    ("tally", "{}"),
    ("tally", "{}", "--json", "-"),
)


@pytest.mark.parametrize("name", STORES)
def test_every_command_says_what_can_be_said_and_no_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = STORES[name](tmp_path)
    for command in COMMANDS:
        ended = run_command(capsys, *(word.format(path) for word in command))
        assert ended.code == 0, (command, ended.err)
        assert ended.out.strip(), command
        found = re.search(r"\b([Nn]a[Nn]|inf|Infinity|None)\b", ended.out + ended.err)
        assert found is None, (command, ended.out[found.start() - 80 : found.end() + 40])


def test_an_empty_sweep_names_what_it_was_for_and_why_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sweep(tmp_path, stop_after=0)
    shown = run_command(capsys, "analyze", path).out
    answer = shown.split("\nWhat the sweep is for\n")[1].split("\n\n")[0]
    assert "Primary contrast of the sweep, not tested: majority_accuracy: rounds 3 − rounds 2: no two" in answer
    assert "No primary comparison could be made." in shown
    data = json.loads(run_command(capsys, "analyze", path, "--json", "-").out)
    assert data["tests"] == []
    assert all(metric["reason"] for metric in data["metrics"] if metric["value"] is None)
