"""What is asked of a store beside its contents: one moment of it, how far it is, what failed, what was right."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from localtable.store.conversion import TOKENS
from localtable.store.store import Store

_CHOSEN = (
    " FROM debates JOIN conditions ON conditions.id = debates.condition"
    " JOIN questions ON questions.id = debates.question WHERE conditions.name IN (SELECT value FROM json_each(?1))"
)


class Failure(NamedTuple):
    """A debate that can't be finished."""

    question: str
    condition: str
    repeat: int
    reason: str


def hold_still(store: Store) -> None:
    """Read everything from here on as of one moment, whatever is written meanwhile, until the store is closed.

    For a store that is open for reading.
    """
    for _ in store.query("BEGIN"):
        pass


def count_states(store: Store, conditions: Collection[str]) -> dict[str, int]:
    """How many debates of these conditions are open, finished and failed."""
    found = store.query(f"SELECT state, count(*){_CHOSEN} GROUP BY state", json.dumps(list(conditions)))
    return {"open": 0, "finished": 0, "failed": 0} | {state: number for state, number in found}


def first_failures(store: Store, conditions: Collection[str], limit: int) -> list[Failure]:
    """The first debates of these conditions that failed, in the suite's order."""
    columns = "questions.name, conditions.name, debates.repeat, coalesce(debates.reason, '')"
    sql = f"SELECT {columns}{_CHOSEN} AND state = 'failed' ORDER BY debates.id LIMIT ?2"
    return [Failure(*row) for row in store.query(sql, json.dumps(list(conditions)), limit)]


def right_by_condition(store: Store) -> list[tuple[str, int, int]]:
    """By condition: verdicts that are the answer alone, and verdicts on questions that have one."""
    rows = store.query(
        "SELECT conditions.name, sum(json_array_length(leading) = 1 AND leading ->> 0 = answer), count(*)"
        " FROM debates JOIN conditions ON conditions.id = condition"
        " JOIN questions ON questions.id = debates.question"
        " WHERE state = 'finished' AND answer IS NOT NULL GROUP BY condition ORDER BY condition"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def session_counts(store: Store, session: int) -> dict[str, int]:
    """What one session has added."""
    finished, failed = next(
        store.query(
            "SELECT coalesce(sum(state = 'finished'), 0), coalesce(sum(state = 'failed'), 0) FROM debates"
            " WHERE session = ?",
            session,
        )
    )
    turns, reused = next(store.query("SELECT count(*), coalesce(sum(reused), 0) FROM turns WHERE session = ?", session))
    prompt, cached, completion = next(
        store.query(f"SELECT {TOKENS} FROM generations WHERE origin IS NULL AND session = ?", session)
    )
    return {
        "finished": finished,
        "failed": failed,
        "turns": turns,
        "reused_turns": reused,
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": completion,
    }


def engine_steps(sessions: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """What engines' steps came to, by model, over sessions that have written it down.

    Returns:
        `seconds`, `decode_steps`, `decode_rows` and `prompt_tokens`, summed; `prompt_seconds`, what prompts took of
        all seconds if they took as much in each session as in those that can say, and None where none can.
    """
    found: dict[str, dict[str, float | None]] = {}
    for model_id, all_steps in _by_model(sessions).items():
        told = [steps for steps in all_steps if steps["prompt_seconds"] is not None]
        seconds = sum(steps["seconds"] for steps in all_steps)
        share = sum(s["prompt_seconds"] for s in told) / sum(s["seconds"] for s in told) if told else None
        found[model_id] = {
            "seconds": round(seconds, 3),
            **{name: sum(s[name] for s in all_steps) for name in ("decode_steps", "decode_rows", "prompt_tokens")},
            "prompt_seconds": None if share is None else round(share * seconds, 3),
        }
    return found


def _by_model(sessions: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for session in sessions:
        for model_id, steps in session["facts"].get("steps", {}).items():
            found.setdefault(model_id, []).append(steps)
    return found
