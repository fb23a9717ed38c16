"""Debates as their store has them → transcripts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from localtable.moderator.summary import summed_up
from localtable.protocol import Condition, Debate, panel_on
from localtable.runner.inputs import conditions_of
from localtable.runner.manifest import build_manifest
from localtable.runner.open_debates import replay
from localtable.runner.prices import debate_cost
from localtable.store import DebateRow, InfluenceRecord, Run, Store
from localtable.store.influences import influences_of
from localtable.store.summaries import summary_of
from localtable.transcript import summary_from_json
from localtable.types import Influence, Summary, Transcript, Turn


def to_transcript(
    run: Run, condition: Condition, debate: Debate, session: Mapping[str, Any], summary: Summary | None = None
) -> Transcript:
    """A debate as it stands, with its summary and its manifest.

    Args:
        run: The inputs.
        condition: Under which the question was debated.
        debate: As far as it is.
        session: In which it ended.
        summary: What a moderator has written of it; from templates where there is none.
    """
    at_endpoints = {seat.name for seat in condition.panel.model_seats if seat.card.endpoint is not None}
    models = {seat.name: seat.model_id for seat in condition.panel.seats}
    rounds = debate.rounds
    if at_endpoints:
        rounds = tuple(
            replace(round_, turns=tuple(_counted(turn) if turn.seat in at_endpoints else turn for turn in round_.turns))
            for round_ in rounds
        )
    turns = [(models[turn.seat], turn) for round_ in rounds for turn in round_.turns]
    manifest = build_manifest(run, condition, session, len(debate.question.options))
    transcript = Transcript(
        debate.question,
        panel_on(debate.question, condition.panel),
        debate.repeat,
        rounds,
        debate.verdict,
        condition=condition.name,
        manifest={**manifest, **debate_cost(condition.panel.cards, turns)},
    )
    return summed_up(transcript, summary)


def _counted(turn: Turn) -> Turn:
    """A turn of an endpoint, of which nobody knows the tokens, nor how many they were where the server counts none."""
    counted = any(usage.prompt_tokens for usage in (turn.usage or {}).values())
    return replace(turn, token_ids=None, usage=turn.usage if counted else None)


def finished_transcripts(store: Store, names: Collection[str] | None = None) -> Iterator[Transcript]:
    """Every finished debate of a store, in the suite's order, one at a time; arguments as of `numbered_transcripts`."""
    for _, transcript in numbered_transcripts(store, names):
        yield transcript


def numbered_transcripts(store: Store, names: Collection[str] | None = None) -> Iterator[tuple[int, Transcript]]:
    """The same with each debate's number in the store.

    Args:
        store: Open for reading.
        names: Of the conditions that are wanted; all by default.

    Raises:
        ConfigError, StoreError: What is stored can't be read.
    """
    run = store.run()
    conditions = conditions_of(run, str(store.path))
    sessions = {session["id"]: session for session in store.sessions()}
    for row in store.all_debates("finished"):
        condition = conditions[row.condition]
        if names is not None and condition.name not in names:
            continue
        assert row.session is not None
        debate = stored_debate(store, row, condition)
        kept = summary_of(store, row.id)
        summary = None if kept is None else summary_from_json(kept)
        yield row.id, to_transcript(run, condition, debate, sessions[row.session], summary)


def stored_debate(store: Store, row: DebateRow, condition: Condition) -> Debate:
    """A debate out of its turns, with what was measured of them; a round that is not complete is left out."""
    debate = Debate(store.question(row.question), condition.panel, row.repeat, noise=condition.noise)
    debate = replay(debate, store.turns(row.id))[0]
    measured = influences_of(store, row.id)
    if not measured:
        return debate
    rounds = tuple(
        replace(
            round_,
            turns=tuple(
                replace(turn, influence=_influence(measured.get((round_.number, turn.seat), ())))
                for turn in round_.turns
            ),
        )
        for round_ in debate.rounds
    )
    return replace(debate, rounds=rounds)


def _influence(records: Sequence[InfluenceRecord]) -> tuple[Influence, ...]:
    """What was measured of a turn, peer by peer."""
    found = {}
    for peer, of_peer in groupby(records, lambda record: record.peer):
        by_kind = {record.kind: record for record in of_peer}
        direct, total = by_kind.get("direct"), by_kind.get("total")
        found[peer] = Influence(
            peer,
            next(iter(by_kind.values())).option,
            direct.value if direct else None,
            total.value if total else None,
            total.standard_error if total else None,
            total.samples if total else None,
        )
    return tuple(found.values())
