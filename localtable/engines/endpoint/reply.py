"""What a server sends, read as something that anybody may have written: one object, or a stream of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from localtable.engines.endpoint.conversation import with_thoughts

_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
DONE = "[DONE]"


class Unreadable(Exception):
    """It is not what the protocol says; another time it may be."""


class Declined(Exception):
    """The server says that it will not, as part of an answer."""


class _Details(BaseModel):
    cached_tokens: _Count | None = None


class _Usage(BaseModel):
    prompt_tokens: _Count | None = 0
    completion_tokens: _Count | None = 0
    prompt_tokens_details: _Details | None = None


class _Said(BaseModel):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Sent(BaseModel):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


@dataclass(slots=True)
class Reply:
    """An answer, as far as it has come."""

    content: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    logprobs: Any = None
    prompt_tokens: int = 0
    """0, as the other two: the server counts nothing."""
    cached_tokens: int = 0
    completion_tokens: int = 0

    @property
    def text(self) -> str:
        """Thoughts and words."""
        return with_thoughts(self.reasoning, self.content, done=self.finish_reason is not None)

    def add(self, data: str) -> None:
        """Take one object of the stream, or the only one.

        Raises:
            Unreadable: It is none.
            Declined: It is an error of the server's, or its content filter's.
        """
        try:
            sent = _Sent.model_validate(json.loads(data))
        except (ValueError, RecursionError, ValidationError):
            raise Unreadable(f"sent what is no answer: {data}") from None
        if sent.error:
            raise Unreadable(f"sent an error: {sent.error}")
        if sent.usage is not None:
            details = sent.usage.prompt_tokens_details
            self.prompt_tokens = sent.usage.prompt_tokens or 0
            self.completion_tokens = sent.usage.completion_tokens or 0
            self.cached_tokens = min((details and details.cached_tokens) or 0, self.prompt_tokens)
        for choice in (sent.choices or ())[:1]:
            said = choice.message or choice.delta or _Said()
            self.content += said.content or ""
            self.reasoning += said.reasoning_content or said.reasoning or ""
            self.finish_reason = choice.finish_reason or self.finish_reason
            self.logprobs = choice.logprobs or self.logprobs
            if said.refusal:
                raise Declined(f"declined: {said.refusal}")
            if choice.finish_reason == "content_filter":
                raise Declined("held the answer back: its content filter")


def read_events(lines: Iterable[str]) -> Iterator[str]:
    """The data of server-sent events, up to the one that ends the stream; `[DONE]` itself is given last."""
    for line in lines:
        if line.startswith("data:"):
            data = line[5:].strip()
            yield data
            if data == DONE:
                return
