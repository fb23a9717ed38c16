"""Labels' log-probabilities out of what a server lists for each place: its most probable tokens.

A server has a tokenizer of its own, which is not known here: `B`, `"B` and `B"` can each be one token. So the token in
which the answer's label stands is found by its place in the reply, and of the other tokens listed there those count
that write the same before the label and nothing but its closing behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from localtable.ballots.reading import SUM_TOLERANCE

Byte = Annotated[int, Field(ge=0, le=255)]

CLOSINGS = (b"", b'"', b'"}', b"'")
"""What may stand behind a label in one token with it."""


class _Listed(BaseModel):
    token: str
    logprob: Annotated[float, Field(le=1e-3, allow_inf_nan=False)]
    utf8: Annotated[list[Byte] | None, Field(alias="bytes")] = None

    @property
    def text(self) -> bytes:
        return bytes(self.utf8) if self.utf8 is not None else self.token.encode(errors="replace")


class _Place(_Listed):
    top_logprobs: list[_Listed] = []


class _Logprobs(BaseModel):
    content: list[_Place] | None = None


def label_logprobs(given: Any, reply: str, place: int, labels: Sequence[str]) -> dict[str, float]:
    """By label: its natural log-probability where the reply's label stands, as far as the server lists it.

    Args:
        given: `choices[].logprobs`, as the server sent it.
        reply: What was said.
        place: Where its label stands, in characters.
        labels: All that could stand there, each one ASCII character.

    Returns:
        Of the labels that are listed; nothing where that can't be made out. They sum to less than 1 where other tokens
        than labels were possible.
    """
    try:
        places = (_Logprobs.model_validate(given).content if given is not None else None) or []
    except ValidationError:
        return {}
    whole = b"".join(found.text for found in places)
    start = whole.find(reply.encode(errors="replace"))
    at = start + len(reply[:place].encode(errors="replace"))
    passed = 0
    for found in places if start >= 0 else ():
        if passed <= at < passed + len(found.text):
            return _by_label(found, at - passed, labels)
        passed += len(found.text)
    return {}


def _by_label(found: _Place, offset: int, labels: Sequence[str]) -> dict[str, float]:
    before, known = found.text[:offset], {label.encode(): label for label in labels}
    listed = {one.text: one.logprob for one in (found, *found.top_logprobs)}
    masses: dict[str, float] = {}
    for text, logprob in listed.items():
        label = known.get(text[offset : offset + 1]) if text.startswith(before) else None
        if label is not None and text[offset + 1 :].rstrip() in CLOSINGS:
            masses[label] = masses.get(label, 0.0) + math.exp(logprob)
    if math.fsum(masses.values()) > 1 + SUM_TOLERANCE:
        return {}  # whatever that is, it is no distribution
    return {label: math.log(mass) for label, mass in masses.items() if mass > 0}
