"""What sequences take of an engine's cache: keys and values of every token, of a window, or a state of fixed size.

vLLM keeps one pool of equal blocks. Layers that keep the same are put into groups of equal size; a block belongs to
one group and holds the keys and values of a few tokens, or one state, for all layers of it. So a sequence takes, of
each group that keeps every token, a block for every few tokens; of each that has a window, blocks for it and for what
is under way; of each that has a state, one to three. Read in vLLM 0.32 (v1/kv_cache_interface.py,
v1/core/kv_cache_utils.py, platforms/interface.py: _align_hybrid_block_size).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from localtable.scheduler.memory.observation import Observation
from localtable.scheduler.memory.settings import DTYPE_BYTES, EngineSettings
from localtable.types import Architecture, Card, Layers

FLOAT32_STATES = ("nemotron_h", "qwen3_5", "kimi_linear")
"""Kinds of models, by the beginning of `model_type`, whose recurrent states are float32 whatever the model's dtype
(vllm/model_executor/models/config.py, `mamba_ssm_dtype` in the configurations of Qwen3.5). On a CPU all are."""
CHECKPOINTED_STATES = ("nemotron_h", "granitemoehybrid", "falcon_h1", "bamba", "zamba2", "kimi_linear")
"""Kinds whose prompts leave one state more behind, for the next one that begins alike (Mamba2's and KDA's layers)."""
CPU_LATENT_TOKENS = 16
"""Of a block of latent vectors on a CPU, whatever is asked for: its kernel reads no other."""
ROUNDED = 0.02
"""What a block's size can be off where it is a cache's size divided by its blocks."""
PADDED_GROUPS_BELOW = 1.5
"""Where the larger kind has less than so many times the layers of the smaller one, groups are as large as it."""


@dataclass(frozen=True, slots=True)
class KvShape:
    """The blocks of one engine's cache, on one of its devices."""

    block_bytes: int
    """Of one block: all layers of a group."""
    block_tokens: int
    """Of layers that keep every token."""
    full_groups: int
    window_groups: int = 0
    window_tokens: int = 0
    """What a sequence keeps of them at most, tokens that are under way included."""
    window_block_tokens: int = 1
    window_extra_blocks: int = 0
    """1 for a window that may begin inside a block."""
    state_groups: int = 0
    state_blocks: int = 0
    """Of one sequence, in each of those groups."""

    @property
    def bytes_per_token(self) -> float:
        """What each further token of a sequence takes."""
        return self.full_groups * self.block_bytes / self.block_tokens

    def blocks(self, tokens: int) -> int:
        """Of a sequence of so many tokens."""
        window = min(self.window_tokens, tokens)
        return (
            self.full_groups * _ceil(tokens, self.block_tokens)
            + self.window_groups * (_ceil(window, self.window_block_tokens) + self.window_extra_blocks)
            + self.state_groups * self.state_blocks
        )

    def cache_bytes(self, tokens: int, sequences: int = 1) -> int:
        """A cache for so many sequences of so many tokens each, with the one block that vLLM keeps empty."""
        return (sequences * self.blocks(tokens) + 1) * self.block_bytes

    def sequences(self, cache_bytes: int, tokens: int) -> int:
        """How many sequences of so many tokens a cache holds at once."""
        return max(0, cache_bytes // self.block_bytes - 1) // max(1, self.blocks(tokens))


@dataclass(frozen=True, slots=True)
class _Kind:
    """Layers of one kind."""

    layers: int
    token_bytes: int
    """Of one token in one layer; 0 for states."""


def kv_shape(card: Card, settings: EngineSettings, observed: Observation | None = None) -> KvShape:
    """The cache that vLLM builds for a model.

    Args:
        card: The model.
        settings: How it is started.
        observed: Of such an engine: its blocks go before the formula's where they are others.

    Raises:
        ConfigError: A `kv_cache_dtype` of unknown size.
    """
    a = card.architecture
    layers = a.layers or Layers(a.num_hidden_layers)
    full = _Kind(layers.full, _token_bytes(a, settings, full=True))
    window = _Kind(layers.sliding, _token_bytes(a, settings, full=False))
    tokens = _block_tokens(a, settings, full if full.layers else window)
    pages = [kind.token_bytes * tokens for kind in (full, window) if kind.layers]
    if not pages:  # states alone: a block is one state
        pages = [_state_bytes(a, settings)]
    page = max(pages)
    counts = [count for count in (layers.full, layers.sliding, layers.state) if count]
    size = max(counts) if max(counts) < PADDED_GROUPS_BELOW * min(counts) else min(counts)
    cached_states = 3 if a.model_type.startswith(CHECKPOINTED_STATES) else 2
    chunked = a.model_type.startswith("llama4")
    kept = (a.sliding_window or 0) + settings.in_flight_tokens - (0 if chunked else 1)
    shape = KvShape(
        block_bytes=size * page,
        block_tokens=_scaled(tokens, full, page),
        full_groups=_ceil(layers.full, size),
        window_groups=_ceil(layers.sliding, size),
        window_tokens=min(kept, settings.max_model_len),
        window_block_tokens=_scaled(tokens, window, page),
        window_extra_blocks=0 if chunked else 1,
        state_groups=_ceil(layers.state, size),
        state_blocks=cached_states if settings.enable_prefix_caching else 1,
    )
    seen = observed and observed.kv_block_bytes
    if seen and abs(seen - shape.block_bytes) > ROUNDED * shape.block_bytes:
        tokens = (observed and observed.kv_block_tokens) or shape.block_tokens
        return replace(shape, block_bytes=seen, block_tokens=tokens)
    return shape


def kv_bytes_per_token(card: Card, dtype_bytes: int = 2) -> int:
    """Keys and values of one token over all layers that keep any: an upper bound where some keep a window only."""
    a = card.architecture
    layers = a.layers or Layers(a.num_hidden_layers)
    return layers.full * _elements(a, full=True) * dtype_bytes + layers.sliding * _elements(a, full=False) * dtype_bytes


def kv_cache_bytes(card: Card, dtype: str, tokens: int, block_size: int, *, sequences: int = 1) -> int:
    """Bytes of a cache for `tokens` tokens in whole blocks, with one block that vLLM keeps empty.

    Args:
        card: The model.
        dtype: Of keys and values.
        tokens: Of all sequences together.
        block_size: Tokens of a block.
        sequences: How many share the tokens evenly: of layers with a window or a state each has its own.
    """
    each = _ceil(tokens, sequences)
    settings = EngineSettings(
        each,
        sequences,
        max_num_batched_tokens=max(each, 1),
        dtype=dtype if dtype in DTYPE_BYTES else "bfloat16",
        block_size=block_size,
        async_scheduling=False,
    )
    return kv_shape(card, settings).cache_bytes(each, sequences)


def _elements(a: Architecture, *, full: bool, count: int = 1) -> int:
    """Of one token in one layer, on one of `count` devices."""
    if a.kv_lora_rank is not None:
        return a.kv_lora_rank + (a.qk_rope_head_dim or 0)
    heads, size = a.num_key_value_heads, a.head_dim
    if full:
        heads, size = a.num_global_key_value_heads or heads, a.global_head_dim or size
    return 2 * max(1, heads // count) * size


def _token_bytes(a: Architecture, settings: EngineSettings, *, full: bool) -> int:
    return _elements(a, full=full, count=settings.tensor_parallel_size) * settings.kv_element_bytes


def _state_bytes(a: Architecture, settings: EngineSettings) -> int:
    """One layer's state of one sequence: the convolution's last inputs, and the recurrent state."""
    if a.state is None:
        return 0
    width = DTYPE_BYTES.get(settings.dtype, 2)
    recurrent = 4 if a.model_type.startswith(FLOAT32_STATES) or settings.device_kind == "cpu" else width
    s = a.state
    elements = s.num_heads * s.head_dim * s.state_size
    return ((s.conv_kernel - 1) * s.conv_dim * width + elements * recurrent) // settings.tensor_parallel_size


def _block_tokens(a: Architecture, settings: EngineSettings, attention: _Kind) -> int:
    """Tokens of a block: as asked, or as many as make its page as large as a state."""
    if a.kv_lora_rank is not None and settings.device_kind == "cpu":
        return CPU_LATENT_TOKENS
    state = _state_bytes(a, settings)
    if not state or not attention.layers:
        return settings.block_size
    step = max(settings.block_size, 128) if a.kv_lora_rank is not None else settings.block_size
    return max(settings.block_size, step * _ceil(state, step * attention.token_bytes))


def _scaled(tokens: int, kind: _Kind, page: int) -> int:
    """Tokens that a page of the common size holds of a kind; one that doesn't divide it is padded instead."""
    own = kind.token_bytes * tokens
    return tokens * (page // own) if own and page % own == 0 else tokens


def _ceil(value: int, by: int) -> int:
    return -(-value // by)
