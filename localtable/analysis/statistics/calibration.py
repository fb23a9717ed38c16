"""Are probabilities what they say? Confidence against being right, one row for each ballot or verdict.

Most functions give a `Statistic` with a row for each row of its arguments; rows that are not `present` are never
looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.small_samples import EXACT, t_quantile
from localtable.analysis.statistics.statistic import Statistic, mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

NUM_BINS = 15
"""As Guo et al. 2017 (arXiv 1706.04599), table 1."""

ECE_METHOD = (
    "infinitesimal jackknife over questions, Student's t, about the value less its bias"
    " (Efron 1982, ch. 6; Leone et al. 1961)"
)

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


def ece(confidences: Floats, correct: Flags, edges: Floats, clusters: Integers) -> Estimate:
    """Expected calibration error Σ_b n_b/n |accuracy_b − confidence_b| (Naeini et al. 2015; Guo et al. 2017, eq. 3).

    Too high by what chance puts into the bins, more so the fewer rows there are (Kumar, Liang & Ma 2019, arXiv
    1909.10155). The value is the one that everybody gives. The interval stands about the value without that: with a
    bin's gap d normal and s its standard error between questions, |d| is on average 2 s φ(δ) − 2 |d| Φ(−δ) too high, δ
    the true gap ÷ s (Leone, Nelson & Nottingham 1961, Technometrics 3:543). δ² is taken as (d/s)² − 1, its unbiased
    estimate, or 0. So it may end below the value: believe the interval.

    Args:
        confidences: [rows] all present, between 0 and 1.
        correct: [rows]
        edges: [bins + 1], `equal_width_edges()` or `equal_mass_edges(…)`: say which, since the figure depends on it.
        clusters: [rows] each one's question.
    """
    import numpy as np

    questions, places = np.unique(clusters, return_inverse=True)
    n, rows = len(questions), len(confidences)
    if not rows:
        return Estimate(None, None, None, 0, ECE_METHOD, "there is no ballot to judge")
    gaps = np.zeros((n, len(edges) - 1))  # of each question in each bin, right minus confidence
    np.add.at(gaps, (places, bin_of(confidences, edges)), correct - confidences)
    total = gaps.sum(axis=0)
    value = float(np.abs(total).sum()) / rows
    if n < 2:
        return Estimate(value, None, None, n, ECE_METHOD, "one question can't say how questions vary")
    # What each question adds to a gap, and to their sum, beyond its share of the rows.
    own = gaps - np.bincount(places, minlength=n)[:, None] * total / rows
    errors = np.sqrt((own**2).sum(axis=0) * n / (n - 1))
    error = math.sqrt(float(((own @ np.sign(total)) ** 2).sum()) * n / (n - 1)) / rows
    if error <= EXACT:
        return Estimate(value, None, None, n, ECE_METHOD, "no variance: every question says the same")
    centre = value - float(_folded(np.abs(total), errors).sum()) / rows
    half = t_quantile(0.025, n - 1) * error
    return Estimate(value, max(centre - half, 0.0), min(max(centre + half, 0.0), 1.0), n, ECE_METHOD)


def _folded(sizes: Floats, errors: Floats) -> Floats:
    """[bins] absolute values of normal ones, and their standard errors → by how much each is too high on average."""
    import numpy as np
    from scipy.special import ndtr

    varies = errors > EXACT
    found = np.zeros(len(sizes))
    size, error = sizes[varies], errors[varies]
    delta = np.sqrt(((size / error) ** 2 - 1).clip(min=0))
    density = np.exp(-(delta**2) / 2) / math.sqrt(2 * math.pi)
    found[varies] = np.minimum(2 * error * (density - delta * ndtr(-delta)), size)
    return found
