"""Seeds and orders: distinct where anything differs, the same on every day and machine."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.seeds import derive, request_seed, speaking_order

PARTS: dict[str, Any] = {
    "run_seed": 7,
    "repeat": 0,
    "question_id": "q",
    "seat": "Ada",
    "round_number": 1,
    "step": "statement",
    "sample": 0,
}
OTHERS: dict[str, Any] = {
    "run_seed": 8,
    "repeat": 1,
    "question_id": "r",
    "seat": "Bob",
    "round_number": 2,
    "step": "ballot",
    "sample": 1,
}


def test_seeds_are_what_they_were_in_every_release() -> None:
    assert derive() == 2791083225482613
    assert derive("a", 1) == 1348999927207057
    assert request_seed(**PARTS) == 5781659605456136


def test_orders_are_what_they_were_in_every_release() -> None:
    assert [speaking_order(7, f"q{i}", 0, 5)[0] for i in range(8)] == [0, 1, 1, 2, 2, 0, 1, 0]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_request_makes_another_seed(part: str) -> None:
    assert request_seed(**PARTS) != request_seed(**{**PARTS, part: OTHERS[part]})


def test_no_two_changes_of_a_request_share_a_seed() -> None:
    changes = [{}, *({part: OTHERS[part]} for part in PARTS)]
    changes += [{a: OTHERS[a], b: OTHERS[b]} for a, b in combinations(PARTS, 2)]
    seeds = {request_seed(**{**PARTS, **change}) for change in changes}
    assert len(seeds) == len(changes)


def test_a_run_of_many_requests_has_no_seed_twice() -> None:
    seeds = {
        request_seed(0, repeat, f"q-{question}", f"seat {seat}", number, step)
        for repeat in range(2)
        for question in range(50)
        for seat in range(6)
        for number in (1, 2, 3)
        for step in ("before", "thinking", "statement", "ballot", "persuaded")
    }
    assert len(seeds) == 2 * 50 * 6 * 3 * 5


def test_parts_are_told_apart_where_their_texts_run_together() -> None:
    assert derive("ab", "c") != derive("a", "bc") != derive("abc")
    assert derive(1) != derive("1")


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_a_seed_is_exact_in_every_json_reader(parts: list[str | int]) -> None:
    assert 0 <= derive(*parts) < 2**53
    assert derive(*parts) == derive(*parts)


@given(st.integers(0, 2**53 - 1), st.text(max_size=8), st.integers(0, 99), st.integers(1, 64))
def test_an_order_is_the_panel_s_own_rotated(run_seed: int, question: str, repeat: int, seats: int) -> None:
    order = speaking_order(run_seed, question, repeat, seats)
    assert sorted(order) == list(range(seats))
    assert all((after - before) % seats == 1 % seats for before, after in pairwise(order))


def test_nobody_always_speaks_first() -> None:
    first = [speaking_order(0, f"q-{question}", 0, 4)[0] for question in range(200)]
    counts = [first.count(seat) for seat in range(4)]
    assert min(counts) > 30, counts


@pytest.mark.parametrize("seats", [1, 2, 3, 64])
def test_over_as_many_repeats_as_seats_everybody_speaks_first_once(seats: int) -> None:
    assert {speaking_order(3, "q", repeat, seats)[0] for repeat in range(seats)} == set(range(seats))
