"""How long things last: loading, putting to sleep, waking, and the work itself.

Formulas for a machine on which nothing has run yet, each constant with where it was measured; what was measured on this
machine (`calibration.py`) goes before them, figure by figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localtable.scheduler.gpu_table import stand_in
from localtable.scheduler.machine import Device
from localtable.scheduler.memory.kv import kv_shape
from localtable.scheduler.memory.observation import Observation
from localtable.scheduler.memory.settings import EngineSettings
from localtable.scheduler.memory.weights import rank_weights_bytes
from localtable.scheduler.simulate.instance import Speed
from localtable.types import Card

DISK_BYTES_S = 2e9
"""Weights from a disk that has not been read since it was started: a common NVMe drive through safetensors. 7 to 13 GB
in 7 to 16 s on an A100's (vLLM pull request 10647)."""
CACHED_BYTES_S = 4.8e9
"""The same out of the page cache: 61 GB in 12.7 s from memory (InstantTensor's benchmark, H200, default loader)."""
START_S = 15.0
"""Of an engine process that is forked from a server with its imports paid: context, configuration, a look at memory."""
COMPILE_S = 30.0
"""vLLM's compiling and capturing at the first start of a model; 43 s for a 35B on an RTX 5090 (vLLM issue 44881)."""
COMPILED_S = 10.0
"""The same later, from vLLM's cache on disk; capturing is done each time."""
CPU_START_S = 2.5
"""Of an engine on two cores with its imports paid, eager."""
CPU_LOAD_BYTES_S = 0.25e9
"""Weights on two cores: read, and packed anew for its kernels. The demo models took 3.4, 6.5 and 16 s in all
(scripts/check_memory.py)."""
PIN_S_PER_BYTE = 0.35e-9
"""Host memory pinned at the first sleep of an engine: 0.35 s per GB (vLLM pull request 58066, H20)."""
SLEEP_LEAST_S = 0.15
"""Of any sleep and wake: 0.13 s and 0.1 s for a 0.6B on an A4000 (vLLM's blog, 2025-10-26)."""
WARM_UP_S = 0.3
"""The first request after a wake, above a later one."""
MEMORY_SHARE, FLOPS_SHARE = 0.7, 0.5
"""Of what data sheets promise: of memory bandwidth in a decode step and of arithmetic in a prompt. 168 TFLOPS in plain
matrix products are all of a 4090's, layers come to about half of that."""
STEP_S = 0.004
"""Of a step apart from arithmetic and reading: scheduling, launching, sampling."""
CPU_CORE_BYTES_S, CPU_CORE_FLOPS, CPU_CORE_PROMPT_FLOPS = 7.2e9, 30e9, 150e9
"""Of one core of two with AVX-512 in bfloat16: 4.7 tokens a second of 3.1 GB alone, 20 a second of 1.5B parameters in a
batch of 16, and of prompts of 4,000 tokens 122 a second (335 of a 0.5B, 494 of a 135M, which is too small for it)."""
CPU_STEP_S = 0.02
COLLECTIVE_S = 20e-6
"""One sum over the ranks of an engine; two a layer."""


@dataclass(frozen=True, slots=True)
class SwapCosts:
    """Seconds that it takes to bring a model onto its devices and off them."""

    first_load: float
    """Nothing of it is cached: read from the disk, compiled."""
    later_load: float
    """Its files are in the page cache, what was compiled lies on the disk."""
    first_sleep: float
    """Level 1; pins host memory, which stays pinned while the engine lives."""
    later_sleep: float
    wake_1: float
    """From host memory."""
    wake_2: float
    """Weights read again, from the page cache."""
    warm_up: float
    """The first request after a wake or load, above a later one."""
    close: float
    """Until its memory is seen to be free."""

    def activate(self, how: Literal["first load", "load", "wake 1", "wake 2"]) -> float:
        """Until it works again, with its warm-up."""
        seconds = {
            "first load": self.first_load,
            "load": self.later_load,
            "wake 1": self.wake_1,
            "wake 2": self.wake_2,
        }
        return seconds[how] + self.warm_up


@dataclass(frozen=True, slots=True)
class Roofline:
    """How fast a loaded engine can be: bound by reading or by arithmetic."""

    weights_bytes: float
    """Read on one device in a step of many rows; all experts."""
    shared_bytes: float
    """What every step reads of them: all of a dense model, attention and shared parts of one with experts."""
    row_share: float
    """Of the experts, what one row wakes; 1 for dense models."""
    flops_per_token: float
    kv_bytes_per_token: float
    memory_bytes_s: float
    flops_s: float
    prompt_flops_s: float
    """The same with thousands of tokens at once."""
    step_s: float

    @property
    def prefill_s(self) -> float:
        """Seconds for a prompt token, of many at once."""
        return self.flops_per_token / self.prompt_flops_s

    def step_seconds(self, rows: int, context_tokens: float) -> float:
        """Seconds for one decode step of `rows` sequences with so many tokens behind each on average."""
        touched = 1 - (1 - self.row_share) ** rows
        read = self.shared_bytes + (self.weights_bytes - self.shared_bytes) * touched
        read += rows * context_tokens * self.kv_bytes_per_token
        arithmetic = rows * self.flops_per_token / self.flops_s
        return max(read / self.memory_bytes_s, arithmetic) + self.step_s

    def linear(self, rows: int, context_tokens: float) -> Speed:
        """The line through one row and so many, two at least."""
        rows = max(rows, 2)
        one, many = self.step_seconds(1, context_tokens), self.step_seconds(rows, context_tokens)
        row_s = (many - one) / (rows - 1)
        return Speed(one - row_s, row_s, self.prefill_s)


def swap_costs(card: Card, settings: EngineSettings, device: Device, observed: Observation | None = None) -> SwapCosts:
    """What it costs to load, put to sleep and wake a model.

    Args:
        card: The model.
        settings: How it is started; its ranks load side by side.
        device: One of those that it sits on.
        observed: What was measured of such an engine.
    """
    own = rank_weights_bytes(card, settings.dtype, settings.tensor_parallel_size)
    whole = own * settings.tensor_parallel_size
    seen = observed or Observation()
    if device.kind != "cuda":
        load = CPU_START_S + own / CPU_LOAD_BYTES_S
        later = _first(seen.later_load_s, load)
        # No engine sleeps there: it is closed and loaded again.
        return SwapCosts(
            _first(seen.first_load_s, load), later, 0.5, 0.5, later, later, _first(seen.warm_up_s, 0.1), 0.5
        )
    link = device.host_bytes_s or stand_in(device.total_bytes).host_bytes_s
    compiled = (COMPILE_S, COMPILED_S) if not settings.enforce_eager else (0.0, 0.0)
    moved = SLEEP_LEAST_S + own / link
    return SwapCosts(
        first_load=_first(seen.first_load_s, START_S + whole / DISK_BYTES_S + compiled[0]),
        later_load=_first(seen.later_load_s, START_S + whole / CACHED_BYTES_S + compiled[1]),
        first_sleep=_first(seen.first_sleep_s, moved + whole * PIN_S_PER_BYTE),
        later_sleep=_first(seen.later_sleep_s, moved),
        wake_1=_first(seen.wake_1_s, moved),
        wake_2=_first(seen.wake_2_s, SLEEP_LEAST_S + whole / CACHED_BYTES_S),
        warm_up=_first(seen.warm_up_s, WARM_UP_S),
        close=1.0,
    )


def speed(
    card: Card, settings: EngineSettings, device: Device, rows: int, observed: Observation | None = None
) -> Speed:
    """How fast a loaded engine works: as its steps were measured, or as the roofline says.

    Args:
        card: The model.
        settings: How it is started.
        device: One of those that it sits on.
        rows: Turns that it works on at once, at most; each with half the longest context behind it.
        observed: What was measured of such an engine.
    """
    if observed is not None and observed.speed is not None:
        return observed.speed
    return roofline(card, settings, device).linear(rows, settings.max_model_len / 2)


def roofline(card: Card, settings: EngineSettings, device: Device) -> Roofline:
    """What a device's bandwidth and arithmetic allow.

    Args:
        card: The model.
        settings: How it is started.
        device: One of those that it sits on.
    """
    count = settings.tensor_parallel_size
    own = rank_weights_bytes(card, settings.dtype, count)
    active = min(1.0, card.active_parameters / card.parameters)
    a = card.architecture
    row_share = min(1.0, a.num_experts_per_tok / a.num_experts) if a.num_experts and a.num_experts_per_tok else 1.0
    # active = shared + (1 − shared) × row_share, solved for the share of the weights that every token uses.
    shared = (active - row_share) / (1 - row_share) if row_share < 1 else 1.0
    if device.kind == "cuda":
        like = stand_in(device.total_bytes)
        memory = (device.memory_bytes_s or like.memory_bytes_s) * MEMORY_SHARE
        flops = prompt_flops = (device.flops or like.flops) * FLOPS_SHARE
        step = STEP_S + (2 * a.num_hidden_layers * COLLECTIVE_S if count > 1 else 0.0)
    else:
        cores = max(1, device.cores)
        memory, flops, prompt_flops = (
            cores * rate for rate in (CPU_CORE_BYTES_S, CPU_CORE_FLOPS, CPU_CORE_PROMPT_FLOPS)
        )
        step = CPU_STEP_S
    return Roofline(
        weights_bytes=own,
        shared_bytes=own * min(1.0, max(0.0, shared)),
        row_share=row_share,
        flops_per_token=2 * card.active_parameters / count,
        kv_bytes_per_token=kv_shape(card, settings).bytes_per_token,
        memory_bytes_s=memory,
        flops_s=flops,
        prompt_flops_s=prompt_flops,
        step_s=step,
    )


def _first(observed: float | None, computed: float) -> float:
    return computed if observed is None else observed
