"""Two sides on the same questions: the mean difference, and McNemar's test where each question is one yes or no."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.statistics.estimate import PValue
from localtable.analysis.statistics.mcnemar import mcnemar_mid_p
from localtable.analysis.statistics.statistic import Statistic, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats

NOTHING = "no question has both sides of it"


class Pair(NamedTuple):
    """What two sides have of each question."""

    first: Floats
    """[questions]"""
    second: Floats
    """[questions]"""
    present: Flags
    """[questions] which have both."""
    yes_or_no: bool
    """Each question has one right or wrong on either side, and is a unit of inference of its own."""


def paired_difference(pair: Pair, most: float = 1.0) -> Statistic:
    """The mean of first minus second over questions.

    Args:
        pair: The two sides.
        most: The greatest difference that a question can have.
    """
    found = mean(pair.first - pair.second, pair.present, -most, most)
    return replace(found, undefined=NOTHING, interval="percentile")


def paired_mcnemar(pair: Pair) -> PValue | None:
    """The mid-p McNemar test of the same difference; None where questions are no single yes or no."""
    if not pair.yes_or_no or not pair.present.any():
        return None
    first, second = pair.first[pair.present], pair.second[pair.present]
    return mcnemar_mid_p(int((first > second).sum()), int((second > first).sum()))
