"""Attention over grouped heads without copying keys and values, for CPUs.

transformers' own sdpa path repeats them once per query head where a mask is given, at every layer and step. With
SmolLM2 (9 heads on 3) on 2 cores, 32 rows of 500 tokens, a decode step fell from 1.4 s to 0.2 s without that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_NAME = "localtable_grouped"


def grouped_attention_name() -> str:
    """Make the attention known to transformers and say by which name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(_NAME, _grouped_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    return _NAME


def _grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend; called as transformers calls all its attention functions.

    Args:
        module: The attention layer.
        query: [num_seqs, num_heads, num_new, head_dim].
        key: [num_seqs, num_kv_heads, num_columns, head_dim].
        value: As `key`.
        attention_mask: True where a query may look, [num_seqs, 1, num_new, num_columns].
        kwargs: `scaling` of the scores, `is_causal` where no mask says so, and what other attentions understand.
    """
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if kwargs.get("position_bias") is not None or query.shape[1] == key.shape[1]:
        repeated: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **kwargs
        )
        return repeated
    is_causal = kwargs.get("is_causal")
    looks_back = getattr(module, "is_causal", True) if is_causal is None else is_causal
    output = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=attention_mask,
        scale=kwargs.get("scaling"),
        is_causal=bool(looks_back) and attention_mask is None and query.shape[2] > 1,
        enable_gqa=True,
    )
    return output.transpose(1, 2).contiguous(), None  # [num_seqs, num_new, num_heads, head_dim]
