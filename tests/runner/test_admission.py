"""The budget of an engine's cache: never charged below what is really there, and empty when all is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtable.engines.base import EngineInfo
from localtable.runner.admission import AHEAD, Budget, common_prefix

BLOCK = 4
Name = tuple[int, int]
"""A turn: its group, and its place in it."""


def engine(blocks: int | None, *, rows: int = 64, block_size: int = BLOCK) -> EngineInfo:
    size = None if blocks is None else block_size
    return EngineInfo("scripted", "cpu", "float32", 4096, rows, blocks, size, None, None, {}, {})


@dataclass
class Cache:
    """What a cache with prefix sharing really holds, counted block by block."""

    turns: dict[Name, tuple[tuple[int, ...], int]] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        prefixes = set()
        own = 0
        for (group, _), (prompt, reserved) in self.turns.items():
            whole = len(prompt) // BLOCK
            prefixes |= {(group, prompt[: BLOCK * (i + 1)]) for i in range(whole)}
            own += -(-(len(prompt) + reserved) // BLOCK) - whole
        return len(prefixes) + own


def admit(budget: Budget, cache: Cache, name: Name, prompt: tuple[int, ...], reserved: int) -> bool:
    admitted = budget.admit(name[0], name, prompt, lambda: reserved)
    if admitted:
        cache.turns[name] = (prompt, reserved)
    return admitted


def free(budget: Budget, cache: Cache, name: Name) -> None:
    budget.release(name[0], name)
    cache.turns.pop(name, None)


ids = st.lists(st.integers(0, 1), max_size=14).map(tuple)
turns = st.tuples(
    st.booleans(),
    st.tuples(st.integers(0, 2), st.integers(0, 4)),
    # Prompts of three families: what begins alike shares blocks, what doesn't shares none.
    st.tuples(st.integers(0, 2), st.integers(0, 5), ids).map(lambda p: (p[0],) * BLOCK * p[1] + p[2]),
    st.integers(0, 12),
)


@given(st.lists(turns, max_size=40), st.integers(1, 60))
def test_the_charge_is_never_below_what_is_there_and_ends_at_nothing(
    steps: Sequence[tuple[bool, Name, tuple[int, ...], int]], blocks: int
) -> None:
    budget, cache = Budget(engine(blocks)), Cache()
    for take, name, prompt, reserved in steps:
        alone = not cache.turns
        if take and name not in cache.turns:
            admitted = admit(budget, cache, name, prompt, reserved)
            assert admitted or not alone, "one alone always fits"
        else:
            free(budget, cache, name)
        assert cache.blocks <= budget._charged
        assert budget._charged <= blocks or len(cache.turns) == 1
    for name in list(cache.turns):
        free(budget, cache, name)
    assert (budget._charged, budget._groups) == (0, {})


def test_a_group_s_new_first_turn_shares_what_it_has_itself_not_what_the_gone_one_had() -> None:
    budget, cache = Budget(engine(100)), Cache()
    assert admit(budget, cache, (0, 0), (1,) * 40, 0)
    assert admit(budget, cache, (0, 1), (2,) * 8, 0)
    free(budget, cache, (0, 0))
    assert admit(budget, cache, (0, 2), (1,) * 40, 0)
    assert budget._charged >= cache.blocks == 12


def test_seats_of_a_question_are_charged_for_their_common_prefix_once() -> None:
    budget, cache = Budget(engine(100)), Cache()
    for seat in range(5):
        assert admit(budget, cache, (0, seat), (7,) * 40 + (seat,), 7)
    assert budget._charged == cache.blocks == 10 + 5 * 2
    apart = Budget(engine(100))
    assert [apart.admit(seat, seat, (7,) * 40 + (seat,), lambda: 7) for seat in range(10)] == [True] * 8 + [False] * 2


def test_what_does_not_fit_waits_until_something_is_over_and_changes_nothing() -> None:
    budget = Budget(engine(10))
    assert budget.admit("a", 1, (1,) * 20, lambda: 0)
    assert not budget.admit("b", 1, (2,) * 21, lambda: 0)
    assert budget._charged == 5
    assert budget.admit("b", 1, (2,) * 20, lambda: 0)
    assert not budget.admit("c", 1, (3,), lambda: 0)
    budget.release("a", 1)
    assert budget.admit("c", 1, (3,), lambda: 0)


def test_one_alone_is_admitted_however_long_it_is() -> None:
    budget = Budget(engine(2))
    assert budget.admit("a", 1, (1,) * 400, lambda: 400)
    assert not budget.admit("a", 2, (1,) * 400, lambda: 1)
    budget.release("a", 1)
    assert budget.admit("b", 1, (1,) * 400, lambda: 400)


def test_what_is_unknown_or_gone_already_is_released_without_harm() -> None:
    budget = Budget(engine(10))
    budget.release("a", 1)
    assert budget.admit("a", 1, (1,) * 8, lambda: 0)
    budget.release("a", 2)
    budget.release("a", 1)
    budget.release("a", 1)
    assert budget._charged == 0


def test_an_engine_without_a_paged_cache_is_bounded_by_its_rows_alone() -> None:
    budget = Budget(engine(None, rows=3))
    assert budget.max_requests == 3

    def unasked() -> int:
        raise AssertionError("where nothing is counted nothing is asked for")

    assert all(budget.admit("a", turn, (1,) * 4000, unasked) for turn in range(100))
    assert Budget(engine(100, rows=3 * AHEAD)).max_requests == 3 * AHEAD + 3


@given(ids, ids)
def test_a_common_prefix_is_what_a_loop_finds(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    assert common_prefix(first, second) == common_prefix(second, first) == count


@pytest.mark.parametrize("length", [0, 1, 1000])
def test_a_prompt_and_its_continuation_have_the_prompt_in_common(length: int) -> None:
    prompt = tuple(range(length))
    assert common_prefix(prompt, (*prompt, 1, 2, 3)) == common_prefix(prompt, prompt) == length


def test_the_rows_that_a_short_cache_comes_to_are_said() -> None:
    budget = Budget(engine(100, rows=64))
    assert budget.num_rows == 64, "nothing is known of the turns yet"
    for turn in range(3):
        assert budget.admit(turn, 0, tuple(range(1000 * turn, 1000 * turn + 30)), lambda: 10)
    assert budget.num_rows == 10
    roomy = Budget(engine(100_000, rows=64))
    assert roomy.admit(0, 0, (1, 2, 3), lambda: 10)
    assert roomy.num_rows == 64
    assert Budget(engine(None, rows=8)).num_rows == 8
