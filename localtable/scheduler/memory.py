"""How many bytes an engine takes: weights, keys and values, activations.

The figures come from the card's architecture; `engines` report what was really taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from localtable.scheduler.devices import GIB
from localtable.types import Card

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "fp8": 1, "int8": 1}
ACTIVATION_BYTES = GIB // 2
"""Of a batch of prompts on top of weights and cache: 0.2 - 0.4 GiB was measured for the demo models on a CPU."""


@dataclass(frozen=True, slots=True)
class EngineBytes:
    """What one engine takes, in bytes."""

    weights: int
    kv_cache: int
    activations: int = ACTIVATION_BYTES

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.activations


def kv_bytes_per_token(card: Card, dtype_bytes: int = 2) -> int:
    """Keys and values of one token over all layers.

    2 (K and V) × layers × KV heads × head size × bytes, as vLLM's kv_cache_interface computes it for full attention.
    """
    a = card.architecture
    return 2 * a.num_hidden_layers * a.num_key_value_heads * a.head_dim * dtype_bytes


def weights_bytes(card: Card, dtype: str) -> int:
    """Bytes of a model's parameters in a dtype."""
    return card.parameters * DTYPE_BYTES.get(dtype, 2)


def kv_cache_bytes(card: Card, dtype: str, tokens: int, block_size: int) -> int:
    """Bytes of a cache for `tokens` tokens, rounded up to whole blocks, with one block that vLLM keeps empty."""
    blocks = -(-tokens // block_size) + 1
    return blocks * block_size * kv_bytes_per_token(card, DTYPE_BYTES.get(dtype, 2))
