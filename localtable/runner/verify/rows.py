"""A debate as its rows have it, nothing trusted: what the checks of this room read.

`Store.turns` gives turns to those who build on them, and may take for granted that they are whole. Here they may be
anything that SQLite holds.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localtable.store import Store

UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What reading a value raises that is not of the kind, or not of the form, that this program writes."""


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A step of a turn and its generation."""

    step: str
    generation: int
    model: str
    identity: str
    request_sha256: bytes
    prompt_sha256: bytes
    seed: int | None
    usage: tuple[int, int, int]
    """Prompt, cached and completion tokens."""
    token_ids: tuple[int, ...]
    finish_reason: str
    stop_token_id: int | None
    logprobs: dict[int, float]
    origin: str | None


@dataclass(frozen=True, slots=True)
class StoredBallot:
    """A ballot of a turn."""

    at: str
    counts: bool
    vote: str
    tied: tuple[str, ...]
    distribution: dict[str, float]
    """Empty where an endpoint gave no probabilities."""
    persuaded_by: str | None
    label_mass: float | None = None
    free_reply: str | None = None
    free_vote: str | None = None
    source: str = "exact"
    listed_mass: float | None = None
    orders: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    """The options as they were listed, and the answer, order by order; empty where there was one."""


@dataclass(slots=True)
class StoredTurn:
    """A turn with everything that hangs on it."""

    id: int
    round_number: int
    seat: str
    model: str
    position: int
    statement: str
    reasoning: str | None
    reasoning_truncated: bool
    stated: str | None
    changed_mind: bool
    finish_reason: str
    truncated: bool
    seed: int
    attempts: int
    names_letter: bool
    peers_cut: int
    reused: bool
    session: int
    prompt_shared: str
    prompt_own: str
    steps: list[StoredStep] = field(default_factory=list)
    ballots: list[StoredBallot] = field(default_factory=list)

    def step(self, name: str) -> StoredStep | None:
        """The last step of this name."""
        return next(reversed(self.all_steps(name)), None)

    def all_steps(self, name: str) -> list[StoredStep]:
        """The steps of this name, in their order."""
        return [step for step in self.steps if step.step == name]


def read_turns(store: Store, debate: int) -> list[StoredTurn]:
    """A debate's turns, round by round.

    Raises:
        ValueError, TypeError: A value is not what this program writes.
        StoreError: The file is damaged.
    """
    turns = {row[0]: _turn(row) for row in store.query(_TURNS, debate)}
    for row in store.query(_STEPS, debate):
        turns[row[0]].steps.append(read_step(row[1:]))
    for turn, at, counts, vote, tied, distribution, *rest in store.query(_BALLOTS, debate):
        ballot = StoredBallot(at, bool(counts), vote, tuple(json.loads(tied)), read_shares(distribution), *rest)
        turns[turn].ballots.append(ballot)
    for turn, at, listed, distribution in store.query(_ORDERS, debate):
        ballot = next(ballot for ballot in turns[turn].ballots if ballot.at == at)
        ballot.orders.append((listed, read_shares(distribution)))
    return list(turns.values())


def read_shares(distribution: str) -> dict[str, float]:
    """A distribution out of its JSON."""
    shares = json.loads(distribution)
    return {} if shares is None else {str(letter): float(share) for letter, share in shares.items()}


def all_debates(store: Store) -> Iterator[tuple[Any, ...]]:
    """Raw rows of all debates: id, question, condition, repeat, partner, state, reason, session, verdict columns."""
    return store.query(
        "SELECT id, question, condition, repeat, partner, state, reason, session,"
        " verdict, leading, votes, of, agreement, rounds FROM debates ORDER BY id"
    )


_TURNS = (
    "SELECT turns.id, round, seat, model, position, said.text, thought.text, reasoning_truncated, stated, changed_mind,"
    " finish_reason, truncated, seed, attempts, names_letter, peers_cut, reused, session, shared.text, own.text"
    " FROM turns LEFT JOIN texts AS said ON said.id = statement LEFT JOIN texts AS thought ON thought.id = reasoning"
    " LEFT JOIN texts AS shared ON shared.id = prompt_shared LEFT JOIN texts AS own ON own.id = prompt_own"
    " WHERE debate = ? ORDER BY round, position, turns.id"
)
STEP = (
    "step, generations.id, generations.model, identity, request_sha256, prompt_sha256, generations.seed,"
    " prompt_tokens, cached_tokens, completion_tokens, token_ids, generations.finish_reason, stop_token_id, logprobs,"
    " origin"
)
"""What `read_step` reads."""
_STEPS = (
    f"SELECT turn, {STEP} FROM turns JOIN steps ON steps.turn = turns.id"
    " JOIN generations ON generations.id = generation WHERE debate = ? ORDER BY turn, number"
)
_BALLOTS = (
    "SELECT turn, at, counts, vote, tied, distribution, persuaded_by, label_mass, free_reply, free_vote, source,"
    " listed_mass FROM ballots WHERE turn IN (SELECT id FROM turns WHERE debate = ?) ORDER BY turn, at"
)
_ORDERS = (
    "SELECT turn, at, listed, distribution FROM ballot_orders"
    " WHERE turn IN (SELECT id FROM turns WHERE debate = ?) ORDER BY turn, at, number"
)


def _turn(row: tuple[Any, ...]) -> StoredTurn:
    number, round_number, seat, model, position, said, thought, cut, stated, changed, finish, truncated, *rest = row
    seed, attempts, names_letter, peers_cut, reused, session, shared, own = rest
    if not all(isinstance(value, int) for value in (round_number, position, seed, attempts, peers_cut)):
        raise ValueError(f"turn {number} has text where numbers stand")
    return StoredTurn(
        number,
        round_number,
        seat,
        model,
        position,
        statement=said,
        reasoning=thought,
        reasoning_truncated=bool(cut),
        stated=stated,
        changed_mind=bool(changed),
        finish_reason=finish,
        truncated=bool(truncated),
        seed=seed,
        attempts=attempts,
        names_letter=bool(names_letter),
        peers_cut=peers_cut,
        reused=bool(reused),
        session=session,
        prompt_shared=shared,
        prompt_own=own,
    )


def read_step(row: tuple[Any, ...]) -> StoredStep:
    """A step out of its row: what it is, and its generation."""
    step, generation, model, identity, request, prompt, seed, *usage, packed, finish, stop, logprobs, origin = row
    token_ids = array("I")
    token_ids.frombytes(packed)
    return StoredStep(
        step,
        generation,
        model,
        identity,
        request,
        prompt,
        seed,
        usage=(usage[0], usage[1], usage[2]),
        token_ids=tuple(token_ids),
        finish_reason=finish,
        stop_token_id=stop,
        logprobs={int(token_id): float(value) for token_id, value in json.loads(logprobs).items()},
        origin=origin,
    )
