"""Model folders of published shapes with made-up weights: real files, so that loading them is real.

What a card says of a dense model is enough for its config.json (`check_memory.hf_config`); the names and shapes of its
tensors are those of transformers' own class. The numbers in them mean nothing, so what such a model says is noise, but
every step takes its time and its memory.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from check_memory import hf_config

from localtable.types import Card, FileSource

POOL_NUMBERS = 16_777_259
"""Random numbers that tensors are filled with, over and over. A prime number: no two rows of a matrix are the same."""
DEVIATION = 0.02
SHARD_BYTES = 2**30
SPACE = "Ġ"
"""How byte-level tokenizers write a space."""
STARTS, ENDS = "<|im_start|>", "<|im_end|>"
MARKS = ("<|endoftext|>", STARTS, ENDS)
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class CantMakeUpError(Exception):
    """A model that this script can't write."""


def made_up_card(card: Card, folder: Path, card_id: str | None = None) -> Card:
    """The same model under an id of its own, its weights in a folder."""
    return replace(
        card,
        id=card_id or f"made-up-{card.id}",
        name=f"{card.name}, made-up weights",
        # The template that is written knows no thinking.
        reasoning=None,
        engine={},
        sources=(FileSource(str(folder)),),
    )


def write_model(card: Card, folder: Path, *, seed: int = 0) -> int:
    """A Hugging Face folder of this shape; one that is whole already is left as it is.

    Args:
        card: A dense model.
        folder: Made if it isn't there.
        seed: Of the numbers.

    Returns:
        Bytes of its weights.

    Raises:
        CantMakeUpError: Experts, states, quantisation, or a disk too full.
    """
    if not (folder / "whole").is_file():
        require_dense(card)
        require_disk(folder, 2 * card.parameters)
        folder.mkdir(parents=True, exist_ok=True)
        write_tokenizer(folder, card.architecture.vocab_size)
        _write_weights(card, folder, seed)
        forget_files(folder)  # on the disk now, so that no later part waits for that
        (folder / "whole").touch()
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def require_dense(card: Card) -> None:
    """Refuse what transformers and vLLM don't store under the same names.

    Raises:
        CantMakeUpError: With the reason.
    """
    a = card.architecture
    if a.num_experts is not None or a.state is not None or a.kv_lora_rank is not None or card.quantization is not None:
        raise CantMakeUpError(f"{card.id} can't be made up: only dense models without quantisation are")


def require_disk(folder: Path, needed: int) -> None:
    """Refuse a disk that is too full.

    Raises:
        CantMakeUpError: With the figures.
    """
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed * 1.05 > free:
        raise CantMakeUpError(f"{folder} needs {needed / 2**30:.1f} GiB of disk; {free / 2**30:.1f} GiB are free")


def _write_weights(card: Card, folder: Path, seed: int) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(card.architecture.model_type, **model_config(card))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    pool = torch.randn(POOL_NUMBERS, generator=torch.Generator().manual_seed(seed)).mul_(DEVIATION).bfloat16()
    tied = "lm_head.weight" if card.architecture.tie_word_embeddings else None
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items() if name != tied}
    index: dict[str, str] = {}
    for number, names in enumerate(shards(shapes), start=1):
        offsets = itertools.accumulate((shapes[name].numel() for name in names), initial=number)
        tensors = {
            # Norms multiply: noise around nothing would silence every layer.
            name: torch.ones(shapes[name], dtype=torch.bfloat16)
            if len(shapes[name]) == 1 and name.endswith("weight")
            else filled(pool, shapes[name], offset)
            for name, offset in zip(names, offsets, strict=False)
        }
        path = folder / f"model-{number:05}.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        index |= dict.fromkeys(names, path.name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def model_config(card: Card) -> dict[str, Any]:
    """The figures of its config.json; generation ends where the tokenizer's turns do."""
    vocab = card.architecture.vocab_size
    ids = {"bos_token_id": None, "pad_token_id": None, "eos_token_id": vocab - 1}
    return hf_config(card) | ids | {"architectures": None}


def shards(shapes: dict[str, Any]) -> Iterator[list[str]]:
    """Names of tensors, file by file."""
    names: list[str] = []
    size = 0
    for name, shape in shapes.items():
        if names and size + 2 * shape.numel() > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += 2 * shape.numel()
    yield names


def filled(pool: Any, shape: Any, offset: int) -> Any:
    """A tensor of the pool's numbers from a place on; copying is many times faster than drawing."""
    import torch

    tensor = torch.empty(shape, dtype=pool.dtype)
    flat, at, start = tensor.view(-1), 0, offset % len(pool)
    while at < len(flat):
        count = min(len(pool) - start, len(flat) - at)
        flat[at : at + count] = pool[start : start + count]
        at, start = at + count, 0
    return tensor


# ── a tokenizer of any size ─────────────────────────────────────────────────────────────────────────────────


def write_tokenizer(folder: Path, vocab_size: int) -> None:
    """A byte-level tokenizer with a word for every id, and a chat template.

    Words are a space and small letters, each merged letter by letter: whatever ids a model says, its text comes to as
    many tokens when a peer reads it.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from localtable.engines.decode.token_bytes import byte_level_alphabet

    alphabet = byte_level_alphabet()
    words = list(itertools.islice(_words(), vocab_size - len(alphabet) - len(MARKS)))
    vocab = alphabet | {word: len(alphabet) + i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[(word[:-1], word[-1]) for word in words]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))
    own = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": ENDS, "pad_token": MARKS[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(own))
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def _words() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield SPACE + "".join(letters)


def forget_files(folder: Path) -> None:
    """Ask the system to drop a folder's weights from its page cache, so that the next load reads the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.glob("*.safetensors"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
