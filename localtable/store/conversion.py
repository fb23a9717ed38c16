"""Rows of the store's tables ↔ values: the columns in their order, and what each kind of column holds."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localtable.store.rows import DebateRow, Generation, Key
from localtable.types import Ballot, Question, Turn, Usage, Verdict

TOKENS = "coalesce(sum(prompt_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(completion_tokens), 0)"
QUESTION = "name, question, options, context, answer, tags"
DEBATE = (
    "id, question, condition, repeat, partner, state, reason, session, verdict, leading, votes, of, agreement, rounds"
)
GENERATION = (
    "key, model, identity, request_sha256, prompt_sha256, seed, prompt_tokens, cached_tokens, completion_tokens,"
    " token_ids, finish_reason, stop_token_id, logprobs, seconds, origin, preempted_at"
)


def to_question(row: Sequence[Any]) -> Question:
    """A question out of its row."""
    name, text, options, context, answer, tags = row
    return Question(name, text, tuple(json.loads(options)), context, answer, tuple(json.loads(tags)))


def to_debate(row: Sequence[Any]) -> DebateRow:
    """A debate out of its row."""
    kind, leading, votes, of, agreement, rounds = row[8:]
    verdict = None
    if kind is not None:
        verdict = Verdict(kind, tuple(json.loads(leading)), votes, of, bool(agreement), rounds)
    number, question, condition, repeat, partner, state, reason, session = row[:8]
    return DebateRow(number, question, condition, repeat, partner, state, reason, verdict, session)


def to_generation(row: Sequence[Any]) -> Generation:
    """A generation out of its row."""
    key, model, identity, request, prompt, seed = row[:6]
    packed, finish_reason, stop, logprobs, seconds, origin, preempted_at = row[9:]
    return Generation(
        Key(key, identity, request, prompt, seed),
        model,
        prompt_tokens=row[6],
        cached_tokens=row[7],
        completion_tokens=row[8],
        token_ids=unpack(packed),
        finish_reason=finish_reason,
        stop_token_id=stop,
        logprobs={int(token_id): value for token_id, value in json.loads(logprobs).items()},
        seconds=seconds,
        origin=origin,
        preempted_at=tuple(json.loads(preempted_at)),
    )


def to_turn(
    row: Sequence[Any], ballots: Mapping[bool, Ballot], usage: Mapping[str, Usage], token_ids: tuple[int, ...] | None
) -> Turn:
    """A turn out of its row, its ballots (the one that counts under True) and its statement's ids, if it has any."""
    _, _, seat, position, statement, reasoning, reasoning_cut, stated, changed, finish, cut, seed, *rest = row
    attempts, names_letter, peers_cut = rest
    return Turn(
        seat=seat,
        position=position,
        statement=statement,
        ballot=ballots[True],
        changed_mind=bool(changed),
        finish_reason=finish,
        truncated=bool(cut),
        seed=seed,
        usage=usage,
        reasoning=reasoning,
        reasoning_truncated=bool(reasoning_cut),
        stated=stated,
        ballot_before=ballots.get(False),
        attempts=attempts,
        names_letter=bool(names_letter),
        peers_cut=peers_cut,
        token_ids=token_ids,
    )


def pack(token_ids: Sequence[int]) -> bytes:
    """Token ids as they are stored: unsigned 32 bit, little endian."""
    packed = array("I", token_ids)
    assert packed.itemsize == 4
    return packed.tobytes()


def unpack(packed: bytes) -> tuple[int, ...]:
    """The ids again."""
    token_ids = array("I")
    token_ids.frombytes(packed)
    return tuple(token_ids)


_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one each time


def dump(value: Any) -> str:
    """A value as JSON."""
    return _ENCODER.encode(value)


def now() -> str:
    """The time, UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
