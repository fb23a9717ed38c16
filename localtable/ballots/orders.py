"""A ballot in several orders of its options: which orders, and one distribution out of their answers.

A model prefers letters and places whatever stands there. Over all rotations every option has stood at every place and
under every letter once, so that the mean is free of that preference as far as it adds to an option's score alike. Of n
options, k < n rotations leave each option in k of the n places: what the other places would have said is not averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from localtable.types import BallotRule, Letter, OrderedBallot, VoteSource

WITHOUT_SHARES: tuple[VoteSource, ...] = ("structured", "parsed")
"""Sources of answers that come without probabilities."""


@lru_cache(maxsize=512)  # each step of a ballot asks, and few sets of letters are asked for
def ballot_orders(letters: Sequence[Letter], rule: BallotRule) -> tuple[tuple[Letter, ...], ...]:
    """The orders in which a question's options are listed, its own first: rotations as evenly spaced as can be."""
    number = len(letters) if rule.orders is None else min(rule.orders, len(letters))
    shifts = [i * len(letters) // number for i in range(number)]
    return tuple((*letters[shift:], *letters[:shift]) for shift in shifts)


def pooled(answers: Sequence[OrderedBallot], rule: BallotRule) -> dict[Letter, float]:
    """One distribution out of those under several orders.

    The arithmetic mean is the linear opinion pool (Stone 1961); the geometric one, renormalised, the logarithmic pool
    (Genest and Zidek 1986, Statistical Science 1:114), with each probability at least `rule.floor`. Where an answer is
    without probabilities, each answer counts as the vote that it is.
    """
    letters = answers[0].distribution.keys()
    if len(answers) == 1:
        return dict(answers[0].distribution)
    if any(answer.source in WITHOUT_SHARES for answer in answers):
        votes = [_vote(answer.distribution) for answer in answers]
        return {x: math.fsum(vote[x] for vote in votes) / len(votes) for x in letters}
    if rule.pool == "arithmetic":
        return {x: math.fsum(answer.distribution[x] for answer in answers) / len(answers) for x in letters}
    logs = {
        x: math.fsum(math.log(max(answer.distribution[x], rule.floor)) for answer in answers) / len(answers)
        for x in letters
    }
    return _normalised({x: math.exp(value) for x, value in logs.items()})


def _vote(shares: Mapping[Letter, float]) -> dict[Letter, float]:
    """All on the first place; options that share it have as much each."""
    best = max(shares.values())
    first = [x for x, share in shares.items() if share == best]
    return {x: 1 / len(first) if x in first else 0.0 for x in shares}


def _normalised(shares: Mapping[Letter, float]) -> dict[Letter, float]:
    total = math.fsum(shares.values())
    return {x: share / total for x, share in shares.items()}
