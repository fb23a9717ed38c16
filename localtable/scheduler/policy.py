"""The scheduler's one rule, as a pure function of queues, residency and costs.

Awake engines work on what is queued. When an engine has run dry and another model has work that doesn't fit beside
what is awake, what is idle is put away, and the model whose waiting work best repays the swap takes its place. From
this follow: no swap where everything fits; whole rounds in one batch where it doesn't; and the order 1 2 3 | 3 2 1 over
the rounds, since the engine that is awake has its next round's work first. The pool and the simulator both call it.

An engine is dry when nothing of it is queued or running *and* the engines that are awake will open nothing for it
either: one that merely waits for its neighbours' turns would be put away only to come back for the same round.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["unloaded", "asleep", "changing", "awake"]
"""`changing` is an engine that loads, wakes or is being put to sleep: it holds its memory and can't be asked."""

MAX_SEARCHED = 12
"""Idle engines up to which the cheapest set to put away is searched; of more, the cheapest ones go one by one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One model as the rule sees it."""

    model_id: str
    state: State
    devices: tuple[int, ...]
    """Where it sits, all of them at once."""
    awake_bytes: int
    """On each of its devices."""
    asleep_bytes: int = 0
    """What it keeps on each of them while it sleeps."""
    running: int = 0
    """Requests that its engine has."""
    waiting: int = 0
    """Requests that wait for it."""
    coming: int = 0
    """Requests that awake engines, by themselves, will open for it."""
    waiting_s: float = 0.0
    """Seconds of work that wait for it."""
    rest_s: float = 0.0
    """Seconds until what it runs is done."""
    activate_s: float = 0.0
    """Seconds that it takes to load or wake it."""
    return_s: float = 0.0
    """Seconds that it costs to put it away and bring it back; 0 where nothing of it is left to do."""

    @property
    def present(self) -> bool:
        return self.state in ("changing", "awake")

    @property
    def idle(self) -> bool:
        return self.state == "awake" and not (self.running or self.waiting or self.coming)

    def bytes_now(self) -> int:
        """What it takes on each of its devices."""
        return self.awake_bytes if self.present else self.asleep_bytes if self.state == "asleep" else 0


@dataclass(frozen=True, slots=True)
class Activate:
    """Load or wake a model, after the models in `instead_of` have been put away."""

    model_id: str
    instead_of: tuple[str, ...] = ()
    close: bool = False
    """They are closed, sleeping ones among them: asleep they would leave too little room."""
    abort: bool = False
    """One of them still runs something, which is taken back and run again later."""


def decide(standings: Sequence[Standing], capacities: Sequence[int]) -> Activate | None:
    """What to do next, one thing at a time; None: leave everything as it is.

    Asked again after each change and each event. Engines load strictly one at a time on each device, since an engine
    measures free memory while it loads (vLLM issue 55827: two at once mis-size their caches).

    Args:
        standings: All models of the run, in the panel's order.
        capacities: Bytes that engines may take, by device.
    """
    busy_devices = {device for s in standings if s.state == "changing" for device in s.devices}
    free = list(capacities)
    for standing in standings:
        for device in standing.devices:
            free[device] -= standing.bytes_now()
    absent = [s for s in standings if not s.present and busy_devices.isdisjoint(s.devices)]
    # Stable: of equal ones the first in the panel's order.
    wanted = sorted((s for s in absent if s.waiting), key=_worth, reverse=True)
    idle = [s for s in standings if s.idle]
    resting = [s for s in standings if s.idle or s.state == "asleep"]
    lingering = [s for s in standings if s.idle or _lingers(s)]
    for removable, close, abort in ((idle, False, False), (resting, True, False), (lingering, False, True)):
        for standing in wanted:
            put_away = _room_for(standing, free, removable, close=close)
            if put_away is not None:
                return Activate(standing.model_id, put_away, close and bool(put_away), abort)
    # What has no work yet is loaded ahead where it takes nobody's place.
    for standing in absent:
        if standing.state == "unloaded" and standing.return_s and _fits(standing, free):
            return Activate(standing.model_id)
    return None


def _worth(standing: Standing) -> float:
    """Seconds of work for each second that it takes to begin."""
    return standing.waiting_s / max(standing.activate_s, 1e-9)


def _lingers(standing: Standing) -> bool:
    """Nothing waits for it, and what it still runs takes longer than to put it away and bring it back."""
    dry = standing.state == "awake" and not standing.waiting and not standing.coming
    return dry and standing.running > 0 and standing.rest_s > standing.return_s > 0


def _fits(standing: Standing, free: Sequence[int]) -> bool:
    return all(standing.awake_bytes - standing.bytes_now() <= free[device] for device in standing.devices)


def _room_for(
    standing: Standing, free: Sequence[int], removable: Sequence[Standing], *, close: bool
) -> tuple[str, ...] | None:
    """Which of the removable engines to put away so that a model fits: those that cost least to bring back.

    Returns:
        Their ids; None where not even all of them make room.
    """
    lacking = {d: standing.awake_bytes - standing.bytes_now() - free[d] for d in standing.devices}
    lacking = {device: lack for device, lack in lacking.items() if lack > 0}
    if not lacking:
        return ()
    useful = [s for s in removable if s is not standing and not lacking.keys().isdisjoint(s.devices)]

    def enough(chosen: Iterable[Standing]) -> bool:
        left = dict(lacking)
        for gone in chosen:
            for device in left.keys() & set(gone.devices):
                left[device] -= gone.bytes_now() - (0 if close else gone.asleep_bytes)
        return all(lack <= 0 for lack in left.values())

    if not enough(useful):
        return None
    useful.sort(key=lambda s: (s.return_s, -s.awake_bytes))
    if len(useful) <= MAX_SEARCHED:
        sets = (c for n in range(1, len(useful) + 1) for c in itertools.combinations(useful, n) if enough(c))
        best = min(sets, key=lambda c: (sum(s.return_s for s in c), len(c)))
        return tuple(s.model_id for s in best)
    number = next(n for n in range(1, len(useful) + 1) if enough(useful[:n]))
    return tuple(s.model_id for s in useful[:number])
