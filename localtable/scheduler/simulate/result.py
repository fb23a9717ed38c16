"""What comes of a simulated run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Part = Literal["generate", "load", "wake", "sleep", "close", "idle"]


class Span(NamedTuple):
    """What one engine did for a while."""

    start_s: float
    end_s: float
    model_id: str
    part: Part


class Finished(NamedTuple):
    """A turn's end."""

    at_s: float
    debate: int
    round_number: int
    seat: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a simulated run."""

    makespan_s: float
    activations: dict[str, int]
    """Loads and wakes, by model."""
    seconds: tuple[dict[Part, float], ...]
    """The makespan of each device by part; a device that generates while something loads counts as generating."""
    timeline: tuple[Span, ...]
    finished: tuple[Finished, ...]

    @property
    def num_activations(self) -> int:
        return sum(self.activations.values())


class Stalled(RuntimeError):
    """Turns are left and nothing moves: the policy activates nothing that could."""
