"""Finished turns on their way into a store and out of it, with their ballots, texts and usage."""

from __future__ import annotations

import hashlib
import json

from localtable.store.connection import Connection
from localtable.store.conversion import dump, to_turn, unpack
from localtable.store.rows import TurnRecord
from localtable.types import PART_OF_STEP, Ballot, FreeReply, OrderedBallot, Turn, Usage

MAX_RECENT_TEXTS = 64


class RecentTexts:
    """Numbers of the texts that a store was given last: what seats share comes several times in a row."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number_of(self, store: Connection, text: str) -> int:
        """A text's number; it is stored where it isn't yet."""
        known = self._numbers.pop(text, None)
        if known is not None:
            self._numbers[text] = known  # the latest again: what seats are told stays, what they say goes
            return known
        sha256 = hashlib.sha256(text.encode()).digest()
        cursor = store.write("INSERT OR IGNORE INTO texts (sha256, text) VALUES (?, ?)", (sha256, text))
        number = cursor.lastrowid if cursor.rowcount else None
        if number is None:
            (number,) = store.row("SELECT id FROM texts WHERE sha256 = ?", sha256)
        self._numbers[text] = int(number)
        if len(self._numbers) > MAX_RECENT_TEXTS:
            del self._numbers[next(iter(self._numbers))]
        return int(number)

    def forget(self) -> None:
        """Take no text for stored any more: what was not committed is gone."""
        self._numbers.clear()


def insert_turn(store: Connection, texts: RecentTexts, record: TurnRecord, session: int | None) -> None:
    """Keep a finished turn.

    Args:
        store: Open for writing.
        texts: Of this store.
        record: The turn with what it is made of.
        session: Whose process held it.
    """
    turn = record.turn
    began = store.begin()
    cursor = store.write(
        "INSERT INTO turns (debate, round, seat, model, position, prompt_shared, prompt_own, statement, reasoning,"
        " reasoning_truncated, stated, changed_mind, finish_reason, truncated, seed, attempts, names_letter,"
        " peers_cut, reused, finished, session)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.debate,
            record.round_number,
            turn.seat,
            record.model,
            turn.position,
            texts.number_of(store, record.prompt_shared),
            texts.number_of(store, record.prompt_own),
            texts.number_of(store, turn.statement),
            None if turn.reasoning is None else texts.number_of(store, turn.reasoning),
            int(turn.reasoning_truncated),
            turn.stated,
            int(turn.changed_mind),
            turn.finish_reason,
            int(turn.truncated),
            turn.seed,
            turn.attempts,
            int(turn.names_letter),
            turn.peers_cut,
            int(record.reused),
            began,
            session,
        ),
    )
    number = cursor.lastrowid
    assert number is not None
    steps = [(number, place, step, generation) for place, (step, generation) in enumerate(record.steps)]
    store.write_many("INSERT INTO steps VALUES (?, ?, ?, ?)", steps)
    # A confederate's vote has no step, and stands behind what it says.
    before_counts = bool(record.steps) and all(step != "ballot" for step, _ in record.steps)
    _insert_ballot(store, number, "before" if before_counts else "after", turn.ballot, counts=True)
    if turn.ballot_before is not None:
        _insert_ballot(store, number, "before", turn.ballot_before, counts=False)


def _insert_ballot(store: Connection, turn: int, at: str, ballot: Ballot, *, counts: bool) -> None:
    store.write(
        "INSERT INTO ballots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn,
            at,
            int(counts),
            ballot.vote,
            dump(ballot.tied),
            dump(ballot.distribution),
            ballot.persuaded_by,
            ballot.label_mass,
            ballot.free_reply.text if ballot.free_reply else None,
            ballot.free_reply.vote if ballot.free_reply else None,
            ballot.source,
            ballot.listed_mass,
        ),
    )
    store.write_many(
        "INSERT INTO ballot_orders VALUES (?, ?, ?, ?, ?)",
        [(turn, at, i, "".join(o.order), dump(o.distribution)) for i, o in enumerate(ballot.orders)],
    )


def turns_of(store: Connection, debate: int) -> list[tuple[int, Turn]]:
    """A debate's finished turns with their rounds, in the order in which they are shown."""
    ballots = _ballots(store, debate)
    usage, ids = _usage(store, debate)
    return [
        (row[1], to_turn(row, ballots[row[0]], usage.get(row[0], {}), ids.get(row[0])))
        for row in store.query(
            "SELECT turns.id, round, seat, position, said.text, thought.text, reasoning_truncated, stated,"
            " changed_mind, finish_reason, truncated, seed, attempts, names_letter, peers_cut"
            " FROM turns JOIN texts AS said ON said.id = statement"
            " LEFT JOIN texts AS thought ON thought.id = reasoning WHERE debate = ? ORDER BY round, position",
            debate,
        )
    ]


def _ballots(store: Connection, debate: int) -> dict[int, dict[bool, Ballot]]:
    found: dict[int, dict[bool, Ballot]] = {}
    orders: dict[tuple[int, str], list[OrderedBallot]] = {}
    of_debate = "WHERE turn IN (SELECT id FROM turns WHERE debate = ?)"
    for turn, at, listed, distribution in store.query(
        f"SELECT turn, at, listed, distribution FROM ballot_orders {of_debate} ORDER BY turn, at, number", debate
    ):
        answer = OrderedBallot(tuple(listed), json.loads(distribution))
        orders.setdefault((turn, at), []).append(answer)
    for turn, at, counts, vote, tied, distribution, by, mass, reply, reply_vote, *source in store.query(
        "SELECT turn, at, counts, vote, tied, distribution, persuaded_by, label_mass, free_reply, free_vote,"
        " source, listed_mass"
        f" FROM ballots {of_debate}",
        debate,
    ):
        ballot = Ballot(
            vote,
            json.loads(distribution),
            tuple(json.loads(tied)),
            by,
            mass,
            tuple(orders.get((turn, at), ())),
            None if reply is None else FreeReply(reply, reply_vote),
            *source,
        )
        found.setdefault(turn, {})[bool(counts)] = ballot
    return found


def _usage(store: Connection, debate: int) -> tuple[dict[int, dict[str, Usage]], dict[int, tuple[int, ...]]]:
    usage: dict[int, dict[str, Usage]] = {}
    ids: dict[int, tuple[int, ...]] = {}
    for turn, step, prompt, cached, completion, packed in store.query(
        "SELECT turns.id, step, prompt_tokens, cached_tokens, completion_tokens, token_ids FROM turns"
        " JOIN steps ON steps.turn = turns.id JOIN generations ON generations.id = generation"
        " WHERE debate = ? ORDER BY turns.id, number",
        debate,
    ):
        part = PART_OF_STEP[step]
        parts = usage.setdefault(turn, {})
        parts[part] = parts.get(part, Usage()) + Usage(prompt, cached, completion)
        if step == "statement":
            ids[turn] = unpack(packed)
    return usage, ids
