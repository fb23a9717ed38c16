"""The persuasion matrix on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from localtable.analysis.influence import Claims, Measurement, pairs
from localtable.report.influence import MAX_COLUMNS, print_influence


def printed(names: list[str], claims: Claims = Claims(0, 0.0, None), value: float = 0.25) -> str:  # noqa: B008
    rows = [
        Measurement(number * 100 + i, number, reader, "m", peer, "m", "direct", value, None)
        for number in range(8)
        for i, reader in enumerate(names)
        for peer in names
        if peer != reader
    ]
    out = io.StringIO()
    console = Console(file=out, width=100, highlight=False)
    print_influence("debate", "direct", [("seat", names, pairs(rows, "direct", "seat", names))], claims, console)
    return out.getvalue()


def test_rows_are_who_was_read_and_columns_who_read() -> None:
    lines = printed(["Ada", "Bob"]).splitlines()
    assert lines[0] == "debate, direct influence: what reading a peer does to the vote before anything is said"
    assert [line.split() for line in lines[1:4]] == [
        ["by", "seat", "Ada", "Bob"],
        ["Ada", "–", "+0.250*", "(8)"],
        ["Bob", "+0.250*", "(8)", "–"],
    ]
    assert lines[-1] == "persuaded_by: no measured turn changed its vote and named a peer"


def test_what_is_not_significant_has_no_star() -> None:
    assert "+0.000 (8)" in printed(["Ada", "Bob"], value=0.0)


def test_a_wide_matrix_is_left_to_the_json() -> None:
    names = [f"s{i}" for i in range(MAX_COLUMNS + 1)]
    assert "by seat: too wide for a table; --json has it" in printed(names)


@pytest.mark.parametrize(("n", "agreeing", "said"), [(4, 2.5, "2.5 of 4 measured turns"), (9, 3.0, "3 of 9 measured")])
def test_claims_stand_beside_what_a_peer_at_random_would_reach(n: int, agreeing: float, said: str) -> None:
    text = printed(["Ada", "Bob"], Claims(n, agreeing, 1 / 3))
    assert said in text
    assert "a peer at random: 33%" in text


def test_no_name_steers_the_terminal() -> None:
    assert "\x1b[31m" not in printed(["Ada\x1b[31m", "Bob\nX"])
