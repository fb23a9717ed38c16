"""How an engine is started, as far as memory and speed go."""

from __future__ import annotations

from dataclasses import dataclass

from localtable.errors import ConfigError
from localtable.types import Card

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "fp8": 1, "int8": 1}

GPU_BLOCK_TOKENS = 16
"""vLLM's own on CUDA; localtable asks for 32 on a CPU."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What decides an engine's bytes besides its card. Names as in vLLM's EngineArgs."""

    max_model_len: int
    """Tokens of the longest sequence."""
    max_num_seqs: int
    max_num_batched_tokens: int = 8192
    """vLLM's own below 70 GiB of device memory; 16384 above, 4096 on a CPU."""
    dtype: str = "bfloat16"
    kv_cache_dtype: str = "auto"
    block_size: int = GPU_BLOCK_TOKENS
    tensor_parallel_size: int = 1
    enforce_eager: bool = False
    enable_prefix_caching: bool = True
    async_scheduling: bool = True
    """Two steps are under way at once: vLLM's own on CUDA, never on a CPU."""
    device_kind: str = "cuda"

    @property
    def in_flight_tokens(self) -> int:
        """Tokens that are scheduled and not settled yet (vllm/config/vllm.py, max_in_flight_tokens)."""
        return self.max_num_batched_tokens * (2 if self.async_scheduling and self.device_kind == "cuda" else 1)

    @property
    def kv_element_bytes(self) -> int:
        """Of one element of keys and values.

        Raises:
            ConfigError: A format whose size isn't known here.
        """
        name = self.dtype if self.kv_cache_dtype == "auto" else self.kv_cache_dtype
        known = {**DTYPE_BYTES, "fp8_e4m3": 1, "fp8_e5m2": 1}
        if name not in known:
            raise ConfigError(
                f"kv_cache_dtype {name!r} can't be planned with", hint=f"Known ones: auto, {', '.join(known)}."
            )
        return known[name]


def cpu_settings(max_model_len: int, max_num_seqs: int, *, dtype: str = "bfloat16") -> EngineSettings:
    """The settings that localtable gives vLLM on a CPU (`engines/vllm_arguments.py`)."""
    return EngineSettings(
        max_model_len,
        max_num_seqs,
        max_num_batched_tokens=max(max_model_len, 4096),
        dtype=dtype,
        block_size=32,
        enforce_eager=True,
        async_scheduling=False,
        device_kind="cpu",
    )


def can_split(card: Card, count: int) -> bool:
    """Whether vLLM spreads this model over so many devices: heads are dealt out whole.

    As ModelConfig and QKVParallelLinear of vLLM 0.32 want it.
    """
    a = card.architecture
    key_heads = [a.num_key_value_heads, a.num_global_key_value_heads or a.num_key_value_heads]
    if a.kv_lora_rank is not None:
        key_heads = []  # latent vectors have no heads: every device has them all
    heads_fit = all(heads % count == 0 or count % heads == 0 for heads in key_heads)
    state_fits = a.state is None or a.state.num_heads % count == 0
    return a.num_attention_heads % count == 0 and heads_fit and state_fits
