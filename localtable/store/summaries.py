"""What moderators have written of finished debates, and the generations that it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from localtable.store.conversion import dump
from localtable.store.store import Store


def put_summary(store: Store, debate: int, summary: Mapping[str, Any], steps: Sequence[tuple[str, int]]) -> None:
    """Keep a debate's summary, in place of an earlier one.

    Args:
        store: Open for writing, with a session.
        debate: Its number.
        summary: By a model, as the transcript has it.
        steps: Step and generation, in order.
    """
    store.write("DELETE FROM summary_steps WHERE debate = ?", (debate,))
    store.write("DELETE FROM summaries WHERE debate = ?", (debate,))
    store.write(
        "INSERT INTO summaries (debate, model, summary, session) VALUES (?, ?, ?, ?)",
        (debate, summary["by"], dump(summary), store.session),
    )
    for number, (step, generation) in enumerate(steps):
        store.write("INSERT INTO summary_steps VALUES (?, ?, ?, ?)", (debate, number, step, generation))


def summary_of(store: Store, debate: int) -> dict[str, Any] | None:
    """A debate's summary; None where no moderator wrote one."""
    row = next(store.query("SELECT summary FROM summaries WHERE debate = ?", debate), None)
    if row is None:
        return None
    found: dict[str, Any] = json.loads(row[0])
    return found


def not_summarized(store: Store, conditions: Sequence[int], by: str | None = None) -> list[int]:
    """The numbers of finished debates without a summary.

    Args:
        store: Open for reading.
        conditions: Of which.
        by: The model whose summary is wanted; any by default.
    """
    rows = store.query(
        "SELECT id FROM debates WHERE state = 'finished' AND condition IN (SELECT value FROM json_each(?1))"
        " AND id NOT IN (SELECT debate FROM summaries WHERE ?2 IS NULL OR model = ?2) ORDER BY id",
        json.dumps(list(conditions)),
        by,
    )
    return [row[0] for row in rows]
