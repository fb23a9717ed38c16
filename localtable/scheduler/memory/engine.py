"""An engine's bytes put together: awake, asleep, and in the host's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localtable.scheduler.machine import GIB
from localtable.scheduler.memory.activations import activations_bytes, graphs_bytes
from localtable.scheduler.memory.figures import require_figures
from localtable.scheduler.memory.kv import kv_shape
from localtable.scheduler.memory.observation import Observation
from localtable.scheduler.memory.settings import DTYPE_BYTES, EngineSettings
from localtable.scheduler.memory.weights import rank_weights_bytes
from localtable.types import Card

ACTIVATION_BYTES = GIB // 2
"""Of a batch of prompts on top of weights and cache: 0.2 - 0.4 GiB was measured for the demo models on a CPU."""
CONTEXT_BYTES = GIB // 2
"""A process's CUDA context and kernels: 471 MiB was seen on an RTX 4090. vLLM doesn't count it as its own
(vllm/v1/worker/gpu_worker.py takes its first look at the memory after it)."""
COLLECTIVES_BYTES = GIB // 2
"""What the ranks of an engine need on each of their devices to talk to each other; an estimate."""
ASLEEP_BYTES = 256 * 1024**2
"""What a sleeping engine keeps outside the pool that sleep empties, beside context and graphs: 1.1 to 1.2 GiB in all
was reported (vLLM issues 28714 and 32714)."""
PINNED = 4 / 3
"""Pinned host memory for each byte that sleeps there: PyTorch's allocator rounds blocks up to powers of two, which adds
a third on average."""
RAM_RESERVE_BYTES = 2 * GIB
"""Of the host's memory: for the processes themselves."""
USEFUL_SEQUENCES, USEFUL_TOKENS = 4, 4096
"""How many sequences of which length make an engine worth having: a debate's seats with some rounds behind them."""


@dataclass(frozen=True, slots=True)
class EngineBytes:
    """What one engine takes on each of its devices, in bytes."""

    weights: int
    kv_cache: int
    activations: int = ACTIVATION_BYTES
    graphs: int = 0
    context: int = 0
    asleep: int = 0
    """What stays on the device while it sleeps."""
    host_asleep: int = 0
    """Host memory that its weights take while it sleeps at level 1, of all its devices together."""

    @property
    def total(self) -> int:
        """While it is awake."""
        return self.fixed + self.kv_cache

    @property
    def fixed(self) -> int:
        """All but the cache."""
        return self.weights + self.activations + self.graphs + self.context


def engine_bytes(
    card: Card, settings: EngineSettings, kv_cache: int, observed: Observation | None = None
) -> EngineBytes:
    """What an engine takes on each of its devices.

    Args:
        card: The model.
        settings: How it is started.
        kv_cache: Bytes of its cache on each device.
        observed: What such an engine really took; goes before the formulas, figure by figure.
    """
    seen = observed or Observation()
    on_cuda = settings.device_kind == "cuda"
    count = settings.tensor_parallel_size
    weights = _first(seen.weights_bytes, rank_weights_bytes(card, settings.dtype, count))
    graphs = _first(seen.graphs_bytes, graphs_bytes(card, settings))
    context = (CONTEXT_BYTES + (COLLECTIVES_BYTES if count > 1 else 0)) if on_cuda else 0
    context = _first(seen.context_bytes, context)
    asleep = context + graphs + ASLEEP_BYTES if on_cuda else 0
    return EngineBytes(
        weights=weights,
        kv_cache=kv_cache,
        activations=_first(seen.activations_bytes, activations_bytes(card, settings)),
        graphs=graphs,
        context=context,
        asleep=_first(seen.asleep_bytes, asleep),
        host_asleep=_first(seen.host_asleep_bytes, int(weights * count * PINNED) if on_cuda else 0),
    )


def least_cache_bytes(card: Card, settings: EngineSettings, *, sequences: int = 1) -> int:
    """The smallest cache for so many sequences of `max_model_len` at once; vLLM starts with none below one."""
    return kv_shape(card, settings).cache_bytes(settings.max_model_len, sequences)


def choose_sleep_level(engine: EngineBytes, ram_free_bytes: int) -> Literal[1, 2]:
    """At which level an engine sleeps: 1 keeps its weights in host memory, where that has room; 2 reads them again.

    Args:
        engine: What it takes.
        ram_free_bytes: Host memory that is left for it.
    """
    return 1 if engine.host_asleep + RAM_RESERVE_BYTES <= ram_free_bytes else 2


def _first(observed: int | None, computed: int) -> int:
    return computed if observed is None else observed


def useful_bytes(card: Card, *, devices: int = 1) -> int:
    """What a model wants of each of `devices` GPUs to be worth seating: 4 sequences of 4,096 tokens at once.

    Raises:
        ConfigError: Its card lacks figures that planning needs.
    """
    require_figures(card)
    settings = EngineSettings(
        min(USEFUL_TOKENS, card.context_length),
        USEFUL_SEQUENCES,
        max_num_batched_tokens=USEFUL_TOKENS,
        dtype=card.dtype if card.dtype in DTYPE_BYTES else "bfloat16",
        tensor_parallel_size=devices,
    )
    return engine_bytes(card, settings, least_cache_bytes(card, settings, sequences=USEFUL_SEQUENCES)).total
