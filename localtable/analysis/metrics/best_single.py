"""The best model of a panel, by itself: chosen on other questions than those it is scored on.

The best of several on the very questions that chose it is too good by what luck gave it (the "winner's curse"), so
that a panel compared with it looks worse than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.sample import Sample
from localtable.seeds import derive

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

NUM_FOLDS = 10


def best_single(sample: Sample) -> tuple[Floats, Flags]:
    """How right the model is, in round 1, that does best in round 1 of the other folds' questions.

    Models that are equally good there share the choice; a model's accuracy is the mean over its seats.

    Args:
        sample: With two clusters at least, unless one model has all seats.

    Returns:
        [debates] scores, and which debates have one.
    """
    import numpy as np

    judged = sample.whole & sample.answered
    models = [seat.model for seat, asked in zip(sample.condition.seats, sample.asked, strict=True) if asked]
    right = sample.at(sample.right, sample.first.place)
    by_model = np.stack([right[:, np.array(models) == model].mean(axis=1) for model in dict.fromkeys(models)], axis=1)
    fold = _folds(sample.num_clusters)[sample.cluster]
    scores = np.zeros(len(judged))
    for number in range(NUM_FOLDS):
        known = by_model[judged & (fold != number)].sum(axis=0)
        best = known == known.max()
        mine = fold == number
        scores[mine] = by_model[mine][:, best].mean(axis=1)
    return scores, judged


def _folds(num_clusters: int) -> Integers:
    """[clusters] which of the folds each is in, by a seed of its own."""
    import numpy as np

    order = np.random.default_rng(derive("folds", num_clusters)).permutation(num_clusters)
    folds: Integers = order % min(NUM_FOLDS, max(num_clusters, 1))
    return folds


def two_clusters(sample: Sample) -> str | None:
    """Why the best model can't be chosen on other questions; None where it can be, or needn't be chosen."""
    one_model = len({seat.model for seat in sample.condition.seats if seat.is_model}) == 1
    known = len(set(sample.cluster[sample.whole & sample.answered].tolist()))
    return None if one_model or known > 1 else "one question: the best model can't be chosen on others"
