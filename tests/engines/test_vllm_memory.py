"""What vLLM is told of a GPU's memory, and what is seen of it while it loads."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from localtable.engines.base import EngineSpec
from localtable.engines.vllm_arguments import engine_arguments
from localtable.engines.vllm_memory import (
    FIRST_STEP_IS_DONE,
    GRAPHS_ARE_CAPTURED,
    WEIGHTS_ARE_THERE,
    LoadingMemory,
    watched_memory,
)

torch = pytest.importorskip("torch")
pytest.importorskip("vllm")

GIB = 1024**3
SPEC = EngineSpec("vllm", "toy", Path("/nowhere"), "bfloat16", 512, 8, GIB, device="cuda:0")


def shares(spec: EngineSpec) -> float | None:
    share: float | None = engine_arguments(spec).get("gpu_memory_utilization")
    return share


def test_vllm_checks_for_what_was_planned_and_not_a_byte_more() -> None:
    from vllm.platforms import current_platform

    total = current_platform.get_device_total_memory()
    for planned in (total, total // 2, total // 3, total // 7 + 1):
        share = shares(replace(SPEC, device_bytes=planned))
        assert share is not None
        assert share * total <= planned < (share + 0.0001) * total + 1


def test_where_nobody_planned_vllm_s_own_share_stands() -> None:
    assert shares(SPEC) is None


def test_the_user_s_own_share_goes_before_the_planned_one() -> None:
    assert shares(replace(SPEC, device_bytes=GIB, arguments={"gpu_memory_utilization": "0.5"})) == 0.5


# ── while it loads ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def runner(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    caplog.set_level(logging.INFO, logger="vllm")
    return logging.getLogger("vllm.v1.worker.gpu_model_runner")


def load(runner: logging.Logger) -> LoadingMemory:
    with watched_memory() as seen:
        runner.info("Model loading took %s GiB memory and %.6f seconds", "15.27", 4.1)
        runner.info("Initial free memory 79.1 GiB, reserved 10 GiB memory for KV Cache as specified")
        runner.info("Graph capturing finished in %.0f secs, took %.2f GiB", 9.3, 0.5)
    return seen


def test_graphs_are_seen_and_without_a_gpu_no_first_step(runner: logging.Logger) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert load(runner) == LoadingMemory(activation_bytes=None, graph_bytes=GIB // 2)


def test_the_first_step_took_what_torch_held_at_most_above_the_weights(
    runner: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counters of a GPU that has 15 GiB of weights, after a load that went up to 20 and a step that went to 18."""
    highest = [20 * GIB]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 15 * GIB)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: highest.__setitem__(0, 18 * GIB))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: highest[0])
    assert load(runner).activation_bytes == 3 * GIB


def test_other_words_are_no_figure_and_no_error(runner: logging.Logger) -> None:
    with watched_memory() as seen:
        runner.info("Initial free memory is a matter of taste")
        runner.info("Graph capturing finished in %.0f secs, took %.2f GiB and more", 9.3, 0.5)
        runner.info("Graph capturing finished")
    runner.info("Graph capturing finished in %.0f secs, took %.2f GiB", 9.3, 0.5)
    assert seen == LoadingMemory()


def test_vllm_still_says_what_is_listened_for() -> None:
    found = find_spec("vllm")
    assert found is not None
    assert found.submodule_search_locations is not None
    worker = Path(found.submodule_search_locations[0]) / "v1" / "worker"
    runners = [(worker / name).read_text() for name in ("gpu_model_runner.py", "gpu/model_runner.py")]
    for source in runners:
        assert f'"{WEIGHTS_ARE_THERE}' in source
        assert f'"{GRAPHS_ARE_CAPTURED}"' in source
    said = (worker / "gpu_worker.py").read_text()
    step, words = said.index("self.model_runner.profile_run("), said.index(f'f"{FIRST_STEP_IS_DONE}')
    assert step < words < said.index("Execute a forward pass with dummy inputs"), "behind the step, and before a cache"
