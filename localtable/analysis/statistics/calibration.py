"""Are probabilities what they say? Confidence against being right, one row for each ballot or verdict.

Each function gives a `Statistic` with a row for each row of its arguments; rows that are not `present` are never
looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.statistic import Statistic, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

NUM_BINS = 15
"""As Guo et al. 2017 (arXiv 1706.04599), table 1."""

NEARLY_CERTAIN = 0.99
"""Where most ballots are above this, pools, rankings and calibration rest on the tails of softmaxes."""


def brier(confidences: Floats, correct: Flags, present: Flags | None = None) -> Statistic:
    """Mean of (p − y)² for "the vote is right", 0 to 1 (Brier 1950, Mon. Weather Rev. 78:1, with one of two classes).

    Args:
        confidences: [rows] probability of the vote.
        correct: [rows] y, whether it is right.
        present: [rows] which rows have both; all if not given.
    """
    return mean((confidences - correct) ** 2, present)


def brier_multiclass(distributions: Floats, answers: Integers, present: Flags | None = None) -> Statistic:
    """Mean of Σ_k (p_k − y_k)² over all options, 0 to 2 (Brier 1950).

    Args:
        distributions: [rows, options], 0 behind a question's own options.
        answers: [rows] the right option.
        present: [rows] which rows have both; all if not given.
    """
    import numpy as np

    truth = answers[:, None] == np.arange(distributions.shape[1])
    return mean(((distributions - truth) ** 2).sum(axis=1), present, high=2.0)


def equal_width_edges(num_bins: int = NUM_BINS) -> Floats:
    """[num_bins + 1] edges of bins of one width from 0 to 1."""
    import numpy as np

    return np.linspace(0.0, 1.0, num_bins + 1)


def equal_mass_edges(confidences: Floats, num_bins: int = NUM_BINS) -> Floats:
    """Edges, 0 to 1, of bins with as many rows each as ties allow (Nguyen & O'Connor 2015; "adaptive" binning).

    Args:
        confidences: [rows] at least one, all present.
        num_bins: At most; ties at an edge make fewer.

    Returns:
        [bins + 1] ascending, distinct.
    """
    import numpy as np

    inner = np.quantile(confidences, np.arange(1, num_bins) / num_bins, method="inverted_cdf")
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def bin_of(confidences: Floats, edges: Floats) -> Integers:
    """[rows] → [rows] bins from 0: (low, high], the first with 0 (Guo et al. 2017, §2)."""
    import numpy as np

    return np.searchsorted(edges[1:-1], confidences, side="left")


def ece(confidences: Floats, correct: Flags, edges: Floats, present: Flags | None = None) -> Statistic:
    """Expected calibration error Σ_b n_b/n |accuracy_b − confidence_b| (Naeini et al. 2015; Guo et al. 2017, eq. 3).

    Too high by what chance puts into the bins, more so the fewer rows there are (Kumar, Liang & Ma 2019, arXiv
    1909.10155), and resampling adds as much again. The interval takes that off, so that it may end below the value:
    believe the interval.

    Args:
        confidences: [rows] between 0 and 1.
        correct: [rows]
        edges: [bins + 1], `equal_width_edges()` or `equal_mass_edges(…)`: say which, since the figure depends on it.
        present: [rows] which rows have both; all if not given.
    """
    import numpy as np

    there = np.ones(len(confidences), np.bool_) if present is None else present
    known = np.where(there, confidences, 0.0)
    in_bin = (bin_of(known, edges)[:, None] == np.arange(len(edges) - 1)) & there[:, None]
    sums = np.concatenate([there[:, None], in_bin * (correct - known)[:, None]], axis=1)
    return Statistic(sums, _ece, 0.0, 1.0, interval="basic")


def _ece(sums: Floats) -> Floats:
    """[…, rows, right minus confidence by bin…] → […]."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        error: Floats = np.abs(sums[..., 1:]).sum(axis=-1) / sums[..., 0]
    return error
