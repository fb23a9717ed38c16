"""Who sits at the table, and by which rules they debate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from localtable.types.card import Card, Sampling

BallotTime = Literal["after", "before", "both"]
Pool = Literal["arithmetic", "geometric"]
StopRule = Literal["unanimous", "threshold", "never"]
Shown = Literal["shown", "hidden"]


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether a seat thinks before it speaks, and for how many tokens at most."""

    on: bool = False
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Seat:
    """A place at the table: a name, a model and how it speaks."""

    name: str
    card: Card
    sampling: Sampling
    thinking: Thinking = Thinking()
    persona: str | None = None
    role: str | None = None
    """What it is told to be beside that, by the name that the wording has for it."""

    @property
    def model_id(self) -> str:
        return self.card.id

    @property
    def counts(self) -> bool:
        return True


CONFEDERATE = "confederate"
"""The model of turns that no model took; no card may be called so."""


@dataclass(frozen=True, slots=True)
class Confederate:
    """A place at the table without a model: it says and votes what the panel says, and nobody who reads it can tell."""

    name: str
    vote: str | Mapping[str, str]
    """`right`, `wrong`, an option's letter or its text; or one of these for each question, by its id."""
    statement: str
    """What it says in every round; `{option}` stands for the text of what it votes for."""
    counts: bool = False
    """Whether its vote counts in tally, stop rule and verdict."""
    together: bool = True
    """Whether its wrong option is that of the debate's other confederates, not one drawn for itself."""
    poses_as: str | None = None
    """The model that it is shown as, where seats go by their models' names."""
    confidence: float = 1.0
    """What its vote has of the probability, shown where confidence is; the other options share the rest."""

    @property
    def model_id(self) -> str:
        return CONFEDERATE


Participant = Seat | Confederate
"""Whoever sits at the table."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What seats see of each other in later rounds; its own turn a seat always reads whole."""

    reads: Literal["everyone", "itself", "neighbours"] = "everyone"
    """`neighbours`: the seats before and behind it in the panel's order, which is a ring."""
    names: Literal["seats", "neutral", "models"] = "seats"
    """What seats are called in prompts, by others and in their own part."""
    votes: Shown = "shown"
    statements: Shown = "shown"
    confidence: Shown = "hidden"
    """The probability of a vote, beside it."""
    tally: Shown = "hidden"
    """How many seats voted for each option in the previous round."""
    order: Literal["fixed", "shuffled", "balanced"] = "fixed"
    """In which turns are read: one order for all readers, one drawn for each, or orders in which each seat stands at
    each place for one reader."""

    @property
    def peers_shown(self) -> bool:
        """Whether anything of a single peer is read."""
        return self.reads != "itself" and "shown" in (self.votes, self.statements)


@dataclass(frozen=True, slots=True)
class Peers:
    """What of a peer's turn is shown: `max_tokens` bounds it, `over` says what happens above the bound."""

    max_tokens: int | None = None
    over: Literal["refuse", "head_tail"] = "refuse"


@dataclass(frozen=True, slots=True)
class BallotRule:
    """How a seat is asked for its vote."""

    at: BallotTime = "after"
    orders: int | None = 1
    """In how many orders of the options it is asked, evenly spaced rotations; None: in all rotations."""
    pool: Pool = "arithmetic"
    """What makes one distribution out of the orders'."""
    floor: float = 1e-4
    """Probability below which none counts in a geometric mean, where one near zero would veto."""
    label_mass: bool = False
    """Whether the unconstrained probability of all labels is measured: one more step."""
    free_reply: bool = False
    """Whether the seat also answers the ballot in its own words, which decides nothing: a short generation more."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When a debate ends before its last round."""

    when: StopRule = "never"
    share: float = 1.0
    """The leading option's share of the votes that counts as agreement (`threshold`)."""

    @property
    def agreement_share(self) -> float:
        return self.share if self.when == "threshold" else 1.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Who sits at the table and by which rules."""

    name: str
    seats: tuple[Participant, ...]
    rounds: int = 2
    prompts: str = "argue"
    """A preset's name, or the path of a file in the same form."""
    visibility: Visibility = Visibility()
    peers: Peers = Peers()
    ballot: BallotRule = BallotRule()
    engine: Mapping[str, Any] = field(default_factory=dict)
    stop: Stop = Stop()
    moderator: Card | None = None
    """Who sums the debate up when it has ended; None: templates do."""
    seed: int = 0

    @property
    def model_seats(self) -> tuple[Seat, ...]:
        """The seats that a model sits on."""
        return tuple(seat for seat in self.seats if isinstance(seat, Seat))

    @property
    def confederates(self) -> tuple[Confederate, ...]:
        return tuple(seat for seat in self.seats if isinstance(seat, Confederate))

    @property
    def cards(self) -> tuple[Card, ...]:
        """The distinct models, in the order of their first seat."""
        return tuple({seat.card.id: seat.card for seat in self.model_seats}.values())
