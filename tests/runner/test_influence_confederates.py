"""Influence where confederates sit at the table and confidence is shown: they move readers and read nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, make_panel, write_script
from command_line import run_command
from influence_builders import ALL, BOTH, disagreements, means, measure, note_requests, questions, rows
from store_builders import hold_suite

from localtable.prompts import ByteTokenizer
from localtable.runner.influence import Wanted

SEATS = (
    {"name": "Ada", "model": "toy.yaml"},
    {"name": "Con", "confederate": {"vote": "B", "statement": "It is {option}.", "confidence": "0.7"}},
    {"name": "Bob", "model": "toy.yaml"},
    {"name": "Cat", "confederate": {"vote": "C", "statement": "{option}, clearly."}},
)
SHARES = {"A": 0.5, "B": 0.3, "C": 0.2}
TO_CON = {"follows": {"seat": "Con", "weight": 0.6}, "statement": "As before."}


def held(folder: Path, *turns: dict[str, Any], controls: Sequence[str] = (), **changes: Any) -> Path:
    panel = make_panel(folder, cards=[CARD], seats=list(SEATS), **{"visibility": {"confidence": "shown"}, **changes})
    alone = [deepcopy(turn) for turn in (*turns, {"distribution": SHARES})]  # YAML writes what is shared as an alias
    script = write_script(folder, *alone)
    return hold_suite(folder / "run.db", panel, questions(12), script, controls=controls)


def test_what_a_confederate_does_is_measured_and_nobody_s_on_it(tmp_path: Path) -> None:
    """Ada gives B 0.4 · 0.3 + 0.6 with Con and 0.3 without: 0.42. By statement nothing is moved before it is said."""
    by_statement = {"follows": {"seat": "Con", "weight": 0.6, "how": "by_statement"}}
    path = held(
        tmp_path,
        {"seat": "Ada", "round": 2, "distribution": SHARES, **TO_CON},
        {"seat": "Bob", "round": 2, "distribution": SHARES, **by_statement},
    )
    measure(path, BOTH)
    direct, total = means(path, "direct"), means(path, "total")
    readers = {"Ada": ("Bob", "Cat", "Con"), "Bob": ("Ada", "Cat", "Con")}
    assert set(direct) == set(total) == {(reader, peer) for reader, peers in readers.items() for peer in peers}
    assert direct["Ada", "Con"] == pytest.approx(0.42)
    assert direct["Bob", "Con"] == pytest.approx(0)
    assert total["Ada", "Con"] == total["Bob", "Con"] == pytest.approx(0.42)
    others = [value for found in (direct, total) for (_, peer), value in found.items() if peer != "Con"]
    assert others == pytest.approx([0] * len(others))
    options = rows(path, "SELECT DISTINCT peer, option FROM influences WHERE peer IN ('Con', 'Cat') ORDER BY 1")
    assert options == [("Cat", "C"), ("Con", "B")]
    assert disagreements(path) == []


def test_a_replaced_confederate_says_neither_vote_nor_how_sure_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = held(tmp_path)
    asked = note_requests(monkeypatch)
    measure(path, ALL)
    shown = {
        request.request_id.rpartition("/")[2]: ByteTokenizer().decode(request.prompt_token_ids)
        for request in asked
        if request.origin is not None and (request.origin.seat, request.origin.question_id) == ("Ada", "q0")
    }
    assert set(shown) == {"", "Bob", "Cat", "Con"}
    assert "Con chose: Rome0 (70 % sure)\n> It is Rome0." in shown[""]
    assert "Cat chose: Oslo0 (100 % sure)\n> Oslo0, clearly." in shown[""]
    assert "Con said:\n> I" in shown["Con"]
    assert "(70 % sure)" not in shown["Con"]
    assert "(100 % sure)" in shown["Con"], "one peer at a time"
    assert all(0 <= len(shown[""]) - len(prompt) <= 2 for prompt in shown.values()), "as long as what it replaces"
    assert disagreements(path) == []


def test_being_sure_moves_a_seat_that_minds_it_as_far_as_it_is_shown(tmp_path: Path) -> None:
    """Ada follows nobody unless somebody is 70 % sure: with Con's turn neutral nobody is."""
    minds = {"seat": "Ada", "round": 2, "told": "(70 % sure)", "distribution": SHARES, **TO_CON}
    for seen, due in (("shown", 0.42), ("hidden", 0.0)):
        folder = tmp_path / seen
        folder.mkdir()
        path = held(folder, minds, visibility={"confidence": seen})
        measure(path, ALL)
        assert means(path, "direct")["Ada", "Con"] == pytest.approx(due)


def test_confederates_from_another_question_move_nobody(tmp_path: Path) -> None:
    """What they chose is no option of this one."""
    path = held(tmp_path, {"seat": "Ada", "round": 2, "distribution": SHARES, **TO_CON}, controls=("noise-peers",))
    measure(path, Wanted(everything=True, conditions=("noise-peers",)))
    direct = means(path, "direct")
    assert {peer for _, peer in direct} == {"Ada", "Bob", "Con", "Cat"}
    assert list(direct.values()) == pytest.approx([0] * len(direct))
    assert disagreements(path) == []


def test_confederates_have_a_row_and_no_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = held(tmp_path, {"seat": "Ada", "round": 2, "distribution": SHARES, **TO_CON})
    ended = run_command(capsys, "influence", path, "--all", "--quiet")
    assert ended.code == 0
    by_model, by_seat = ended.out.split("by seat")
    assert [line.split()[0] for line in by_model.splitlines() if "(" in line] == ["toy", "confederate"]
    assert by_seat.split("\n")[0].split() == ["Ada", "Bob"]
    cells = {line.split()[0]: line.split()[1:] for line in by_seat.splitlines() if "(12)" in line}
    assert cells["Con"] == ["+0.420*", "(12)", "+0.000", "(12)"]
    data = json.loads(run_command(capsys, "influence", path, "--all", "--json", "-").out)
    (direct,) = data["conditions"][0]["influence"]
    assert {pair["reader"] for pair in direct["by_seat"]} == {"Ada", "Bob"}
    assert data["conditions"][0]["turns"] == {"later": 24, "moved": 12, "wanted": 24, "measured": 24}
