"""A whole debate: its rounds, where it turned, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from localtable.types.panel import Panel
from localtable.types.question import Letter, Question
from localtable.types.summary import Summary
from localtable.types.turn import Turn

VerdictKind = Literal["unanimous", "majority", "plurality", "tie"]
TurningPointKind = Literal["decisive", "largest_shift"]


@dataclass(frozen=True, slots=True)
class Round:
    """One round's turns, in the order in which the next round shows them."""

    number: int
    turns: tuple[Turn, ...]
    tally: Mapping[Letter, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the last round's votes come to."""

    kind: VerdictKind
    options: tuple[Letter, ...]
    """The leading options: one, or several on a tie."""
    votes: int
    """Votes of each leading option."""
    of: int
    """Votes in all."""
    agreement: bool
    """Whether the leading option's share reached the panel's."""
    rounds: int | None
    """None where an import does not say."""


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """A turn at which the outcome turned, or, where no single one decided it, the one that moved most."""

    round: int
    seat: str
    before: Letter | None
    """The seat's vote in its previous round; None where that is not known."""
    after: Letter
    kind: TurningPointKind
    verdict_without: tuple[Letter, ...] | None
    """The leading options if the seat had kept its earlier vote to the end, where that is what makes it decisive."""
    shift: float | None
    """How much more probable `after` has become for the seat; None where no distribution is known."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole debate."""

    question: Question
    panel: Panel
    repeat: int
    rounds: tuple[Round, ...]
    verdict: Verdict | None
    """None where the debate was interrupted."""
    turning_points: tuple[TurningPoint, ...] = ()
    summary: Summary | None = None
    condition: str = "debate"
    source: Literal["run", "import"] = "run"
    manifest: Mapping[str, Any] = field(default_factory=dict)
