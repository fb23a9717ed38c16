"""A turn as a pure state machine: ballot before, thinking, statement, ballot, who persuaded.

Each step is one request to an engine. `next_step` says which one comes next, from what the draft of the turn has
already; which words it takes is `prompts`' matter, what an answer means is `ballots`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from localtable.types import PART_OF_STEP, BallotTime, Letter, Step, Usage

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
    distribution: dict[Letter, float]
    tied: tuple[Letter, ...]
    token_id: int
    """Of the label that was voted for: later steps continue from it."""


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


def next_step(draft: Draft, *, ballot_at: BallotTime, thinking: bool) -> Step | None:
    """What this turn needs next; None when it is complete."""
    if ballot_at in ("before", "both") and draft.before is None:
        return "before"
    if thinking and draft.thinking is None:
        return "thinking"
    if draft.statement is None:
        return "statement"
    if ballot_at in ("after", "both") and draft.ballot is None:
        return "ballot"
    if draft.changed_mind and draft.num_peers > 0 and not draft.asked_who:
        return "persuaded"
    return None
