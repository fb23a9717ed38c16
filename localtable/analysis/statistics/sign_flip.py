"""Is a mean difference zero? Each question's difference could as well have had the other sign, if nothing differs.

The main test of all differences between conditions, rounds and panels: it needs neither one ballot a question nor a
normal distribution, only that questions are independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.estimate import PValue
from localtable.seeds import derive

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats

NUM_FLIPS = 9_999
"""Random flips; with the observed signs 10,000, so that p has four decimals."""

MAX_EXACT = 16
"""Up to so many differences other than 0, all signs are tried: 65,536, in some 10 ms."""

EXACT_METHOD = "sign-flip permutation test over questions, all signs (Fisher 1935, §21)"
RANDOM_METHOD = (
    f"sign-flip permutation test over questions, {NUM_FLIPS} random flips, p = (b + 1)/(m + 1) (Phipson & Smyth 2010)"
)

TIE_TOLERANCE = 1e-9
"""Of the sum of absolute differences: flipped sums nearer than this to the observed one count as equal to it."""

CELLS_AT_ONCE = 2_000_000
"""Of flips × questions at one time: 16 MB."""


def sign_flip(differences: Floats, present: Flags | None = None, name: str = "analysis") -> list[PValue]:
    """Two-sided p-values of "the mean difference is 0", from the absolute sum under flipped signs.

    p = share of sign assignments with |Σ ±d| ≥ |Σ d|. A question without a difference changes no sum.

    Args:
        differences: [questions, tests] per-question mean differences.
        present: [questions, tests] which of them there are; all if not given. What the others hold is never looked at.
        name: Seeds the flips, together with the number of questions.

    Returns:
        One for each test; None, with its reason, where no question has a difference to look at.
    """
    import numpy as np

    there = np.ones(differences.shape, np.bool_) if present is None else present
    known = np.where(there, differences, 0.0)
    exact = (known != 0).sum(axis=0) <= MAX_EXACT
    p = np.ones(known.shape[1])
    for test in np.flatnonzero(exact):
        p[test] = _share_of_all_signs(known[:, test])
    p[~exact] = _share_of_random_signs(known[:, ~exact], name)
    counts = there.sum(axis=0)
    return [
        PValue(float(p[test]), int(n), EXACT_METHOD if exact[test] else RANDOM_METHOD)
        if n
        else PValue(None, 0, EXACT_METHOD, reason="no question has both sides of this difference")
        for test, n in enumerate(counts)
    ]


def _share_of_all_signs(differences: Floats) -> float:
    import numpy as np

    nonzero = differences[differences != 0]
    bits = np.arange(2 ** len(nonzero))[:, None] >> np.arange(len(nonzero)) & 1
    sums = (2.0 * bits - 1) @ nonzero
    return float((np.abs(sums) >= _least(nonzero)).mean())


def _share_of_random_signs(differences: Floats, name: str) -> Floats:
    """[questions, tests] → [tests] p-values; all tests meet the same flips."""
    import numpy as np

    num_questions, num_tests = differences.shape
    if num_tests == 0:
        return np.ones(0)
    generator = np.random.default_rng(derive("sign-flip", name, num_questions))
    total, least = differences.sum(axis=0), _least(differences)
    as_far = np.zeros(num_tests)
    step = max(CELLS_AT_ONCE // num_questions, 1)
    for start in range(0, NUM_FLIPS, step):
        rows = min(step, NUM_FLIPS - start)
        drawn = np.frombuffer(generator.bytes(rows * -(-num_questions // 8)), np.uint8).reshape(rows, -1)
        kept = np.unpackbits(drawn, axis=1, count=num_questions).astype(np.float64)
        as_far += (np.abs(2 * (kept @ differences) - total) >= least).sum(axis=0)
    p: Floats = (as_far + 1) / (NUM_FLIPS + 1)
    return p


def _least(differences: Floats) -> Floats:
    """The absolute sum from which on a flipped one is at least as far out as the observed."""
    import numpy as np

    least: Floats = np.abs(differences.sum(axis=0)) - TIE_TOLERANCE * np.abs(differences).sum(axis=0)
    return least
