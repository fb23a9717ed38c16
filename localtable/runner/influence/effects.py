"""Probes → influences: how much more probable a peer's option is with the peer than without. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from localtable.store import InfluenceRecord
from localtable.store.influences import ProbeName
from localtable.types import InfluenceKind, Letter

Distribution = Mapping[Letter, float]
MIN_SAMPLES = 8
"""Of statements for `total`: with fewer, their standard error says little itself."""


def effect(
    turn: int,
    peer: str,
    kind: InfluenceKind,
    option: Letter,
    probes: Mapping[ProbeName, Distribution],
    samples: int,
) -> InfluenceRecord | None:
    """What the probes of a turn say of a peer; None while one of them is missing.

    Args:
        turn: Its number in the store.
        peer: Who was replaced.
        kind: Which probes.
        option: What the peer had voted for.
        probes: By name.
        samples: How many pairs there are to be; 1 where there is no statement.
    """
    pairs = [(probes.get((kind, None, sample)), probes.get((kind, peer, sample))) for sample in range(samples)]
    known = [(base, without) for base, without in pairs if base is not None and without is not None]
    if len(known) < samples:
        return None
    differences = [base[option] - without[option] for base, without in known]
    value = math.fsum(differences) / samples
    error = None
    if kind == "total":
        error = math.sqrt(math.fsum((d - value) ** 2 for d in differences) / (samples - 1) / samples)
    return InfluenceRecord(
        turn,
        peer,
        kind,
        option,
        _mean([base for base, _ in known]),
        _mean([without for _, without in known]),
        value,
        error,
        samples,
    )


def _mean(distributions: Sequence[Distribution]) -> dict[Letter, float]:
    return {x: math.fsum(one[x] for one in distributions) / len(distributions) for x in distributions[0]}
