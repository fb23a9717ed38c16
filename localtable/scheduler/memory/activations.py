"""What a step takes beside weights and cache, and what CUDA graphs do.

vLLM has no formula for either: it runs a step with made-up tokens and looks. The formulas here add up the tensors that
are alive at the same time in such a step; the first load on a GPU replaces them (`calibration.py`), where one process
has the engine (`engines/vllm_memory.py`).
"""

from __future__ import annotations

from localtable.scheduler.memory.settings import DTYPE_BYTES, EngineSettings
from localtable.types import Card

SAMPLER_BYTES = 20
"""Of one token of the vocabulary in one row: logits in float32 (4), their sorted copy with 64-bit places (12), and
probabilities (4), as top-p needs them (vllm/v1/sample/ops/topk_topp_sampler.py)."""
GRAPH_SIZES: tuple[int, ...] = (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
"""Batch sizes that vLLM captures, up to twice its rows."""
GRAPH_BYTES = 300 * 1024
"""Of one layer in one captured size: 0.5 GiB for the 32 layers of an 8B model. An estimate until the first load."""
GRAPH_LEAST_BYTES = 64 * 1024**2


def activations_bytes(card: Card, settings: EngineSettings) -> int:
    """The most that a step takes on one device, with `max_num_batched_tokens` tokens and `max_num_seqs` rows.

    The hidden states live through the whole step: the residual, a layer's normed input, its output and the next
    residual (counted by PyTorch's profiler on a CPU, scripts/check_memory.py). On top of them stands the larger one of
    two things that never live together: a layer's inside, or the logits with what the sampler makes of them.
    """
    a = card.architecture
    width = DTYPE_BYTES.get(settings.dtype, 2)
    tokens = settings.max_num_batched_tokens
    rows = min(settings.max_num_seqs, tokens)
    hidden = 4 * tokens * a.hidden_size * width
    inside = max(
        _attention_elements(card, settings), _state_elements(card, settings), _feed_forward_elements(card, settings)
    )
    layer = tokens * inside * width
    logits = rows * a.vocab_size * (width + SAMPLER_BYTES)
    return hidden + max(layer, logits)


def graphs_bytes(card: Card, settings: EngineSettings) -> int:
    """What captured CUDA graphs take on one device; nothing in eager mode and on a CPU."""
    if settings.device_kind != "cuda" or settings.enforce_eager:
        return 0
    largest = 2 * settings.max_num_seqs
    sizes = len([size for size in GRAPH_SIZES if size <= largest])
    return GRAPH_LEAST_BYTES + sizes * card.architecture.num_hidden_layers * GRAPH_BYTES


def _attention_elements(card: Card, settings: EngineSettings) -> int:
    """Of one token: queries, keys, values, and what attention gives."""
    a, count = card.architecture, settings.tensor_parallel_size
    heads = a.num_attention_heads // count
    size = max(a.head_dim, a.global_head_dim or 0)
    if a.kv_lora_rank is not None:
        # Unpacked for the prompt: keys and values of every head.
        return heads * (a.head_dim + (a.qk_rope_head_dim or 0)) * 4 + a.kv_lora_rank + (a.qk_rope_head_dim or 0)
    return 2 * heads * size + 2 * max(1, a.num_key_value_heads // count) * size


def _state_elements(card: Card, settings: EngineSettings) -> int:
    """Of one token in a layer with a state: its projections before and behind the convolution, gate and result."""
    s = card.architecture.state
    return 0 if s is None else 2 * (s.conv_dim + s.num_heads * s.head_dim) // settings.tensor_parallel_size


def _feed_forward_elements(card: Card, settings: EngineSettings) -> int:
    """Of one token: gate and up projections with their product, or the same of each expert that it goes to."""
    a, count = card.architecture, settings.tensor_parallel_size
    # On a CPU the activation isn't fused with the product: one buffer more.
    dense = (4 if settings.device_kind == "cpu" else 3) * a.intermediate_size // count
    if a.num_experts is None or a.num_experts_per_tok is None:
        return dense
    inside = (a.moe_intermediate_size or a.intermediate_size) // count
    # vLLM's fused kernel keeps one buffer for the first projection and the last, and one for what is between them.
    routed = a.num_experts_per_tok * (max(2 * inside, a.hidden_size) + inside) + 2 * a.num_experts
    return max(routed, dense)
