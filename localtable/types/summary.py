"""What is said of a debate in words: by a moderator, by templates, or by an imported page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localtable.types.question import Letter
from localtable.types.turn import TurnPlace

SUMMARY_STEP = "summary"
"""The step of a moderator's requests."""
SummaryPart = Literal["text", "arguments", "turning_points"]
TEMPLATE = "template"
"""Who has written a summary that no model wrote."""
SOURCE = "source"
"""Who has written that of an imported page, as far as it says."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a summary."""

    sentence: str
    turns: tuple[TurnPlace, ...] = ()
    """The turns that it is about."""


@dataclass(frozen=True, slots=True)
class ArgumentSentence:
    """What the strongest statement for an option says, and where it stands."""

    option: Letter | None
    """None where an imported page names none."""
    turn: TurnPlace | None
    """None where an imported page does not say whose it is."""
    sentence: str


@dataclass(frozen=True, slots=True)
class TurningPointSentence:
    """What happened where the outcome turned."""

    turn: TurnPlace | None
    """As for `ArgumentSentence`."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A debate in words."""

    by: str
    """A model's id; `template`; `source` for what an imported page says itself."""
    text: tuple[Sentence, ...] = ()
    arguments: tuple[ArgumentSentence, ...] = ()
    turning_points: tuple[TurningPointSentence, ...] = ()
    templated: tuple[SummaryPart, ...] = ()
    """Parts that are written from templates: all of them without a moderator, or where nothing of its own was left."""
    dropped: int | None = 0
    """A moderator's sentences that were not true, or not of the form; None of a page, which doesn't say."""
    asked_again: int | None = 0
    """How many sentences it was asked for once more; None likewise."""
