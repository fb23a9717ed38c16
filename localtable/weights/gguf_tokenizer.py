"""GGUF metadata → tokenizer files. Runs inside the conversion's own process only.

transformers builds the tokenizer; what it leaves out although the metadata says it is added here, so that the files
give the same ids as the publisher's own: individual digits, Unicode normalisation, no names for padding rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localtable.weights.gguf_tensors import ConversionRefusedError

SPLIT_DIGITS = frozenset({"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"})
"""Values of tokenizer.ggml.pre that llama.cpp splits at every digit, then as GPT-2 (src/llama-vocab.cpp)."""

LIKE_GPT2 = frozenset({"gpt-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "phi-2"})
"""Values of tokenizer.ggml.pre that llama.cpp splits as GPT-2 does, which is what transformers builds by default."""

NFC = frozenset({"qwen2", "qwen35", "deepseek-r1-qwen"})
"""Values whose published tokenizers normalise text to NFC first; llama.cpp leaves that to its caller."""

UNUSED = 5
"""tokenizer.ggml.token_type of a row that pads the embedding and has no text."""


def write_tokenizer(path: Path, out: Path, *, context_length: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja.

    Raises:
        ConversionRefusedError: A way of splitting text that isn't known here, or no chat template.
    """
    from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

    architecture, parts, settings = get_gguf_tokenizer(str(path))
    _refuse_unknown_split(parts)
    template = settings.pop("chat_template", None)
    if not template:
        raise ConversionRefusedError("it carries no chat template, so nothing says how to talk to it")
    backend, _ = convert_gguf_tokenizer(architecture, parts)
    written = _mended(json.loads(backend.to_str()), parts)
    _write_json(out / "tokenizer.json", written)
    config = {
        # The class that takes tokenizer.json as it stands; the models' own classes build parts of it anew.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        **{name: token for name, token in settings.items() if token is not None},
    }
    _write_json(out / "tokenizer_config.json", config)
    (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def _refuse_unknown_split(parts: Mapping[str, Any]) -> None:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    split = parts.get("pre_tokenizer_type")
    if parts.get("tokenizer_type") == "gpt2" and split not in {*GGUF_PRE_TOKENIZER_SPLITS, *SPLIT_DIGITS, *LIKE_GPT2}:
        raise ConversionRefusedError(f"its text is split by rules named {split!r}, which transformers does not have")


def _mended(tokenizer: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    split = parts.get("pre_tokenizer_type")
    if split in SPLIT_DIGITS:
        digits = {"type": "Digits", "individual_digits": True}
        tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, tokenizer["pre_tokenizer"]]}
    if split in NFC and tokenizer["normalizer"] is None:
        tokenizer["normalizer"] = {"type": "NFC"}
    vocabulary = tokenizer["model"]["vocab"]
    for index, (token, kind) in enumerate(zip(parts["tokens"], parts.get("token_type") or (), strict=False)):
        if kind == UNUSED and token == f"[PAD{index}]" and isinstance(vocabulary, dict):
            del vocabulary[token]
    return tokenizer


def _write_json(path: Path, data: Any) -> None:
    # ASCII only where it must be: a vocabulary of escapes is twice as long and slower to read.
    path.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
