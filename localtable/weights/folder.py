"""What makes a folder a model: which of its files count, and what is refused.

Safetensors, JSON, tokenizer and template files only. Pickles and Python files are neither fetched nor read, and a
model that asks for code of its own is refused.
"""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path

from localtable.errors import ConfigError, PrerequisiteError

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.tiktoken", "tokenizer.model", "merges.txt", "vocab.txt")
UNWANTED = ("*/*", "consolidated*.safetensors")
"""Sub-folders hold other formats, `consolidated` the same weights once more."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def is_wanted(name: str) -> bool:
    """Whether a file of this name, relative to the model's folder, belongs to the model."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in WANTED) and not any(
        fnmatch.fnmatchcase(name, pattern) for pattern in UNWANTED
    )


def model_file_names(folder: Path) -> list[str]:
    """The names of the model's files, sorted."""
    return sorted(path.name for path in folder.iterdir() if is_wanted(path.name) and path.is_file())


def check_model_folder(folder: Path) -> list[str]:
    """The names of the model's files, after a look at whether it is one that can be used.

    Raises:
        ConfigError: It asks for code of its own, or holds pickles only.
        PrerequisiteError: Something is missing.
    """
    if not folder.is_dir():
        raise PrerequisiteError(f"{folder} is not there", hint="Check the path in the card.")
    names = model_file_names(folder)
    if "config.json" not in names:
        raise PrerequisiteError(f"{folder} holds no config.json", hint="Name a folder in Hugging Face form.")
    for name in ("config.json", "tokenizer_config.json"):
        if name in names and "auto_map" in _read(folder / name):
            raise ConfigError(
                f"{folder / name} asks for code of the model's own (auto_map), which localtable never runs",
                hint="Take a model whose architecture transformers knows.",
            )
    if not any(name.endswith(".safetensors") for name in names):
        raise ConfigError(
            f"{folder} holds no *.safetensors file", hint="Weights are read as safetensors only, never as pickles."
        )
    if not any(name in names for name in TOKENIZERS):
        raise PrerequisiteError(
            f"{folder} holds no tokenizer ({', '.join(TOKENIZERS)})", hint="Copy the model's tokenizer files there."
        )
    index = "model.safetensors.index.json"
    weight_map = _read(folder / index).get("weight_map") if index in names else None
    shards = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    if missing := sorted(shards - set(names)):
        raise PrerequisiteError(
            f"{folder} lacks {len(missing)} of {len(shards)} weight files, {missing[0]} first",
            hint="Finish the download of this model.",
        )
    return names


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PrerequisiteError(f"{path} is not valid JSON: {error}", hint="Fetch the model again.") from None
    if not isinstance(content, dict):
        raise PrerequisiteError(f"{path} holds no JSON object", hint="Fetch the model again.")
    return content
