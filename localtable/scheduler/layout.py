"""Which model sits on which devices, with how large a cache; nothing of time is known here.

A model goes over as few devices as hold it. Where all models of a device fit side by side, they share what their
weights leave; where they don't, each gets what it has when so many as `at_once` are awake together, and they swap.
Which of these is the quickest is found out elsewhere (`plan.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localtable.errors import PlacementError
from localtable.scheduler.machine import GIB, Machine

SHARE = 0.9
"""Of the memory that weights and activations leave: what the caches of engines side by side take together."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a model takes of each device, spread over so many of them."""

    num_devices: int
    fixed_bytes: int
    """All but its cache."""
    turn_bytes: int
    """A cache for one turn: the least that it can work with."""
    wanted_bytes: int
    """The largest cache that it has use for, or the one that the user gave."""
    cache_given: bool = False
    """The user said how much."""

    @property
    def least_bytes(self) -> int:
        """What it can't do without."""
        return self.fixed_bytes + (self.wanted_bytes if self.cache_given else self.turn_bytes)


@dataclass(frozen=True, slots=True)
class Demand:
    """A model and the ways in which it can be spread, fewest devices first."""

    model_id: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a model sits."""

    model_id: str
    way: Way
    devices: tuple[int, ...]
    cache_bytes: int
    """On each of its devices."""
    crowded: bool
    """The models of one of its devices don't fit side by side."""

    @property
    def total_bytes(self) -> int:
        """On each of its devices, while it is awake."""
        return self.way.fixed_bytes + self.cache_bytes


def lay_out(demands: Sequence[Demand], machine: Machine, *, at_once: int = 1, cramped: bool = True) -> dict[str, Spot]:
    """Give every model its devices and its cache.

    Args:
        demands: In the panel's order.
        machine: What there is.
        at_once: On a crowded device: how many engines are to be awake together, as far as they can.
        cramped: Whether engines may sit side by side with less cache than they have use for, down to a turn's.

    Returns:
        By model id.

    Raises:
        PlacementError: A model fits nowhere, not even alone; says what it lacks.
    """
    capacities = machine.capacities
    ways = {demand.model_id: _narrowest(demand, machine) for demand in demands}
    devices = _spread(ways, capacities)
    spots = {}
    for model_id, way in ways.items():
        rooms = [
            _room(
                way, capacities[device], [ways[other] for other in ways if device in devices[other]], at_once, cramped
            )
            for device in devices[model_id]
        ]
        room, crowded = min(room for room, _ in rooms), any(crowded for _, crowded in rooms)
        cache = way.wanted_bytes if way.cache_given else max(min(way.wanted_bytes, room), way.turn_bytes)
        spots[model_id] = Spot(model_id, way, devices[model_id], cache, crowded)
    return spots


def _narrowest(demand: Demand, machine: Machine) -> Way:
    """The way over the fewest devices that have room for it."""
    for way in demand.ways:
        if _places(way, machine.capacities):
            return way
    raise _refusal(demand, machine)


def _places(way: Way, capacities: Sequence[int]) -> list[tuple[int, ...]]:
    """Where a way has room: neighbours, since an engine takes its devices in their order."""
    runs = (range(first, first + way.num_devices) for first in range(len(capacities) - way.num_devices + 1))
    return [tuple(run) for run in runs if all(capacities[device] >= way.least_bytes for device in run)]


def _refusal(demand: Demand, machine: Machine) -> PlacementError:
    """Why a model fits nowhere: other programs are in its way, or the devices are too small or in the wrong order."""
    empty = [device.empty_bytes for device in machine.devices]
    possible = next((way for way in demand.ways if _places(way, empty)), None)
    way = possible or min(demand.ways, key=lambda way: way.least_bytes)
    each = f" on each of {way.num_devices} devices side by side" if way.num_devices > 1 else ""
    needs = (
        f"{demand.model_id} needs {way.least_bytes / GIB:.1f} GiB{each} "
        f"({way.fixed_bytes / GIB:.1f} GiB apart from its cache)"
    )
    if possible is not None:
        full = [d for d in machine.devices if d.usable_bytes < way.least_bytes <= d.empty_bytes]
        held = "; ".join(
            f"{device} has {device.usable_bytes / GIB:.1f} GiB to give: other programs hold "
            f"{device.taken_bytes / GIB:.1f} GiB"
            for device in full
        )
        others = "Close them, or take another GPU (CUDA_VISIBLE_DEVICES)."
        return PlacementError(f"{needs}, and {held}", hint=others if machine.kind == "cuda" else "Close them.")
    there = " + ".join(f"{capacity / GIB:.1f}" for capacity in machine.capacities)
    apart = any(sum(size >= way.least_bytes for size in empty) >= way.num_devices for way in demand.ways)
    return PlacementError(
        f"{needs}; there are {there} GiB",
        hint="Order the devices so that the large ones are neighbours (CUDA_VISIBLE_DEVICES)."
        if apart
        else "Take a smaller or a quantised model, fewer seats or rounds, or more memory; `localtable plan` says more.",
    )


def _spread(ways: dict[str, Way], capacities: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Devices for each model: the largest first, each where most memory is left, and of equals the fewest models."""
    left = list(capacities)
    models = [0] * len(capacities)
    found: dict[str, tuple[int, ...]] = {}
    # A model over several devices has the fewest places to choose from.
    for model_id in sorted(ways, key=lambda m: (-ways[m].num_devices, -ways[m].least_bytes)):
        way = ways[model_id]
        best = max(
            _places(way, capacities),
            key=lambda place: (min(left[device] for device in place), -sum(models[device] for device in place)),
        )
        for device in best:
            left[device] -= way.least_bytes
            models[device] += 1
        found[model_id] = best
    return found


def _room(way: Way, capacity: int, there: Sequence[Way], at_once: int, cramped: bool) -> tuple[int, bool]:
    """The most that a model's cache may take on a device, and whether its models don't sit there side by side."""
    # A share is the same for all, so that none is so small that its engine can't hold a turn.
    sharing = [other for other in there if not other.cache_given]
    left = capacity - sum(other.fixed_bytes for other in there)
    left -= sum(other.wanted_bytes for other in there if other.cache_given)
    share = int(left * SHARE) // max(len(sharing), 1)
    cramped = cramped or at_once >= len(there)  # nobody is to make room for anybody
    least = max((other.turn_bytes if cramped else other.wanted_bytes for other in sharing), default=0)
    if share >= least and left >= 0:
        return share, False
    return max(capacity // min(at_once, len(there)) - way.fixed_bytes, way.turn_bytes), True
