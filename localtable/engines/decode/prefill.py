"""Prompts → keys, values and the first logits, with nothing computed twice that is already kept.

Rows of one batch share too: of rows with a common beginning the first goes ahead and the others go on from its keys
and values. Rows are put together so that little of a forward pass is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from localtable.engines.decode.cache import Placed, build_cache, cut_row
from localtable.engines.decode.kept import MIN_SHARED_TOKENS, Beginning, KeptRows, count_shared

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import Cache

    from localtable.engines.decode.model import CausalModel
    from localtable.engines.decode.rows import Row

MIN_FILL = 0.75
"""A row that would fill less of the widest row's new columns waits for a group of its own size."""


class Limits(NamedTuple):
    """How much one forward pass may take on."""

    max_num_batched_tokens: int
    """New tokens, padding included."""
    max_columns: int
    """Tokens in the cache of all rows together, padding included."""


class Pending(NamedTuple):
    """A row with what it need not compute."""

    place: int
    row: Row
    beginning: Beginning | None

    @property
    def num_cached(self) -> int:
        return self.beginning.num_tokens if self.beginning else 0

    @property
    def num_new(self) -> int:
        return len(self.row.prompt) - self.num_cached


def prefill_sharing(model: CausalModel, rows: Sequence[Row], kept_rows: KeptRows, limits: Limits) -> torch.Tensor:
    """Compute every prompt's keys and values, from what is kept where that helps, and leave them in `row.kept`.

    Returns:
        The logits after each prompt, [num_rows, vocab_size].
    """
    import torch

    logits: dict[int, torch.Tensor] = {}
    for wave in split_waves([row.prompt for row in rows], kept_rows):
        pending = [Pending(place, rows[place], kept_rows.find(rows[place].prompt)) for place in wave]
        for group in group_rows(pending, limits):
            logits |= zip((one.place for one in group), _prefill_group(model, group), strict=True)
            for one in group:
                one.row.cached_tokens = one.num_cached
                assert one.row.kept is not None
                kept_rows.put(one.row.kept)
    return torch.stack([logits[place] for place in range(len(rows))])


def split_waves(prompts: Sequence[NDArray[np.int64]], kept_rows: KeptRows) -> tuple[list[int], list[int]]:
    """Which rows go first, and which have something to gain from one of those."""
    first: list[int] = []
    second: list[int] = []
    for place, prompt in enumerate(prompts):
        beginning = kept_rows.find(prompt)
        known = beginning.num_tokens if beginning else 0
        shared = max((count_shared(prompts[leader], prompt) for leader in first), default=0)
        (second if min(shared, len(prompt) - 1) >= known + MIN_SHARED_TOKENS else first).append(place)
    return first, second


def group_rows(pending: Sequence[Pending], limits: Limits) -> Iterator[list[Pending]]:
    """Rows that are prefilled together: of like length, and within the limits unless a row is alone."""
    group: list[Pending] = []
    for one in sorted(pending, key=lambda one: -one.num_new):
        if group and not _fits(group, one, limits):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _fits(group: Sequence[Pending], one: Pending, limits: Limits) -> bool:
    num_rows, num_new = len(group) + 1, group[0].num_new
    num_cached = max(member.num_cached for member in (*group, one))
    return (
        one.num_new >= MIN_FILL * num_new
        and num_rows * num_new <= limits.max_num_batched_tokens
        and num_rows * (num_cached + num_new) <= limits.max_columns
    )


def _prefill_group(model: CausalModel, group: Sequence[Pending]) -> torch.Tensor:
    """One forward pass. Columns of a row: padding, what is kept, padding, what is new."""
    num_cached = max(one.num_cached for one in group)
    num_new = group[0].num_new
    width = num_cached + num_new
    shape = (len(group), num_new)
    token_ids, positions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    mask = np.zeros((len(group), width), dtype=np.int64)
    for i, one in enumerate(group):
        token_ids[i, num_new - one.num_new :] = one.row.prompt[one.num_cached :]
        positions[i, num_new - one.num_new :] = np.arange(one.num_cached, len(one.row.prompt))
        mask[i, num_cached - one.num_cached : num_cached] = 1
        mask[i, width - one.num_new :] = 1
    cache = build_cache(
        [Placed(one.beginning.row, one.num_cached) if one.beginning else None for one in group],
        model.layer_shapes,
        filled=num_cached,
        width=width,
    )
    logits = model.forward(token_ids, mask, positions, cache)
    for i, one in enumerate(group):
        spans = ((num_cached - one.num_cached, num_cached), (width - one.num_new, width))
        one.row.kept = cut_row(cache, i, one.row.prompt, spans)
    return logits


def prefill_jointly(model: CausalModel, rows: Sequence[Row]) -> tuple[torch.Tensor, Cache]:
    """All prompts in one left-padded pass, for models whose keys and values can't be used again.

    Returns:
        The logits after each prompt, [num_rows, vocab_size], and the filled cache.
    """
    width = max(len(row.prompt) for row in rows)
    token_ids, positions, mask = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        first = width - len(row.prompt)
        token_ids[i, first:] = row.prompt
        positions[i, first:] = np.arange(len(row.prompt))
        mask[i, first:] = 1
    cache = model.new_cache()
    return model.forward(token_ids, mask, positions, cache), cache
