"""A transcript as its readers meet it: options with votes, seats, turns, changes; Markdown and pages say the same.

Made from a transcript's plain data, so that what was held, stored, imported or sent by somebody else reads alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localtable.moderator.facts import Change, Facts, find_facts
from localtable.moderator.templates import from_templates
from localtable.report.words import agreement_line, change_line, one_line, result_line, seats_line
from localtable.transcript import summary_from_json
from localtable.types import LETTERS, Question, Summary, Verdict

INTERRUPTED = "none, the debate was interrupted."
NO_VOTES = "none, nobody voted"
"""Of an import whose models answer in words of their own."""


@dataclass(frozen=True, slots=True)
class Option:
    """What could be voted for."""

    letter: str
    text: str
    votes: int
    """In the last round, of the seats that count."""
    share: float
    """Of those votes."""
    leads: bool
    is_answer: bool

    @property
    def colour(self) -> int:
        """Its place, from 0: pages have a colour for each place."""
        return LETTERS.index(self.letter)


@dataclass(frozen=True, slots=True)
class SeatView:
    """Who sat there."""

    name: str
    slug: str
    """Its name in anchors: lower-case ASCII letters, digits and hyphens, no seat's twice."""
    model: str
    told: str
    """Persona and role, where it has any."""


@dataclass(frozen=True, slots=True)
class TurnView:
    """What a seat did in a round."""

    data: Mapping[str, Any]
    round_number: int
    seat: SeatView
    vote: Option | None
    """None where an import does not say it."""
    change: Change | None
    influence: Sequence[Mapping[str, Any]]
    """Measured, the strongest first; empty where it was not."""

    @property
    def anchor(self) -> str:
        """`r2-ada`."""
        return f"r{self.round_number}-{self.seat.slug}"

    @property
    def confidence(self) -> float | None:
        """The probability of the vote; None where nobody knows it."""
        found: float | None = self.ballot.get("confidence")
        return found

    @property
    def sure(self) -> str:
        """`73%`; `≈ 73%` where a server has listed its most probable tokens, and nothing of the others is known."""
        if self.confidence is None:
            return ""
        return f"{'≈ ' if self.is_listed else ''}{self.confidence:.0%}"

    @property
    def is_listed(self) -> bool:
        """Whether its probabilities are what a server has listed, made to sum to 1."""
        return bool(self.ballot.get("source") == "logprobs")

    @property
    def changed(self) -> bool:
        """Whether the seat changed its mind; where nobody votes an import's own word for it."""
        return self.change is not None or (self.vote is None and bool(self.data.get("changed_mind")))

    @property
    def answer(self) -> str | None:
        """In place of a vote, where an import's question had no options."""
        found: str | None = self.data.get("answer")
        return found

    @property
    def ballot(self) -> Mapping[str, Any]:
        """As the transcript has it; empty where an import says nothing of it."""
        return self.data["ballot"] or {}

    @property
    def statement(self) -> str:
        """What was said, without the white space around it; empty where nothing was, or nobody knows."""
        return (self.data["statement"] or "").strip()

    @property
    def doubts(self) -> str:
        """What a reader must know before relying on it, as a sentence; empty where there is nothing."""
        found: list[str] = []
        if self.data.get("truncated"):
            found.append("cut at its token bound")
        if self.data.get("reasoning_truncated"):
            found.append("thinking ended by its budget")
        if self.data.get("attempts", 1) > 1:
            found.append("asked twice: its first statement was empty")
        if self.data.get("names_letter"):
            found.append("names a letter that it was never shown")
        if cut := self.data.get("peers_cut"):
            found.append(f"read {cut} {'peer' if cut == 1 else 'peers'} shortened")
        if tied := self.ballot.get("tied"):
            found.append(f"exact tie of {', '.join(tied)}, drawn by its seed")
        if unlisted := self.ballot.get("unlisted"):
            found.append(f"its server listed no probability of {', '.join(unlisted)}, which has 0 here")
        if self.ballot.get("source") == "parsed":
            found.append("its vote was read out of running words")
        stated = self.data.get("stated")
        if stated is not None and self.vote is not None and stated != self.vote.letter:
            found.append(f"its statement names {stated}, its vote {self.vote.letter}")
        sentence = "; ".join(found)
        return f"{sentence[:1].upper()}{sentence[1:]}." if found else ""


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round, its turns in the panel's order."""

    number: int
    turns: Sequence[TurnView]
    tally: Mapping[str, int]


class DebateView:
    """One debate.

    Args:
        data: A transcript that `transcript.check` lets pass.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        question = data["question"]
        self.data = data
        self.question = Question(
            question["id"],
            question["question"],
            tuple(question["options"]),
            question["context"],
            question["answer"],
            tuple(question["tags"]),
        )
        found = data["verdict"]
        self.verdict = None if found is None else Verdict(**{**found, "options": tuple(found["options"])})
        self.facts: Facts = find_facts(data)
        written = data.get("summary")
        self.summary: Summary = from_templates(data, self.facts) if written is None else summary_from_json(written)
        self.seats = _seats(data)
        self.options = self._options()
        self.rounds = [self._round(round_) for round_ in data["rounds"]]

    @property
    def result(self) -> str:
        """`Majority — Yes (4/6 votes)`."""
        if self.verdict is None:
            return NO_VOTES if self.data["source"] == "import" else INTERRUPTED
        return result_line(self.question, self.verdict)

    @property
    def seats_line(self) -> str:
        """`6 seats, 2 of them scripted confederates`."""
        seats = self.data["panel"]["seats"]
        return seats_line(len(seats), sum("confederate" in seat for seat in seats))

    def change_line(self, change: Change) -> str:
        """`Ada: Yes → No in round 2, persuaded by Bob`."""
        before = "?" if change.before is None else self.option(change.before).text
        after = self.option(change.after).text
        asked = self.data["source"] != "import"
        return change_line(change.seat, before, after, change.round, change.persuaded_by, asked=asked)

    @property
    def agreement(self) -> str | None:
        """Whether the panel agreed; None after an interruption."""
        return None if self.verdict is None else agreement_line(self.verdict)

    @property
    def last(self) -> RoundView | None:
        """The last round of which anything is known; None where there is none."""
        return next((round_ for round_ in reversed(self.rounds) if round_.turns), None)

    @property
    def turns(self) -> list[TurnView]:
        """Of all rounds."""
        return [turn for round_ in self.rounds for turn in round_.turns]

    @property
    def listed_seats(self) -> list[str]:
        """Whose probabilities are what a server has listed."""
        return [seat.name for seat in self.seats if any(t.is_listed for t in self.turns if t.seat.name == seat.name)]

    @property
    def turns_with_probabilities(self) -> list[TurnView]:
        """Those whose ballot has a distribution."""
        return [turn for turn in self.turns if turn.ballot.get("distribution")]

    def option(self, letter: str) -> Option:
        """By its letter."""
        return self.options[LETTERS.index(letter)]

    def _vote(self, turn: Mapping[str, Any]) -> Option | None:
        letter = (turn["ballot"] or {}).get("vote")
        return None if letter is None else self.option(letter)

    def turn(self, number: int, seat: str) -> TurnView | None:
        """What a seat did in a round; None where there is no such turn, whatever somebody says."""
        for round_ in self.rounds:
            if round_.number == number:
                return next((turn for turn in round_.turns if turn.seat.name == seat), None)
        return None

    def _options(self) -> list[Option]:
        rounds = self.data["rounds"]
        tally = (rounds[-1]["tally"] or {}) if rounds else {}
        total = sum(tally.values())
        leading = self.verdict.options if self.verdict is not None else ()
        return [
            Option(
                letter,
                one_line(text),
                tally.get(letter, 0),
                tally.get(letter, 0) / total if total else 0.0,
                letter in leading,
                letter == self.question.answer,
            )
            for letter, text in zip(self.question.letters, self.question.options, strict=True)
        ]

    def _round(self, data: Mapping[str, Any]) -> RoundView:
        number = data["number"]
        changes = {change.seat: change for change in self.facts.changes if change.round == number}
        by_seat = {turn["seat"]: turn for turn in data["turns"]}
        turns = [
            TurnView(
                by_seat[seat.name],
                number,
                seat,
                self._vote(by_seat[seat.name]),
                changes.get(seat.name),
                sorted(by_seat[seat.name].get("influence", ()), key=_strength, reverse=True),
            )
            for seat in self.seats
            if seat.name in by_seat
        ]
        return RoundView(number, turns, data["tally"] or {})


def _strength(influence: Mapping[str, Any]) -> float:
    """Of a measured influence: the total where there is one, since it has everything that the peer did."""
    found = influence.get("total", influence["direct"])
    return 0.0 if found is None else abs(found)


def _seats(data: Mapping[str, Any]) -> list[SeatView]:
    cards = data["manifest"].get("cards")
    taken: set[str] = set()
    return [
        SeatView(
            seat["name"],
            _slug(seat["name"], place, taken),
            _model(seat, cards if isinstance(cards, Mapping) else {}),
            "; ".join(one_line(str(seat[key])) for key in ("role", "persona") if seat.get(key)),
        )
        for place, seat in enumerate(data["panel"]["seats"], start=1)
    ]


def _model(seat: Mapping[str, Any], cards: Mapping[str, Any]) -> str:
    if "confederate" in seat:
        return "scripted confederate" if seat["confederate"]["counts"] else "scripted confederate, no vote"
    card = cards.get(seat["model"])
    return str(card["name"]) if isinstance(card, Mapping) and "name" in card else str(seat["model"])


def _slug(name: str, place: int, taken: set[str]) -> str:
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-") or f"seat-{place}"
    if slug in taken:
        slug = f"{slug}-{place}"
    while slug in taken:
        slug += "x"
    taken.add(slug)
    return slug
