"""What an engine looks at before it takes a request, the same for all engines.

A request that fails here becomes a `Failure` with a plain reason and costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from localtable.engines.base import Request
from localtable.errors import EngineError


def refusal(request: Request, *, max_model_len: int, vocab_size: int) -> str | None:
    """Why this engine can't serve `request`, or None where it can."""
    prompt_tokens = len(request.prompt_token_ids)
    max_tokens = request.sampling.max_tokens
    if prompt_tokens == 0:
        return "the prompt is empty; at least one token is needed"
    if max_tokens < 1:
        return f"max_tokens is {max_tokens}; at least 1 is needed"
    if prompt_tokens + max_tokens > max_model_len:
        return (
            f"{prompt_tokens} prompt tokens and max_tokens {max_tokens} make {prompt_tokens + max_tokens}, above "
            f"max_model_len {max_model_len}; raise max_model_len or shorten what is shown"
        )
    if request.said and (len(request.said) >= max_tokens or not request.resumable):
        said = f"{len(request.said)} tokens are said of at most {max_tokens}"
        return f"{said}; only free text that is not at its end goes on"
    if request.constraint and request.logprob_token_ids:
        return "log-probabilities are wanted constrained and unconstrained; send two requests"
    wanted = request.constraint.token_ids if request.constraint else ()
    for name, token_ids in (
        ("prompt_token_ids", request.prompt_token_ids),
        ("what was said", request.said),
        ("the constraint's token_ids", wanted),
        ("logprob_token_ids", request.logprob_token_ids),
        ("stop_token_ids", request.stop_token_ids),
    ):
        # min and max run in C: a prompt has thousands of ids and there are thousands of prompts.
        if token_ids and not (min(token_ids) >= 0 and max(token_ids) < vocab_size):
            wrong = next(i for i in token_ids if not 0 <= i < vocab_size)
            return f"{name} hold the id {wrong}, outside the vocabulary (0 to {vocab_size - 1})"
    return None


def require_unique(requests: Sequence[Request], unfinished: Collection[str]) -> None:
    """Refuse a batch that could not be told apart from what is still unfinished.

    Raises:
        EngineError: A request id stands twice; nothing of the batch has been taken.
    """
    seen = set(unfinished)
    for request in requests:
        if request.request_id in seen:
            raise EngineError(
                f"request id {request.request_id!r} was submitted while one of the same name is unfinished",
                hint="Give every request an id of its own until its completion has come back.",
            )
        seen.add(request.request_id)
