"""Which turns are measured: those that have read peers, and of these, unless all are wanted, those that moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localtable.errors import ConfigError
from localtable.protocol import Condition, peers_read
from localtable.store import Store
from localtable.types import CONFEDERATE, Letter, Participant, Seat

MOVED = 0.1
"""A seat has moved where any option's probability has changed by so much since its own previous round."""
ROUNDING = 1e-9
"""Probabilities of 0.3 and 0.4 are a tenth apart, whatever floating point makes of it."""


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """A turn whose seat has read peers."""

    id: int
    """Its number in the store."""
    debate: int
    condition: int
    round_number: int
    seat: str
    model: str
    moved: bool
    """Whether its vote or its distribution is another one than in the seat's own previous round."""


def later_turns(
    store: Store, conditions: Mapping[int, Condition], num_questions: int | None = None
) -> Iterator[MeasuredTurn]:
    """Every stored turn that has read peers, debate by debate; confederates read nobody, and endpoints are left out.

    Args:
        store: Open for reading; debates may be open or failed.
        conditions: The ones that are wanted, by number.
        num_questions: Only of the suite's first ones.
    """
    read = {number: _readers(condition) for number, condition in conditions.items()}
    in_debate, before = 0, dict[tuple[int, str], tuple[Letter, dict[Letter, float]]]()
    for turn, debate, condition, round_number, seat, model, vote, distribution in store.query(
        "SELECT turns.id, debates.id, condition, round, seat, model, vote, distribution FROM debates"
        " CROSS JOIN turns ON turns.debate = debates.id JOIN ballots ON ballots.turn = turns.id AND counts = 1"
        " WHERE condition IN (SELECT value FROM json_each(?1)) AND question <= ?2"
        " ORDER BY debates.id, round, position",
        json.dumps(list(conditions)),
        num_questions if num_questions is not None else 2**62,
    ):
        if debate != in_debate:
            in_debate, before = debate, {}
        now = before[round_number, seat] = (vote, json.loads(distribution))
        previous = before.get((round_number - 1, seat))
        if previous is not None and model != CONFEDERATE and seat in read[condition]:
            yield MeasuredTurn(turn, debate, condition, round_number, seat, model, _moved(previous, now))


def _readers(condition: Condition) -> set[str]:
    seats = condition.panel.seats if condition.panel.rounds > 1 else ()
    return {seat.name for seat in seats if not _at_endpoint(seat) and peers_read(condition.panel, seat.name)}


def _at_endpoint(seat: Participant) -> bool:
    """Whether a seat's probabilities are not exact: what a peer does to them would drown in what is not listed."""
    return isinstance(seat, Seat) and seat.card.endpoint is not None


def _moved(before: tuple[Letter, Mapping[Letter, float]], now: tuple[Letter, Mapping[Letter, float]]) -> bool:
    (old_vote, old), (vote, distribution) = before, now
    return vote != old_vote or max(abs(distribution[x] - old[x]) for x in old) >= MOVED - ROUNDING


def require_readers(conditions: Mapping[int, Condition], where: str) -> None:
    """Refuse conditions in none of which anybody ever reads a peer.

    Raises:
        ConfigError: Says why not.
    """
    if any(map(_readers, conditions.values())):
        return
    condition = next(iter(conditions.values()))
    panel = condition.panel
    if len(panel.seats) == 1:
        why = "its panel has one seat"
    elif panel.rounds == 1:
        why = "it has one round, and nobody has read anybody in the first"
    elif all(map(_at_endpoint, panel.model_seats)):
        why = "all its models are at endpoints, which don't give every option's probability"
    else:
        why = "its seats read no single peer's turn"
    raise ConfigError(
        f"influence can't be measured in {condition.name!r} of {where}: {why}",
        hint="It takes two seats and two rounds, and a condition in which peers are read.",
    )
