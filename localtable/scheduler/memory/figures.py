"""What a card has to say before its model can be planned with."""

from __future__ import annotations

from localtable.errors import ConfigError
from localtable.scheduler.memory.weights import QUANTIZED_BITS
from localtable.types import Card

NEEDS: dict[str, tuple[str, ...]] = {
    "kv_lora_rank": ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "kimi_k2", "mistral4", "minicpm3"),
    "sliding_window": ("gemma2", "gemma3", "gemma4", "gpt_oss", "cohere2", "llama4", "olmo3", "exaone4"),
    "state": ("qwen3_next", "qwen3_5", "nemotron_h", "falcon_h1", "granitemoehybrid", "bamba", "jamba", "kimi_linear"),
}
"""Kinds of models that keep less of a sequence than keys and values of every layer, by the beginning of `model_type`,
and the figure of `architecture` that says how much."""


def missing_figures(card: Card) -> list[str]:
    """The keys of the card's file that planning needs and that aren't there."""
    a = card.architecture
    missing = [
        f"architecture.{name}"
        for name, kinds in NEEDS.items()
        # A card that lists its layers has said what they keep.
        if a.model_type.startswith(kinds) and getattr(a, name) is None and (name == "kv_lora_rank" or a.layers is None)
    ]
    if a.num_experts is not None:
        wanted = ("num_experts_per_tok", "moe_intermediate_size")
        missing += [f"architecture.{name}" for name in wanted if getattr(a, name) is None]
    if card.quantization is not None and card.weights_bytes is None and card.quantization not in QUANTIZED_BITS:
        missing.append("weights_bytes")
    return missing


def require_figures(card: Card) -> None:
    """Refuse a card that can't be planned with.

    Raises:
        ConfigError: With the names of what is missing.
    """
    missing = missing_figures(card)
    if missing:
        raise ConfigError(
            f"{card.id} can't be planned with: its card doesn't say {', '.join(missing)}",
            hint="Write it into the card, from the model's config.json; weights_bytes is the size of its files.",
        )


def require_context(card: Card, max_model_len: int) -> None:
    """Refuse a context that the model doesn't have.

    Raises:
        ConfigError: It is longer than the card's `context_length`, or no length at all.
    """
    if not 1 <= max_model_len <= card.context_length:
        raise ConfigError(
            f"a context of {max_model_len:,} tokens is not to be had of {card.id}, which takes 1 to "
            f"{card.context_length:,}",
            hint="Lower max_model_len.",
        )
