"""Tiny models with random weights, in the form that Hugging Face folders have: for tests of the decode loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

END = 257
VOCAB_SIZE = 260


def save_tiny_model(folder: Path, *, model_type: str = "llama", **changes: Any) -> Path:
    """A model over bytes (ids 0 to 255) with an end id; large weights make its choices clear-cut."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(
        model_type,
        **{
            "vocab_size": VOCAB_SIZE,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 512,
            "initializer_range": 0.6,
            "bos_token_id": None,
            "eos_token_id": END,
            "pad_token_id": None,
            **changes,
        },
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder


def save_byte_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer without merges; byte b has the id b."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from localtable.engines.decode.token_bytes import byte_level_alphabet

    tokenizer = Tokenizer(models.BPE(vocab=byte_level_alphabet(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<start>", special=True), AddedToken("<end>", special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
