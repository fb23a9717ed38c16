"""The scripted engine's vocabulary: UTF-8 bytes and two control ids.

Level 0, because two rooms have to agree on it: `prompts` renders with it and `engines` answers in it. Text can't
hold a control id, whatever it spells: `<|im_start|>` is twelve bytes here.
"""

from __future__ import annotations

from collections.abc import Iterable

START_OF_TURN = 256
END_OF_TURN = 257
"""What ends generation: the vocabulary's stop id."""
VOCAB_SIZE = 258

_NAMES = {START_OF_TURN: b"<|start_of_turn|>", END_OF_TURN: b"<|end_of_turn|>"}


def encode(text: str) -> tuple[int, ...]:
    """The ids of `text`: its bytes, never a control id."""
    return tuple(text.encode())


def decode(token_ids: Iterable[int]) -> str:
    """The text of `token_ids`: half characters as U+FFFD, control ids by their names.

    Raises:
        ValueError: An id outside the vocabulary.
    """
    token_ids = tuple(token_ids)
    if token_ids and min(token_ids) >= 0 and max(token_ids) < 256:  # plain bytes, as nearly always
        return bytes(token_ids).decode(errors="replace")
    parts = bytearray()
    for token_id in token_ids:
        if not 0 <= token_id < VOCAB_SIZE:
            raise ValueError(f"token id {token_id} is outside the scripted vocabulary (0 to {VOCAB_SIZE - 1})")
        parts += _NAMES[token_id] if token_id in _NAMES else bytes((token_id,))
    return parts.decode(errors="replace")
