"""One sentence through all checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localtable.moderator.checks.clauses import read_clauses
from localtable.moderator.checks.counts import check_counts
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.names import check_names
from localtable.moderator.checks.outcomes import check_outcome
from localtable.moderator.checks.persuasion import check_persuasion
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.quotations import check_quotations, find_quotation
from localtable.moderator.checks.reading import Mark, read_sentence
from localtable.moderator.checks.votes import check_votes
from localtable.types import TurnPlace


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a sentence."""

    problems: tuple[Problem, ...]
    turns: tuple[TurnPlace, ...]
    """The turns that it quotes, or of whose seats and rounds it speaks."""

    @property
    def holds(self) -> bool:
        return not self.problems


def check_sentence(sentence: str, ground: Ground) -> Checked:
    """Hold a sentence against a debate. One that makes no claim that can be checked holds."""
    marks = read_sentence(sentence, ground)
    clauses = read_clauses(marks, ground)
    problems = (
        *check_names(marks, ground),
        *check_quotations(marks, ground),
        *check_votes(clauses, ground),
        *check_persuasion(clauses, ground),
        *check_outcome(marks, clauses, ground),
        *check_counts(marks, clauses, ground),
    )
    return Checked(problems, _turns(marks, ground))


def _turns(marks: Sequence[Mark], ground: Ground) -> tuple[TurnPlace, ...]:
    found: dict[TurnPlace, None] = {}
    for place, mark in enumerate(marks):
        if mark.kind == "quote":
            found |= dict.fromkeys(find_quotation(marks, place, ground)[:1])
    if found:
        return tuple(found)
    rounds = [int(mark.number) for mark in marks if mark.kind == "round"]
    seats = [next(iter(mark.seats)) for mark in marks if mark.kind == "seat" and len(mark.seats) == 1]
    named = [TurnPlace(rounds[0] if rounds else ground.last, seat) for seat in dict.fromkeys(seats)]
    return tuple(turn for turn in named if turn.seat in ground.facts.votes.get(turn.round, {}))
