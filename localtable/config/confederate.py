"""`confederate` of a seat: what a seat without a model votes and says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from localtable.errors import ConfigError
from localtable.loading import path_from, read_mapping
from localtable.types import Confederate

SeatName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\n\r]+$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class VoteTable(BaseModel):
    """Votes by question id, in the panel's file or in one of their own."""

    model_config = ConfigDict(extra="forbid")

    by_question: Annotated[dict[str, Text], Field(min_length=1)] | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _one_place(self) -> VoteTable:
        if (self.by_question is None) == (self.file is None):
            raise ValueError("give `by_question` or a `file`, and not both")
        return self

    def read(self, base: Path) -> Mapping[str, str]:
        """The votes.

        Raises:
            ConfigError: The file is missing, or no mapping of question ids to votes.
        """
        if self.by_question is not None:
            return self.by_question
        assert self.file is not None
        path = path_from(self.file, base)
        votes = read_mapping(path)
        for question, vote in votes.items():
            if not isinstance(vote, str) or not vote.strip():
                raise ConfigError(
                    f"{path}: the vote on {question!r} is no text", hint="Write `question id: vote`, line by line."
                )
        return {question: vote.strip() for question, vote in votes.items()}


def _branch(value: Any) -> str | None:
    if isinstance(value, str):
        return "vote"
    return "table" if isinstance(value, dict | VoteTable) else None


VoteChoice = Annotated[
    Annotated[Text, Tag("vote")] | Annotated[VoteTable, Tag("table")],
    Discriminator(
        _branch,
        custom_error_type="vote_choice",
        custom_error_message="write `right`, `wrong`, an option, or a mapping with `by_question` or `file`",
    ),
]


class ConfederateFile(BaseModel):
    """What stands in place of a seat's model."""

    model_config = ConfigDict(extra="forbid")

    vote: VoteChoice
    statement: Text
    counts: bool = False
    together: bool = True
    poses_as: SeatName | None = None
    confidence: Annotated[float, Field(gt=0, le=1)] = 1.0

    @field_validator("statement")
    @classmethod
    def _known_slots(cls, statement: str) -> str:
        for slot in re.findall(r"\{([a-z_]+)\}", statement):
            if slot != "option":
                raise ValueError(f"unknown slot {{{slot}}}; {{option}} is the one that there is")
        return statement

    def build(self, name: str, base: Path) -> Confederate:
        """The seat.

        Raises:
            ConfigError: As `VoteTable.read`.
        """
        vote = self.vote if isinstance(self.vote, str) else self.vote.read(base)
        return Confederate(name, vote, self.statement, self.counts, self.together, self.poses_as, self.confidence)
