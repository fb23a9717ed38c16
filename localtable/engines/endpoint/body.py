"""Requests as the protocol has them, and what to leave out where a server refuses a part of them."""

from __future__ import annotations

from typing import Any

from localtable.ballots.form import ballot_schema
from localtable.engines.base import Constraint, Request
from localtable.engines.endpoint.conversation import messages_of
from localtable.types import Endpoint

TOP_LOGPROBS = 20
"""As many as the protocol allows: other tokens that a server lists at each place."""
SEED_BITS = 31
"""Servers keep seeds in words of 32 bits."""
MAX_ASKED = 3
"""How often a ballot is asked whose answer can't be read."""

DROPPABLE = {
    "response_format": ("response_format", "json_schema", "structured", "guided", "grammar", "schema"),
    "logprobs": ("logprob",),
    "seed": ("seed",),
    "stream_options": ("stream_options", "include_usage"),
    "max_tokens": ("max_completion_tokens",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
}
"""What a request can do without, and how servers call it that refuse it; `max_tokens` then goes by its newer name. What
decides how a statement is drawn is left out only where it says what is so anyway: else a refusal is an error."""
DEFAULT = 1.0
"""Of temperature and top_p, in the protocol."""


def build_body(endpoint: Endpoint, request: Request, *, asked: int = 0) -> dict[str, Any]:
    """The whole request.

    Args:
        endpoint: Says which model.
        request: What is asked.
        asked: How often it has been answered by what can't be read.

    Raises:
        ValueError: The prompt is no conversation.
    """
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": messages_of(request.prompt_token_ids),
        "seed": (request.seed + asked) % 2**SEED_BITS,
    }
    if request.constraint is None:
        return body | _sampling(request) | {"stream": True, "stream_options": {"include_usage": True}}
    return body | _ballot(endpoint, request.constraint, asked)


def _sampling(request: Request) -> dict[str, Any]:
    drawn = request.sampling
    unusual = {
        "top_k": drawn.top_k if drawn.top_k > 0 else None,
        "min_p": drawn.min_p or None,
        "repetition_penalty": drawn.repetition_penalty if drawn.repetition_penalty != 1.0 else None,
        "min_tokens": drawn.min_tokens or None,
    }
    return {
        "temperature": drawn.temperature,
        "top_p": drawn.top_p,
        "max_tokens": drawn.max_tokens,
        **{name: value for name, value in unusual.items() if value is not None},
    }


def _ballot(endpoint: Endpoint, constraint: Constraint, asked: int) -> dict[str, Any]:
    assert constraint.reply is not None
    schema = ballot_schema(constraint.reply.key, [chr(i) for i in constraint.token_ids])
    return {
        # What was greedy and could not be read would come again.
        "temperature": 0.0 if asked == 0 else 0.7,
        "max_tokens": endpoint.ballot_tokens,
        "logprobs": True,
        "top_logprobs": TOP_LOGPROBS,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "ballot", "strict": True, "schema": schema},
        },
    }


def without(body: dict[str, Any], parts: frozenset[str]) -> dict[str, Any]:
    """The request without some of `DROPPABLE`."""
    left = {name: value for name, value in body.items() if name not in parts}
    if "logprobs" in parts:
        left.pop("top_logprobs", None)
    if "max_tokens" in parts and "max_tokens" in body:
        left["max_completion_tokens"] = body["max_tokens"]
    return left


def decides(body: dict[str, Any], part: str, *, drawn: bool) -> bool:
    """Whether a part of a request says how its words are drawn, where they matter: then it is never left out."""
    return drawn and part in ("temperature", "top_p") and body.get(part) != DEFAULT


def next_to_drop(body: dict[str, Any], said: str, *, drawn: bool) -> str | None:
    """What to leave out of a request that was refused with these words; None where nothing of it is to blame.

    A server that names no part may mean what most servers lack.

    Args:
        body: As it was sent.
        said: What the server said.
        drawn: Whether the answer's words matter; of a ballot only its vote does.
    """
    said = said.lower()
    for part, names in DROPPABLE.items():
        if part in body and any(name in said for name in names) and not decides(body, part, drawn=drawn):
            return part
    return next((part for part in ("response_format", "logprobs") if part in body), None)
