"""What goes into a store and comes out of it: frozen values, plain where a room above builds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localtable.types import FinishReason, Turn, Verdict


@dataclass(frozen=True, slots=True)
class Run:
    """The inputs of a run: what must be the same for it to go on."""

    engine: str
    panel: Mapping[str, Any]
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
