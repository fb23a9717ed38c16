"""Engines side by side where they fit, in turn where they don't: work in front of them, events behind them.

The pool holds no queue: an engine that may work is asked what it has room for, and whoever has the work hands over
that much. So what waits stays where it is ordered best, and prompts are rendered when an engine is about to read them.

Who sits where is decided by `policy.decide`; the pool does it, and tells what happened. Awake engines of one device
take turns: two that share it run dry later than one after the other would, and on a CPU, where all share the cores,
they slow each other down by far more than half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Literal, Protocol

from localtable.engines.base import Completion, EngineInfo, EngineSpec, Event, Request, Tokens
from localtable.errors import LocaltableError, PlacementError, PrerequisiteError
from localtable.scheduler import policy
from localtable.scheduler.clock import Clock
from localtable.scheduler.devices import GIB
from localtable.scheduler.durations import Durations
from localtable.scheduler.messages import Changed, Died, Events, FromWorker, Ready
from localtable.scheduler.policy import Activate, Standing, decide
from localtable.scheduler.step_times import StepTimes
from localtable.scheduler.timeline import Timeline
from localtable.scheduler.worker import EngineHandle

State = Literal["unloaded", "coming", "loading", "awake", "preempting", "falling asleep", "asleep", "waking"]
"""`coming`: it is chosen, and what is in its place goes; `preempting`: what it runs is taken back, then it goes."""
Turns = Literal["device", "machine"]
"""Where one engine at a time generates: on each device, or on all together, since they share the cores."""
Swap = Literal["none", "sleep_1", "sleep_2", "reload"]
"""How a model makes room: it never has to, it sleeps at level 1 or 2, or it is closed and loaded anew."""
CHANGING = ("coming", "loading", "preempting", "falling asleep", "waking")
MAX_LOADS = 3
"""How often in a row loading is tried: of a model that was loaded before, or whose worker was killed as it loaded."""
MEMORY_WAIT_S = 60.0
"""How long memory that an engine has given back may take to be seen free: a driver frees it after the process."""
_STATES: Mapping[State, policy.State] = {"unloaded": "unloaded", "awake": "awake", "asleep": "asleep"}
"""The states as the rule knows them; the others are changes under way."""
IDLE_WAIT_S = 0.2
"""How long one poll waits at most, so that a caller sees its own stop flag soon."""


@dataclass(frozen=True, slots=True)
class EngineLoading:
    """An engine has begun to load."""

    model_id: str


@dataclass(frozen=True, slots=True)
class EngineLoaded:
    """An engine is ready."""

    model_id: str
    info: EngineInfo
    seconds: float


@dataclass(frozen=True, slots=True)
class Generated:
    """Something came out of an engine."""

    model_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class EngineDied:
    """An engine ended while it was generating, or did not load; it is loaded anew when it has work."""

    model_id: str
    error: LocaltableError
    lost: tuple[str, ...]
    """The requests that it had."""
    failed_loads: int = 0
    """How often in a row it did not load or found no memory, this time included; 0: it was loaded."""
    given_up: bool = False
    """It can't be loaded at all, and is one that the run can do without."""


PoolEvent = EngineLoading | EngineLoaded | Generated | EngineDied


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a model has before it, in turns."""

    waiting: int
    """That wait for it now."""
    coming: int
    """That engines which are awake will open for it without any other."""
    left: bool
    """Whether there is anything left for it to do, now or in a later round."""
    awaited: bool = True
    """Whether what waits are turns, which others may wait for, or else turns will come; False of summaries alone."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model sits and what it takes."""

    spec: EngineSpec
    total_bytes: int
    """On each of its devices."""
    devices: tuple[int, ...] = (0,)
    """None of them: it is elsewhere, takes no memory and nobody's turn."""
    load_s: float = 1.0
    """Seconds that a load is expected to take; after the first one, what it took counts."""
    turn_s: float = 1.0
    """Seconds of work that a turn is expected to be, among as many as the engine works on at once."""
    alone_s: float = 1.0
    """Seconds that a turn is expected to take by itself."""
    swap: Swap = "reload"
    asleep_bytes: int = 0
    """What it keeps on each of its devices while it sleeps."""
    wake_s: float = 1.0
    """Seconds that waking is expected to take; after the first time, what it took counts."""

    @property
    def sleeps(self) -> bool:
        """Whether it makes room by sleeping."""
        return self.swap in ("sleep_1", "sleep_2")


class Supply(Protocol):
    """Whoever has the work."""

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        """What a model has before it.

        Args:
            model_id: Of the model.
            awake: Models whose engines can work now.
        """

    def has_work(self, model_id: str) -> bool:
        """Whether anything waits for this model."""

    def take(self, model_id: str, info: EngineInfo, num_running: int) -> list[Request]:
        """What the engine gets now.

        Args:
            model_id: Of the engine.
            info: Its room.
            num_running: Requests that it still has.
        """


@dataclass(slots=True)
class Slot:
    """One model's place in the pool."""

    placement: Placement
    load_s: float
    """Seconds that its last load took, or that the first one is expected to take."""
    wake_s: float
    """The same of waking."""
    handle: EngineHandle | None = None
    state: State = "unloaded"
    info: EngineInfo | None = None
    running: dict[str, float] = field(default_factory=dict)
    """Requests that it has, and since when."""
    most_running: int = 0
    """That it has had at once since it was last without any."""
    durations: Durations = field(default_factory=Durations)
    step_times: StepTimes = field(default_factory=StepTimes)
    since: float = 0.0
    activations: int = 0
    failed_loads: int = 0
    """In a row."""
    lacking_since: float | None = None
    """Since when the memory for it is waited for."""
    prefetched: bool = False
    """Its weights have been asked for since it was loaded last."""

    def rest_s(self) -> float:
        """How much longer what it runs is expected to take; 0 where nothing lingers.

        Of a batch of which more than half still runs nothing does: it is work that has to be done, and how long the
        requests before it took, which had shorter prompts or less company, says nothing of its end.
        """
        if not self.running or 2 * len(self.running) > self.most_running > 1:
            return 0.0
        now, began = time.monotonic(), self.running.values()
        return max(self.durations.rest_s(now - at) for at in (min(began), max(began)))


class EnginePool:
    """All engines of a run."""

    def __init__(
        self,
        placements: Mapping[str, Placement],
        *,
        capacities: Sequence[int],
        start: Callable[[EngineSpec], EngineHandle],
        turns: Turns | None,
        free_bytes: Callable[[int], int] | None = None,
        prefetch: Callable[[EngineSpec], object] | None = None,
        optional: Set[str] = frozenset(),
    ) -> None:
        """Nothing is loaded yet.

        Args:
            placements: By model id, in the panel's order.
            capacities: Bytes that engines may take, by device.
            start: Makes a handle from a spec.
            turns: Where one engine at a time generates; None: they do as they like.
            free_bytes: What a device says is free, where it can be asked: before an engine takes memory that another
                has given back, it must be there.
            prefetch: Has a model's weights read into memory while others generate; returns at once.
            optional: Models without which the run goes on, where they can't be loaded or find no memory.

        Raises:
            PlacementError: A model is too big even alone.
        """
        for model_id, placement in placements.items():
            room = min((capacities[device] for device in placement.devices), default=0)
            if placement.total_bytes > room:
                raise PlacementError(
                    f"{model_id} needs {placement.total_bytes / GIB:.1f} GiB; there are {room / GIB:.1f} GiB",
                    hint="Take a smaller or a quantised model, fewer seats or rounds, or raise --device-memory.",
                )
        self.slots = {m: Slot(placement, placement.load_s, placement.wake_s) for m, placement in placements.items()}
        self._capacities = tuple(capacities)
        self._start = start
        self._turns = turns
        self._turn: dict[int, str] = {}
        """Whose turn it is, by device."""
        self._swaps: list[Activate] = []
        """What is decided and waits for room."""
        self._death: LocaltableError | None = None
        self._free_bytes = free_bytes
        self._prefetch = prefetch
        self._optional = optional
        self.clock = Clock()
        self.timeline = Timeline()

    # ── what a runner calls ───────────────────────────────────────────────────────────────────────────────

    def poll(self, supply: Supply, timeout_s: float = IDLE_WAIT_S) -> list[PoolEvent]:
        """Load, hand over work, and wait for what happens.

        Raises:
            EngineLoadError: An engine that the run needs could not be loaded, the first time that it was to be. What
                came out of any engine before that has been given.
            PrerequisiteError: The memory that such an engine takes is held by somebody else.
        """
        if self._death is not None:
            raise self._death
        events: list[PoolEvent] = list(self._place(supply))
        self._mark()
        self._dispatch(supply)
        self._mark()
        if events:
            return events
        # What needed no engine may have opened more: then there is nothing to wait for.
        at_work = any(slot.running or slot.state in CHANGING for slot in self.slots.values())
        patience = timeout_s if at_work or not any(map(supply.has_work, self.slots)) else 0.0
        until = None
        for model_id, message in self._wait(patience):
            if isinstance(message, Events):
                until = max(until or 0.0, message.at)
            events += self._take(model_id, message)
        self._mark(until)
        if self._death is not None and not events:
            raise self._death
        return events

    def _mark(self, generated_until: float | None = None) -> None:
        slots = self.slots.values()
        self.clock.mark(
            generating=any(slot.running for slot in slots),
            loading=any(slot.state in CHANGING for slot in slots),
            generated_until=generated_until,
        )

    def abort(self, model_id: str, request_ids: Set[str]) -> None:
        """Forget requests that are running."""
        slot = self.slots[model_id]
        running = sorted(slot.running.keys() & request_ids)
        if slot.handle is not None and running:
            slot.handle.abort(running)
        for request_id in running:
            del slot.running[request_id]

    def close(self) -> None:
        """End all engines; safe to call twice."""
        for model_id in self.slots:
            self._unload(model_id)

    # ── where engines sit ─────────────────────────────────────────────────────────────────────────────────

    def _place(self, supply: Supply) -> Iterable[EngineLoading | EngineDied]:
        """Begin the changes that may begin now; yields the models that load or wake, and one that is given up.

        That one is the last: whoever has the work must hear of it, or the rule would choose it once more.
        """
        # One that died asleep before its turn came is no more what was decided.
        self._swaps = [swap for swap in self._swaps if self.slots[swap.model_id].state == "coming"]
        for swap in list(self._swaps):
            begun = self._begin(swap)
            if begun is not None:
                self._swaps.remove(swap)
                yield begun
            if isinstance(begun, EngineDied):
                return
        while any(slot.state in ("unloaded", "asleep") for slot in self.slots.values()):
            standings = self._standings(supply)
            action = decide(standings, self._capacities)
            if action is None:
                self._look_ahead(standings)
                return
            # Chosen once and for all: asked again once there is room, the rule might bring back who was just preempted.
            self.slots[action.model_id].state = "coming"
            for model_id in action.instead_of:
                self._begin_to_leave(model_id, close=action.close)
            begun = self._begin(action)
            if begun is None:
                self._swaps.append(action)
            else:
                yield begun
            if isinstance(begun, EngineDied):
                return

    def _begin(self, swap: Activate) -> EngineLoading | EngineDied | None:
        """Load or wake a model if there is room by now; None: not yet.

        Raises:
            PrerequisiteError: As `_memory_is_there`, of a model that the run needs; another is given up.
        """
        try:
            if not self._has_room(swap):
                return None
        except PrerequisiteError as error:
            if swap.model_id not in self._optional:
                raise
            self._unload(swap.model_id)  # it may be asleep
            slot = self.slots[swap.model_id]
            slot.failed_loads += 1
            return EngineDied(swap.model_id, error, (), slot.failed_loads, given_up=True)
        self._activate(swap.model_id)
        return EngineLoading(swap.model_id)

    def _begin_to_leave(self, model_id: str, *, close: bool) -> None:
        slot = self.slots[model_id]
        if slot.running and slot.handle is not None:
            slot.state = "preempting"
            slot.handle.preempt(sorted(slot.running))
        else:
            self._put_away(model_id, close=close)

    def _has_room(self, swap: Activate) -> bool:
        """Whether all have left in whose place a model comes, and the memory is there."""
        for model_id in swap.instead_of:
            other = self.slots[model_id]
            if other.state == "preempting" and not other.running:
                self._put_away(model_id, close=swap.close)
            if other.state in ("preempting", "falling asleep"):
                return False
        return self._memory_is_there(self.slots[swap.model_id])

    def _activate(self, model_id: str) -> None:
        slot = self.slots[model_id]
        slot.since = time.monotonic()
        slot.activations += 1
        if slot.handle is not None:
            slot.handle.wake()
            slot.state = "waking"
        else:
            slot.handle = self._start(slot.placement.spec)
            slot.state, slot.prefetched = "loading", False
        self.timeline.begin(model_id, slot.placement.devices, "wake" if slot.state == "waking" else "load")

    def _look_ahead(self, standings: Sequence[Standing]) -> None:
        """While an engine generates: have the model read that would be loaded if all engines had run dry now."""
        unread = any(slot.state == "unloaded" and not slot.prefetched for slot in self.slots.values())
        if self._prefetch is None or not unread or not any(s.running for s in standings):
            return
        dry = [replace(s, running=0, waiting=0, coming=0) if s.state == "awake" else s for s in standings]
        following = decide(dry, self._capacities)
        slot = self.slots[following.model_id] if following is not None else None
        if slot is not None and slot.state == "unloaded" and not slot.prefetched:
            slot.prefetched = True
            self._prefetch(slot.placement.spec)

    def _put_away(self, model_id: str, *, close: bool) -> None:
        slot = self.slots[model_id]
        sleeps = slot.placement.sleeps and slot.info is not None and slot.info.supports_sleep
        if close or not sleeps or slot.handle is None:
            self._unload(model_id)
            return
        slot.handle.sleep(1 if slot.placement.swap == "sleep_1" else 2)
        slot.state, slot.since = "falling asleep", time.monotonic()
        self.timeline.begin(model_id, slot.placement.devices, "sleep")

    def _memory_is_there(self, slot: Slot) -> bool:
        """Whether the devices themselves say that an engine fits; a process that has ended may still hold some.

        Raises:
            PrerequisiteError: It is still not there after a minute: somebody else holds it.
        """
        if self._free_bytes is None or not slot.placement.devices:
            return True
        kept = slot.placement.asleep_bytes if slot.handle is not None else 0
        needed = slot.placement.total_bytes - kept
        free = min(self._free_bytes(device) for device in slot.placement.devices)
        if free >= needed:
            slot.lacking_since = None
            return True
        slot.lacking_since = slot.lacking_since or time.monotonic()
        if time.monotonic() - slot.lacking_since > MEMORY_WAIT_S:
            raise PrerequisiteError(
                f"{slot.placement.spec.model_id} needs {needed / GIB:.1f} GiB of device memory; "
                f"{free / GIB:.1f} GiB are free, and no more came within {MEMORY_WAIT_S:.0f} s",
                hint="End what else is on the device, or give less by --device-memory.",
            )
        return False

    def _standings(self, supply: Supply) -> list[Standing]:
        awake = {m for m, slot in self.slots.items() if slot.state == "awake"}
        # Where no engine has anything to do, nothing comes of them, whatever the debates seem to wait for: a turn can
        # wait for another debate's.
        at_work = any(self.slots[m].running or supply.has_work(m) for m in awake)
        return [self._standing(m, supply, awake, at_work=at_work) for m in self.slots]

    def _standing(self, model_id: str, supply: Supply, awake: Set[str], *, at_work: bool) -> Standing:
        slot, outlook = self.slots[model_id], supply.outlook(model_id, awake)
        waiting = max(outlook.waiting - len(slot.running), 1) if supply.has_work(model_id) else 0
        coming = outlook.coming if at_work else 0
        return Standing(
            model_id,
            _STATES.get(slot.state, "changing"),
            slot.placement.devices,
            slot.placement.total_bytes,
            slot.placement.asleep_bytes,
            running=len(slot.running),
            waiting=waiting,
            coming=coming,
            awaited=outlook.awaited,
            waiting_s=waiting * slot.placement.turn_s,
            rest_s=slot.rest_s() if not (waiting or coming) else 0.0,
            activate_s=slot.wake_s if slot.state == "asleep" else slot.load_s,
            return_s=(slot.wake_s if slot.placement.sleeps else slot.load_s) if outlook.left else 0.0,
            turn_s=slot.placement.alone_s,
            rows=slot.placement.spec.max_num_seqs,
        )

    def _unload(self, model_id: str) -> None:
        slot = self.slots[model_id]
        if slot.handle is not None:
            # All that an engine holds is free the moment its process is gone, and vLLM takes 2 to 5 s to end by itself
            # (docs/benchmarks.md). Ranks of several devices share memory that outlives them if they are killed.
            if len(slot.placement.devices) <= 1:
                slot.handle.kill()
            else:
                slot.handle.close()
        slot.handle, slot.state = None, "unloaded"
        self.timeline.end(model_id)

    # ── who generates ─────────────────────────────────────────────────────────────────────────────────────

    def _dispatch(self, supply: Supply) -> None:
        awake = [m for m, slot in self.slots.items() if slot.state == "awake"]
        ready = [m for m in awake if self.slots[m].running or supply.has_work(m)]
        for model_id in ready if self._turns is None else self._have_the_turn(ready):
            slot = self.slots[model_id]
            assert slot.info is not None and slot.handle is not None
            batch = supply.take(model_id, slot.info, len(slot.running))
            if batch:
                slot.running.update(dict.fromkeys((request.request_id for request in batch), time.monotonic()))
                slot.most_running = max(slot.most_running, len(slot.running))
                slot.handle.submit(batch)
                if self.timeline.phase(model_id) != "generate":
                    self.timeline.begin(model_id, slot.placement.devices, "generate")

    def _have_the_turn(self, ready: Sequence[str]) -> list[str]:
        """Who had it keeps it until there is nothing for it to do; then the first in panel order that has work.

        Who sits on no device needs no turn.
        """
        elsewhere = {model_id for model_id in ready if not self.slots[model_id].placement.devices}
        turn = {device: model_id for device, model_id in self._turn.items() if model_id in ready}
        for model_id in ready:
            if model_id in elsewhere:
                continue
            devices = self.slots[model_id].placement.devices if self._turns == "device" else (0,)
            if turn.keys().isdisjoint(devices):
                turn.update(dict.fromkeys(devices, model_id))
        self._turn = turn
        return [model_id for model_id in ready if model_id in elsewhere or model_id in turn.values()]

    def _wait(self, timeout_s: float) -> list[tuple[str, FromWorker]]:
        handles = {m: slot.handle for m, slot in self.slots.items() if slot.handle is not None}
        wait(list(handles.values()), timeout_s)  # type: ignore[arg-type]  # anything with a fileno will do
        return [(m, message) for m, handle in handles.items() for message in handle.poll()]

    def _take(self, model_id: str, message: FromWorker) -> list[PoolEvent]:
        slot = self.slots[model_id]
        if isinstance(message, Ready):
            slot.state, slot.info, slot.load_s = "awake", message.info, time.monotonic() - slot.since
            slot.failed_loads = 0
            self.timeline.end(model_id)
            return [EngineLoaded(model_id, message.info, slot.load_s)]
        if isinstance(message, Changed):
            slot.state = "asleep" if message.asleep else "awake"
            self.timeline.end(model_id)
            if message.asleep:
                return []
            slot.wake_s = time.monotonic() - slot.since
            assert slot.info is not None
            return [EngineLoaded(model_id, slot.info, slot.wake_s)]
        if isinstance(message, Died):
            return self._died(model_id, slot, message)
        slot.step_times.add(message.samples)
        for event in message.events:
            if not isinstance(event, Tokens):
                began = slot.running.pop(event.request_id, None)
                if began is not None and isinstance(event, Completion):
                    slot.durations.add(message.at - began)
        if not slot.running:
            slot.most_running = 0
            self.timeline.end(model_id)
        return [Generated(model_id, event) for event in message.events]

    def _died(self, model_id: str, slot: Slot, message: Died) -> list[PoolEvent]:
        loading, lost = slot.state == "loading", tuple(sorted(slot.running))
        slot.handle, slot.state = None, "unloaded"
        slot.running.clear()
        slot.most_running = 0
        self.timeline.end(model_id)
        slot.failed_loads += loading
        # What says why it can't be loaded would say it again; what was loaded once, or was killed, may do better.
        hopeless = not message.sudden or slot.failed_loads >= MAX_LOADS
        if loading and slot.info is None and hopeless:
            if model_id in self._optional:
                return [EngineDied(model_id, message.error, lost, slot.failed_loads, given_up=True)]
            self._death = self._death or message.error
            return []
        return [EngineDied(model_id, message.error, lost, slot.failed_loads)]
