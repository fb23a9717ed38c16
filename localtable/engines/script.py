"""Scripts of the scripted engine: what a seat says and votes, turn by turn, as YAML or JSON.

    delay_s: 0.1
    turns:
      - {seat: Ada, round: 1, statement: "It is B.", vote: B}
      - {seat: Bob, distribution: {A: 0.7, B: 0.3}}
      - {seat: Cy, round: 2, fail: once}
      - {seat: Dee, round: 2, follows: {seat: Bob, how: directly}}
      - {model: small, told: "You are the peacemaker", follows: {weight: 0.9}}

Every key that says where is optional, and the first turn that fits is played. Votes are the options' letters in the
question's own order. What no turn scripts follows the engine's seeded rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from localtable.engines.base import Origin, Request
from localtable.loading import read_mapping, validate
from localtable.scripted_vocabulary import decode
from localtable.types import SUMMARY_STEP, FinishReason

Letter = Annotated[str, Field(pattern=r"^[A-Z]$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Follows(BaseModel):
    """Whose votes a seat follows, where its own prompt shows them: influence that is known beforehand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seat: Annotated[str, Field(min_length=1)] | None = None
    """The peer, by the name that it has in prompts; without one, everybody whose vote is shown, itself among them."""
    how: Literal["directly", "by_statement"] = "directly"
    """`directly`: both ballots lean to what is shown to have been chosen. `by_statement`: the statement names what most
    have chosen, and the ballot behind leans to what it names; the ballot before it leans nowhere."""
    weight: Share = 0.6
    """What one vote that is shown takes of a ballot's probability, from all options alike, for its own: n votes take
    1 − (1 − weight)^n, each an even part of it."""


class ScriptedTurn(BaseModel):
    """Where a turn is played, and what is played there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str | None = None
    """The question's id."""
    seat: str | None = None
    round: Annotated[int, Field(ge=1)] | None = None
    repeat: Annotated[int, Field(ge=0)] | None = None
    model: str | None = None
    """The id of the seat's card."""
    told: Annotated[str, Field(min_length=1)] | None = None
    """What its prompt says somewhere: a role, who spoke, how sure somebody is."""

    statement: str | None = None
    reasoning: str | None = None
    """What the step "thinking" answers."""
    vote: Letter | None = None
    vote_before: Letter | None = None
    """The ballot before the statement; without it that ballot gets `vote` and `distribution` too."""
    distribution: dict[Letter, Share] | None = None
    label: Letter | None = None
    """What is voted for whatever it stands for, in every order of the options: a seat that loves a letter."""
    follows: Follows | None = None
    noise: Share = 0.0
    """What of a ballot's probability hangs on the very words of its prompt, whatever they say, as it does in models."""
    free_reply: str | None = None
    """What the ballot is answered with where nothing constrains it; without one, its vote as JSON."""
    persuaded_by: Annotated[str, Field(min_length=1)] | None = None
    """A seat's name, or what that ballot calls the seat's own reasoning."""
    summary: str | None = None
    """What a moderator writes at the place of its summary that `round` counts, from 1. Turns with it are a moderator's,
    and no others are."""
    takes_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How long saying the statement takes, in seconds, while other turns go on."""
    finish_reason: FinishReason = "stop"
    """`length`: the statement comes back as one that was cut."""
    fail: Literal["once", "always", "crash"] | None = None
    """`once` and `always` fail the request (retryable); `crash` is an engine that dies in mid-batch."""

    @model_validator(mode="after")
    def _distribution_is_one(self) -> ScriptedTurn:
        if self.distribution is None:
            return self
        total = sum(self.distribution.values())
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"the distribution sums to {total:g}, not to 1")
        if self.vote is not None and self.distribution.get(self.vote, 0.0) < max(self.distribution.values()):
            raise ValueError(f"the vote {self.vote} is not the most probable letter of the distribution")
        return self

    def fits(self, origin: Origin, prompt: Sequence[int]) -> bool:
        """Whether this turn is the one that `origin` asks for, with what the prompt says."""
        return (
            (self.summary is not None) == (origin.step == SUMMARY_STEP)
            and self.question in (None, origin.question_id)
            and self.seat in (None, origin.seat)
            and self.round in (None, origin.round_number)
            and self.repeat in (None, origin.repeat)
            and (self.told is None or self.told in decode(prompt))
        )


class Script(BaseModel):
    """A whole script."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    turns: tuple[ScriptedTurn, ...] = ()
    load_fails: str | None = None
    """The engine does not load, with this message."""
    load_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How long loading takes, in seconds."""
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How long every step of the engine takes, in seconds."""

    def of_model(self, model_id: str) -> Script:
        """What the seats of one model play."""
        return self.model_copy(update={"turns": tuple(turn for turn in self.turns if turn.model in (None, model_id))})

    def find(self, request: Request) -> ScriptedTurn | None:
        """The first turn that fits."""
        origin = request.origin
        if origin is None:
            return None
        return next((turn for turn in self.turns if turn.fits(origin, request.prompt_token_ids)), None)


def load_script(path: Path) -> Script:
    """Read a script.

    Raises:
        ConfigError: The file is missing, broken, or holds an unknown key or a wrong value.
    """
    return validate(Script, read_mapping(path), str(path))
