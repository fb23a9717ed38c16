"""A panel's models on a machine: for each its devices, its bytes, its costs and its speed.

What the plan says and what a run does come from here, so that they can't differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from localtable.scheduler.calibration import Calibration
from localtable.scheduler.costs import SwapCosts, speed, swap_costs
from localtable.scheduler.layout import Demand, Spot, Way, lay_out
from localtable.scheduler.machine import GIB, Machine
from localtable.scheduler.memory import (
    EngineBytes,
    EngineSettings,
    can_split,
    choose_sleep_level,
    cpu_settings,
    engine_bytes,
    kv_shape,
    require_context,
    require_figures,
)
from localtable.scheduler.memory.observation import Observation
from localtable.scheduler.pool import Swap
from localtable.scheduler.simulate.instance import Speed
from localtable.types import Card

LARGE_DEVICE_BYTES = 70 * GIB
LARGE_BATCH, USUAL_BATCH = 16384, 8192
"""vLLM's own max_num_batched_tokens on devices of that size and above, and below (arg_utils.py, 0.32)."""
MOST_AT_ONCE = 4
"""How many engines of a crowded device are tried side by side."""
SPREADS = (1, 2, 4, 8)
"""Devices that a model is spread over: powers of two divide heads."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A model, and how it is to be loaded."""

    card: Card
    kind: str
    """vllm or transformers."""
    max_model_len: int
    max_num_seqs: int
    dtype: str
    cache_bytes: int | None = None
    """Of its cache on each device, where the user said so."""
    kv_cache_dtype: str = "auto"
    tensor_parallel_size: int | None = None
    enforce_eager: bool = False

    @property
    def copies(self) -> int:
        """How often a turn's keys and values are there: the transformers engine keeps its last batch's, too."""
        return 2 if self.kind == "transformers" else 1


@dataclass(frozen=True, slots=True)
class Seated:
    """A model at its place."""

    wish: Wish
    spot: Spot
    settings: EngineSettings
    bytes: EngineBytes
    costs: SwapCosts
    rows: int
    """Turns that it works on at once: those that were wished for, as far as its cache holds turns of half the longest
    length."""
    cache_tokens: int
    """What its cache holds between turns, reckoned in turns of that length."""
    speed: Speed
    swap: Swap
    observed: Observation | None
    """What is known of such an engine on this machine."""

    @property
    def activate_s(self) -> float:
        """Seconds that bringing it back takes, once it has been loaded."""
        how = {"sleep_1": self.costs.wake_1, "sleep_2": self.costs.wake_2}
        return how.get(self.swap, self.costs.later_load) + self.costs.warm_up

    def turn_s(self, tokens: int) -> float:
        """Seconds of its engine's time for a turn of so many generated tokens behind a prompt of half its context."""
        return self.speed.prefill_s * self.wish.max_model_len / 2 + tokens * self.speed.decode_s(self.rows)


def seat_all(
    wishes: Sequence[Wish],
    machine: Machine,
    calibration: Calibration | None = None,
    *,
    at_once: int = 1,
    cramped: bool = True,
) -> dict[str, Seated]:
    """Give every model its place.

    Args:
        wishes: In the panel's order.
        machine: What there is.
        calibration: What engines really took here, where that is known.
        at_once: As in `lay_out`.
        cramped: As in `lay_out`.

    Returns:
        By card id.

    Raises:
        PlacementError: A model fits nowhere.
        ConfigError: A card lacks figures that planning needs, or its context is too short.
    """
    chances = {wish.card.id: _ways(wish, machine, calibration) for wish in wishes}
    demands = [Demand(card_id, tuple(way for way, _, _ in found)) for card_id, found in chances.items()]
    spots = lay_out(demands, machine, at_once=at_once, cramped=cramped)
    ram = machine.ram_free_bytes
    seated = {}
    for wish in wishes:
        spot = spots[wish.card.id]
        settings, observed = next((s, o) for way, s, o in chances[wish.card.id] if way is spot.way)
        taken = engine_bytes(wish.card, settings, spot.cache_bytes, observed)
        device = machine.devices[spot.devices[0]]
        swap: Swap = "none"
        if spot.crowded:
            # The transformers engine can't sleep, and no engine can on a CPU.
            swap = "reload"
            if wish.kind == "vllm" and machine.kind == "cuda":
                level = choose_sleep_level(taken, ram)
                ram -= taken.host_asleep if level == 1 else 0
                swap = "sleep_1" if level == 1 else "sleep_2"
        length = max(wish.max_model_len // 2, 1)
        held = kv_shape(wish.card, settings).sequences(spot.cache_bytes, length) // wish.copies
        rows = max(1, min(wish.max_num_seqs, held))
        seated[wish.card.id] = Seated(
            wish,
            spot,
            settings,
            taken,
            swap_costs(wish.card, settings, device, observed),
            rows,
            held * length,
            speed(wish.card, settings, device, rows, observed),
            swap,
            observed,
        )
    return seated


def seatings(
    wishes: Sequence[Wish], machine: Machine, calibration: Calibration | None = None
) -> list[dict[str, Seated]]:
    """Every way to seat the models that may be the quickest, each once.

    Side by side wherever they fit so; where they don't, with one or several awake at once; and so, too, where side by
    side they would have less cache than they have use for.

    Raises:
        PlacementError, ConfigError: As `seat_all`.
    """
    found: dict[tuple[Spot, ...], dict[str, Seated]] = {}
    for cramped in (True, False):
        for at_once in range(1, max(min(MOST_AT_ONCE, len(wishes)), 1) + 1):
            seated = seat_all(wishes, machine, calibration, at_once=at_once, cramped=cramped)
            found.setdefault(tuple(seat.spot for seat in seated.values()), seated)
        if all(seat.rows >= seat.wish.max_num_seqs for seat in seated.values()):
            break  # no engine would gain by more cache
    return list(found.values())


def _ways(
    wish: Wish, machine: Machine, calibration: Calibration | None
) -> list[tuple[Way, EngineSettings, Observation | None]]:
    require_figures(wish.card)
    require_context(wish.card, wish.max_model_len)
    asked = wish.tensor_parallel_size
    counts = [asked] if asked else [n for n in SPREADS if n <= len(machine.devices) and can_split(wish.card, n)]
    if wish.kind == "transformers" or machine.kind != "cuda":
        counts = [1]
    found = []
    for count in counts or [1]:
        settings = _settings(wish, machine, count)
        observed = calibration.find(wish.card, settings, machine.devices[0]) if calibration else None
        shape = kv_shape(wish.card, settings)
        turn = shape.cache_bytes(wish.max_model_len, wish.copies)
        whole = shape.cache_bytes(wish.max_model_len, wish.copies * wish.max_num_seqs)
        fixed = engine_bytes(wish.card, settings, 0, observed).fixed
        given = wish.cache_bytes is not None
        way = Way(count, fixed, turn, wish.cache_bytes if wish.cache_bytes is not None else whole, given)
        found.append((way, settings, observed))
    return found


def _settings(wish: Wish, machine: Machine, count: int) -> EngineSettings:
    if machine.kind != "cuda":
        return cpu_settings(wish.max_model_len, wish.max_num_seqs, dtype=wish.dtype)
    large = min(device.total_bytes for device in machine.devices) >= LARGE_DEVICE_BYTES
    return replace(
        EngineSettings(wish.max_model_len, wish.max_num_seqs),
        max_num_batched_tokens=LARGE_BATCH if large else USUAL_BATCH,
        dtype=wish.dtype,
        kv_cache_dtype=wish.kv_cache_dtype,
        tensor_parallel_size=count,
        enforce_eager=wish.enforce_eager,
    )
