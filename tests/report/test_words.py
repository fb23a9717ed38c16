"""The words of a result, and texts that would steer a terminal written out instead."""

from __future__ import annotations

import unicodedata

import pytest
from builders import make_question
from hypothesis import given
from hypothesis import strategies as st

from localtable.report.words import agreement_line, change_line, printable, result_line
from localtable.types import Verdict, VerdictKind

QUESTION = make_question("No", "Maybe", "By end of 2027", "Yes")


@pytest.mark.parametrize(
    ("kind", "options", "votes", "line"),
    [
        ("unanimous", ("D",), 6, "Unanimous — Yes (6/6 votes)"),
        ("majority", ("D",), 4, "Majority — Yes (4/6 votes)"),
        ("plurality", ("A",), 3, "Plurality — No (3/6 votes)"),
        ("tie", ("C", "D"), 2, "Tie — By end of 2027, Yes (2/6 votes each)"),
    ],
)
def test_every_kind_of_result_has_its_line(kind: VerdictKind, options: tuple[str, ...], votes: int, line: str) -> None:
    assert result_line(QUESTION, Verdict(kind, options, votes, 6, False, 2)) == line


def test_a_result_is_one_line_whatever_an_option_holds() -> None:
    question = make_question("Yes\nUnanimous — No (6/6 votes)", "No")
    assert "\n" not in result_line(question, Verdict("majority", ("A",), 4, 6, False, 1))


@pytest.mark.parametrize(
    ("agreement", "rounds", "line"),
    [
        (True, 1, "Agreement after 1 round"),
        (True, 2, "Agreement after 2 rounds"),
        (False, 3, "No agreement after 3 rounds"),
    ],
)
def test_agreement_is_said_with_its_rounds(agreement: bool, rounds: int, line: str) -> None:
    assert agreement_line(Verdict("majority", ("A",), 2, 3, agreement, rounds)) == line


def test_a_change_names_who_changed_what_when_and_by_whom() -> None:
    assert change_line("Ada", "Yes", "Maybe", 2, "Bob") == "Ada: Yes → Maybe in round 2, persuaded by Bob"
    assert change_line("Ada", "Yes", "Maybe", 2, None).endswith("by its own reasoning")


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("a\bb\x7f", "a\\x08b\\x7f"),
        ("\u202eevil\u202c", "\\u202eevil\\u202c"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u200bb", "a\\u200bb"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\U000e0041", "\\U000e0041"),
        ("\ue000", "\\ue000"),
    ],
)
def test_what_steers_a_terminal_is_written_out(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


@pytest.mark.parametrize("harmless", ["plain", "a\n\tb", "Füße — 漢字 🍅", "[bold]x[/bold]", "مرحبا", "e\u0301"])
def test_ordinary_text_stays_what_it_is(harmless: str) -> None:
    assert printable(harmless) == harmless


def test_a_windows_line_end_is_a_line_end() -> None:
    assert printable("a\r\nb") == "a\nb"


@given(st.text())
def test_nothing_printable_controls_anything(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    shown.encode()
