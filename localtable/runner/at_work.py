"""Requests that engines have, and what they are for: a turn with its chain of requests, and those who wait for it."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from localtable.engines.base import Completion, Request
from localtable.runner.models import Model
from localtable.store import Generation, Key


class HasState(Protocol):
    """What a turn belongs to."""

    state: str
    """`open` while its turns are wanted."""


class Task(Protocol):
    """A chain of requests to one model: a turn, a ballot that is asked once more, a summary."""

    model: Model
    steps: list[tuple[str, int]]
    """Those that are done, and the number of the generation that each came from."""
    prompt_ids: tuple[int, ...]
    """What it began with; empty until its first prompt is rendered, or where that is not the longest one."""
    tries: int
    """Failures of the present request."""
    said: list[int]
    """Ids that have streamed in for the present one."""
    reused: bool
    """No engine has worked for it so far."""
    charged: bool
    """It holds room in its engine's cache."""

    @property
    def group(self) -> Hashable:
        """Names those with whom it shares what their prompts begin with."""

    @property
    def member(self) -> Hashable:
        """Names it among them."""

    @property
    def doing(self) -> str:
        """What it is at, for those who read why it failed."""

    def current_step(self) -> str:
        """The name of the present request's step."""

    def next_request(self) -> Request | None:
        """The next request; None when it is complete."""

    def take(self, request: Request, completion: Completion) -> None:
        """Go on with what an engine gave."""

    def reserved_tokens(self) -> int:
        """Tokens that it can still take in a cache behind its first prompt."""


Owner = TypeVar("Owner", bound=HasState)
Work = TypeVar("Work", bound=Task)


@dataclass(slots=True)
class AtWork(Generic[Work, Owner]):
    """A request that an engine has, or is about to get, and the turns that wait for its answer."""

    request: Request
    key: Key
    turn: Work
    owner: Owner
    since: float
    """When an engine got it; of one that was preempted, as if it had not been away."""
    away_since: float | None = None
    preempted_at: list[int] = field(default_factory=list)
    """Tokens that it had said each time that it was preempted."""
    followers: list[tuple[Work, Request, Owner]] = field(default_factory=list)
    """Turns of others with an equal request."""

    def generation(self, completion: Completion) -> Generation:
        """What an engine gave for it, as a store keeps it."""
        return Generation(
            key=self.key,
            model=self.turn.model.card.id,
            prompt_tokens=completion.prompt_tokens,
            cached_tokens=completion.cached_tokens,
            completion_tokens=completion.completion_tokens,
            token_ids=completion.token_ids,
            finish_reason=completion.finish_reason,
            stop_token_id=completion.stop_token_id,
            logprobs=completion.logprobs,
            seconds=time.monotonic() - self.since,
            preempted_at=tuple(self.preempted_at),
        )


def completion_of(request: Request, generation: Generation) -> Completion:
    """What an equal request got, as this one's answer."""
    return Completion(
        request_id=request.request_id,
        token_ids=generation.token_ids,
        finish_reason=generation.finish_reason,
        prompt_tokens=generation.prompt_tokens,
        cached_tokens=generation.cached_tokens,
        completion_tokens=generation.completion_tokens,
        stop_token_id=generation.stop_token_id,
        logprobs=generation.logprobs,
    )
