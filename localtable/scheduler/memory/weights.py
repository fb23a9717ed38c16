"""Bytes of a model's parameters, on one device or dealt out over several."""

from __future__ import annotations

from localtable.scheduler.memory.settings import DTYPE_BYTES
from localtable.types import Card

QUANTIZED_BITS = {
    "awq": 4.25,
    "gptq": 4.25,
    "bitsandbytes": 4.25,
    "mxfp4": 4.25,
    "fp8": 8.0,
}
"""Of one parameter of a linear layer with its scales, where a card doesn't say what its weights take: 4 bits and one
16-bit scale for a group of 64 or 128, or one 8-bit scale for 32 (mxfp4). Embeddings stay in 16 bits."""


def weights_bytes(card: Card, dtype: str) -> int:
    """Bytes of all parameters, loaded in a dtype.

    What the card says of its files goes first: of a quantised model always, of another one in its own dtype. A
    quantisation that isn't known counts as none.
    """
    if card.weights_bytes is not None and (card.quantization is not None or dtype == card.dtype):
        return card.weights_bytes
    plain = DTYPE_BYTES.get(dtype, 2)
    bits = QUANTIZED_BITS.get(card.quantization or "")
    if bits is None:
        return card.parameters * plain
    a = card.architecture
    embeddings = min(a.vocab_size * a.hidden_size * (1 if a.tie_word_embeddings else 2), card.parameters)
    return int((card.parameters - embeddings) * bits / 8) + embeddings * plain


def rank_weights_bytes(card: Card, dtype: str, count: int) -> int:
    """Bytes on each of `count` devices under tensor parallelism.

    vLLM deals out linear layers, experts and embeddings. Norms, routers and the down projections of latent attention
    are on every device; of keys' and values' projections each has one head at least.
    """
    total = weights_bytes(card, dtype)
    if count == 1:
        return total
    a = card.architecture
    everywhere = (2 * a.num_hidden_layers + 1) * a.hidden_size
    everywhere += a.num_hidden_layers * a.hidden_size * (a.num_experts or 0)
    if a.kv_lora_rank is not None:
        everywhere += a.num_hidden_layers * a.hidden_size * (a.kv_lora_rank + (a.qk_rope_head_dim or 0))
        copied = 0.0
    else:
        layers = a.layers.full + a.layers.sliding if a.layers else a.num_hidden_layers
        copied = 2 * layers * a.hidden_size * a.head_dim * max(0.0, 1 - a.num_key_value_heads / count)
    width = DTYPE_BYTES.get(dtype, 2)
    return int(total / count + everywhere * width * (1 - 1 / count) + copied * width)
