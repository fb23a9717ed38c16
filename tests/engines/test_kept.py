"""Kept keys and values: what is found, what is dropped, who goes first."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from localtable.engines.base import Request
from localtable.engines.decode.kept import MIN_SHARED_TOKENS, KeptRow, KeptRows, count_shared
from localtable.engines.decode.prefill import Limits, Pending, group_rows, split_waves
from localtable.engines.decode.rows import build_row
from localtable.types import Sampling

torch = pytest.importorskip("torch")

BYTES_PER_TOKEN = 2 * 4  # one layer, one head, one element, float32


def ids(*parts: tuple[int, int]) -> NDArray[np.int64]:
    """Runs of (token id, how many)."""
    return np.concatenate([np.full(count, token_id, dtype=np.int64) for token_id, count in parts])


def kept(*parts: tuple[int, int]) -> KeptRow:
    token_ids = ids(*parts)
    tensor = torch.zeros(1, len(token_ids), 1)
    return KeptRow(token_ids, (tensor,), (tensor,))


def test_shared_tokens_are_counted_from_the_beginning() -> None:
    assert count_shared(ids((1, 5)), ids((1, 3), (2, 4))) == 3
    assert count_shared(ids((1, 5)), ids((1, 5))) == 5
    assert count_shared(ids((1, 5)), ids((2, 5))) == 0
    assert count_shared(ids((1, 0)), ids((1, 5))) == 0


def test_the_longest_beginning_is_found_and_one_token_left_to_compute() -> None:
    rows = KeptRows(10**6)
    rows.put(kept((1, 40), (2, 10)))
    rows.put(kept((1, 60)))
    found = rows.find(ids((1, 50)))
    assert found is not None
    assert found.num_tokens == 49
    assert rows.find(ids((1, MIN_SHARED_TOKENS - 1), (5, 30))) is None
    assert rows.find(ids((7, 50))) is None


def test_a_row_that_goes_on_takes_the_place_of_its_beginning() -> None:
    rows = KeptRows(10**6)
    rows.put(kept((1, 30)))
    rows.put(kept((1, 30), (2, 5)))
    rows.put(kept((1, 20)))
    assert len(rows) == 1
    found = rows.find(ids((1, 30), (2, 5), (3, 1)))
    assert found is not None
    assert found.num_tokens == 35


def test_the_least_recently_used_row_goes_first() -> None:
    rows = KeptRows(2 * 40 * BYTES_PER_TOKEN)
    rows.put(kept((1, 40)))
    rows.put(kept((2, 40)))
    assert rows.find(ids((1, 41))) is not None
    rows.put(kept((3, 40)))
    assert rows.find(ids((1, 41))) is not None
    assert rows.find(ids((2, 41))) is None
    rows.put(kept((4, 100)))
    assert rows.find(ids((4, 101))) is None
    assert len(rows) == 2


def test_of_like_prompts_one_goes_ahead() -> None:
    base = (1, 100)
    prompts = [ids(base, (2, 5)), ids(base, (3, 5)), ids((9, 50)), ids(base, (2, 5))]
    assert split_waves(prompts, KeptRows(10**6)) == ([0, 2], [1, 3])


def test_nobody_waits_for_what_is_kept_already() -> None:
    rows = KeptRows(10**6)
    rows.put(kept((1, 100)))
    prompts = [ids((1, 100), (2, 5)), ids((1, 100), (3, 5))]
    assert split_waves(prompts, rows) == ([0, 1], [])


def pending(*lengths: int) -> list[Pending]:
    rows = [
        build_row(Request(f"r{place}", (7,) * length, Sampling(), 0), frozenset(), None)
        for place, length in enumerate(lengths)
    ]
    return [Pending(place, row, None) for place, row in enumerate(rows)]


def grouped(lengths: tuple[int, ...], limits: Limits) -> list[list[int]]:
    return [[len(one.row.prompt) for one in group] for group in group_rows(pending(*lengths), limits)]


def test_rows_of_like_length_are_prefilled_together_within_the_limits() -> None:
    wide = Limits(10**6, 10**6)
    assert grouped((10, 100, 90, 11, 12), wide) == [[100, 90], [12, 11, 10]]
    assert grouped((50, 50, 50), Limits(100, 10**6)) == [[50, 50], [50]]
    assert grouped((50, 50, 50), Limits(10**6, 120)) == [[50, 50], [50]]
    assert grouped((500, 20), Limits(100, 100)) == [[500], [20]]
    assert grouped((), wide) == []
