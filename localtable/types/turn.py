"""What one seat did in one round: what it said, how it voted, what that took, and what others see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from localtable.types.question import Letter

FinishReason = Literal["stop", "length"]
InfluenceKind = Literal["direct", "total"]
"""What a peer does to a vote: through what is read alone, and with what the seat says because of it."""
VoteSource = Literal["exact", "logprobs", "structured", "parsed"]
"""What a vote was read from. An engine of this machine gives every label's probability: exact. An endpoint gives those
of its most probable tokens, or a reply that is what the ballot's schema allows, or words that a documented parser
reads."""
Step = Literal["before", "thinking", "statement", "ballot", "label_mass", "free_reply", "persuaded"]
"""The requests that a turn is made of."""

PART_OF_STEP: Mapping[str, str] = {
    "before": "ballot",
    "thinking": "thinking",
    "statement": "statement",
    "ballot": "ballot",
    "label_mass": "ballot",
    "free_reply": "ballot",
    "persuaded": "ballot",
}
"""Which part of a turn's usage a step belongs to."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or several requests."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens whose keys and values were already there."""
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class OrderedBallot:
    """What a seat answered to the options in one order."""

    order: tuple[Letter, ...]
    """The options as the ballot listed them, by their letters in the question's own order."""
    distribution: Mapping[Letter, float]
    """In the question's own order; sums to 1. Where an endpoint gave no probabilities, all of it is on the answer."""
    source: VoteSource = "exact"
    mass: float | None = None
    """Probability of all labels that an endpoint listed together."""


@dataclass(frozen=True, slots=True)
class FreeReply:
    """What a seat answers to its ballot where nothing constrains it."""

    text: str
    vote: Letter | None
    """What a documented parser makes of it (`ballots/reply.py`); None: nothing."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One seat's vote with the distribution behind it.

    `distribution` has every option's letter and sums to 1; it is taken at temperature 1, before penalties.
    """

    vote: Letter
    distribution: Mapping[Letter, float] | None
    tied: tuple[Letter, ...] = ()
    """The letters that shared the first place exactly, where more than one did."""
    persuaded_by: str | None = None
    label_mass: float | None = None
    """Probability of all labels together where nothing constrains the answer, behind the ballot's prefix."""
    orders: tuple[OrderedBallot, ...] = ()
    """The answers to several orders, whose mean `distribution` is; empty where there is one."""
    free_reply: FreeReply | None = None
    source: VoteSource = "exact"
    """Without probabilities (structured, parsed) `distribution` is None."""
    listed_mass: float | None = None
    """Probability of all letters together that an endpoint listed, before they were made to sum to 1."""

    @property
    def unlisted(self) -> tuple[Letter, ...]:
        """Letters that an endpoint did not list among its most probable tokens: `distribution` has 0 for them."""
        if self.source != "logprobs" or self.distribution is None:
            return ()
        # A geometric pool leaves no zero, whatever was listed.
        asked = [answer.distribution for answer in self.orders] or [self.distribution]
        return tuple(letter for letter in self.distribution if all(shares[letter] == 0.0 for shares in asked))

    @property
    def confidence(self) -> float | None:
        return None if self.distribution is None else self.distribution[self.vote]


@dataclass(frozen=True, slots=True)
class Influence:
    """How far one peer has moved a seat in a turn, as it was measured behind the debate."""

    peer: str
    option: Letter
    """What the peer had voted for in the round that was read."""
    direct: float | None
    """How much more probable that is before the statement with the peer than without; None: not measured."""
    total: float | None = None
    """The same behind statements of their own, on average; None: not measured."""
    total_standard_error: float | None = None
    samples: int | None = None
    """Pairs of statements that `total` is the mean of."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one seat did in one round."""

    seat: str
    position: int
    """1-based place in the order in which this round's turns are shown to the next, where that is one for all."""
    statement: str
    ballot: Ballot
    changed_mind: bool
    finish_reason: FinishReason | None
    truncated: bool
    seed: int | None
    usage: Mapping[str, Usage] | None
    """By part: thinking, statement, ballot."""
    reasoning: str | None = None
    reasoning_truncated: bool = False
    stated: Letter | None = None
    ballot_before: Ballot | None = None
    attempts: int = 1
    """2 where an empty statement was asked for once more."""
    names_letter: bool = False
    """The statement names an option by a letter, although it never saw one."""
    peers_cut: int = 0
    """How many peers' turns were shown shortened to this seat."""
    token_ids: tuple[int, ...] | None = None
    influence: tuple[Influence, ...] = ()
    """Peer by peer; empty where it was not measured."""


class TurnPlace(NamedTuple):
    """Names a turn of a debate."""

    round: int
    seat: str


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """What of a previous turn is shown to a seat."""

    seat: str
    vote: str | None
    """The text of the option voted for; None where votes are not shown."""
    statement: str | None
    """None where statements are not shown."""
    confidence: float | None = None
    """The probability of the vote; None where it is not shown."""


VoteCounts = tuple[tuple[str, int], ...]
"""Options by their texts, and how many voted for each; empty where no tally is shown."""
