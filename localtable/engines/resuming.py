"""A request that was preempted, for an engine that knows nothing of such: what was said goes into the prompt."""

from __future__ import annotations

from dataclasses import replace

from localtable.engines.base import Completion, Request
from localtable.seeds import resumed_seed


def rest_of(request: Request) -> Request:
    """What is left to do of a request; itself where nothing was said yet."""
    num_said = len(request.said)
    if not num_said:
        return request
    sampling = request.sampling
    return replace(
        request,
        prompt_token_ids=request.prompt_token_ids + request.said,
        sampling=replace(
            sampling,
            max_tokens=sampling.max_tokens - num_said,
            min_tokens=max(sampling.min_tokens - num_said, 0),
        ),
        seed=resumed_seed(request.seed, num_said),
        said=(),
    )


def whole(request: Request, rest: Completion) -> Completion:
    """The completion of a request, out of what it said before it was preempted and what came after."""
    if not request.said:
        return rest
    num_prompt = len(request.prompt_token_ids)
    return replace(
        rest,
        token_ids=request.said + rest.token_ids,
        prompt_tokens=num_prompt,
        cached_tokens=min(rest.cached_tokens, num_prompt),
        completion_tokens=len(request.said) + rest.completion_tokens,
    )
