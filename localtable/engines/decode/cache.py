"""A key-value cache of a known width, in the form that transformers' models take.

transformers' own DynamicCache copies everything at every step to append one token; here the width is known, so a step
writes in place. Rows stand left-padded, and a row's kept keys and values are copied to where it ends.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from localtable.engines.decode.kept import KeptRow

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import Cache


class LayerShape(NamedTuple):
    """What one layer keeps of one token."""

    num_heads: int
    key_dim: int
    value_dim: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        return self.num_heads * (self.key_dim + self.value_dim) * self.dtype.itemsize


class Placed(NamedTuple):
    """The first `num_tokens` of a kept row."""

    row: KeptRow
    num_tokens: int


def build_cache(placed: Sequence[Placed | None], shapes: Sequence[LayerShape], *, filled: int, width: int) -> Cache:
    """A cache whose first `filled` of `width` columns hold the placed rows, each ending at column `filled`."""
    from transformers import Cache

    layers = []
    for index, shape in enumerate(shapes):
        layer = _layer_class()()
        layer.open(len(placed), shape, filled, width)
        for i, part in enumerate(placed):
            if part is not None:
                first = filled - part.num_tokens
                layer.buffer_keys[i, :, first:filled] = part.row.keys[index][:, : part.num_tokens]
                layer.buffer_values[i, :, first:filled] = part.row.values[index][:, : part.num_tokens]
        layers.append(layer)
    return Cache(layers=layers)


def cut(cache: Cache, i: int, spans: Sequence[tuple[int, int]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Row `i`'s keys and values in these spans of columns, copied: a layer's [num_kv_heads, num_tokens, head_dim]."""
    import torch

    def of(buffer: torch.Tensor) -> torch.Tensor:
        return torch.cat([buffer[i, :, first:last] for first, last in spans], dim=1)

    layers: Any = cache.layers
    return [of(layer.keys) for layer in layers], [of(layer.values) for layer in layers]


def cut_row(cache: Cache, i: int, token_ids: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> KeptRow:
    """Row `i` of the cache as a row to keep; `spans` hold the columns of `token_ids`."""
    keys, values = cut(cache, i, spans)
    return KeptRow(token_ids, tuple(keys), tuple(values))


@functools.cache
def _layer_class() -> Any:
    """The layer, defined at first use: its base class comes from transformers, which is imported late."""
    import torch
    from transformers.cache_utils import DynamicLayer

    class FixedWidthLayer(DynamicLayer):  # type: ignore[misc]  # transformers' classes are Any to mypy
        """Keys and values in buffers [num_seqs, num_kv_heads, width, head_dim], of which a beginning is filled."""

        def open(self, num_seqs: int, shape: LayerShape, filled: int, width: int) -> None:
            # Zeroes, since a masked column that holds NaN would still spoil the sum over columns.
            key_size = (num_seqs, shape.num_heads, width, shape.key_dim)
            value_size = (num_seqs, shape.num_heads, width, shape.value_dim)
            self.buffer_keys = torch.zeros(key_size, dtype=shape.dtype, device=shape.device)
            self.buffer_values = torch.zeros(value_size, dtype=shape.dtype, device=shape.device)
            self.dtype, self.device, self.is_initialized = shape.dtype, shape.device, True
            self._show(filled)

        def _show(self, filled: int) -> tuple[torch.Tensor, torch.Tensor]:
            self.filled = filled
            keys, values = self.buffer_keys[:, :, :filled], self.buffer_values[:, :, :filled]
            self.keys, self.values = keys, values
            return keys, values

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            last = self.filled + key_states.shape[-2]
            self.buffer_keys[:, :, self.filled : last] = key_states
            self.buffer_values[:, :, self.filled : last] = value_states
            return self._show(last)

        def get_seq_length(self) -> int:
            return self.filled

        def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
            self.buffer_keys = self.buffer_keys.index_select(0, beam_idx)
            self.buffer_values = self.buffer_values.index_select(0, beam_idx)
            self._show(self.filled)

    return FixedWidthLayer
