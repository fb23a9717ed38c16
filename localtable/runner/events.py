"""What a run tells those who watch it: screens, logs, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from localtable.protocol import Debate
from localtable.scheduler.pool import EngineDied, EngineLoaded, EngineLoading
from localtable.types import Round, Step, Turn


@dataclass(frozen=True, slots=True)
class Note:
    """Something that takes a while, or that a person should know."""

    text: str


@dataclass(frozen=True, slots=True)
class EngineChosen:
    """Which engine runs the models, and why that one."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoundOpened:
    """A debate has begun a round."""

    debate: Debate
    number: int


@dataclass(frozen=True, slots=True)
class TextArrived:
    """More of a statement, or of the thinking before it, is there."""

    debate: Debate
    round_number: int
    seat: str
    step: Step
    text: str
    """All of it so far."""


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """A seat has spoken and voted."""

    debate: Debate
    round_number: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class RoundClosed:
    """All seats of a debate have voted in a round."""

    debate: Debate
    round: Round


@dataclass(frozen=True, slots=True)
class DebateFailed:
    """A debate can't be finished."""

    debate: Debate
    reason: str


RunEvent = (
    Note
    | EngineChosen
    | EngineLoading
    | EngineLoaded
    | EngineDied
    | RoundOpened
    | TextArrived
    | TurnFinished
    | RoundClosed
    | DebateFailed
)


class Listener(Protocol):
    """Whoever wants to be told."""

    def __call__(self, event: RunEvent) -> None:
        """Take one event; must not block."""
