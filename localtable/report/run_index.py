"""A run's debates as rows of a table: what was asked, what came of it, in the suite's order."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from localtable.report.words import result_line
from localtable.store import Store
from localtable.types import Question, Verdict


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A debate."""

    number: int
    """In the store."""
    question_id: str
    question: str
    tags: tuple[str, ...]
    condition: str
    repeat: int
    state: str
    kind: str | None
    """Of its verdict; None where it is not finished."""
    result: str
    """The result line; of a failed debate its reason."""
    right: float | None
    """1 where the answer leads alone, a tie's share of it, else 0; None without a verdict or an answer."""
    rounds: int | None
    changes: int
    """Votes that changed, in all its rounds."""


def read_index(store: Store, conditions: Collection[str]) -> Iterator[IndexRow]:
    """Every debate of these conditions, whatever its state."""
    rows = store.query(
        "SELECT debates.id, questions.name, questions.question, questions.options, questions.answer, questions.tags,"
        " conditions.name, repeat, state, reason, verdict, leading, votes, of, agreement, rounds,"
        " (SELECT coalesce(sum(changed_mind), 0) FROM turns WHERE turns.debate = debates.id)"
        " FROM debates JOIN questions ON questions.id = debates.question"
        " JOIN conditions ON conditions.id = debates.condition"
        " WHERE conditions.name IN (SELECT value FROM json_each(?1)) ORDER BY debates.id",
        json.dumps(list(conditions)),
    )
    for number, name, text, options, answer, tags, condition, repeat, state, reason, *found, changes in rows:
        kind, leading, votes, of, agreement, rounds = found
        question = Question(name, text, tuple(json.loads(options)), answer=answer, tags=tuple(json.loads(tags)))
        verdict = None
        if kind is not None:
            verdict = Verdict(kind, tuple(json.loads(leading)), votes, of, bool(agreement), rounds)
        yield IndexRow(
            number,
            name,
            text,
            question.tags,
            condition,
            repeat,
            state,
            kind,
            result_line(question, verdict) if verdict is not None else reason or "",
            _right(answer, verdict),
            rounds,
            changes,
        )


def _right(answer: str | None, verdict: Verdict | None) -> float | None:
    if answer is None or verdict is None:
        return None
    return 1 / len(verdict.options) if answer in verdict.options else 0.0
