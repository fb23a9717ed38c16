"""Quotations: word for word in a turn, and in one of whoever is said to have said it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.clauses import opening_rounds
from localtable.moderator.checks.ground import Ground, clean
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.reading import Mark
from localtable.types import TurnPlace


def check_quotations(marks: Sequence[Mark], ground: Ground) -> Iterator[Problem]:
    """Quotations that stand nowhere, or in another's turn."""
    for place, mark in enumerate(marks):
        if mark.kind == "quote" and clean(mark.text) and not find_quotation(marks, place, ground):
            speaker, _ = _speaker(marks, place)
            if speaker is None and ground.is_asked(mark.text):
                continue
            whose = "nobody" if speaker is None else "/".join(sorted(speaker))
            yield Problem("quotation", f"“{mark.text}” is not what {whose} said, word for word")


def find_quotation(marks: Sequence[Mark], place: int, ground: Ground) -> tuple[TurnPlace, ...]:
    """The turns in which a quotation stands, of the seat and the round that it is given to."""
    speaker, rounds = _speaker(marks, place)
    return tuple(
        turn
        for turn in ground.where(marks[place].text)
        if (speaker is None or turn.seat in speaker) and (not rounds or turn.round in rounds)
    )


def _speaker(marks: Sequence[Mark], place: int) -> tuple[frozenset[str] | None, tuple[int, ...]]:
    """Who is said to have said it, and in which round.

    The seat before the verb of saying that is nearest to the quotation; without such a verb the nearest seat.
    """
    seats = [number for number, mark in enumerate(marks) if mark.kind == "seat"]
    before = [number for number in seats if number < place]
    behind = [number for number in seats if number > place]
    follows = [m.word for m in marks[place + 1 : place + 4] if m.word not in (",", ".")]
    if behind and follows and follows[0] in words.SAY and behind[0] <= place + 5:
        return marks[behind[0]].seats, _rounds(marks[place : behind[0] + 4])
    after_seat = behind and behind[0] <= place + 2
    if after_seat and len(marks) > behind[0] + 1 and marks[behind[0] + 1].word in words.SAY and not before:
        return marks[behind[0]].seats, _rounds(marks[place : behind[0] + 5])
    if before:
        between = [mark.word for mark in marks[before[-1] + 1 : place]]
        by_saying = any(
            word in ("by", "with", "because", "when", "after") and number < len(between)
            for number, word in enumerate(between)
        )
        said = any(word in words.SAY for word in between)
        own = len(before) > 1 and by_saying and not (said and marks[before[-1] + 1].word in words.SAY)
        speaker = before[0] if own else before[-1]
        rounds = _rounds(marks[before[-1] : place]) or _rounds(marks[place : place + 4])
        return marks[speaker].seats, rounds or opening_rounds(marks)
    return (marks[behind[0]].seats if behind else None), _rounds(marks)


def _rounds(marks: Sequence[Mark]) -> tuple[int, ...]:
    return tuple(int(mark.number) for mark in marks if mark.kind == "round")
