"""What goes into a store and comes out of it: frozen values, plain where a room above builds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from localtable.types import FinishReason, InfluenceKind, Letter, Turn, Verdict

SessionKind = Literal["run", "influence", "summary"]
"""What a process worked at: the debates, what is measured behind them, or summaries of them."""


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A variant of a sweep."""

    name: str
    """That of its debate's condition."""
    levels: Mapping[str, str]
    """By factor."""
    panel: Mapping[str, Any]
    prompts_name: str
    prompts_sha256: str
    prompts: Mapping[str, Any]


class Noise(NamedTuple):
    """A condition whose debates take their peers' turns from debates on other questions."""

    condition: str
    debate: str
    """The condition that those are held under."""
    seed: int
    """Says who is whose partner."""


@dataclass(frozen=True, slots=True)
class Run:
    """The inputs of a run: what must be the same for it to go on."""

    engine: str
    panel: Mapping[str, Any]
    """In a sweep the baseline's, and so the wording."""
    cards: Mapping[str, Any]
    """By card id, as a card's file."""
    weights: Mapping[str, Any]
    """By card id: the hash of the weights and where they came from; empty for the scripted engine."""
    prompts_name: str
    prompts_sha256: str
    prompts: Mapping[str, Any]
    controls: tuple[str, ...] = ()
    repeats: int = 1
    shard: int = 1
    num_shards: int = 1
    questions_sha256: str = ""
    """Filled in by the store, which reads them."""
    sweep: Mapping[str, Any] | None = None
    """What a sweep says beside its variants; None: a plain suite."""
    variants: tuple[VariantRow, ...] = ()
    uuid: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class DebateRow:
    """A debate as the store names it."""

    id: int
    question: int
    condition: int
    repeat: int
    partner: int | None
    state: str
    reason: str | None
    verdict: Verdict | None
    session: int | None


@dataclass(frozen=True, slots=True)
class Key:
    """What a request is known by: equal keys are generated once."""

    sha256: bytes
    identity: str
    request_sha256: bytes
    prompt_sha256: bytes
    seed: int | None
    """None where nothing is drawn."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What an engine gave for a request."""

    key: Key
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    stop_token_id: int | None
    logprobs: Mapping[int, float]
    seconds: float | None
    origin: str | None = None
    """The run that it was taken over from."""
    preempted_at: tuple[int, ...] = ()
    """Tokens that it had said each time that it was preempted: behind each, another seed draws."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A finished turn and what it was made from."""

    debate: int
    round_number: int
    turn: Turn
    model: str
    prompt_shared: str
    prompt_own: str
    steps: tuple[tuple[str, int], ...]
    """Step and generation, in order."""
    reused: bool
    """No engine worked for it: every generation was there."""


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """A turn's ballot, asked once more."""

    turn: int
    """Its number in the store."""
    kind: InfluenceKind
    replaced: str | None
    """The peer in whose place a neutral turn was shown; None: as the seat has read it."""
    sample: int
    distribution: Mapping[Letter, float]
    steps: tuple[tuple[str, int], ...]
    """Step and generation, in order."""


@dataclass(frozen=True, slots=True)
class InfluenceRecord:
    """What a turn's probes say of one peer."""

    turn: int
    peer: str
    kind: InfluenceKind
    option: Letter
    """What the peer had voted for in the round that was read."""
    base: Mapping[Letter, float]
    """Everybody shown; the mean over samples."""
    without: Mapping[Letter, float]
    """The same with the peer replaced."""
    value: float
    """How much more probable the option is with the peer than without."""
    standard_error: float | None
    """Of the mean over samples; None of `direct`, which has one."""
    samples: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a run is."""

    debates: Mapping[str, int] = field(default_factory=dict)
    """By state: open, finished, failed."""
    turns: int = 0
    reused_turns: int = 0
    ballots: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
