"""What vLLM sees of a GPU's memory while it loads a model, caught at the moments that its log names.

With the cache's bytes given, as localtable gives them, vLLM takes its first step to compile alone and keeps no figure
of what that took (v1/worker/gpu_worker.py, determine_available_memory, 0.32); torch's counters have it until later
steps go over them. Nothing here changes what vLLM does: where it words its log otherwise, figures are missing. Ranks
beyond the first are processes of their own, and on a CPU nothing counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WEIGHTS_ARE_THERE = "Model loading took"
FIRST_STEP_IS_DONE = "Initial free memory"
"""Behind the step with made-up tokens, before there is a cache."""
GRAPHS_ARE_CAPTURED = "Graph capturing finished in %.0f secs, took %.2f GiB"
GIB = 1024**3


@dataclass(slots=True)
class LoadingMemory:
    """What was seen, in bytes on the first device; None where it wasn't."""

    activation_bytes: int | None = None
    graph_bytes: int | None = None


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seen = LoadingMemory()
        self._before: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        said = str(record.msg)
        if said.startswith(WEIGHTS_ARE_THERE):
            self._before = _start_counting()
        elif said.startswith(FIRST_STEP_IS_DONE) and self._before is not None:
            self.seen.activation_bytes = _highest() - self._before
        elif said == GRAPHS_ARE_CAPTURED and isinstance(record.args, tuple) and isinstance(record.args[-1], float):
            self.seen.graph_bytes = int(record.args[-1] * GIB)


@contextmanager
def watched_memory() -> Iterator[LoadingMemory]:
    """Look on while vLLM loads; what is given is filled meanwhile."""
    listener, logger = _Listener(), logging.getLogger("vllm")
    logger.addHandler(listener)
    try:
        yield listener.seen
    finally:
        logger.removeHandler(listener)


def _start_counting() -> int | None:
    """What torch holds on the GPU now, the highest being counted anew; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def _highest() -> int:
    import torch

    return int(torch.cuda.max_memory_allocated())
