"""One batch from its prompts to its last token.

A batch takes nobody in on its way: who is in it depends on what was submitted and not on when, and so does every
rounding of its arithmetic. That is what makes equal seeds give equal transcripts on this engine.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from localtable.engines.base import Completion, Event, Failure, Tokens
from localtable.engines.decode.cache import Placed, build_cache, cut
from localtable.engines.decode.prefill import Limits, prefill_jointly, prefill_sharing
from localtable.engines.decode.rows import Row
from localtable.engines.decode.sampler import sample

if TYPE_CHECKING:
    import torch
    from transformers import Cache

    from localtable.engines.decode.kept import KeptRows
    from localtable.engines.decode.model import CausalModel

_COMPACT_BELOW = 0.5
"""Leaving rows out of the cache copies it; that pays once at most this share of the rows still runs."""


class Batch:
    """Rows that are generated together."""

    def __init__(self, model: CausalModel, rows: Sequence[Row], kept_rows: KeptRows | None, limits: Limits) -> None:
        self._model = model
        self._rows = tuple(rows)
        self._kept_rows = kept_rows
        self._limits = limits
        self._begun = False
        self._running: list[Row] = []
        """The rows of the cache, those included that have ended since it was last compacted."""
        self._cache: Cache | None = None
        self._mask = np.zeros((0, 0), dtype=np.int64)  # [num_running, width]
        self._num_columns = 0
        """Columns of the cache that are filled."""
        self.decoded_rows = 0
        """Of the last step: rows that went on. Those that have ended and still are in the cache are nobody's."""
        self.prefilled_tokens = 0
        """Of the last step: prompt tokens that were not kept."""

    @property
    def done(self) -> bool:
        return all(row.done for row in self._rows)

    def step(self) -> list[Event]:
        """Generate one token for every row that still runs.

        Returns:
            The new tokens of the rows that stream.
        """
        before = {row.request.request_id: len(row.token_ids) for row in self._rows}
        if not self._begun:
            self._begun = True
            self._begin()
            self.prefilled_tokens = sum(len(row.prompt) - row.cached_tokens for row in self._rows)
        else:
            self.decoded_rows, self.prefilled_tokens = sum(not row.done for row in self._running), 0
            self._go_on()
        return [
            Tokens(row.request.request_id, (row.token_ids[-1],))
            for row in self._rows
            if row.request.stream and not row.aborted and len(row.token_ids) > before[row.request.request_id]
        ]

    def abort(self, request_ids: Collection[str]) -> None:
        """Stop these rows; they have no result."""
        for row in self._rows:
            if row.request.request_id in request_ids:
                row.aborted = True

    def said(self) -> dict[str, tuple[int, ...]]:
        """What the rows that still run have generated and can go on from, by request."""
        return {
            row.request.request_id: tuple(row.token_ids) if row.request.resumable else ()
            for row in self._rows
            if not row.done
        }

    def results(self) -> list[Completion | Failure]:
        """What all rows came to, aborted ones aside."""
        return [row.result() for row in self._rows if not row.aborted]

    # ── the cache ───────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        """Prefill, the first tokens, and a cache for the rows that go on."""
        rows = [row for row in self._rows if not row.done]
        cache: Cache | None = None
        if self._kept_rows is not None:
            logits = prefill_sharing(self._model, rows, self._kept_rows, self._limits)
        else:
            logits, cache = prefill_jointly(self._model, rows)
        sample(logits, rows)
        self._running = [row for row in rows if not row.done]
        if not self._running:
            return
        width = max(len(row.prompt) for row in (rows if cache is not None else self._running))
        max_steps = max(row.request.sampling.max_tokens for row in self._running)
        self._num_columns = width
        self._mask = np.ones((len(self._running), width + max_steps), dtype=np.int64)
        for i, row in enumerate(self._running):
            self._mask[i, : width - len(row.prompt)] = 0
        if cache is not None:
            cache.reorder_cache(self._indices([i for i, row in enumerate(rows) if not row.done]))
            self._cache = cache
        else:
            self._cache = self._build_cache(width, width + max_steps)

    def _build_cache(self, filled: int, width: int) -> Cache:
        placed = [Placed(row.kept, len(row.prompt)) for row in self._running if row.kept is not None]
        return build_cache(placed, self._model.layer_shapes, filled=filled, width=width)

    def _go_on(self) -> None:
        """One decode step."""
        assert self._cache is not None
        self._compact()
        # A row that has ended stays until the next compaction; what it computes is not looked at.
        token_ids = np.array([[row.token_ids[-1]] for row in self._running])  # [num_running, 1]
        positions = np.array([[len(row.prompt) + len(row.token_ids) - 1] for row in self._running])
        self._num_columns += 1
        mask = np.ascontiguousarray(self._mask[:, : self._num_columns])
        logits = self._model.forward(token_ids, mask, positions, self._cache)
        alive = [i for i, row in enumerate(self._running) if not row.done]
        sample(logits[self._indices(alive)], [self._running[i] for i in alive])
        for i in alive:
            if self._running[i].done:
                self._keep(i)

    def _compact(self) -> None:
        alive = [i for i, row in enumerate(self._running) if not row.done]
        if len(alive) > _COMPACT_BELOW * len(self._running):
            return
        assert self._cache is not None
        self._cache.reorder_cache(self._indices(alive))
        self._running = [self._running[i] for i in alive]
        self._mask = self._mask[alive]

    def _keep(self, i: int) -> None:
        """Keep a finished row's statement beside its prompt, for the ballot that continues it."""
        row = self._running[i]
        if self._kept_rows is None or row.kept is None or self._cache is None:
            return
        # The token drawn last has no keys and values: it was never fed.
        num_fed = row.num_steps - 1
        first = self._num_columns - num_fed
        keys, values = cut(self._cache, i, [(first, self._num_columns)])
        self._kept_rows.put(row.kept.extended(row.token_ids[:num_fed], keys, values))

    def _indices(self, places: Sequence[int]) -> torch.LongTensor:
        import torch

        return cast("torch.LongTensor", torch.tensor(places, dtype=torch.long, device=self._model.device))
