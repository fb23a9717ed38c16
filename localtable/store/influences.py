"""What was measured behind the debates: ballots that were asked once more, and what they say of each peer."""

from __future__ import annotations

import json

from localtable.store.conversion import dump
from localtable.store.rows import InfluenceRecord, ProbeRecord
from localtable.store.store import Store
from localtable.types import InfluenceKind, Letter

ProbeName = tuple[InfluenceKind, str | None, int]
"""Names a probe among those of its turn: kind, the peer that is replaced or nobody, sample."""

_INFLUENCE = "turn, peer, kind, option, base, without, value, standard_error, samples"


def add_probe(store: Store, probe: ProbeRecord) -> None:
    """Keep a probe."""
    number = store.write(
        "INSERT INTO probes (turn, kind, replaced, sample, distribution, session) VALUES (?, ?, ?, ?, ?, ?)",
        (probe.turn, probe.kind, probe.replaced, probe.sample, dump(probe.distribution), store.session),
    ).lastrowid
    for place, (step, generation) in enumerate(probe.steps):
        store.write("INSERT INTO probe_steps VALUES (?, ?, ?, ?)", (number, place, step, generation))


def probes_of(store: Store, turn: int) -> dict[ProbeName, dict[Letter, float]]:
    """The distributions of a turn's probes."""
    rows = store.query("SELECT kind, replaced, sample, distribution FROM probes WHERE turn = ?", turn)
    return {(kind, replaced, sample): json.loads(distribution) for kind, replaced, sample, distribution in rows}


def put_influence(store: Store, influence: InfluenceRecord) -> None:
    """Keep what a turn's probes say of a peer, in place of what fewer of them said."""
    store.write(
        f"INSERT OR REPLACE INTO influences ({_INFLUENCE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            influence.turn,
            influence.peer,
            influence.kind,
            influence.option,
            dump(influence.base),
            dump(influence.without),
            influence.value,
            influence.standard_error,
            influence.samples,
        ),
    )


def influences_of(store: Store, debate: int) -> dict[tuple[int, str], list[InfluenceRecord]]:
    """By round and seat: what was measured in a debate."""
    found: dict[tuple[int, str], list[InfluenceRecord]] = {}
    for round_number, seat, *row in store.query(
        f"SELECT round, seat, {_INFLUENCE} FROM influences JOIN turns ON turns.id = turn WHERE debate = ?"
        " ORDER BY turn, peer, kind",
        debate,
    ):
        turn, peer, kind, option, base, without, value, standard_error, samples = row
        record = InfluenceRecord(
            turn, peer, kind, option, json.loads(base), json.loads(without), value, standard_error, samples
        )
        found.setdefault((round_number, seat), []).append(record)
    return found
