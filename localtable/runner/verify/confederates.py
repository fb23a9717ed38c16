"""Turns of confederates: everything in them follows from panel and question."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from localtable.errors import ConfigError
from localtable.protocol import Debate
from localtable.runner.confederates import confederate_turn
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import StoredTurn
from localtable.types import Confederate


def check_confederate(turn: StoredTurn, debate: Debate, seat: Confederate, where: str) -> Iterator[Disagreement]:
    """All of a confederate's turn, its ballot with it."""
    try:
        scripted = confederate_turn(debate, seat, turn.round_number)
    except ConfigError as error:
        yield Disagreement(
            where, "a confederate's vote", [b.vote for b in turn.ballots], error.message, "the panel says"
        )
        return
    say = partial(compare, where)
    yield from say("model", turn.model, seat.model_id, "a confederate has")
    yield from say("position", turn.position, scripted.position, "the order of speaking says")
    yield from say("statement", turn.statement, scripted.statement, "the panel says")
    yield from say("stated", turn.stated, scripted.stated, "the statement says")
    yield from say("names_letter", turn.names_letter, scripted.names_letter, "the statement says")
    yield from say("seed", turn.seed, scripted.seed, "the run's seed says")
    for fact, nothing in (
        ("changed_mind", False),
        ("finish_reason", "stop"),
        ("truncated", False),
        ("attempts", 1),
        ("reasoning", None),
        ("reasoning_truncated", False),
        ("peers_cut", 0),
        ("reused", False),
        ("prompt_shared", ""),
        ("prompt_own", ""),
    ):
        yield from say(fact, getattr(turn, fact), nothing, "a confederate has")
    yield from say("steps", [step.step for step in turn.steps], [], "a confederate has")
    stored = [(b.at, b.counts, b.vote, b.tied, dict(b.distribution), b.persuaded_by) for b in turn.ballots]
    ballot = scripted.ballot
    told = [("after", True, ballot.vote, ballot.tied, dict(ballot.distribution or {}), None)]
    yield from say("ballots", stored, told, "the panel says")
