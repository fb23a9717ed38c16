"""What a session has seen of its engines, kept for the next plan: loads, bytes, and how fast they really were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.engines.base import EngineInfo
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.costs import speed as expected_speed
from localtable.scheduler.devices import Machine
from localtable.scheduler.memory import Observation, observe
from localtable.scheduler.seating import Seated
from localtable.scheduler.simulate.instance import Speed
from localtable.scheduler.step_times import StepTimes
from localtable.scheduler.timeline import Interval

LEAST_S = 5.0
"""Of an engine's steps, below which they say little of its speed."""


class Learning:
    """Writes down what engines took and how long it lasted."""

    def __init__(self, calibration: Calibration, seated: Mapping[str, Seated], machine: Machine) -> None:
        """Nothing is written before something was seen.

        Args:
            calibration: Where it goes.
            seated: The models, by card id.
            machine: What they run on.
        """
        self._calibration = calibration
        self._seated = seated
        self._machine = machine
        self._ready: set[str] = set()
        """Those that have said so since they were reckoned with last."""
        self._arrivals: dict[str, Interval] = {}
        """By model: its last load or wake. One that ended in a death is followed by another before it is ready."""
        self._loaded: set[str] = set()
        self._slept: set[str] = set()
        """Since they were loaded."""

    def loaded(self, model_id: str, info: EngineInfo) -> None:
        """An engine is ready, loaded or woken."""
        self._ready.add(model_id)
        self._remember(model_id, observe(info))

    def spent(self, intervals: Sequence[Interval]) -> None:
        """Engines did something for a while."""
        for interval in intervals:
            if interval.phase == "sleep":
                self._slept_once(interval)
            elif interval.phase != "generate":
                self._arrivals[interval.model_id] = interval
        for model_id in self._ready & self._arrivals.keys():
            self._ready.discard(model_id)
            self._arrived(self._arrivals.pop(model_id))

    def _arrived(self, interval: Interval) -> None:
        model_id, seconds = interval.model_id, interval.seconds
        if interval.phase == "wake":
            level_1 = self._sleeps_at_1(model_id)
            self._remember(model_id, Observation(wake_1_s=seconds) if level_1 else Observation(wake_2_s=seconds))
            return
        first = model_id not in self._loaded
        self._loaded.add(model_id)
        self._slept.discard(model_id)
        self._remember(model_id, Observation(first_load_s=seconds) if first else Observation(later_load_s=seconds))

    def _slept_once(self, interval: Interval) -> None:
        # At level 2 nothing is moved: its seconds say nothing of level 1's, which are what costs.
        if not self._sleeps_at_1(interval.model_id):
            return
        first = interval.model_id not in self._slept
        self._slept.add(interval.model_id)
        seconds = interval.seconds
        self._remember(
            interval.model_id, Observation(first_sleep_s=seconds) if first else Observation(later_sleep_s=seconds)
        )

    def _sleeps_at_1(self, model_id: str) -> bool:
        seat = self._seated.get(model_id)
        return seat is not None and seat.swap == "sleep_1"

    def ended(self, step_times: Mapping[str, StepTimes]) -> dict[str, Speed]:
        """The session is over: what steps have shown of its engines' speeds.

        Args:
            step_times: By model id.

        Returns:
            By model id, of those that worked long enough.
        """
        speeds = {}
        for model_id, seen in step_times.items():
            seat = self._seated.get(model_id)
            if seat is None or seen.seconds < LEAST_S:
                continue
            # What was learned before may be of runs that could tell less apart than this one.
            device = self._machine.devices[seat.spot.devices[0]]
            found = seen.fit(expected_speed(seat.wish.card, seat.settings, device, seat.rows))
            if found is not None:
                speeds[model_id] = found
                self._remember(model_id, Observation(speed=found))
        return speeds

    def _remember(self, model_id: str, seen: Observation) -> None:
        seat = self._seated.get(model_id)
        if seat is not None:
            device = self._machine.devices[seat.spot.devices[0]]
            self._calibration.remember(seat.wish.card, seat.settings, device, seen)
