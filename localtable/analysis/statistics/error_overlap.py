"""Do seats err together? Two seats at a time, and on the same wrong option or not.

Each function gives a `Statistic` with a row for each row of its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.statistics.agreement import agreeing_pairs
from localtable.analysis.statistics.statistic import Statistic, mean, ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

ONE_SIDED = "one of the two is always right or always wrong"


class ErrorAgreement(NamedTuple):
    """Same wrong option, where two seats err: what is, what chance would give, and the one minus the other."""

    observed: Statistic
    chance: Statistic
    excess: Statistic


def error_agreement(votes: Integers, answers: Integers, num_options: Integers) -> ErrorAgreement:
    """P(a_i = a_j | both wrong) over pairs of seats, and its value if errors fell on wrong options by chance.

    Chance is Σ_k p_k/(k − 1), p_k the share of the pairs with k options (Kim, Garg, Peng & Garg 2025, arXiv
    2506.07962). For two seats pass their two columns.

    Args:
        votes: [rows, seats], −1 where there is none.
        answers: [rows] the right options; −1, unknown, leaves a row out.
        num_options: [rows] k, at least 2.
    """
    import numpy as np

    wrong = np.where((votes == answers[:, None]) | (answers[:, None] < 0), -1, votes)
    agree, pairs = agreeing_pairs(wrong)
    chance = pairs / (num_options - 1)
    return ErrorAgreement(ratio(agree, pairs), ratio(chance, pairs), ratio(agree - chance, pairs, low=-1.0))


def _contingency(first: Flags, second: Flags, present: Flags | None) -> Floats:
    """[rows, 4]: both wrong, only the first, only the second, neither."""
    import numpy as np

    cells = np.stack([first & second, first & ~second, ~first & second, ~first & ~second], axis=1)
    return cells.astype(np.float64) * (1.0 if present is None else present[:, None])


def error_phi(first: Flags, second: Flags, present: Flags | None = None) -> Statistic:
    """Correlation of two seats' errors: (ad − bc) ÷ √((a+b)(c+d)(a+c)(b+d)).

    Kuncheva & Whitaker 2003, Mach. Learn. 51:181.

    Args:
        first: [rows] whether the one is wrong.
        second: [rows] whether the other is wrong.
        present: [rows] where both have a vote and the answer is known; everywhere if not given.
    """
    return Statistic(_contingency(first, second, present), _phi, -1.0, 1.0, ONE_SIDED)


def _phi(sums: Floats) -> Floats:
    import numpy as np

    a, b, c, d = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi: Floats = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    return phi


def yule_q(first: Flags, second: Flags, present: Flags | None = None) -> Statistic:
    """(ad − bc) ÷ (ad + bc): 1 as soon as one seat errs nowhere alone (Yule 1900; Kuncheva & Whitaker 2003).

    Args: as for `error_phi`.
    """
    reason = "no question tells them apart: ad + bc = 0"
    return Statistic(_contingency(first, second, present), _yule, -1.0, 1.0, reason)


def _yule(sums: Floats) -> Floats:
    import numpy as np

    a, b, c, d = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        q: Floats = (a * d - b * c) / (a * d + b * c)
    return q


def double_fault(first: Flags, second: Flags, present: Flags | None = None) -> Statistic:
    """Share of rows that both have wrong (Giacinto & Roli 2001; Kuncheva & Whitaker 2003).

    Args: as for `error_phi`.
    """
    return mean(first & second, present)
