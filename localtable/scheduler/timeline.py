"""What each engine did when: loading, generating, falling asleep, waking."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["load", "generate", "sleep", "wake"]


@dataclass(frozen=True, slots=True)
class Interval:
    """One engine in one phase; where a device has none, it was idle."""

    model_id: str
    devices: tuple[int, ...]
    phase: Phase
    began_s: float
    """Since the timeline began."""
    ended_s: float

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s


@dataclass(slots=True)
class Timeline:
    """Intervals as they end."""

    started: float = field(default_factory=time.monotonic)
    _open: dict[str, tuple[Phase, tuple[int, ...], float]] = field(default_factory=dict)
    _ended: list[Interval] = field(default_factory=list)

    def begin(self, model_id: str, devices: tuple[int, ...], phase: Phase) -> None:
        """An engine begins something; what it did before is over."""
        self.end(model_id)
        self._open[model_id] = (phase, devices, time.monotonic() - self.started)

    def end(self, model_id: str) -> None:
        """An engine does nothing any more."""
        found = self._open.pop(model_id, None)
        if found is not None:
            phase, devices, began = found
            self._ended.append(Interval(model_id, devices, phase, began, time.monotonic() - self.started))

    def phase(self, model_id: str) -> Phase | None:
        """What an engine does now."""
        found = self._open.get(model_id)
        return found[0] if found else None

    def take(self) -> list[Interval]:
        """What has ended since this was asked last."""
        ended, self._ended = self._ended, []
        return ended
