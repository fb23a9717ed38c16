"""Which statement moved most probability towards each option: measured where it was, else reckoned, else as seats say.

docs/summary.md states the rule by which a reader's change is shared among the statements that it has read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from localtable.moderator.changes import Change, measured
from localtable.moderator.record import Record
from localtable.types import Letter

How = Literal["measured", "reckoned", "said"]
LEAST_MOVED = 0.005
"""What rounds to no percent has moved nobody."""

_Statement = tuple[int, str]
_Moved = Mapping[Letter, Mapping[_Statement, float]]


@dataclass(frozen=True, slots=True)
class Argument:
    """The statement that moved most probability towards an option among those who read it."""

    option: Letter
    round: int
    seat: str
    moved: float | None
    """Probability, summed over readers; None where only what seats say is known."""
    how: How
    """`measured`: by `localtable influence`; `reckoned`: readers' changes of probability, shared among what they read;
    `said`: seats that changed their vote name who persuaded them."""


def find_arguments(record: Record, changes: Sequence[Change]) -> tuple[Argument, ...]:
    """At most one for an option, in the options' order; none for an option that no statement moved anybody to."""
    sources: tuple[tuple[How, _Moved], ...] = (
        ("measured", _summed(_measured(record))),
        ("reckoned", _summed(_reckoned(record))),
        ("said", _summed(_said(record, changes))),
    )
    found = (_strongest(record, option, sources) for option in record.letters)
    return tuple(argument for argument in found if argument is not None)


def _strongest(record: Record, option: Letter, sources: Iterable[tuple[How, _Moved]]) -> Argument | None:
    for how, moved in sources:
        of_option = moved.get(option, {})
        if not of_option:
            continue
        # Of equal ones the earliest, then the first in the panel's order.
        order = sorted(of_option, key=lambda statement: (statement[0], record.seats.index(statement[1])))
        best = max(order, key=lambda statement: of_option[statement])
        if of_option[best] >= LEAST_MOVED:
            return Argument(option, *best, None if how == "said" else of_option[best], how)
    return None


def _summed(parts: Iterable[tuple[Letter, _Statement, float]]) -> _Moved:
    moved: defaultdict[Letter, defaultdict[_Statement, float]] = defaultdict(lambda: defaultdict(float))
    for option, statement, value in parts:
        moved[option][statement] += value
    return moved


def _measured(record: Record) -> Iterator[tuple[Letter, _Statement, float]]:
    for number, turns in record.turns.items():
        for seat in turns:
            for influence in measured(record, number, seat):
                value = influence.total if influence.direct is None else influence.direct
                if value is not None and influence.peer in record.statements_read(number, seat):
                    yield influence.option, (number - 1, influence.peer), value


def _reckoned(record: Record) -> Iterator[tuple[Letter, _Statement, float]]:
    """Of turns that nobody measured: what an option has gained goes to those who were read and had voted for it.

    All of it to the one whom the seat names as having persuaded it to that option, else to each an equal share.
    """
    for number, turns in record.turns.items():
        for seat, turn in turns.items():
            read = record.statements_read(number, seat)
            if measured(record, number, seat):
                continue
            for option in record.letters:
                gain = record.shift(number, seat, option) if read else None
                if gain is None or gain <= 0:
                    continue
                speakers = {peer for peer in read if record.vote(number - 1, peer) == option}
                named = turn["ballot"].get("persuaded_by")
                if option == turn["ballot"]["vote"] and named in speakers:
                    speakers = {named}
                for peer in speakers:
                    yield option, (number - 1, peer), gain / len(speakers)


def _said(record: Record, changes: Iterable[Change]) -> Iterator[tuple[Letter, _Statement, float]]:
    """Of changes without distributions: one for each seat that names who persuaded it.

    Where the round that it read is not shown, the first statement of that peer that is.
    """
    for change in changes:
        peer = change.persuaded_by
        if peer is None or change.shift is not None or peer not in record.readable(change.seat):
            continue
        shown = [number for number, turns in record.turns.items() if number >= change.round - 1 and peer in turns]
        if shown and record.vote(shown[0], peer) == change.after:
            yield change.after, (shown[0], peer), 1.0
