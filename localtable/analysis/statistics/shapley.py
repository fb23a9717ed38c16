"""What each seat is worth to a vote: the Shapley value of being right by plurality.

A vote is a game in which any coalition of seats reaches what its plurality is worth: how right it is expected to be,
shared first places in proportion. Nobody's plurality is a guess among all options. So the values of all seats sum to
how right the whole panel is, less chance.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import comb, prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Integers


def seat_values(votes: Integers, num_options: Integers) -> Floats:
    """Σ_S |S|! (n − |S| − 1)! ÷ n! · (v(S ∪ i) − v(S)) over coalitions S of the other seats (Shapley 1953).

    Votes for one option are alike, so that coalitions are counted by how many of each they have: at most 2^n, and as
    many for each pattern of votes that there is.

    Args:
        votes: [rows, options] how many seats voted for each option, the right one first.
        num_options: [rows] that the question has.

    Returns:
        [rows, options] the value of a seat that voted for it; 0 where none did.
    """
    import numpy as np

    patterns, rows = np.unique(np.column_stack([num_options, votes]), axis=0, return_inverse=True)
    found = [_values(tuple(counts), number) for number, *counts in patterns.tolist()]
    values: Floats = np.array(found, np.float64).reshape(len(patterns), votes.shape[1])[rows.ravel()]
    return values


@cache
def _values(counts: tuple[int, ...], num_options: int) -> tuple[float, ...]:
    """The value of a seat of each option's voters."""
    return tuple(_value_of_one(counts, option, num_options) if counts[option] else 0.0 for option in range(len(counts)))


def _value_of_one(counts: tuple[int, ...], option: int, num_options: int) -> float:
    number = sum(counts)
    others = [count - (place == option) for place, count in enumerate(counts)]
    total = 0.0
    for coalition in product(*(range(count + 1) for count in others)):
        joined = tuple(count + (place == option) for place, count in enumerate(coalition))
        # |S|! (n − |S| − 1)! ÷ n! = 1 ÷ (n · C(n − 1, |S|))
        weight = prod(map(comb, others, coalition)) / (number * comb(number - 1, sum(coalition)))
        total += weight * (_reached(joined, num_options) - _reached(coalition, num_options))
    return total


def _reached(counts: tuple[int, ...], num_options: int) -> float:
    """How right a coalition's plurality is; the right option's votes stand first."""
    most = max(counts)
    if most == 0:
        return 1 / num_options
    return (counts[0] == most) / counts.count(most)
