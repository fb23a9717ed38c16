"""What a simulation is given: devices, models with their speeds and costs, seats, and the length of every turn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Literal, NamedTuple

Sharing = Literal["processor", "turns"]
"""How engines that are awake on one device share it: all at once, each at 1/number of the device's speed; or one after
another, each until it is dry."""


class Queue(IntEnum):
    """What an engine takes first: what brings a debate to its end goes before what begins one, and before summaries."""

    LATER_ROUND = 0
    FIRST_ROUND = 1
    SUMMARY = 2


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine is with a device to itself. A step with n rows takes `step_s + n × row_s`."""

    step_s: float
    """Seconds of a decode step for reading the weights, whatever the number of rows."""
    row_s: float
    """Seconds that each running row adds to a step."""
    prefill_s: float
    """Seconds for each prompt token that is not cached."""

    def decode_s(self, rows: int) -> float:
        """Seconds for each generated token of so many rows together."""
        return self.step_s / rows + self.row_s


@dataclass(frozen=True, slots=True)
class Sleep:
    """What it costs to put an engine to sleep and to wake it (vLLM's level 1)."""

    first_s: float
    """Seconds of the first sleep, which pins host memory."""
    later_s: float
    """Seconds of every later one."""
    wake_s: float
    asleep_bytes: int
    """What stays on each of its devices."""


@dataclass(frozen=True, slots=True)
class Model:
    """One engine."""

    model_id: str
    devices: tuple[int, ...]
    """Where it sits, all of them at once."""
    awake_bytes: int
    """On each of its devices."""
    speed: Speed
    max_num_seqs: int
    """Requests that it works on at once."""
    first_load_s: float
    later_load_s: float
    """Seconds of a load once the weights are in the page cache and the kernels compiled."""
    close_s: float = 0.0
    sleep: Sleep | None = None
    """None: it can't sleep, and is closed instead."""
    cache_tokens: float = math.inf
    """That its cache holds. What has been written longest ago is lost first."""


class Turn(NamedTuple):
    """A seat's turn in one round, statement and ballot together."""

    prefill_tokens: int
    """Prompt tokens that no cache holds."""
    decode_tokens: int
    lost_tokens: int = 0
    """Prompt tokens more where the cache no longer holds what the round before has left in it."""


class Closing(NamedTuple):
    """What follows a debate's last round: its summary."""

    model: int
    """The moderator's number."""
    turn: Turn


class Written(NamedTuple):
    """How far an engine's cache was written at a moment."""

    activation: int
    """Of the model: a cache is lost when it is put away."""
    tokens: int


class Task(NamedTuple):
    """A turn as an engine gets it."""

    debate: int
    round_number: int
    """From 0; of a summary the number of rounds."""
    seat: int
    """Of a summary the number of seats."""
    prefill_tokens: int
    decode_tokens: float
    queue: Queue
    lost_tokens: int = 0
    before: Written | None = None
    """When the round before was written; None where nothing can be lost."""


@dataclass(frozen=True)
class Instance:
    """One suite of debates on one machine."""

    capacities: tuple[int, ...]
    """Bytes that engines may take, by device."""
    models: tuple[Model, ...]
    seats: tuple[int, ...]
    """The model of each seat, by number."""
    turns: tuple[tuple[tuple[Turn, ...], ...], ...]
    """By debate, round and seat; of a debate that is held elsewhere no round, and its summary is open at once."""
    sharing: Sharing = "processor"
    panels: tuple[tuple[int, ...], ...] = ()
    """By debate the model of each seat, where debates differ in that; empty: `seats` sit in all of them. `seats` then
    has every model once."""
    closings: tuple[Closing | None, ...] = ()
    """By debate who sums it up; empty: nobody does."""

    @property
    def rounds(self) -> int:
        """Of the longest debate."""
        return max(map(len, self.turns))

    def seats_of(self, debate: int) -> tuple[int, ...]:
        """The model of each of a debate's seats."""
        return self.panels[debate] if self.panels else self.seats

    def closing_of(self, debate: int) -> Closing | None:
        """Who sums a debate up."""
        return self.closings[debate] if self.closings else None

    @cached_property
    def turns_of(self) -> tuple[tuple[Turn, ...], ...]:
        """All turns, by model."""
        found: list[list[Turn]] = [[] for _ in self.models]
        for number, debate in enumerate(self.turns):
            for opened in debate:
                for model, turn in zip(self.seats_of(number), opened, strict=True):
                    found[model].append(turn)
        return tuple(map(tuple, found))

    @cached_property
    def summaries_of(self) -> tuple[tuple[Turn, ...], ...]:
        """All summaries, by model."""
        written: list[list[Turn]] = [[] for _ in self.models]
        for closing in filter(None, self.closings):
            written[closing.model].append(closing.turn)
        return tuple(map(tuple, written))
