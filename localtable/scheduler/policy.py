"""The scheduler's one rule, as a pure function of queues, residency and costs.

Awake engines work on what is queued. When an engine has run dry and another model has work that doesn't fit beside
what is awake, what is idle is put away, and the model whose waiting work best repays the swap takes its place. From
this follow: no swap where everything fits; whole rounds in one batch where it doesn't; and the order 1 2 3 | 3 2 1 over
the rounds, since the engine that is awake has its next round's work first. The pool and the simulator both call it.

An engine is dry when nothing of it is queued or running *and* the engines that are awake will open nothing for it
either: one that merely waits for its neighbours' turns would be put away only to come back for the same round.

A few long turns don't hold a device for ever: an engine that runs nothing else is taken back where the rest is longer
than what that may cost. docs/scheduling.md says why, and how far from the best possible all of this is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["unloaded", "asleep", "changing", "awake"]
"""`changing` is an engine that loads, wakes or is being put to sleep: it holds its memory and can't be asked."""

MAX_SEARCHED = 6
"""Idle engines up to which the cheapest set to put away is searched; of more, the dearest ones are kept one by one."""


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
    awaited: bool = True
    """Whether they are turns, for which other models' next round may wait, or else turns will come; False of summaries
    alone."""
    waiting_s: float = 0.0
    """Seconds of work that wait for it."""
    rest_s: float = 0.0
    """Seconds until what it runs is done."""
    activate_s: float = 0.0
    """Seconds that it takes to load or wake it."""
    return_s: float = 0.0
    """Seconds that it costs to put it away and bring it back; 0 where nothing of it is left to do."""
    turn_s: float = 0.0
    """Seconds that one turn of it takes by itself."""
    rows: int = 0
    """Requests that it works on at once; 0: unknown."""

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
    wanted = sorted((s for s in absent if s.waiting), key=_urgency, reverse=True)
    idle = [s for s in standings if s.idle]
    resting = [s for s in standings if s.idle or s.state == "asleep"]
    for removable, close in ((idle, False), (resting, True)):
        room = list(free)
        for standing in removable:
            for device in standing.devices:
                room[device] += _freed(standing, close=close)
        for standing in wanted:
            put_away = _room_for(standing, free, removable, close=close) if _fits(standing, room) else None
            if put_away is not None:
                return Activate(standing.model_id, put_away, close and bool(put_away))
    lingering = _lingering(standings)
    for standing in wanted if lingering else ():
        removable = idle + [s for s, cost_s in lingering if standing.waiting_s > cost_s]
        put_away = _room_for(standing, free, removable, close=False)
        if put_away is not None:
            return Activate(standing.model_id, put_away, abort=True)
    return next((Activate(s.model_id) for s in absent if _may_come_early(s, standings, free)), None)


def _may_come_early(standing: Standing, standings: Sequence[Standing], free: Sequence[int]) -> bool:
    """Whether what has no work yet is loaded ahead: where it takes nobody's place, now or later."""
    if standing.state != "unloaded" or not standing.return_s or not _fits(standing, free):
        return False
    return standing.awaited or not _contested(standing, standings)


def _contested(standing: Standing, standings: Sequence[Standing]) -> bool:
    """Whether a model with turns to come has yet to find its place on the same devices."""
    return any(
        other.awaited and other.return_s and not other.present and not set(other.devices).isdisjoint(standing.devices)
        for other in standings
        if other is not standing
    )


def _urgency(standing: Standing) -> tuple[bool, float]:
    """Whether others wait for it; and seconds of work for each second that it takes to begin.

    What nobody waits for comes last, however much it is: there will be more of it, and one load does for all.
    """
    return standing.awaited, standing.waiting_s / max(standing.activate_s, 1e-9)


def _lingering(standings: Sequence[Standing]) -> list[tuple[Standing, float]]:
    """Engines that alone work on their devices, with few of their rows, longer than an abort may cost; and that cost.

    A debate that is taken back falls a round behind the others. In the end it may need every model once more for
    itself: a round of swaps, and of turns without company. What an abort saves is the rest's share of empty rows.
    """
    found = []
    for standing in standings:
        dry = standing.state == "awake" and not (standing.waiting or standing.coming)
        if not dry or not standing.running or not standing.rest_s:
            continue
        beside = [s for s in standings if not set(s.devices).isdisjoint(standing.devices)]
        cost_s = sum(s.return_s + s.turn_s for s in beside if s.return_s)
        empty = 1 - standing.running / standing.rows if standing.rows else 1.0
        alone = not any(s.running for s in beside if s is not standing)
        if alone and standing.rest_s * empty > cost_s > 0:
            found.append((standing, cost_s))
    return found


def _fits(standing: Standing, free: Sequence[int]) -> bool:
    more = standing.awake_bytes - standing.bytes_now()
    return all(more <= free[device] for device in standing.devices)


def _freed(standing: Standing, *, close: bool) -> int:
    return standing.bytes_now() - (0 if close else standing.asleep_bytes)


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
    useful = [s for s in removable if s is not standing and any(device in lacking for device in s.devices)]
    frees = [_freed(s, close=close) for s in useful]

    def enough(chosen: Iterable[int]) -> bool:
        left = dict(lacking)
        for index in chosen:
            for device in useful[index].devices:
                if device in left:
                    left[device] -= frees[index]
        return max(left.values()) <= 0

    everything = range(len(useful))
    if not enough(everything):
        return None
    if len(useful) <= MAX_SEARCHED:
        sets = (c for n in range(1, len(useful) + 1) for c in itertools.combinations(everything, n) if enough(c))
        chosen = min(sets, key=lambda c: sum(useful[index].return_s for index in c))
    else:
        # Of many: leave out one after another, what is dearest to bring back first, as long as the rest is enough.
        rest = list(everything)
        for index in sorted(everything, key=lambda i: useful[i].return_s, reverse=True):
            fewer = [other for other in rest if other != index]
            rest = fewer if enough(fewer) else rest
        chosen = tuple(rest)
    return tuple(useful[index].model_id for index in chosen)
