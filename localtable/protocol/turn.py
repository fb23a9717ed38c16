"""A turn as a pure state machine: ballot before, thinking, statement, ballot, what measures it, who persuaded.

Each step is one request to an engine. `next_step` says which one comes next, from what the draft of the turn has
already; which words it takes is `prompts`' matter, what an answer means is `ballots`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from localtable.types import PART_OF_STEP, BallotRule, FreeReply, Letter, OrderedBallot, Seat, Step, Usage, VoteSource

MAX_ATTEMPTS = 2
"""An empty statement is asked for once more, then kept and counted."""


@dataclass(frozen=True, slots=True)
class Text:
    """Free text as it was generated."""

    token_ids: tuple[int, ...]
    text: str
    cut: bool
    """Ended by its bound, not by the model."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A ballot as it was read."""

    letter: Letter
    distribution: dict[Letter, float] | None
    """None where an endpoint gave no probabilities."""
    tied: tuple[Letter, ...]
    orders: tuple[OrderedBallot, ...] = ()
    """Where it was asked in several orders: what each answered."""
    source: VoteSource = "exact"
    mass: float | None = None
    """Probability of all labels that an endpoint listed together; the mean over orders."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn in progress."""

    seat: str
    round_number: int
    previous_vote: Letter | None
    num_peers: int
    before: Vote | None = None
    thinking: Text | None = None
    statement: Text | None = None
    attempts: int = 0
    ballot: Vote | None = None
    asked: tuple[OrderedBallot, ...] = ()
    """Answers to the ballot that is being asked, while orders of it are left."""
    label_mass: float | None = None
    free_reply: FreeReply | None = None
    persuaded: str | None = None
    asked_who: bool = False
    usage: dict[str, Usage] = field(default_factory=dict)

    @property
    def vote(self) -> Vote | None:
        """The vote that counts: the one after the statement where there is one."""
        return self.ballot or self.before

    @property
    def changed_mind(self) -> bool:
        return self.vote is not None and self.previous_vote not in (None, self.vote.letter)

    def after_statement(self, statement: Text, usage: Usage) -> Draft:
        """The draft with a statement, or with one more attempt spent on an empty one."""
        attempts = self.attempts + 1
        kept = statement if statement.text or attempts >= MAX_ATTEMPTS else None
        return self.after("statement", usage, statement=kept, attempts=attempts)

    def after(self, step: Step, usage: Usage, **known: Any) -> Draft:
        """The draft with what a step gave, `known` by this class's own names, and what it took."""
        part = PART_OF_STEP[step]
        used = self.usage[part] + usage if part in self.usage else usage
        return replace(self, usage={**self.usage, part: used}, **known)


def rule_for(seat: Seat, rule: BallotRule) -> BallotRule:
    """How a seat's ballots are asked: the labels' free probability is not measured at an endpoint, which lists what it
    lists with each ballot.
    """
    return replace(rule, label_mass=False) if seat.card.endpoint is not None else rule


def next_step(draft: Draft, *, rule: BallotRule, thinking: bool) -> Step | None:
    """What this turn needs next; None when it is complete.

    A ballot in several orders is asked step by step: it is there when its last order is answered.
    """
    if rule.at in ("before", "both") and draft.before is None:
        return "before"
    if thinking and draft.thinking is None:
        return "thinking"
    if draft.statement is None:
        return "statement"
    if rule.at in ("after", "both") and draft.ballot is None:
        return "ballot"
    if rule.label_mass and draft.label_mass is None:
        return "label_mass"
    if rule.free_reply and draft.free_reply is None:
        return "free_reply"
    if draft.changed_mind and draft.num_peers > 0 and not draft.asked_who:
        return "persuaded"
    return None
