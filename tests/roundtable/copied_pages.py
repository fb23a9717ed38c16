"""Pages of the hosted service's form, made up: from what they say to their text, in the ways in which it is copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localtable.roundtable import parse_page, to_transcript


@dataclass(frozen=True)
class Said:
    """One model's response."""

    name: str
    vote: str
    text: str
    changed: bool = False


@dataclass(frozen=True)
class Told:
    """What a page says."""

    question: str
    options: tuple[str, ...]
    responses: tuple[Said, ...]
    result: str | None
    kind: str = "Debate"
    rounds: int | None = 2
    summary: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    turning_points: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    """In place of the votes' own."""

    @property
    def is_open(self) -> bool:
        return self.kind.startswith("Open")

    def votes_for(self, option: str) -> int:
        return (self.counts or Counter(said.vote for said in self.responses))[option]


LUNCH = Told(
    question="Should the office close for lunch?",
    options=("Never", "On Fridays", "Daily"),
    responses=(
        Said("Alder 2", "Daily", "People who rest work better.\n\nThat is all there is to it."),
        Said("Birch-1.5 Pro", "On Fridays", "Alder 2 asks too much, once a week is a start.", changed=True),
        Said("Cedar", "Daily", "Closed doors keep everyone honest."),
        Said("Dogwood (thinking)", "Never", "Customers come at noon."),
    ),
    result="Plurality — Daily (2/4 votes)",
    summary=("Two wanted it daily.", "Birch-1.5 Pro moved to a compromise."),
    arguments=(("Daily", "Alder 2 said that rest pays."), ("Never", "Dogwood (thinking) spoke for customers.")),
    turning_points=("Birch-1.5 Pro gave up its 'Never' once Cedar spoke of honesty.",),
)

TEA = Told(
    question="What is tea for?",
    options=(),
    responses=(
        Said("Alder 2", "It is for waking up.", "Caffeine does it."),
        Said("Cedar", "It is for talking.", "Nobody drinks it alone.", changed=True),
    ),
    result="Answer: Tea is for company. (1 of 2 models agreed on talk.)\nCounterpoint: It wakes people up.",
    kind="Open Debate",
)


def render(told: Told, *, blank: bool = False, markdown: bool = False, order: Sequence[str] | None = None) -> str:
    """The page's text.

    Args:
        told: What it says.
        blank: An empty line between any two, as some copies have.
        markdown: Headings and labels are marked.
        order: The parts below the title, where they stand in another order.
    """
    head, bold = ("## ", "**") if markdown else ("", "")
    label = "Answer" if told.is_open else "Vote"
    options = [f"- {bold}{option}{bold} ({told.votes_for(option)} votes)" for option in told.options]
    responses: list[str] = []
    for said in told.responses:
        name = f"{'### ' if markdown else ''}{said.name}{' (changed mind)' if said.changed else ''}"
        responses += [name, f"{bold}{label}:{bold} {said.vote}", said.text]
    agreement = [] if told.rounds is None else [f"No agreement after {told.rounds} rounds of discussion"]
    parts = {
        "question": [told.question],
        "result": []
        if told.result is None
        else told.result.split("\n")
        if told.is_open
        else [f"Result: {told.result}"],
        "options": [] if told.is_open else [f"{head}Options", *options],
        "responses": [f"{head}Model Responses", *responses],
        "summary": [f"{head}Final Summary", *told.summary, *agreement] if told.summary or agreement else [],
        "arguments": [f"{head}Strongest Arguments", *(f"- {option}: {text}" for option, text in told.arguments)],
        "turning points": [f"{head}Key Turning Points", *(f"- {text}" for text in told.turning_points)],
    }
    shown = [line for part in order or parts for line in parts[part]]
    title = f"{'# ' if markdown else ''}AI Roundtable {told.kind} · {len(told.responses)} models"
    return ("\n\n" if blank else "\n").join([title, *shown])


def read(text: str) -> dict[str, Any]:
    """The transcript of a page."""
    return to_transcript(parse_page(text, "the page"), "the page", file="page.txt", sha256="0" * 64)


def without_notes(data: dict[str, Any]) -> dict[str, Any]:
    """A transcript without what is noted of how its page was copied."""
    manifest = {**data["manifest"], "import": {**data["manifest"]["import"], "notes": [], "unread": []}}
    return {**data, "manifest": manifest}


def notes_of(data: dict[str, Any]) -> list[str]:
    found: list[str] = data["manifest"]["import"]["notes"]
    return found


def with_text(told: Told, place: int, text: str) -> Told:
    """The same page with another text in one response."""
    responses = list(told.responses)
    responses[place] = replace(responses[place], text=text)
    return replace(told, responses=tuple(responses))
