"""Facts → plain sentences: the summary of a debate that no model has summarised.

The same parts as a moderator's, and held against the same checks (tests/moderator/test_checks.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localtable.moderator.facts import Argument, Change, Facts
from localtable.moderator.record import Record, read_record
from localtable.moderator.words import counted, joined, one_line, shortened
from localtable.types import (
    LETTERS,
    TEMPLATE,
    ArgumentSentence,
    Letter,
    Sentence,
    Summary,
    TurningPoint,
    TurningPointSentence,
    TurnPlace,
)

MAX_TOLD = 6
"""Changes that are told one by one; of more their number is."""
MAX_QUOTED = 200
"""Characters of a statement that stand in its sentence."""

_HOW = {"measured": "measured", "reckoned": "reckoned from its readers' changes"}


def from_templates(transcript: Mapping[str, Any], facts: Facts) -> Summary:
    """A debate's summary in sentences that follow from the facts alone.

    Args:
        transcript: As JSON data.
        facts: Of it.
    """
    say = _Words(transcript, facts)
    return Summary(
        TEMPLATE,
        tuple(say.outcome()),
        tuple(ArgumentSentence(a.option, TurnPlace(a.round, a.seat), say.argument(a)) for a in facts.arguments),
        tuple(TurningPointSentence(TurnPlace(p.round, p.seat), say.turning_point(p)) for p in facts.turning_points),
        templated=("text", "arguments", "turning_points"),
    )


class _Words:
    """What can be said of one debate."""

    def __init__(self, transcript: Mapping[str, Any], facts: Facts) -> None:
        self._options: Mapping[Letter, str] = dict(
            zip(LETTERS, map(one_line, transcript["question"]["options"]), strict=False)
        )
        self._verdict = transcript["verdict"]
        self._nobody_votes = not self._options
        self._record: Record = read_record(transcript)
        self._facts = facts

    # ── the text ──────────────────────────────────────────────────────────────────────────────────────────

    def outcome(self) -> Iterator[Sentence]:
        """What it came to, who voted otherwise, who changed their mind."""
        if self._nobody_votes:  # an import, whose models answer in words of their own: no fact follows
            return
        if not self._record.turns:
            yield Sentence("The debate was interrupted before its first round was complete.")
            return
        if self._verdict is None:
            yield Sentence(f"The debate was interrupted after {counted(max(self._record.turns), 'round')}.")
        else:
            yield Sentence(self._result())
        last = max(self._record.turns)
        leading = () if self._verdict is None else self._verdict["options"]
        for option in self._record.letters:
            if option not in leading or len(leading) > 1:
                yield from self._voters(last, option)
        for seat in self._record.seats:
            if seat not in self._record.counting and (vote := self._record.vote(last, seat)):
                said = f"{seat}, whose vote does not count, voted for {self._options[vote]}."
                yield Sentence(said, (TurnPlace(last, seat),))
        yield from self._changes()

    def _result(self) -> str:
        verdict = self._verdict
        names = joined([self._options[letter] for letter in verdict["options"]])
        votes, of = verdict["votes"], verdict["of"]
        match verdict["kind"]:
            case "unanimous" if of == 1:
                return f"The only vote went to {names}."
            case "unanimous":
                return f"All {of} votes went to {names}."
            case "majority":
                return f"{names} won with {votes} of {of} votes."
            case "plurality":
                return f"{names} led with {votes} of {of} votes, which is no majority."
            case _:
                return f"{names} tied with {counted(votes, 'vote')} of {of} each."

    def _voters(self, number: int, option: Letter) -> Iterator[Sentence]:
        votes = self._facts.votes[number]
        seats = [seat for seat, vote in votes.items() if vote == option and seat in self._record.counting]
        if seats:
            turns = tuple(TurnPlace(number, seat) for seat in seats)
            yield Sentence(f"{joined(seats)} voted for {self._options[option]}.", turns)

    def _changes(self) -> Iterator[Sentence]:
        changes = self._facts.changes
        if not changes and len(self._facts.votes) > 1:
            yield Sentence(f"No vote changed in {counted(max(self._facts.votes), 'round')}.")
        elif len(changes) > MAX_TOLD:
            seats = len({change.seat for change in changes})
            yield Sentence(f"There were {len(changes)} changes of a vote, by {counted(seats, 'seat')}.")
        else:
            for change in changes:
                yield Sentence(f"{self._change(change)}.", (TurnPlace(change.round, change.seat),))

    def _change(self, change: Change) -> str:
        by = f", persuaded by {change.persuaded_by}" if change.persuaded_by else ""
        return f"{self._turn_of(change.seat, change.before, change.after)} in round {change.round}{by}"

    def _turn_of(self, seat: str, before: Letter | None, after: Letter) -> str:
        start = "" if before is None else f" from {self._options[before]}"
        return f"{seat} changed its vote{start} to {self._options[after]}"

    # ── the other parts ───────────────────────────────────────────────────────────────────────────────────

    def argument(self, argument: Argument) -> str:
        """Who said what for an option, and how far that moved its readers."""
        statement = self._record.turns[argument.round][argument.seat]["statement"]
        quoted = shortened(statement, MAX_QUOTED)
        said = f"{argument.seat} said in round {argument.round}: “{quoted}”" if quoted else ""
        if not quoted:
            said = f"{argument.seat} voted for {self._options[argument.option]} in round {argument.round}"
        if argument.moved is None:
            return f"{said}."
        points = counted(round(100 * argument.moved), "percentage point")
        return f"{said}; it moved {points} of probability to {self._options[argument.option]}, {_HOW[argument.how]}."

    def turning_point(self, point: TurningPoint) -> str:
        """What turned there, and what would have been without it."""
        by = next((c.persuaded_by for c in self._facts.changes if (c.round, c.seat) == (point.round, point.seat)), None)
        if point.before == point.after:
            return (
                f"{point.seat} became surer of {self._options[point.after]} in round {point.round}"
                f"{self._points(point)}; no vote changed."
            )
        change = self._change(Change(point.round, point.seat, point.before, point.after, by, point.shift))
        if point.verdict_without is None:
            return f"{change}: the largest shift{self._points(point)}."
        names = joined([self._options[letter] for letter in point.verdict_without])
        would = "would have tied" if len(point.verdict_without) > 1 else "would have led"
        return f"{change}; had it kept its vote, {names} {would}."

    def _points(self, point: TurningPoint) -> str:
        return "" if point.shift is None else f", by {counted(round(100 * point.shift), 'percentage point')}"
