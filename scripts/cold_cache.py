"""Preloaded into a worker by benchmarks: a request called COLD empties the engine's prefix cache.

Timings of the same prompts one after another would otherwise find each other's blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from localtable.engines.base import Failure, Request
from localtable.engines.vllm_engine import VllmEngine

COLD = "cold"
_submit = VllmEngine.submit


def submit(self: VllmEngine, requests: Sequence[Request]) -> None:
    if len(requests) == 1 and requests[0].request_id == COLD:
        assert self._engine.reset_prefix_cache(), "requests are still running"
        self._refused.append(Failure(COLD, "the prefix cache is empty", retryable=False))
        return
    _submit(self, requests)


VllmEngine.submit = submit  # type: ignore[method-assign]
