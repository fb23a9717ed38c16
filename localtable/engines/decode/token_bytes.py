"""tokenizer.json → the vocabulary that outlines follows a regex over.

Tokens are mapped to the bytes they stand for. Going through text instead, as outlines' own backend does, turns half
characters into U+FFFD and then no regex reaches them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outlines_core import Vocabulary

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE_MARK = "\u2581"


def load_vocabulary(tokenizer_json: Path, *, end_id: int, vocab_size: int) -> Vocabulary:
    """The tokenizer's tokens by their bytes, without special tokens.

    Args:
        tokenizer_json: The tokenizer's file.
        end_id: The model's end id, which a guide allows where the text may end.
        vocab_size: Of the model; ids that its logits don't reach are left out.

    Raises:
        ValueError: The file is missing or broken, or its tokens stand for bytes in a way that is not known here.
    """
    from outlines_core import Vocabulary

    try:
        data = json.loads(tokenizer_json.read_bytes())
    except OSError as error:
        raise ValueError(f"{tokenizer_json} can't be read ({error.strerror}), and a constraint needs it") from None
    to_bytes = _token_reader(data)
    added = {token["id"]: token for token in data.get("added_tokens", ())}
    ids_by_bytes: dict[bytes, list[int]] = {}
    for token, token_id in _base_tokens(data["model"]):
        if token_id not in added:
            ids_by_bytes.setdefault(to_bytes(token), []).append(token_id)
    for token_id, token in added.items():
        if not token["special"]:
            ids_by_bytes.setdefault(token["content"].encode(), []).append(token_id)
    kept = {
        text: reachable
        for text, ids in ids_by_bytes.items()
        if text and (reachable := sorted(i for i in ids if i < vocab_size and i != end_id))
    }
    return Vocabulary(end_id, kept)


def _base_tokens(model: dict[str, Any]) -> list[tuple[str, int]]:
    vocab = model["vocab"]
    if isinstance(vocab, dict):  # BPE
        return list(vocab.items())
    return [(token, token_id) for token_id, (token, _) in enumerate(vocab)]  # Unigram: token and score


def _token_reader(data: dict[str, Any]) -> Callable[[str], bytes]:
    decoders = _flatten(data.get("decoder") or {})
    if "ByteLevel" in decoders:
        return _from_byte_level
    if decoders & {"Metaspace", "ByteFallback", "Replace"}:
        return _from_space_marks
    raise ValueError(f"constrained decoding knows no tokenizer whose decoder is {sorted(decoders)}")


def _flatten(decoder: dict[str, Any]) -> set[str]:
    inner = decoder.get("decoders", ())
    return {str(decoder.get("type"))}.union(*(_flatten(part) for part in inner))


def _from_byte_level(token: str) -> bytes:
    alphabet = byte_level_alphabet()
    return bytes(alphabet[char] for char in token)


def _from_space_marks(token: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(token)
    return bytes((int(byte[1], 16),)) if byte else token.replace(_SPACE_MARK, " ").encode()


@cache
def byte_level_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes (openai/gpt-2, src/encoder.py, bytes_to_unicode)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
