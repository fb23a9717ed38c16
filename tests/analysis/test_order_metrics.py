"""Ballots asked in several orders: what flips, before and after pooling, and which slot is loved."""

from __future__ import annotations

import json
import sqlite3
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analyzed_stores import analysis_of, finding, value
from builders import make_panel, make_question, write_script
from store_builders import hold_suite

from localtable.analysis.findings import Analysis
from localtable.analysis.statistics.option_order import permutation_consistency

OPTIONS = ("Paris", "Rome", "Oslo", "Bern")


def ordered(folder: Path, *turns: dict[str, Any], orders: Any = "all_rotations", **ballot: Any) -> Path:
    questions = [
        make_question(*OPTIONS, id=f"q{i}", question=f"Which one is {i}?", answer="ABCD"[i % 4]) for i in range(12)
    ]
    panel = make_panel(folder, "Ada", "Bob", rounds=1, ballot={"orders": orders, **ballot})
    return hold_suite(folder / "run.db", panel, questions, write_script(folder, *turns))


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Ada loves the letter A, Bob is sure of Rome."""
    sure = {"A": 0.1, "B": 0.7, "C": 0.1, "D": 0.1}
    path = ordered(tmp_path_factory.mktemp("letters"), {"seat": "Ada", "label": "A"}, {"distribution": sure})
    return analysis_of(path, by=["seat"])


def test_who_loves_a_letter_flips_with_every_order(letters: Analysis) -> None:
    assert value(letters, "permutation_consistency", seat="Ada") == 0
    assert value(letters, "order_flip_rate", pooled="none", seat="Ada") == 1
    assert value(letters, "order_flip_rate", pooled="none", seat="Bob") == 0
    assert value(letters, "order_flip_rate", pooled="halves", seat="Bob") == 0
    assert value(letters, "order_flip_rate", pooled="none") == pytest.approx(0.5)
    assert value(letters, "permutation_consistency") == pytest.approx(0.5)


def test_an_order_can_be_found_for_and_against_who_loves_a_letter(letters: Analysis) -> None:
    assert value(letters, "order_gap", seat="Ada") == 1, "each option stands once under A"
    assert value(letters, "order_gap", seat="Bob") == 0
    assert value(letters, "order_gap", round=1) == pytest.approx(0.5)


def test_the_loved_slot_is_chosen_more_often(letters: Analysis) -> None:
    assert value(letters, "slot_bias", slot=1, seat="Ada") == pytest.approx(0.75)
    assert value(letters, "slot_bias", slot=2, seat="Ada") == pytest.approx(-0.25)
    # Over all rotations Rome stands once at each slot.
    assert [value(letters, "slot_bias", slot=slot, seat="Bob") for slot in (1, 2, 3, 4)] == pytest.approx([0] * 4)


def test_in_the_questions_own_order_a_letter_is_loved_too(letters: Analysis) -> None:
    own = finding(letters, "recall_spread", orders="own", seat="Ada")
    assert own.estimate.value == pytest.approx((3 / 16) ** 0.5)  # recall 1 for A, 0 for B, C and D
    assert value(letters, "letter_bias", letter="B", round=1, seat="Bob") == pytest.approx(0.75)


def test_flips_of_random_ballots_by_hand(tmp_path: Path) -> None:
    path = ordered(tmp_path, orders="all_rotations")
    analysis = analysis_of(path)
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT turn, distribution FROM ballot_orders ORDER BY turn, number").fetchall()
        asked = """SELECT turns.id, questions.answer FROM turns JOIN debates ON debates.id = turns.debate
                   JOIN questions ON questions.id = debates.question"""
        answers = dict(connection.execute(asked).fetchall())
    by_turn: dict[int, list[dict[str, float]]] = {}
    for turn, text in rows:
        by_turn.setdefault(turn, []).append(json.loads(text))

    def mode(*answers: dict[str, float]) -> str:
        return max("ABCD", key=lambda letter: sum(answer[letter] for answer in answers))

    def share(flips: list[bool]) -> float:
        return sum(flips) / len(flips)

    ballots = list(by_turn.values())
    assert len(ballots) == 24
    flips = [mode(a) != mode(b) for ballot in ballots for a, b in combinations(ballot, 2)]
    assert value(analysis, "order_flip_rate", pooled="none") == pytest.approx(share(flips))
    assert value(analysis, "permutation_consistency") == pytest.approx(1 - share(flips))
    right = [[mode(answer) == answers[turn] for answer in ballot] for turn, ballot in by_turn.items()]
    assert value(analysis, "order_gap") == pytest.approx(share([any(own) and not all(own) for own in right]))
    halves = [mode(*ballot[::2]) != mode(*ballot[1::2]) for ballot in ballots]
    assert value(analysis, "order_flip_rate", pooled="halves") == pytest.approx(share(halves))
    left_out = [
        mode(*ballot) != mode(*(a for place, a in enumerate(ballot) if place != out))
        for ballot in ballots
        for out in range(4)
    ]
    assert value(analysis, "order_flip_rate", pooled="all but one") == pytest.approx(share(left_out))
    moved = [mode(*ballot) != mode(ballot[0]) for ballot in ballots]
    assert value(analysis, "pooling_change_rate") == pytest.approx(share(moved))


def test_fewer_orders_than_options_are_told(tmp_path: Path) -> None:
    analysis = analysis_of(ordered(tmp_path, orders=2))
    assert any("24 of 24 ballots were asked in fewer orders than they have options" in note for note in analysis.notes)


def test_a_geometric_pool_is_pooled_as_the_panel_says(tmp_path: Path) -> None:
    for pool in ("arithmetic", "geometric"):
        (tmp_path / pool).mkdir()
        path = ordered(tmp_path / pool, pool=pool)
        analysis = analysis_of(path)
        # The pool of all orders has the vote that was stored: its distance from the first order's is what was stored.
        with sqlite3.connect(path) as connection:
            (moved,) = connection.execute(
                "SELECT avg(ballots.vote <> (SELECT key FROM json_each(o.distribution) ORDER BY value DESC LIMIT 1))"
                " FROM ballots JOIN ballot_orders AS o ON o.turn = ballots.turn AND o.number = 0"
            ).fetchone()
        assert value(analysis, "pooling_change_rate") == pytest.approx(moved)


def test_one_order_says_nothing_of_orders(tmp_path: Path) -> None:
    analysis = analysis_of(ordered(tmp_path, orders=1))
    for name in ("order_flip_rate", "permutation_consistency", "order_gap", "slot_bias", "pooling_change_rate"):
        missing = finding(analysis, name).estimate
        assert missing.value is None
        assert missing.reason == "every ballot was asked in one order (ballot: {orders: k} asks k)"
    assert value(analysis, "letter_bias", letter="A", round=1) is not None


def test_two_orders_agree_as_the_statistic_has_it() -> None:
    votes = np.array([[0, 0, 1], [1, 1, 1]])
    assert permutation_consistency(votes).sums.sum(axis=0).tolist() == pytest.approx([4 / 3, 2])


def test_the_pool_of_a_ballot_without_a_distribution_is_that_of_votes(tmp_path: Path) -> None:
    path = ordered(tmp_path, {"distribution": {"A": 0.7, "B": 0.1, "C": 0.1, "D": 0.1}})
    weak, sure = ({"A": 0.4, "B": 0.3, "C": 0.2, "D": 0.1}, {"A": 0.0, "B": 1.0, "C": 0.0, "D": 0.0})
    with sqlite3.connect(path) as store:
        store.execute("UPDATE ballots SET source = 'structured', distribution = 'null'")
        store.execute("UPDATE ballot_orders SET distribution = ?", (json.dumps(weak),))
        store.execute("UPDATE ballot_orders SET distribution = ? WHERE number = 3", (json.dumps(sure),))
    analysis = analysis_of(path)
    assert value(analysis, "pooling_change_rate", round=1) == 0, "three of four orders vote for A"
