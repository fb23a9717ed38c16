"""One request on its way through a batch: what it has generated, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localtable.engines.base import Completion, Failure, Request
from localtable.engines.guides import Guides

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from outlines_core import Guide

    from localtable.engines.decode.kept import KeptRow
    from localtable.types import FinishReason


@dataclass(slots=True, eq=False)
class Row:
    """A request with its own generator, guide and end."""

    request: Request
    prompt: NDArray[np.int64]  # [prompt_tokens]
    generator: torch.Generator
    """On the CPU whatever the model's device: a draw depends on the seed and nothing else."""
    stop_ids: frozenset[int]
    """The request's and the model's own."""
    guide: Guide | None = None
    end_id: int | None = None
    """What the guide allows where the text may end."""

    token_ids: list[int] = field(default_factory=list)
    num_steps: int = 0
    cached_tokens: int = 0
    kept: KeptRow | None = None
    """Keys and values of the prompt, where they may be used again."""
    logprobs: Mapping[int, float] = field(default_factory=dict)
    finish_reason: FinishReason | None = None
    stop_token_id: int | None = None
    failure: str | None = None
    aborted: bool = False

    @property
    def done(self) -> bool:
        return self.finish_reason is not None or self.failure is not None or self.aborted

    @property
    def max_len(self) -> int:
        """The most tokens this row can come to hold."""
        return len(self.prompt) + self.request.sampling.max_tokens

    def accept(self, token_id: int) -> None:
        """Take the next token, and find out whether it was the last."""
        self.num_steps += 1
        if token_id in self.stop_ids or token_id == self.end_id:
            self.finish_reason, self.stop_token_id = "stop", token_id
            return
        self.token_ids.append(token_id)
        if len(self.token_ids) >= self.request.sampling.max_tokens:
            self.finish_reason = "length"
        elif self.guide is not None:
            self.guide.advance(token_id)
            # Where nothing but the end may follow, no step is spent on it.
            if self.guide.is_finished() and self.guide.get_tokens() == [self.end_id]:
                self.finish_reason = "stop"

    def result(self) -> Completion | Failure:
        """What goes back for a row that is done."""
        if self.failure is not None:
            return Failure(self.request.request_id, self.failure, retryable=False)
        assert self.finish_reason is not None, "a row is asked for its result when it is done"
        return Completion(
            request_id=self.request.request_id,
            token_ids=tuple(self.token_ids),
            finish_reason=self.finish_reason,
            prompt_tokens=len(self.prompt),
            cached_tokens=self.cached_tokens,
            completion_tokens=self.num_steps,
            stop_token_id=self.stop_token_id,
            logprobs=self.logprobs,
        )


def build_row(request: Request, eos_ids: frozenset[int], guides: Guides | None) -> Row:
    """Prepare a request whose ids and lengths have been looked at; `guides` where it has a constraint.

    Raises:
        ValueError: The constraint can't be followed.
    """
    import numpy as np
    import torch

    row = Row(
        request=request,
        prompt=np.asarray(request.prompt_token_ids, dtype=np.int64),
        generator=torch.Generator().manual_seed(request.seed),
        stop_ids=eos_ids.union(request.stop_token_ids),
    )
    if request.constraint is not None:
        assert guides is not None
        row.guide, row.end_id = guides.start(request.constraint), guides.end_id
    return row
