"""A card out of a model's own folder: figures of its config.json, parameters counted in the headers of its weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from localtable.config.card import ArchitectureFile, Count, parse_card
from localtable.errors import ConfigError
from localtable.loading import read_mapping, validate
from localtable.types import Card, Source

MAX_HEADER_BYTES = 100 * 1024 * 1024
"""As safetensors itself reads at most."""
_PACKED = {"I32": (32, ("qweight", "weight_packed")), "U8": (8, ("weight", "weight_packed", "_blocks"))}
"""Where quantised models keep several parameters in one element: the element's bits, and the tensors' names."""


class _Quantization(BaseModel):
    quant_method: str | None = None
    bits: Annotated[int, Field(ge=1, le=32)] | None = None


class HfConfigFile(BaseModel):
    """The figures that are read from a model's own config.json; whatever else it holds is its own matter."""

    model_type: str
    num_hidden_layers: Count
    hidden_size: Count
    intermediate_size: Count
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    vocab_size: Count
    max_position_embeddings: Count
    tie_word_embeddings: bool = False
    dtype: str | None = None
    torch_dtype: str | None = None
    quantization_config: _Quantization | None = None


def card_from_hf_config(folder: Path, *, card_id: str | None = None, source: Source | None = None) -> Card:
    """A card derived from a model's own config.json.

    Args:
        folder: Holds config.json, and the weights, whose headers give the parameter count.
        card_id: The card's id; made from the folder's name by default.
        source: Where the weights come from; the folder itself by default.

    Raises:
        ConfigError: No config.json, code of the model's own, missing figures, or 200B parameters and more.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no config.json, so it is no Hugging Face model folder",
            hint="Name the folder that holds config.json, tokenizer.json and *.safetensors.",
        )
    config = read_mapping(path)
    if "auto_map" in config:
        raise ConfigError(
            f"{path} asks for code of the model's own (auto_map), which localtable never runs",
            hint="Take a model whose architecture transformers knows.",
        )
    # A multimodal model's language part has a mapping of its own, but ties its embeddings at the top.
    text = config.get("text_config")
    ties = {key: value for key, value in config.items() if key == "tie_word_embeddings"}
    try:
        figures = validate(HfConfigFile, {**config, **(text if isinstance(text, dict) else {}), **ties}, str(path))
    except ConfigError as error:
        raise ConfigError(error.message, hint="Write the card by hand: docs/contracts.md shows the form.") from None
    quantization = figures.quantization_config
    data = {
        "id": card_id or re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).strip("-._") or "model",
        "name": folder.name,
        "publisher": "unknown",
        "license": "unknown",
        "parameters": _count_parameters(folder, quantization),
        "context_length": figures.max_position_embeddings,
        "dtype": figures.dtype or figures.torch_dtype or "bfloat16",
        "quantization": quantization.quant_method if quantization else None,
        "architecture": {
            **figures.model_dump(include=set(ArchitectureFile.model_fields)),
            "num_key_value_heads": figures.num_key_value_heads or figures.num_attention_heads,
            "head_dim": figures.head_dim or figures.hidden_size // figures.num_attention_heads,
        },
        "facts_from": str(path),
        "sources": [{"file": str(folder)}],
    }
    card = parse_card(data, str(path), folder)
    return card if source is None else replace(card, sources=(source,))


def _count_parameters(folder: Path, quantization: _Quantization | None) -> int:
    """Elements of all tensors, read from the headers of the safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(
            f"{folder} holds no *.safetensors file", hint="Weights are read as safetensors only, never as pickles."
        )
    bits = quantization.bits or 4 if quantization else None
    return sum(_elements(name, spec, bits) for path in files for name, spec in _read_header(path).items())


class TensorHeader(BaseModel):
    """What a safetensors header says of one tensor, as far as counting goes."""

    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]


def _read_header(path: Path) -> Mapping[str, TensorHeader]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(path.stat().st_size, MAX_HEADER_BYTES):
                raise ValueError(f"its header would have {length:,} bytes")
            header = json.loads(file.read(length))
        return {name: TensorHeader.model_validate(spec) for name, spec in header.items() if name != "__metadata__"}
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check its permissions.") from None
    except (ValueError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} is no safetensors file: {reason}", hint="Fetch it again.") from None


def _elements(name: str, tensor: TensorHeader, bits: int | None) -> int:
    count = math.prod(tensor.shape)
    container, names = _PACKED.get(tensor.dtype, (0, ()))
    packed = bits is not None and name.endswith(names) and bits < container
    return count * container // bits if packed and bits else count
