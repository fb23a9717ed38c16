"""Influence as it was measured (docs/influence.md): what peers did to votes, and whether seats name who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from localtable.analysis.influence import judge_claim
from localtable.analysis.metrics.metric import EVERYTHING, By, Figure, Metric, finished, missing, to_clusters
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.statistic import mean, ratio
from localtable.types import InfluenceKind

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags
    from localtable.analysis.table import Influences

KINDS: tuple[InfluenceKind, ...] = ("direct", "total")
NO_CLAIM = "no measured turn that changed its vote names a peer"


def measured(sample: Sample) -> str | None:
    """A finished debate of which influence was measured."""
    lacking = finished(sample)
    if lacking is not None:
        return lacking
    found = sample.condition.influences
    if found is None or not (sample.whole[found.where[0]] & sample.asked[found.where[2]]).any():
        return "influence was not measured (`localtable influence`)"
    return None


def rows_of(sample: Sample, kind: InfluenceKind) -> tuple[Influences, Flags]:
    """What was measured in a condition, and which of it is of this kind, of finished debates and of seats asked about.

    The sample has what `measured` asks for.
    """
    found = sample.condition.influences
    assert found is not None
    mine: Flags = sample.whole[found.where[0]] & sample.asked[found.where[2]] & (found.total == (kind == "total"))
    return found, mine


def _mean_of(kind: InfluenceKind) -> Callable[[Sample], Iterator[Figure]]:
    """Over all of it, by the peer that was read, and by pairs of a seat and a peer."""

    def figures(sample: Sample) -> Iterator[Figure]:
        import numpy as np

        found, mine = rows_of(sample, kind)
        if not mine.any():
            yield missing(f"no {kind} influence was measured")
            return
        names = [seat.name for seat in sample.condition.seats]
        pairs = sorted(set(zip(found.peer[mine].tolist(), found.where[2][mine].tolist(), strict=True)))
        groups: list[tuple[By, Flags]] = [(EVERYTHING, mine)]
        groups += [({"peer": names[peer]}, mine & (found.peer == peer)) for peer in dict.fromkeys(p for p, _ in pairs)]
        groups += [
            ({"seat": names[seat], "peer": names[peer]}, mine & (found.peer == peer) & (found.where[2] == seat))
            for peer, seat in pairs
        ]
        for by, chosen in groups:
            rows = np.flatnonzero(chosen)
            statistic = mean(found.value[rows], low=-1.0)
            yield Figure((by,), statistic.by_cluster(sample.cluster[found.where[0][rows]], sample.num_clusters))

    return figures


def _claims(of: int) -> Callable[[Sample], Iterator[Figure]]:
    """Over measured turns that changed their vote and name a peer.

    Args:
        of: 0, whether the named peer is of the largest influence; 1, what naming one at random would reach.
    """

    def figures(sample: Sample) -> Iterator[Figure]:
        import numpy as np

        for kind in KINDS:
            found, mine = rows_of(sample, kind)
            if not mine.any():
                continue
            sums, counts = np.zeros(len(sample.whole)), np.zeros(len(sample.whole))
            for debate, claim in _judged(sample, found, mine):
                sums[debate] += claim[of]
                counts[debate] += 1
            yield Figure(({"kind": kind},), to_clusters(sample, ratio(sums, counts), NO_CLAIM))

    return figures


def _judged(sample: Sample, found: Influences, mine: Flags) -> Iterator[tuple[int, tuple[float, float]]]:
    """Each turn's debate, and what its claim counts."""
    by_turn: dict[tuple[int, int, int], dict[int, float]] = {}
    turns = zip(*(axis[mine].tolist() for axis in found.where), strict=True)
    for turn, peer, value in zip(turns, found.peer[mine].tolist(), found.value[mine].tolist(), strict=True):
        by_turn.setdefault(turn, {})[peer] = value
    for turn, values in by_turn.items():
        # No change and the seat's own reasoning are −1, which is no peer.
        claim = judge_claim(values, int(sample.condition.ballots.persuaded_by[turn]))
        if claim is not None:
            yield turn[0], claim


_SOURCE = "docs/influence.md"

_PAIRS = "of all measured turns, by peer, by seat and peer"

METRICS = (
    Metric(
        "direct_influence",
        "influence",
        "difference of shares",
        _mean_of("direct"),
        f"mean of p(x, all shown) − p(x, peer replaced), x what the peer had voted, before the statement; {_PAIRS}",
        _SOURCE,
        ballot="before",
        needs=(measured,),
        by_seat=False,
    ),
    Metric(
        "total_influence",
        "influence",
        "difference of shares",
        _mean_of("total"),
        f"the same behind statements that are said anew; {_PAIRS}",
        _SOURCE,
        ballot="none",
        needs=(measured,),
        by_seat=False,
    ),
    Metric(
        "persuaded_by_measured",
        "influence",
        "share",
        _claims(0),
        "changed votes whose named peer has the largest measured influence ÷ those that name a measured peer;"
        " a shared first place counts 1 ÷ its peers",
        _SOURCE,
        needs=(measured,),
    ),
    Metric(
        "persuaded_by_chance",
        "influence",
        "share",
        _claims(1),
        "the same of a peer named at random: mean of 1 ÷ peers that were read",
        _SOURCE,
        needs=(measured,),
    ),
)
