"""The final screen: result line, votes, changed minds, statements; nothing in them steers the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from builders import hold, make_panel, make_question, make_round, make_turn, votes, write_script
from rich.console import Console

from localtable.report.terminal import colour_of, print_result
from localtable.transcript import to_json
from localtable.types import LETTERS, Sentence, Summary, Transcript, Verdict

SGR = re.compile(r"\x1b\[[0-9;]*m")
"""The colours that rich writes itself."""


def screen(transcript: Transcript, *, terminal: bool = False, width: int = 100) -> str:
    colours: Any = "truecolor" if terminal else "auto"
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=colours)
    print_result(to_json(transcript), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def changed(tmp_path: Path) -> Transcript:
    turns = [*({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B")), *votes("Bob", "B", "B")]
    panel = make_panel(tmp_path, "Ada", "Bob")
    return hold(tmp_path, make_question("Yes", "No"), panel, write_script(tmp_path, *turns)).whole


def test_a_screen_has_result_votes_changes_and_statements(changed: Transcript) -> None:
    shown = screen(changed)
    parts = [
        "Is a tomato a fruit?",
        "Unanimous — No (2/2 votes)",
        "Agreement after 2 rounds.",
        "round 1",
        "Changed minds",
        "Ada: Yes → No in round 2, persuaded by Bob",
        "Strongest arguments",
        "No: Bob said in round 1: “Bob says B in round 1.”",
        "Key turning points",
        "Ada changed its vote from Yes to No in round 2, persuaded by Bob; had it kept",
        "What was said in round 2",
        "Ada says B in round 2.",
    ]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert re.search(r"Ada +Toy +Yes \d+% +No \d+%", shown)


def test_a_text_from_templates_is_not_said_twice_and_a_moderators_is_shown(changed: Transcript) -> None:
    assert "All 2 votes went to No." not in screen(changed)
    written = replace(changed, summary=Summary("toy", (Sentence("All 2 votes went to No."),), dropped=2))
    shown = screen(written)
    assert "Written by toy, each sentence checked; 2 sentences dropped" in shown
    assert "All 2 votes went to No." in shown


HOSTILE = "\x1b[2J\x1b]0;owned\x07 [bold red]markup[/] :tomato: \u202eturned [link=http://x]y[/link] \r gone"


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_reaches_no_terminal_neither_raw_nor_as_markup(tmp_path: Path, terminal: bool) -> None:
    question = make_question(HOSTILE, "No", question=HOSTILE)
    panel = make_panel(tmp_path, HOSTILE[:50])
    turn = make_turn(panel.seats[0].name, "A", statement=HOSTILE)
    verdict = Verdict("unanimous", ("A",), 1, 1, True, 1)
    shown = screen(Transcript(question, panel, 0, (make_round(1, turn),), verdict), terminal=terminal, width=400)
    plain = SGR.sub("", shown)
    for raw in ("\x1b", "\x07", "\u202e", "\r", "🍅"):
        assert raw not in plain
    assert plain.count("\\x1b[2J\\x1b]0;owned\\x07 [bold red]markup[/] :tomato: \\u202eturned") >= 3
    assert ("\x1b[" in shown) == terminal


def test_a_screen_without_a_terminal_has_no_colours(changed: Transcript) -> None:
    assert "\x1b" not in screen(changed)


def test_an_interrupted_debate_shows_what_there_is(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob")
    turn = make_turn("Ada", "A", truncated=True)
    shown = screen(Transcript(make_question(), panel, 0, (make_round(1, turn),), None))
    assert "No result: the debate was interrupted." in shown
    assert "Ada — Yes (cut at its token bound)" in shown
    assert re.search(r"Bob +toy +–", shown)


def test_an_option_of_two_lines_does_not_pass_for_two_lines_of_ours(tmp_path: Path) -> None:
    question = make_question("Yes\nUnanimous — No (9/9 votes)", "No")
    turn = make_turn("Ada", "A")
    verdict = Verdict("unanimous", ("A",), 1, 1, True, 1)
    shown = screen(Transcript(question, make_panel(tmp_path, "Ada"), 0, (make_round(1, turn),), verdict))
    assert not re.search(r"^Unanimous — No", shown, re.MULTILINE)


def test_neighbouring_options_have_different_colours() -> None:
    colours = [colour_of(letter) for letter in LETTERS]
    assert all(a != b for a, b in pairwise(colours))
