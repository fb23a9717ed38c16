"""Who changed their vote, how far that was, and which change the outcome turned on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localtable.moderator.record import Record
from localtable.protocol.votes import leading
from localtable.types import Letter, TurningPoint, TurningPointKind

MOVED = 0.1
"""Where nobody changed their vote, a turn at which an option became so much more probable is a turning point."""
ROUNDING = 1e-9
"""Probabilities of 0.3 and 0.4 are a tenth apart, whatever floating point makes of it."""


@dataclass(frozen=True, slots=True)
class MeasuredInfluence:
    """How far one peer has moved a seat in a turn, as `localtable influence` measured it."""

    peer: str
    option: Letter
    """What the peer had voted for in what was read."""
    direct: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A seat that voted otherwise than in its own previous round."""

    round: int
    seat: str
    before: Letter | None
    """None where an import says that a seat changed, and not from what."""
    after: Letter
    persuaded_by: str | None
    """What the seat says; None: its own reasoning, or nothing said."""
    shift: float | None
    """How much more probable `after` has become for it; None where no distribution is known."""
    influence: tuple[MeasuredInfluence, ...] = ()
    """Peer by peer, where it was measured."""


def find_changes(record: Record) -> tuple[Change, ...]:
    """Every change of a vote, round by round, in the panel's order."""
    return tuple(_changes(record))


def _changes(record: Record) -> Iterator[Change]:
    for number, turns in record.turns.items():
        for seat, turn in turns.items():
            earlier = record.previous(number, seat)
            before = turn.get("previous_vote") if earlier is None else record.vote(earlier, seat)
            after = turn["ballot"]["vote"]
            # Of two votes that are known the transcript's own word on the matter is not asked.
            if (turn.get("changed_mind", False) and number > 1) if before is None else before != after:
                persuaded_by = turn["ballot"].get("persuaded_by")
                shift = record.shift(number, seat, after)
                yield Change(number, seat, before, after, persuaded_by, shift, measured(record, number, seat))


def measured(record: Record, round_number: int, seat: str) -> tuple[MeasuredInfluence, ...]:
    """What was measured of a turn, peer by peer."""
    found = []
    for entry in record.turns[round_number][seat].get("influence", ()):
        option = entry.get("option") or record.vote(round_number - 1, entry["peer"])
        if option is not None:
            found.append(MeasuredInfluence(entry["peer"], option, entry.get("direct"), entry.get("total")))
    return tuple(found)


def find_turning_points(record: Record, changes: Sequence[Change]) -> tuple[TurningPoint, ...]:
    """The changes that decided the outcome; where no single one did, the largest shift.

    A change is decisive if other options would lead had its seat kept its earlier vote to the end, all other votes as
    they were. Nothing is decisive in a debate without a verdict, and no seat whose vote does not count decides.
    """
    decisive = []
    for change in changes if record.finished else ():
        without = leading_without(record, change)
        if without is not None:
            decisive.append(_point(change, without))
    return tuple(decisive) or _largest_shift(record, changes)


def leading_without(record: Record, change: Change) -> tuple[Letter, ...] | None:
    """The options that would lead had a seat kept its earlier vote to the end; None if they are the same ones."""
    last = record.turns[max(record.turns)]
    votes = {seat: turn["ballot"]["vote"] for seat, turn in last.items() if seat in record.counting}
    if change.before is None or change.seat not in votes:
        return None
    led, would_lead = (_leading(record, kept) for kept in (votes, {**votes, change.seat: change.before}))
    return None if led == would_lead else would_lead


def _leading(record: Record, votes: dict[str, Letter]) -> tuple[Letter, ...]:
    cast = list(votes.values())
    return leading({letter: cast.count(letter) for letter in record.letters})


def _largest_shift(record: Record, changes: Sequence[Change]) -> tuple[TurningPoint, ...]:
    moves = list(changes) or [move for move in _moves(record) if (move.shift or 0) >= MOVED - ROUNDING]
    moves = [move for move in moves if move.seat in record.counting]
    if not moves:
        return ()
    # The earliest of equal ones; a change of which no distribution is known has at least happened.
    return (_point(max(moves, key=lambda move: move.shift if move.shift is not None else 0.0), None),)


def _moves(record: Record) -> Iterator[Change]:
    """Of every later turn the option that became more probable by most, votes unchanged."""
    for number, turns in record.turns.items():
        for seat, turn in turns.items():
            vote = turn["ballot"]["vote"]
            shift = record.shift(number, seat, vote)
            if shift is not None:
                yield Change(number, seat, vote, vote, None, shift)


def _point(change: Change, without: tuple[Letter, ...] | None) -> TurningPoint:
    kind: TurningPointKind = "largest_shift" if without is None else "decisive"
    return TurningPoint(change.round, change.seat, change.before, change.after, kind, without, change.shift)
