"""First-token log-probabilities → a vote and its distribution.

One constrained decode step gives both: the distribution over the labels is exact, and the vote is its mode. The
token that happened to be drawn decides nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localtable.ballots.labels import LabelSet
from localtable.errors import BallotError

SUM_TOLERANCE = 1e-3
"""How far the engine's probabilities of the allowed ids may be from 1 in sum; float32 gives 1e-7, bfloat16 2e-4."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one ballot says, by label or by what labels stand for."""

    chosen: str
    distribution: Mapping[str, float]
    tied: tuple[str, ...]
    """The labels that share the first place exactly, where more than one does."""


def read_choice(labels: LabelSet, logprobs: Mapping[int, float], meaning: Sequence[str], seed: int) -> Choice:
    """Read a ballot.

    Args:
        labels: Of this kind of ballot, in this tokenizer.
        logprobs: Natural log-probability of each allowed id, renormalised over them by the engine.
        meaning: What each label stands for, in the order of the labels.
        seed: Draws among exact ties; never the first of the alphabet.

    Raises:
        BallotError: An id is missing, or the probabilities don't sum to 1: the constraint was not in force.
    """
    if len(set(meaning)) != len(labels.labels):
        raise BallotError(
            f"{len(labels.labels)} labels need as many different meanings, got {list(meaning)}",
            hint="A defect: please report it.",
        )
    missing = [i for i in labels.allowed_ids if i not in logprobs]
    if missing:
        raise BallotError(
            f"the engine gave no log-probability for the allowed ids {missing}",
            hint="The constraint was not in force; see `localtable doctor`.",
        )
    masses = [math.fsum(math.exp(logprobs[i]) for i in ids) for ids in labels.token_ids]
    total = math.fsum(masses)
    if not abs(total - 1.0) <= SUM_TOLERANCE:
        raise BallotError(
            f"a ballot's probabilities sum to {total:.6f}, not to 1 within {SUM_TOLERANCE}",
            hint="The constraint was not in force; see `localtable doctor`.",
        )
    return choose({name: mass / total for name, mass in zip(meaning, masses, strict=True)}, seed)


def read_label_mass(labels: LabelSet, logprobs: Mapping[int, float]) -> float:
    """Probability of all labels together, where nothing constrains the answer.

    Args:
        labels: Of this kind of ballot, in this tokenizer.
        logprobs: Natural log-probability of each of `mass_ids` over the whole vocabulary.

    Raises:
        BallotError: An id is missing, or they are no probabilities.
    """
    missing = [i for i in labels.mass_ids if i not in logprobs]
    if missing:
        raise BallotError(f"the engine gave no log-probability for the ids {missing}", hint="Run it again.")
    mass = math.fsum(math.exp(logprobs[i]) for i in labels.mass_ids)
    if not mass <= 1 + SUM_TOLERANCE:
        raise BallotError(f"the labels' probabilities sum to {mass:.6f}, above 1", hint="A defect: please report it.")
    return min(mass, 1.0)


def choose(distribution: Mapping[str, float], seed: int) -> Choice:
    """The most probable name; an exact tie is drawn by `seed`, and said."""
    best = max(distribution.values())
    first = [name for name, p in distribution.items() if p == best]
    if len(first) == 1:
        return Choice(first[0], distribution, ())
    return Choice(random.Random(seed).choice(sorted(first)), distribution, tuple(sorted(first)))
