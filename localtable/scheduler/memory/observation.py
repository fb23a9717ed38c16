"""What was seen of a real engine, in the figures that the formulas compute."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from localtable.engines.base import EngineInfo
from localtable.scheduler.simulate.instance import Speed


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one engine; None where nothing was. Bytes are those of one device."""

    weights_bytes: int | None = None
    kv_block_bytes: int | None = None
    kv_block_tokens: int | None = None
    activations_bytes: int | None = None
    graphs_bytes: int | None = None
    context_bytes: int | None = None
    asleep_bytes: int | None = None
    host_asleep_bytes: int | None = None
    first_load_s: float | None = None
    later_load_s: float | None = None
    first_sleep_s: float | None = None
    later_sleep_s: float | None = None
    wake_1_s: float | None = None
    wake_2_s: float | None = None
    warm_up_s: float | None = None
    speed: Speed | None = None

    def updated(self, newer: Observation) -> Observation:
        """The same with what a newer one has seen in place of the older figures."""
        seen = {field.name: value for field in fields(newer) if (value := getattr(newer, field.name)) is not None}
        return replace(self, **seen)


def observe(info: EngineInfo) -> Observation:
    """What an engine says of itself when it has been loaded.

    Args:
        info: What it says.
    """
    block = info.kv_cache_bytes // info.num_kv_blocks if info.kv_cache_bytes and info.num_kv_blocks else None
    # What an engine over several devices says of its weights is what their files have, of all devices together.
    alone = int(info.arguments.get("tensor_parallel_size", 1)) == 1
    return Observation(
        weights_bytes=info.weights_bytes if alone else None,
        kv_block_bytes=block,
        kv_block_tokens=info.block_size if block else None,
        activations_bytes=info.activation_bytes,
        graphs_bytes=info.graph_bytes,
    )
