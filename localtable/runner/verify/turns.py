"""Turns: what follows from a turn's words, its generations and the turns before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from localtable.ballots import ballot_orders, names_a_letter, stated_vote
from localtable.protocol import Debate, rule_for
from localtable.protocol.turn import MAX_ATTEMPTS
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.rows import StoredStep, StoredTurn
from localtable.seeds import request_seed
from localtable.types import Letter, Seat


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn stands, and what was voted there."""

    where: str
    debate: Debate
    seat: Seat
    round_number: int
    vote: Letter
    previous_vote: Letter | None
    always_draws: bool
    """On the scripted engine the seed decides even where sampling is greedy."""

    def seed_of(self, step: str, sample: int = 0) -> int:
        debate, seat = self.debate, self.seat.name
        return request_seed(debate.panel.seed, debate.repeat, debate.question.id, seat, self.round_number, step, sample)

    @property
    def changed_mind(self) -> bool:
        return self.previous_vote not in (None, self.vote)

    @property
    def peers(self) -> tuple[str, ...]:
        return self.debate.readers_peers(self.seat.name, self.round_number)


def check_turn(turn: StoredTurn, place: Place) -> Iterator[Disagreement]:
    """All of a turn but its ballots."""
    say = partial(compare, place.where)
    attempts = num_attempts(turn)
    names = [seat.name for seat in place.debate.order]
    yield from say("model", turn.model, place.seat.card.id, "the panel says")
    yield from say("position", turn.position, names.index(turn.seat) + 1, "the order of speaking says")
    yield from say("attempts", turn.attempts, attempts, "the steps say")
    yield from say("seed", turn.seed, place.seed_of("statement", attempts - 1), "the run's seed says")
    yield from say("changed_mind", turn.changed_mind, place.changed_mind, "the votes say")
    yield from say("stated", turn.stated, stated_vote(turn.statement, place.debate.question), "the statement says")
    yield from say("names_letter", turn.names_letter, names_a_letter(turn.statement), "the statement says")
    yield from _check_steps(turn, place, attempts)
    yield from _check_ends(turn, place.where)
    if not turn.reused and all(step.origin is not None for step in turn.steps):
        yield Disagreement(place.where, "reused", False, True, "the generations say")


def num_attempts(turn: StoredTurn) -> int:
    """How often the statement was asked for, within what a turn may ask."""
    return min(max(sum(step.step == "statement" for step in turn.steps), 1), MAX_ATTEMPTS)


def _check_steps(turn: StoredTurn, place: Place, attempts: int) -> Iterator[Disagreement]:
    expected = _expected_steps(place, attempts)
    stored = [step.step for step in turn.steps]
    if stored != expected:
        yield Disagreement(place.where, "steps", stored, expected, "the panel and the votes say")
        return
    samples = Counter[str]()
    for step in turn.steps:
        where = f"{place.where}, generation {step.generation} ({step.step})"
        yield from compare(where, "model", step.model, place.seat.card.id, "the panel says")
        seed = seed_of_generation(step, place, samples[step.step])
        yield from compare(where, "seed", step.seed, seed, "the run's seed says")
        samples[step.step] += 1


def _expected_steps(place: Place, attempts: int) -> list[str]:
    rule = rule_for(place.seat, place.debate.panel.ballot)
    num_orders = len(ballot_orders(place.debate.question.letters, rule))
    steps = ["before"] * num_orders if rule.at in ("before", "both") else []
    steps += ["thinking"] if place.seat.thinking.on else []
    steps += ["statement"] * attempts
    steps += ["ballot"] * num_orders if rule.at in ("after", "both") else []
    steps += ["label_mass"] if rule.label_mass else []
    steps += ["free_reply"] if rule.free_reply else []
    return steps + (["persuaded"] if place.changed_mind and place.peers else [])


def seed_of_generation(step: StoredStep, place: Place, sample: int) -> int | None:
    """The seed that a step's generation was drawn by; None where nothing was drawn."""
    return place.seed_of(step.step, sample) if draws(step, place) else None


def draws(step: StoredStep, place: Place) -> bool:
    """Whether a step's generation was drawn, so that a seed decides."""
    free = step.step in ("thinking", "statement")
    return place.always_draws or (free and place.seat.sampling.temperature > 0)


def _check_ends(turn: StoredTurn, where: str) -> Iterator[Disagreement]:
    """How the statement and the thinking ended."""
    said, thought = turn.step("statement"), turn.step("thinking")
    if said is not None:
        yield from compare(where, "finish_reason", turn.finish_reason, said.finish_reason, "its generation says")
        yield from compare(where, "truncated", turn.truncated, said.finish_reason == "length", "its generation says")
    cut = thought is not None and thought.finish_reason == "length"
    yield from compare(where, "reasoning_truncated", turn.reasoning_truncated, cut, "its generation says")
