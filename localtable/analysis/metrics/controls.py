"""The debate against as many samples of one model as cost the same tokens: self-consistency at matched compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.metrics.efficiency import tokens
from localtable.analysis.metrics.metric import By, Figure, Metric, answers, to_clusters
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.statistic import mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Floats, Integers

SELF_CONSISTENCY = "self-consistency"


class Matched(NamedTuple):
    """How many of a model's samples cost what the debate costs."""

    control: str
    """The condition's name."""
    kind: str
    """Of tokens: total or generated."""
    k: int
    num_samples: int
    ratio: float
    """The k samples' tokens ÷ the debate's; 0.5 says that all samples together took half of them."""


def matched_samples(debate: Sample) -> Iterator[tuple[Matched, Sample]]:
    """Each self-consistency with its k, by total and by generated tokens; nothing where no debate finished in both.

    The first k samples whose tokens come nearest to the debate's, over the debates that are finished in both.
    """
    import numpy as np

    for name, samples in debate.siblings.items():
        if samples.condition.control != SELF_CONSISTENCY:
            continue
        ours, theirs = rows_in_both(debate, samples)
        if not len(ours):
            continue
        for kind in ("total", "generated"):
            spent = tokens(debate)[kind][ours].sum()
            turns = samples.condition.turns
            counts = turns.completion_tokens + (turns.prompt_tokens if kind == "total" else 0)
            sums = np.cumsum(counts[theirs, 0].sum(axis=0))  # [samples]
            if spent > 0:
                k = int(abs(sums - spent).argmin())
                yield Matched(name, kind, k + 1, len(sums), float(sums[k] / spent)), samples


def rows_in_both(one: Sample, other: Sample) -> tuple[Integers, Integers]:
    """Rows of debates on one question and repeat that both conditions finished, in the same order."""
    import numpy as np

    def keys(sample: Sample) -> Integers:
        repeats = 1 + max(int(s.condition.repeat.max(initial=0)) for s in (one, other))
        found = sample.condition.question.astype(np.int64) * repeats + sample.condition.repeat
        return np.where(sample.whole, found, -1)

    mine, theirs = keys(one), keys(other)
    shared = np.intersect1d(mine, theirs)
    shared = shared[shared >= 0]

    def rows(of: Integers) -> Integers:
        order = np.argsort(of, kind="stable")
        return order[np.searchsorted(of, shared, sorter=order)]

    return rows(mine), rows(theirs)


def vote_of_first(samples: Sample, k: int) -> tuple[Floats, Flags]:
    """[debates] how right the plurality of the first k samples is, and which debates have one."""
    import numpy as np

    first = np.arange(len(samples.condition.seats)) < k
    right = samples.weight_of_answer(samples.shares_of_first(samples.count_votes(first)))
    return right[:, 0], samples.whole & samples.answered


def _figures(sample: Sample, *, gain: bool) -> Iterator[Figure]:
    """Over the debates that are finished in both, so that the two are paired."""
    import numpy as np

    for matched, samples in matched_samples(sample):
        ours, theirs = rows_in_both(sample, samples)
        right, judged = vote_of_first(samples, matched.k)
        scores, there = np.zeros(len(sample.whole)), np.zeros(len(sample.whole), np.bool_)
        scores[ours], there[ours] = right[theirs], judged[theirs]
        by: By = {"control": matched.control, "tokens": matched.kind, "k": matched.k}
        if gain:
            scores = sample.at(sample.panel_right, sample.last.place) - scores
        yield Figure((by,), to_clusters(sample, mean(scores, there, low=-1.0 if gain else 0.0)))


def _accuracy(sample: Sample) -> Iterator[Figure]:
    return _figures(sample, gain=False)


def _gain(sample: Sample) -> Iterator[Figure]:
    return _figures(sample, gain=True)


def _beside_samples(sample: Sample) -> str | None:
    if not any(other.condition.control == SELF_CONSISTENCY for other in sample.siblings.values()):
        return "no self-consistency beside the debate (--control self-consistency)"
    return None if any(matched_samples(sample)) else "no debate is finished both here and in self-consistency"


_MATCHED = "Smit et al. 2024, arXiv:2311.17371"

METRICS = (
    Metric(
        "self_consistency_accuracy",
        "outcome",
        "share",
        _accuracy,
        "mean of 1[plurality of a model's first k samples = y], k samples costing what the debate costs",
        f"Wang et al. 2023, arXiv:2203.11171; {_MATCHED}",
        needs=(answers, _beside_samples),
        by_seat=False,
        scope="debates",
    ),
    Metric(
        "compute_matched_gain",
        "outcome",
        "difference of shares",
        _gain,
        "majority_accuracy of the last round − self_consistency_accuracy, on the same debates",
        _MATCHED,
        needs=(answers, _beside_samples),
        by_seat=False,
        scope="debates",
    ),
)
