"""Debates as their store has them → transcripts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from localtable.protocol import Condition, Debate
from localtable.runner.inputs import conditions_of, panel_of
from localtable.runner.manifest import build_manifest
from localtable.runner.open_debates import replay
from localtable.store import DebateRow, Run, Store
from localtable.types import Transcript


def to_transcript(run: Run, condition: Condition, debate: Debate, session: Mapping[str, Any]) -> Transcript:
    """A debate as it stands, with its manifest.

    Args:
        run: The inputs.
        condition: Under which the question was debated.
        debate: As far as it is.
        session: In which it ended.
    """
    return Transcript(
        debate.question,
        condition.panel,
        debate.repeat,
        debate.rounds,
        debate.verdict,
        condition=condition.name,
        manifest=build_manifest(run, condition.panel, session, len(debate.question.options)),
    )


def finished_transcripts(store: Store, names: Collection[str] | None = None) -> Iterator[Transcript]:
    """Every finished debate of a store, in the suite's order, one at a time.

    Args:
        store: Open for reading.
        names: Of the conditions that are wanted; all by default.

    Raises:
        ConfigError, StoreError: What is stored can't be read.
    """
    run = store.run()
    conditions = conditions_of(run, panel_of(run, str(store.path)))
    sessions = {session["id"]: session for session in store.sessions()}
    for row in store.all_debates("finished"):
        condition = conditions[row.condition]
        if names is not None and condition.name not in names:
            continue
        assert row.session is not None
        yield to_transcript(run, condition, stored_debate(store, row, condition), sessions[row.session])


def stored_debate(store: Store, row: DebateRow, condition: Condition) -> Debate:
    """A debate out of its turns; a round that is not complete is left out."""
    debate = Debate(store.question(row.question), condition.panel, row.repeat, view=condition.view)
    return replay(debate, store.turns(row.id))[0]
