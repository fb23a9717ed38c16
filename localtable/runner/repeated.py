"""Which turns of a sweep get an answer that another condition has already: looked up, not modelled.

A question's debates are held on the scripted engine, by the run's own loop, in a store in memory: equal requests share
a generation there as they do in the run. What seats read in later rounds is another matter, since a script says the
same where a model may not; so a later turn is the same only if all that it reads is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from localtable.engines.registry import choose
from localtable.places import home
from localtable.protocol import Condition, peers_read
from localtable.runner.confederates import with_votes
from localtable.runner.inputs import describe_sweep
from localtable.runner.rehearsal import UNBOUNDED
from localtable.runner.session import Inputs, RunOptions, open_session
from localtable.runner.sweeps import SweepPlan
from localtable.store import IN_MEMORY, Noise, Store
from localtable.types import Panel, Participant, Question, Seat, Stop

Repeated = tuple[tuple[bool, ...], ...]
"""By round and seat of those whose model is loaded here."""


def repeated_turns(plan: SweepPlan, questions: Sequence[Question]) -> dict[int, Repeated]:
    """Turns that need nothing generated, by condition: of equal ones all but the first.

    Args:
        plan: The sweep's.
        questions: One, or two: noise comes from the other one.

    Raises:
        ConfigError: A confederate has no vote on one of them.
        LocaltableError: As a run on the scripted engine.
    """
    conditions = {number: _rehearsed(condition) for number, condition in plan.conditions.items()}
    statements = _statements(plan, conditions, questions)
    known: dict[Any, int] = {}
    found: dict[int, Repeated] = {}
    for number, condition in conditions.items():
        rounds, before = [], dict[str, int]()
        for round_number in range(1, condition.panel.rounds + 1):
            now, again = dict[str, int](), list[bool]()
            for seat in plan.conditions[number].panel.seats:
                statement = statements.get((number, round_number, seat.name))
                identity = _identity(condition, seat, before, statement)
                if isinstance(seat, Seat) and seat.card.endpoint is None:
                    again.append(identity in known)
                now[seat.name] = known.setdefault(identity, len(known))
            rounds.append(tuple(again))
            before = now
        found[number] = tuple(rounds)
    return found


def _rehearsed(condition: Condition) -> Condition:
    """With every round, room for everything, and all of it here: nothing is said to an endpoint, or by a moderator."""
    panel = condition.panel
    seats = tuple(
        replace(seat, card=replace(seat.card, context_length=UNBOUNDED, endpoint=None, engine={}))
        if isinstance(seat, Seat)
        else seat
        for seat in panel.seats
    )
    return replace(condition, panel=replace(panel, seats=seats, stop=Stop("never"), engine={}, moderator=None))


def _statements(
    plan: SweepPlan, conditions: Mapping[int, Condition], questions: Sequence[Question]
) -> dict[tuple[int, int, str], int]:
    """By condition, round and seat: the number of the statement's generation, on the first question."""
    run = replace(describe_sweep("scripted", plan.sweep, conditions, {}, plan.wordings), repeats=1)
    names = [condition.name for condition in conditions.values()]
    asked = with_votes(questions, [condition.panel for condition in conditions.values()])
    noise = [Noise(c.name, c.debate, c.panel.seed) for c in conditions.values() if c.noise]
    variants = {condition.name: condition.debate for condition in conditions.values()}
    inputs = Inputs(conditions, choose("scripted"), {}, plan.wordings)
    options = RunOptions(home=home(), engine="scripted")
    with (
        Store.create(IN_MEMORY, run, asked, names, variants=variants, noise=noise) as store,
        open_session(store, inputs, options, suite=True) as session,
    ):
        for outcome in session.run():
            if outcome.error is not None:
                raise outcome.error
        rows = store.query(
            "SELECT debates.condition, turns.round, turns.seat, steps.generation FROM debates"
            " JOIN turns ON turns.debate = debates.id JOIN steps ON steps.turn = turns.id"
            " WHERE debates.question = 1 AND steps.step = 'statement'"
        )
        return {(condition, number, seat): generation for condition, number, seat, generation in rows}


def _identity(condition: Condition, seat: Participant, before: Mapping[str, int], generation: int | None) -> Any:
    """What a turn is known by: turns of one identity get one answer.

    Args:
        condition: The turn's.
        seat: Who speaks.
        before: Turns of the round before, by seat: equal ones have one number. Empty in round 1.
        generation: The statement's; None for a confederate, and for a debate that is not held.
    """
    if generation is None:
        return repr(seat)
    if not before:
        return generation
    if condition.noise:
        return generation, condition.name  # what it reads is said on another question
    return generation, frozenset((name, before[name]) for name in _read_by(condition.panel, seat.name))


def _read_by(panel: Panel, seat: str) -> frozenset[str]:
    """Whose turn decides what a seat is shown in a later round: its own, its peers', and with a tally everybody's."""
    if panel.visibility.tally == "shown":
        return frozenset(other.name for other in panel.seats)
    return peers_read(panel, seat) | {seat}
