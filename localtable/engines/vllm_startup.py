"""What vLLM does while it starts that a worker has no use for, left out.

Both are names inside vLLM, the same in 0.24 and 0.32; where one is missing, nothing is lost but the seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def skip_needless_work() -> None:
    """Make the next engine of this process start faster (figures: docs/benchmarks.md)."""
    import vllm.renderers.hf as renderer
    from vllm.model_executor.models import registry

    if hasattr(renderer, "maybe_make_thread_pool"):
        renderer.maybe_make_thread_pool = _keep_one
    if hasattr(registry, "_run_in_subprocess"):
        registry._run_in_subprocess = _run_here


def _keep_one(tokenizer: Any, copies: int = 1) -> Any:
    """Instead of deep copies for rendering threads: prompts come as token ids, nothing is rendered."""
    return tokenizer


def _run_here(inspect: Callable[[], Any]) -> Any:
    """Instead of a process that imports vLLM again to look at a model class, which this one imports anyway.

    vLLM does that lest CUDA be initialised in a process that still forks; a worker forks no more.
    """
    return inspect()
