"""Token ids ↔ what is said: a prompt for an endpoint is its conversation in bytes, framed by two control ids.

`prompts` renders it as it does for the scripted engine. Contents can hold no control id, so that nothing that a model
said can pass for a message of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from localtable.scripted_vocabulary import END_OF_TURN, START_OF_TURN
from localtable.types import UNASKED_REASONING

ROLES = ("system", "user", "assistant")

Message = dict[str, str]


def messages_of(prompt: Sequence[int]) -> list[Message]:
    """The messages of a prompt; the opened turn at its end, which the server opens itself, is none.

    A model's own earlier thoughts are left out, as chat templates leave them out, and those without an end too.

    Raises:
        ValueError: The ids are no conversation.
    """
    messages: list[Message] = []
    ids, place = tuple(prompt), 0
    while place < len(ids):
        if ids[place] != START_OF_TURN:
            raise ValueError(f"id {ids[place]} stands where a turn has to begin")
        end = next((i for i in range(place + 1, len(ids)) if ids[i] >= START_OF_TURN), len(ids))
        if end < len(ids) and ids[end] != END_OF_TURN:
            raise ValueError("a turn begins inside another one")
        role, line, content = bytes(ids[place + 1 : end]).decode(errors="replace").partition("\n")
        if role not in ROLES or not line:
            raise ValueError(f"a turn is of nobody that a conversation has: {role[:20]!r}")
        if end < len(ids):
            messages.append({"role": role, "content": _without_thoughts(content) if role == "assistant" else content})
        place = end + 1
        if ids[place : place + 1] == (ord("\n"),):
            place += 1
    if not any(message["role"] == "user" for message in messages):
        raise ValueError("nobody says anything in it")
    return messages


def _without_thoughts(said: str) -> str:
    if UNASKED_REASONING.end in said:
        return said.rpartition(UNASKED_REASONING.end)[2].strip()
    return "" if said.lstrip().startswith(UNASKED_REASONING.start) else said


def with_thoughts(reasoning: str, content: str, *, done: bool) -> str:
    """One text out of thoughts and words, as a model itself would have written it."""
    if not reasoning:
        return content
    closing = f"\n{UNASKED_REASONING.end}\n\n" if content or done else ""
    return f"{UNASKED_REASONING.start}\n{reasoning}{closing}{content}"


def encode(text: str) -> tuple[int, ...]:
    """Ids of a text: its bytes. Half characters, which JSON can hold, are replaced."""
    return tuple(text.encode(errors="replace"))
