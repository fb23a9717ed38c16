"""Who persuaded whom, whose statement moved how much, who became surer.

Clauses are held against what seats say of it, and against what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.clauses import Clause, Subject
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.votes import ends_of, in_round, named


def check_persuasion(clauses: Sequence[Clause], ground: Ground) -> Iterator[Problem]:
    """What these clauses say of persuasion, where it is not so."""
    for clause in clauses:
        if clause.would:
            continue
        if clause.kind in ("persuade", "credit"):
            yield from _persuaded(clause, ground)
        elif clause.kind == "shift":
            yield from _shifted(clause, ground)
        elif clause.kind == "surer":
            yield from _surer(clause, ground)


def _persuaded(clause: Clause, ground: Ground) -> Iterator[Problem]:
    by, behind = clause.seats_by(), clause.seats_behind()
    if not behind and clause.right and clause.right[0].word in ("it", "him", "her"):
        behind = clause.earlier[-1:]  # Ada says that Bob persuaded it
    elif not behind and any(mark.word == "whom" for mark in clause.left):
        behind = tuple(mark.seats for mark in clause.left if mark.kind == "seat")[:1]  # Ada, whom Bob persuaded
    own = clause.subject.seats if clause.subject.who == "seats" else ()
    if clause.kind == "credit":
        agents, patients = behind, own
    elif by:
        agents, patients = by, own
    else:
        agents, patients = own, behind
    if not by and not behind:
        if clause.passive and clause.subject.who in ("seats", "none", "number"):
            yield from _was_persuaded(clause, ground)
        return
    _, after = ends_of(clause)
    rounds: tuple[int | None, ...] = clause.rounds or (None,)
    changes = [change for number in rounds for change in ground.changes(None, None, after, number)]

    def persuaded(agent: frozenset[str] | None, patient: frozenset[str] | None) -> bool:
        return any(
            bool(ground.persuaders(change) if agent is None else agent & ground.persuaders(change))
            for change in changes
            if patient is None or change.seat in patient
        )

    pairs = [(agent, patient) for agent in agents or (None,) for patient in patients or (None,)]
    if all(persuaded(*pair) for pair in pairs) == (clause.negated or clause.subject.who == "none"):
        who = named(Subject("seats", agents)) if agents else "anybody"
        whom = named(Subject("seats", patients)) if patients else "anybody"
        to = "" if after is None else f" to {ground.options[after]}"
        did = "did" if clause.negated else "did not"
        yield Problem("direction", f"{who} {did} persuade {whom}{to}{in_round(clause.rounds)}")


def _shifted(clause: Clause, ground: Ground) -> Iterator[Problem]:
    """`it moved 40 points of probability to No`: a statement, and what it did."""
    seats = (*clause.earlier, *(mark.seats for mark in clause.left if mark.kind == "seat"))
    for mark in clause.options[:1]:
        known = (a.seat for a in ground.facts.arguments if a.option == mark.option)
        if seats and not any(seat in seats[0] for seat in known):
            who = named(Subject("seats", seats[:1]))
            yield Problem("direction", f"{who} is not whose statement moved most to {ground.options[mark.option]}")


def _was_persuaded(clause: Clause, ground: Ground) -> Iterator[Problem]:
    """`Ada was persuaded`, by whomever."""
    _, after = ends_of(clause)

    def holds(seat: str) -> bool:
        return any(ground.persuaders(change) for change in ground.changes(seat, None, after))

    if clause.subject.fits(holds, ground) == clause.negated:
        yield Problem("direction", f"it is not so that {named(clause.subject)} was persuaded")


def _surer(clause: Clause, ground: Ground) -> Iterator[Problem]:
    options = [mark.option for mark in clause.right[:5] if mark.kind == "option"]
    grew = clause.says(frozenset("became become grew grow got more less surer".split()))  # noqa: SIM905
    if not options or not grew or clause.subject.who != "seats":
        return
    less = any(mark.word in words.LESS for mark in clause.left[-4:])

    def holds(seat: str) -> bool:
        if clause.rounds:
            shift = ground.record.shift(clause.rounds[0], seat, options[0])
        else:
            ends = (ground.record.distribution(number, seat) for number in (ground.first, ground.last))
            first, last = ends
            shift = None if first is None or last is None else last[options[0]] - first[options[0]]
        return shift is not None and (shift < 0 if less else shift > 0)

    if not clause.subject.fits(holds, ground):
        yield Problem("direction", f"{named(clause.subject)} did not move so on {ground.options[options[0]]}")
