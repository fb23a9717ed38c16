"""What a sentence is held against: the names, votes, changes, figures and statements of one debate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from localtable.moderator.facts import Change, Facts
from localtable.moderator.record import Record, read_record
from localtable.moderator.words import one_line
from localtable.types import LETTERS, Letter, TurnPlace

POINTS_TOLERANCE = 1.0
"""Percentage points by which a figure may be off: whoever rounds, rounds."""


@dataclass(frozen=True)
class Ground:
    """A debate as sentences about it are checked."""

    facts: Facts
    record: Record
    options: Mapping[Letter, str]
    models: Mapping[str, frozenset[str]]
    """By a model's name or id: the seats that it sits on."""
    verdict: Mapping[str, Any] | None
    statements: Mapping[TurnPlace, str]
    """In single spaces."""
    asked: str
    """Question, context, personas: what else a sentence may have its words from."""
    num_rounds: int

    @property
    def first(self) -> int:
        return min(self.facts.votes, default=1)

    @property
    def last(self) -> int:
        return max(self.facts.votes, default=1)

    @property
    def counting(self) -> tuple[str, ...]:
        """Seats whose votes count, in the panel's order."""
        return tuple(seat for seat in self.record.seats if seat in self.record.counting)

    @cached_property
    def leading(self) -> frozenset[Letter]:
        """The options of the verdict; of a debate without one, nothing leads."""
        return frozenset() if self.verdict is None else frozenset(self.verdict["options"])

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that the debate itself holds, in small letters."""
        said = " ".join(
            (self.asked, *self.options.values(), *self.record.seats, *self.models, *self.statements.values())
        )
        return frozenset(re.findall(r"\w+", said.casefold()))

    def votes_for(self, option: Letter, round_number: int) -> int:
        """How many counting votes an option had in a round."""
        votes = self.facts.votes.get(round_number, {})
        return sum(vote == option for seat, vote in votes.items() if seat in self.record.counting)

    def voted(self, seat: str, option: Letter) -> bool:
        """Whether a seat's last vote was for an option."""
        return self.facts.votes.get(self.last, {}).get(seat) == option

    def changes(
        self,
        seat: str | None = None,
        before: Letter | None = None,
        after: Letter | None = None,
        round_number: int | None = None,
    ) -> list[Change]:
        """The changes that fit."""
        return [
            change
            for change in self.facts.changes
            if seat in (None, change.seat)
            and (before is None or change.before == before)
            and (after is None or change.after == after)
            and round_number in (None, change.round)
        ]

    def persuaders(self, change: Change) -> frozenset[str]:
        """Who may be said to have persuaded a seat: whom it names, and whose influence was measured as the largest."""
        found = {change.persuaded_by} if change.persuaded_by else set()
        measured = {
            i.peer: i.total if i.direct is None else i.direct for i in change.influence if i.option == change.after
        }
        known = {peer: value for peer, value in measured.items() if value is not None and value > 0}
        found |= {peer for peer, value in known.items() if value == max(known.values())}
        return frozenset(found)

    def percentages(self) -> Iterator[float]:
        """Every share and shift of probability that a sentence may tell, in percent and percentage points."""
        for argument in self.facts.arguments:
            if argument.moved is not None:
                yield 100 * argument.moved
        for point in self.facts.turning_points:
            if point.shift is not None:
                yield abs(100 * point.shift)
        for change in self.facts.changes:
            if change.shift is not None:
                yield abs(100 * change.shift)
            for influence in change.influence:
                yield from (abs(100 * value) for value in (influence.direct, influence.total) if value is not None)
        for number, turns in self.record.turns.items():
            for seat in turns:
                distribution = self.record.distribution(number, seat)
                if distribution is not None:
                    yield 100 * distribution[self.facts.votes[number][seat]]
        if self.verdict is not None and self.verdict["of"]:
            yield 100 * self.verdict["votes"] / self.verdict["of"]

    def where(self, words: str) -> tuple[TurnPlace, ...]:
        """The turns in which words stand, word for word."""
        pieces = [clean(piece) for piece in re.split(r"…|\.\.\.|\[…\]", words)]
        pieces = [piece for piece in pieces if piece]
        return tuple(place for place, said in self.statements.items() if pieces and _stand_in(pieces, said))

    def is_asked(self, words: str) -> bool:
        """Whether words stand in the question, in its context or in an option."""
        piece = clean(words)
        return any(_stand_in([piece], text) for text in (self.asked, *self.options.values()))


def clean(words: str) -> str:
    """Words in single spaces, without the marks with which a sentence around them goes on."""
    return one_line(words).strip(" .,;:!?…")


def _stand_in(pieces: Sequence[str], said: str) -> bool:
    """Whether pieces stand in a text one behind the other, each as whole words; a first letter may be either case."""
    start = 0
    for piece in pieces:
        first = f"[{re.escape(piece[0].upper())}{re.escape(piece[0].lower())}]"
        found = re.compile(rf"(?<!\w){first}{re.escape(piece[1:])}(?!\w)").search(said, start)
        if found is None:
            return False
        start = found.end()
    return True


def ground_of(transcript: Mapping[str, Any], facts: Facts) -> Ground:
    """What sentences about a debate are held against.

    Args:
        transcript: As JSON data.
        facts: Of it.
    """
    question, panel = transcript["question"], transcript["panel"]
    models: dict[str, set[str]] = {}
    described = transcript["manifest"].get("cards")
    for seat in panel["seats"]:
        model = seat.get("model")
        if model is not None:
            # Of a manifest the schema says nothing but that it is there.
            card = described.get(model) if isinstance(described, Mapping) else None
            for name in (model, card.get("name", model) if isinstance(card, Mapping) else model):
                models.setdefault(one_line(str(name)), set()).add(seat["name"])
    statements = {
        TurnPlace(round_["number"], turn["seat"]): one_line(turn["statement"])
        for round_ in transcript["rounds"]
        for turn in round_["turns"]
    }
    personas = (str(seat.get("persona") or "") for seat in panel["seats"])
    return Ground(
        facts,
        read_record(transcript),
        dict(zip(LETTERS, map(one_line, question["options"]), strict=False)),
        {name: frozenset(seats) for name, seats in models.items() if name not in {s["name"] for s in panel["seats"]}},
        transcript["verdict"],
        statements,
        one_line(" ".join((question["question"], question["context"] or "", *personas))),
        max((round_["number"] for round_ in transcript["rounds"]), default=0),
    )
