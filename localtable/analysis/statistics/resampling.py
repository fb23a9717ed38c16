"""Questions drawn with replacement: how often each one comes in each resample, and the sums that follow.

The draws depend on the number of questions and a name alone, so that every figure of one analysis meets the same
resamples (their differences stay paired) and a figure doesn't change with what else is computed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from localtable.seeds import derive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from localtable.analysis.statistics.arrays import Floats

NUM_RESAMPLES = 2000
"""With these the ends of a 95 % interval rest on 50 resamples each (Efron & Tibshirani 1993, §19.3, ask for 1000)."""

CELLS_AT_ONCE = 2_000_000
"""Of resamples × questions that are whole numbers or doubles at one time: 16 MB."""


@lru_cache(maxsize=4)  # 20 MB each at 10,000 questions, and drawing them costs more than all that is done with them
def resample_counts(num_clusters: int, name: str) -> NDArray[np.uint8]:
    """How often each cluster is drawn: multinomial counts with equal chances.

    Args:
        num_clusters: At least 1.
        name: Of the family of figures; seeds the draws.

    Returns:
        [NUM_RESAMPLES, clusters], read-only; every row sums to the number of clusters.
    """
    import numpy as np

    generator = np.random.default_rng(derive("bootstrap", name, num_clusters))
    counts = np.empty((NUM_RESAMPLES, num_clusters), np.uint8)  # a count above 20 has a chance below 1e-18
    step = max(CELLS_AT_ONCE // num_clusters, 1)
    for start in range(0, NUM_RESAMPLES, step):
        rows = min(step, NUM_RESAMPLES - start)
        drawn = generator.integers(0, num_clusters, (rows, num_clusters))
        drawn += np.arange(rows)[:, None] * num_clusters
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    counts.setflags(write=False)
    return counts


def resample_sums(columns: Floats, name: str) -> Floats:
    """Column sums in every resample.

    Args:
        columns: [clusters, columns]
        name: As for `resample_counts`.

    Returns:
        [NUM_RESAMPLES, columns]
    """
    import numpy as np

    counts = resample_counts(len(columns), name)
    step = max(CELLS_AT_ONCE // len(columns), 1)
    parts = [counts[start : start + step].astype(np.float64) @ columns for start in range(0, NUM_RESAMPLES, step)]
    return np.concatenate(parts)
