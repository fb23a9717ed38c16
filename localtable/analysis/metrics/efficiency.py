"""What it cost: tokens, and what stopping early would have saved and lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localtable.analysis.metrics.metric import By, Figure, Metric, answers, finished, later_rounds, share, to_clusters
from localtable.analysis.sample import Sample
from localtable.analysis.statistics.statistic import ratio

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Floats, Integers

KINDS = ("prompt", "cached", "generated", "total")


def tokens(sample: Sample) -> dict[str, Floats]:
    """By kind, [debates, rounds] of all asked seats; prompt tokens include the cached ones; total: prompt + generated.

    A generation that turns share counts in each: what the condition would take by itself.
    """
    turns = sample.condition.turns
    by_kind = {"prompt": turns.prompt_tokens, "cached": turns.cached_tokens, "generated": turns.completion_tokens}
    held = sample.held[:, :, None] & sample.asked
    found = {kind: (counts * held).sum(axis=2).astype(float) for kind, counts in by_kind.items()}
    return {**found, "total": found["prompt"] + found["generated"]}


def _per_question(sample: Sample) -> Iterator[Figure]:
    for kind, counts in tokens(sample).items():
        yield share(sample, counts.sum(axis=1), sample.whole, ({"tokens": kind},), high=float("inf"))
        for place in range(sample.condition.num_rounds):
            by: By = {"tokens": kind, "round": place + 1}
            yield share(sample, counts[:, place], sample.held[:, place], (by,), high=float("inf"))


def _right_at_last(sample: Sample) -> Floats:
    found: Floats = sample.at(sample.panel_right, sample.last.place) * (sample.whole & sample.answered)
    return found


def _per_correct(sample: Sample) -> Iterator[Figure]:
    right, judged = _right_at_last(sample), sample.whole & sample.answered
    for kind in ("generated", "total"):
        spent = tokens(sample)[kind].sum(axis=1) * judged
        yield _quotient(sample, spent, right, {"tokens": kind}, "no panel was right")


def _per_1k(sample: Sample) -> Iterator[Figure]:
    right, judged = _right_at_last(sample), sample.whole & sample.answered
    for kind in ("generated", "total"):
        spent = tokens(sample)[kind].sum(axis=1) * judged
        yield _quotient(sample, right * 1000, spent, {"tokens": kind}, "no tokens were counted")


def _cached_share(sample: Sample) -> Iterator[Figure]:
    counts = tokens(sample)
    cached, prompt = (counts[kind].sum(axis=1) * sample.whole for kind in ("cached", "prompt"))
    yield _quotient(sample, cached, prompt, {}, "no tokens were counted")


def _quotient(sample: Sample, above: Floats, below: Floats, by: dict[str, int | str], undefined: str) -> Figure:
    """Σ ÷ Σ where a question may have some of the one and nothing of the other."""
    return Figure((by,), to_clusters(sample, ratio(above, below, high=float("inf")), undefined))


def first_unanimous(sample: Sample) -> Integers:
    """[debates] the round, from 0, in which `stop: {when: unanimous}` would have ended a debate."""
    import numpy as np

    unanimous = sample.unanimous
    last = (sample.condition.rounds_held - 1).clip(min=0)
    found: Integers = np.where(unanimous.any(axis=1), unanimous.argmax(axis=1), last)
    return found


def _savings(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    stop = first_unanimous(sample)
    later = np.arange(sample.condition.num_rounds) > stop[:, None]
    for kind in ("generated", "total"):
        counts = tokens(sample)[kind]
        saved, spent = (counts * later).sum(axis=1) * sample.whole, counts.sum(axis=1) * sample.whole
        yield _quotient(sample, saved, spent, {"tokens": kind}, "no tokens were counted")


def _regret(sample: Sample) -> Iterator[Figure]:
    at_last, at_stop = (sample.at(sample.panel_right, at) for at in (sample.last.place, first_unanimous(sample)))
    yield share(sample, at_last - at_stop, sample.whole & sample.answered, low=-1.0)


def _rounds_held(sample: Sample) -> Iterator[Figure]:
    held = sample.condition.rounds_held
    yield share(sample, held, sample.whole, low=1.0, high=float(max(sample.condition.max_rounds, 1)))


_TOKENS = "docs/store.md: tokens of all steps of a turn, ballots and what is measured behind them included"

METRICS = (
    Metric(
        "tokens_per_question",
        "efficiency",
        "tokens",
        _per_question,
        "mean over debates of tokens: prompt (cached ones included), cached, generated, total = prompt + generated",
        _TOKENS,
        "none",
        (finished,),
    ),
    Metric(
        "tokens_per_correct",
        "efficiency",
        "tokens",
        _per_correct,
        "Σ tokens ÷ Σ 1[m_T = y], over debates whose question has an answer",
        _TOKENS,
        needs=(answers,),
        by_seat=False,
    ),
    Metric(
        "accuracy_per_1k_tokens",
        "efficiency",
        "correct",
        _per_1k,
        "1000 · Σ 1[m_T = y] ÷ Σ tokens",
        _TOKENS,
        needs=(answers,),
        by_seat=False,
    ),
    Metric(
        "cached_share",
        "efficiency",
        "share",
        _cached_share,
        "cached ÷ prompt tokens",
        _TOKENS,
        "none",
        (finished,),
    ),
    Metric(
        "rounds_held",
        "efficiency",
        "rounds",
        _rounds_held,
        "mean over debates of the rounds before the verdict",
        "docs/contracts.md",
        "none",
        (finished,),
        by_seat=False,
    ),
    Metric(
        "early_stop_savings",
        "efficiency",
        "share",
        _savings,
        "tokens of rounds behind the first unanimous one ÷ tokens: what `stop: unanimous` would save",
        "majority-then-stop: arXiv:2604.02863",
        needs=(later_rounds,),
        by_seat=False,
    ),
    Metric(
        "early_stop_regret",
        "efficiency",
        "difference of shares",
        _regret,
        "majority_accuracy of the last round − that of the round in which `stop: unanimous` would end",
        "majority-then-stop: arXiv:2604.02863",
        needs=(answers, later_rounds),
        by_seat=False,
    ),
)
