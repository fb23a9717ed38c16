"""What measured influences come to: who moves whom, how surely, and whether seats name the peer that moved them.

A question is the unit of inference: its turns, rounds and repeats are averaged before anything is tested.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, TypeVar

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.estimate import Estimate, PValue
from localtable.analysis.statistics.multiple_tests import holm
from localtable.analysis.statistics.sign_flip import sign_flip
from localtable.analysis.statistics.statistic import mean
from localtable.store import Store
from localtable.types import InfluenceKind

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats

By = Literal["model", "seat"]
Peer = TypeVar("Peer", str, int)
"""A seat by its name, or by its place."""
NAME = "influence"
"""Seeds resamples and flips."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one peer did to one turn."""

    turn: int
    question: int
    seat: str
    model: str
    peer: str
    peer_model: str
    kind: InfluenceKind
    value: float
    persuaded_by: str | None
    """Whom the seat itself names, where its vote changed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What peers of one kind do to readers of another."""

    peer: str
    reader: str
    turns: int
    mean: Estimate
    """Over turns; its interval over questions."""
    test: PValue
    """Whether it could be 0."""
    p_adjusted: float | None
    """Over the pairs of a matrix (Holm)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whether the peer that a seat names is the one that moved it most."""

    n: int
    """Turns that changed their vote and named a peer whose influence was measured."""
    agreeing: float
    """A first place that several peers share counts 1 ÷ their number."""
    base_rate: float | None
    """What naming a peer at random would reach: the mean of 1 ÷ number of peers; None without a turn."""


def read_measurements(store: Store, turns: Collection[int]) -> list[Measurement]:
    """The influences of these turns, turn by turn."""
    rows = store.query(
        "SELECT influences.turn, question, turns.seat, turns.model, peer,"
        " (SELECT model FROM turns AS read WHERE read.debate = turns.debate AND read.seat = peer LIMIT 1),"
        " kind, value, persuaded_by FROM influences JOIN turns ON turns.id = influences.turn"
        " JOIN debates ON debates.id = turns.debate"
        " JOIN ballots ON ballots.turn = turns.id AND counts = 1 ORDER BY influences.turn, kind, peer"
    )
    wanted = set(turns)
    return [Measurement(*row) for row in rows if row[0] in wanted]


def pairs(measurements: Sequence[Measurement], kind: InfluenceKind, by: By, names: Sequence[str]) -> list[Pair]:
    """The persuasion matrix: mean influence of each peer on each reader, those pairs that there are.

    Args:
        measurements: Of one condition.
        kind: Which of them.
        by: Whether rows and columns are models or seats.
        names: Of all of them, in their order.
    """
    import numpy as np

    chosen = [one for one in measurements if one.kind == kind]
    if not chosen:
        return []
    found: dict[tuple[str, str], list[Measurement]] = {}
    for one in chosen:
        key = (one.peer_model, one.model) if by == "model" else (one.peer, one.seat)
        found.setdefault(key, []).append(one)
    found = {key: found[key] for key in sorted(found, key=lambda key: (names.index(key[0]), names.index(key[1])))}
    questions = {number: i for i, number in enumerate(sorted({one.question for one in chosen}))}
    statistics = []
    differences: Floats = np.zeros((len(questions), len(found)))
    present: Flags = np.zeros(differences.shape, np.bool_)
    for place, same in enumerate(found.values()):
        values = np.array([one.value for one in same])
        cluster = np.array([questions[one.question] for one in same])
        statistic = mean(values, low=-1.0, high=1.0).by_cluster(cluster, len(questions))
        statistics.append(statistic)
        counts = statistic.sums[:, 1]
        present[:, place] = counts > 0
        differences[:, place] = np.divide(statistic.sums[:, 0], counts, out=np.zeros(len(counts)), where=counts > 0)
    tests = sign_flip(differences, present, NAME)
    adjusted = holm([test.p for test in tests])
    return [
        Pair(peer, reader, len(same), estimate, test, p)
        for ((peer, reader), same), estimate, test, p in zip(
            found.items(), bootstrap(statistics, name=NAME), tests, adjusted, strict=True
        )
    ]


def judge_claim(values: Mapping[Peer, float], named: Peer) -> tuple[float, float] | None:
    """What a turn's claim counts: whether the peer that it names has the largest influence, and a random one's chance.

    Args:
        values: Of the peers that the turn has read.
        named: The peer that the seat says persuaded it.

    Returns:
        1 ÷ the peers that share the first place, or 0; and 1 ÷ all peers. None where its influence is not measured.
    """
    if named not in values:
        return None
    first = [peer for peer, value in values.items() if value == max(values.values())]
    return (named in first) / len(first), 1 / len(values)


def claims(measurements: Sequence[Measurement], kind: InfluenceKind) -> Claims:
    """Agreement of `persuaded_by` with the peer of largest influence."""
    judged = []
    chosen = [one for one in measurements if one.kind == kind]
    for _, of_turn in groupby(chosen, lambda one: one.turn):
        same = list(of_turn)
        named = same[0].persuaded_by
        found = None if named is None else judge_claim({one.peer: one.value for one in same}, named)
        judged += [] if found is None else [found]
    agreeing, chance = (sum(column) for column in zip(*judged, strict=True)) if judged else (0.0, 0.0)
    return Claims(len(judged), agreeing, chance / len(judged) if judged else None)
