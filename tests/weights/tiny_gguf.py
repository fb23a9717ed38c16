"""GGUF files of a few kilobytes, with everything a real one has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
HIDDEN, LAYERS, HEADS, KV_HEADS, FEED_FORWARD = 64, 2, 4, 2, 128


def write_gguf(
    path: Path,
    *,
    architecture: str = "llama",
    pre: str = "smollm",
    template: str | None = TEMPLATE,
    output: str = "none",
    extra_tensor: str | None = None,
    scaling: str | None = None,
) -> Path:
    """Write a model of random weights.

    Args:
        path: Where to.
        architecture: llama or qwen2.
        pre: How text is split.
        template: The chat template.
        output: `none`, `same` (the embedding once more, in a finer quantisation) or `other`.
        extra_tensor: A tensor that no model has.
        scaling: A way of scaling positions.
    """
    rng = np.random.default_rng(7)
    writer = gguf.GGUFWriter(str(path), architecture)
    tokens, kinds = _tokens()
    _write_metadata(writer, architecture, pre, tokens, kinds)
    if template is not None:
        writer.add_chat_template(template)
    if scaling is not None:
        writer.add_string(f"{architecture}.rope.scaling.type", scaling)

    def add(name: str, *shape: int, kind: Any = gguf.GGMLQuantizationType.Q4_0, values: Any = None) -> None:
        values = rng.standard_normal(shape).astype(np.float32) if values is None else values
        if len(values.shape) == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)

    embedding = rng.standard_normal((len(tokens), HIDDEN)).astype(np.float32)
    add("token_embd.weight", values=embedding)
    if output != "none":
        other = rng.standard_normal(embedding.shape).astype(np.float32)
        add("output.weight", values=embedding if output == "same" else other, kind=gguf.GGMLQuantizationType.Q8_0)
    add("output_norm.weight", HIDDEN)
    wide = HIDDEN // HEADS * KV_HEADS
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (HIDDEN,),
            "attn_q": (HIDDEN, HIDDEN),
            "attn_k": (wide, HIDDEN),
            "attn_v": (wide, HIDDEN),
            "attn_output": (HIDDEN, HIDDEN),
            "ffn_norm": (HIDDEN,),
            "ffn_gate": (FEED_FORWARD, HIDDEN),
            "ffn_up": (FEED_FORWARD, HIDDEN),
            "ffn_down": (HIDDEN, FEED_FORWARD),
        }.items():
            add(f"blk.{layer}.{name}.weight", *shape)
            if architecture == "qwen2" and name in ("attn_q", "attn_k", "attn_v"):
                add(f"blk.{layer}.{name}.bias", shape[0])
    if extra_tensor is not None:
        add(extra_tensor, 8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens() -> tuple[list[str], list[int]]:
    control, normal, user_defined, unused = 3, 1, 4, 5
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    plain = [*bytes_to_unicode().values(), "12", "<think>"]
    tokens = special + plain
    kinds = [control] * len(special) + [normal] * (len(plain) - 1) + [user_defined]
    while len(tokens) % 32:
        tokens.append(f"[PAD{len(tokens)}]")
        kinds.append(unused)
    return tokens, kinds


def _write_metadata(writer: gguf.GGUFWriter, architecture: str, pre: str, tokens: list[str], kinds: list[int]) -> None:
    writer.add_name("Tiny")
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    if architecture == "llama":
        writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["1 2"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
