"""Does confidence tell right from wrong? Ranking by it, and abstaining where it is low."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtable.analysis.statistics.estimate import Estimate
from localtable.analysis.statistics.linearized import METHOD, linearized

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers


def auroc(confidences: Floats, correct: Flags, clusters: Integers) -> Estimate:
    """P(a right row's confidence > a wrong one's), ties half: Mann & Whitney's U ÷ (n_1 n_0) (Hanley & McNeil 1982).

    The variance is Obuchowski's for clustered data (1997, Biometrics 53:567): DeLong's components, summed by question.

    Args:
        confidences: [rows] all present.
        correct: [rows]
        clusters: [rows] each one's question.
    """
    import numpy as np

    num_right, num_wrong = int(correct.sum()), int((~correct).sum())
    if not num_right or not num_wrong:
        reason = (
            "there is no ballot to judge" if not len(correct) else "all are right, or all wrong: nothing to tell apart"
        )
        return Estimate(None, None, None, len(np.unique(clusters)), METHOD, reason)
    component = np.empty(len(correct))  # DeLong et al. 1988: the share of the other kind that a row beats
    for kind in (True, False):
        others = np.sort(confidences[correct != kind])
        mine = confidences[correct == kind]
        below = (np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")) / (2 * len(others))
        component[correct == kind] = below if kind else 1 - below
    value = float(component[correct].mean())
    influence = (component - value) / np.where(correct, num_right, num_wrong)
    return linearized(value, influence, clusters, _fewest(correct, clusters))


def aurc(confidences: Floats, correct: Flags, clusters: Integers) -> Estimate:
    """Area under the risk-coverage curve: mean over k of the error rate among the k most confident rows.

    Geifman & El-Yaniv 2017 (arXiv 1705.08500); the expected value over the order of rows with the same confidence. The
    interval is that of its first-order expansion in the rows' weights (docs/analysis.md).

    Args:
        confidences: [rows] all present.
        correct: [rows]
        clusters: [rows] each one's question.
    """
    import numpy as np

    if not len(correct):
        return Estimate(None, None, None, 0, METHOD, "there is no ballot to judge")
    order = np.argsort(-confidences, kind="stable")
    wrong = _risk_by_rank(confidences[order], ~correct[order])
    ranks = np.arange(1, len(wrong) + 1)
    summed = np.cumsum(wrong)
    value = float((summed / ranks).mean())
    # A row's weight adds the risk at its own rank, and moves that at every later one by (own error − risk) ÷ rank.
    later, later_risk = (np.cumsum(terms[::-1])[::-1] for terms in (1 / ranks, summed / ranks**2))
    influence = (summed / ranks - value + wrong * later - later_risk) / len(wrong)
    return linearized(value, influence, clusters[order], _fewest(correct, clusters))


def _risk_by_rank(confidences: Floats, wrong: Flags) -> Floats:
    """[rows, most confident first] errors, each tie's spread over its rows: what any order of them gives on average."""
    import numpy as np

    starts = np.flatnonzero(np.diff(confidences, prepend=np.inf))
    counts = np.diff(starts, append=len(wrong))
    spread: Floats = np.repeat(np.add.reduceat(wrong.astype(np.float64), starts) / counts, counts)
    return spread


def _fewest(correct: Flags, clusters: Integers) -> int:
    """Questions with a right row, or those with a wrong one: the fewer, of all where one kind is missing."""
    import numpy as np

    both = [len(np.unique(clusters[kind])) for kind in (correct, ~correct)]
    return min(both) or max(both)
