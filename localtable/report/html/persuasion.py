"""Who moved whom: what seats say and what was measured, as rows of a table and as a drawing of the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localtable.report.view import DebateView, Option, SeatView, TurnView

MOST_DRAWN = 12
"""Seats beyond which lines cross too often to be followed; the table has everything."""
LEAST_DRAWN = 0.005
"""Measured influence below which no line is drawn: it rounds to nothing."""
RADIUS, MIDDLE_X, MIDDLE_Y = 125.0, 260.0, 170.0
NODE = 22.0
THICKEST = 9.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one peer did to one turn, as far as anybody says or has measured it."""

    turn: TurnView
    peer: SeatView
    option: Option | None
    """What the peer had voted for."""
    said: bool
    """The seat names this peer as the one that persuaded it."""
    direct: float | None
    total: float | None
    total_standard_error: float | None

    @property
    def measured(self) -> float | None:
        """The total where there is one, since it has everything that the peer did."""
        return self.direct if self.total is None else self.total


@dataclass(frozen=True, slots=True)
class Node:
    """A seat's place in the drawing."""

    seat: SeatView
    x: float
    y: float
    label_x: float
    label_y: float
    side: str
    """Where its name begins: `start`, `middle` or `end` of the text."""
    option: Option | None
    """Its last vote."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From who was read to who read."""

    path: str
    said: bool
    positive: bool
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Persuasion:
    """All of it."""

    rows: Sequence[Moved]
    nodes: Sequence[Node]
    """Empty where nothing is drawn."""
    arrows: Sequence[Arrow]
    is_measured: bool


def find_persuasion(view: DebateView) -> Persuasion:
    """Every claim and every measurement of a debate."""
    rows = [row for round_ in view.rounds for turn in round_.turns for row in _rows(view, turn)]
    arrows = list(_arrows(view, rows))
    drawn = bool(arrows) and len(view.seats) <= MOST_DRAWN
    return Persuasion(
        rows,
        _nodes(view) if drawn else (),
        arrows if drawn else (),
        any(row.measured is not None for row in rows),
    )


def _rows(view: DebateView, turn: TurnView) -> Iterator[Moved]:
    seats = {seat.name: seat for seat in view.seats}
    named = turn.ballot.get("persuaded_by")
    measured = {entry["peer"]: entry for entry in turn.influence}
    for name in dict.fromkeys([*([named] if named else []), *measured]):
        if name not in seats:
            continue
        entry = measured.get(name, {})
        before = view.turn(turn.round_number - 1, name)
        letter = entry.get("option")
        yield Moved(
            turn,
            seats[name],
            view.option(letter) if letter else before.vote if before else None,
            name == named,
            entry.get("direct"),
            entry.get("total"),
            entry.get("total_standard_error"),
        )


def _nodes(view: DebateView) -> list[Node]:
    found = []
    for place, seat in enumerate(view.seats):
        x, y, angle = _place(place, len(view.seats))
        side = "middle" if abs(math.sin(angle)) < 0.3 else "start" if math.sin(angle) > 0 else "end"
        down = 1.35 if side == "middle" else 0.0
        gap = 0.0 if side == "middle" else math.copysign(NODE + 8, math.sin(angle))
        vote = view.turn(view.last.number, seat.name) if view.last else None
        label_y = y + 5 - down * math.copysign(NODE, math.cos(angle))
        found.append(Node(seat, x, y, round(x + gap, 1), round(label_y, 1), side, vote.vote if vote else None))
    return found


def _place(place: int, number: int) -> tuple[float, float, float]:
    """On a circle, clockwise from its top: x, y and the angle."""
    angle = 2 * math.pi * place / number
    return (
        round(MIDDLE_X + RADIUS * math.sin(angle), 1),
        round(MIDDLE_Y - RADIUS * math.cos(angle), 1),
        angle,
    )


def _arrows(view: DebateView, rows: Sequence[Moved]) -> Iterator[Arrow]:
    """One for each pair that is named, and one for each that was measured, over all rounds."""
    names = [seat.name for seat in view.seats]
    pairs: dict[tuple[str, str], list[Moved]] = {}
    for row in rows:
        pairs.setdefault((row.peer.name, row.turn.seat.name), []).append(row)
    for (peer, reader), same in pairs.items():
        ends = names.index(peer), names.index(reader), len(names)
        measured = [row.measured for row in same if row.measured is not None]
        mean = sum(measured) / len(measured) if measured else 0.0
        if abs(mean) >= LEAST_DRAWN:
            title = f"{peer} moved {reader} by {mean * 100:+.1f} points on average, measured"
            yield Arrow(_curve(*ends, bend=0.12), False, mean > 0, round(1.5 + THICKEST * abs(mean), 2), title)
        if times := sum(row.said for row in same):
            title = f"{reader} says that {peer} persuaded it" + ("" if times == 1 else f" ({times} times)")
            yield Arrow(_curve(*ends, bend=0.3), True, True, 2.0, title)


def _curve(peer: int, reader: int, number: int, *, bend: float) -> str:
    """A quadratic curve between two seats' rims, bent to the left as one goes: the way back takes another."""
    (x1, y1, _), (x2, y2, _) = _place(peer, number), _place(reader, number)
    middle_x, middle_y = (x1 + x2) / 2 + bend * (y2 - y1), (y1 + y2) / 2 - bend * (x2 - x1)
    from_x, from_y = _towards(x1, y1, middle_x, middle_y, NODE + 2)
    to_x, to_y = _towards(x2, y2, middle_x, middle_y, NODE + 6)
    return f"M{from_x:.1f} {from_y:.1f}Q{middle_x:.1f} {middle_y:.1f} {to_x:.1f} {to_y:.1f}"


def _towards(x: float, y: float, to_x: float, to_y: float, by: float) -> tuple[float, float]:
    length = math.hypot(to_x - x, to_y - y) or 1.0
    return x + (to_x - x) * by / length, y + (to_y - y) * by / length
