"""Keys and values that are kept, so that a prompt which begins like an earlier one goes on from there.

All seats of a question share the beginning of their prompts, and a ballot continues its statement's own tokens:
prefilling either again is what a debate on a CPU would otherwise spend most of its time on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

MIN_SHARED_TOKENS = 16
"""A shorter common beginning (a template's first tokens) is not worth the copy."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptRow:
    """One sequence's keys and values, layer by layer."""

    token_ids: NDArray[np.int64]  # [num_tokens]
    keys: tuple[torch.Tensor, ...]  # of each layer: [num_kv_heads, num_tokens, head_dim]
    values: tuple[torch.Tensor, ...]

    @property
    def num_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def extended(
        self, token_ids: Sequence[int], keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]
    ) -> KeptRow:
        """The sequence with more tokens after it; `keys` and `values` as in the fields."""
        import torch

        return KeptRow(
            np.concatenate([self.token_ids, np.asarray(token_ids, dtype=np.int64)]),
            tuple(torch.cat(pair, dim=1) for pair in zip(self.keys, keys, strict=True)),
            tuple(torch.cat(pair, dim=1) for pair in zip(self.values, values, strict=True)),
        )


class Beginning(NamedTuple):
    """A kept row and how many of its tokens a prompt begins with."""

    row: KeptRow
    num_tokens: int


def count_shared(a: NDArray[np.int64], b: NDArray[np.int64]) -> int:
    """How many tokens the two have in common at their beginning."""
    shorter = min(len(a), len(b))
    differs = a[:shorter] != b[:shorter]
    first = int(differs.argmax()) if shorter else 0
    return first if shorter and differs[first] else shorter


class KeptRows:
    """Kept rows up to a number of bytes; the least recently used one goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._rows: OrderedDict[int, KeptRow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, prompt: NDArray[np.int64]) -> Beginning | None:
        """The kept row that `prompt` shares most with; at least its last token is left to compute."""
        best, best_tokens = None, 0
        for key, row in self._rows.items():
            shared = count_shared(row.token_ids, prompt)
            if shared > best_tokens:
                best, best_tokens = key, shared
        num_tokens = min(best_tokens, len(prompt) - 1)
        if best is None or num_tokens < MIN_SHARED_TOKENS:
            return None
        self._rows.move_to_end(best)
        return Beginning(self._rows[best], num_tokens)

    def put(self, new: KeptRow) -> None:
        """Keep a row; rows that it continues are dropped, since it serves whoever they served."""
        for key, row in list(self._rows.items()):
            shared = count_shared(row.token_ids, new.token_ids)
            if shared == len(new.token_ids):
                self._rows.move_to_end(key)
                return
            if shared == len(row.token_ids):
                self._drop(key)
        if new.num_bytes > self._max_bytes:
            return
        self._rows[id(new)] = new
        self._num_bytes += new.num_bytes
        while self._num_bytes > self._max_bytes:
            self._drop(next(iter(self._rows)))

    def clear(self) -> None:
        self._rows.clear()
        self._num_bytes = 0

    def _drop(self, key: int) -> None:
        self._num_bytes -= self._rows.pop(key).num_bytes
