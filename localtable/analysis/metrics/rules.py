"""Decision rules side by side, with intervals over questions: what `localtable tally` computes, round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.metrics.metric import Figure, Metric, answers, finished, labelled
from localtable.analysis.rules import RuleScores, Scored, every_rule, score_rules, select
from localtable.analysis.sample import LAST, Round, Sample
from localtable.analysis.statistics.statistic import mean

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Integers


class _Tallied(NamedTuple):
    cluster: Integers
    """[tallied debates]"""
    scores: Mapping[str, RuleScores]
    """By rule, of every rule that needs no name."""


def _tallied(sample: Sample, round_number: int | None) -> _Tallied:
    """A round's scores; six metrics ask for them one after the other."""
    import numpy as np

    key = ("tallied", round_number)
    if key not in sample.kept:
        chosen = select(sample.condition, round_number)
        clusters = np.zeros(int(sample.condition.question.max(initial=0)) + 1, np.int64)
        clusters[sample.condition.question] = sample.cluster
        rules = every_rule()
        scores = dict(zip((rule.text for rule in rules), score_rules(chosen, rules), strict=True))
        sample.kept[key] = _Tallied(clusters[chosen.question], scores)
    found: _Tallied = sample.kept[key]
    return found


def _round_number(taken: Round) -> int | None:
    return None if LAST in taken.labels else int(taken.labels[0])


def _of(name: str) -> Callable[[Sample], Iterator[Figure]]:
    """One figure of every rule."""

    def figures(sample: Sample) -> Iterator[Figure]:
        for taken in sample.rounds:
            tallied = _tallied(sample, _round_number(taken))
            for rule, scores in tallied.scores.items():
                scored: Scored = getattr(scores, name)
                high = 1.0 if scored.bounded else inf
                statistic = mean(scored.values, scored.over, high=high).by_cluster(tallied.cluster, sample.num_clusters)
                yield Figure(labelled(taken.labels, {"rule": rule}), statistic)

    return figures


_SOURCE = "docs/rules.md"

METRICS = (
    Metric(
        "rule_decision_rate",
        "rules",
        "share",
        _of("decision_rate"),
        "debates that the rule decides ÷ debates; of `condorcet`: debates that have a Condorcet winner",
        _SOURCE,
        needs=(finished,),
        by_seat=False,
    ),
    Metric(
        "rule_tie_rate",
        "rules",
        "share",
        _of("tie_rate"),
        "debates with several winners ÷ debates",
        _SOURCE,
        needs=(finished,),
        by_seat=False,
    ),
    Metric(
        "rule_accuracy",
        "rules",
        "share",
        _of("accuracy"),
        "mean weight of the answer: a tie counts 1 ÷ winners, no decision is wrong",
        _SOURCE,
        needs=(answers,),
        by_seat=False,
    ),
    Metric(
        "rule_accuracy_decided",
        "rules",
        "share",
        _of("accuracy_decided"),
        "the same, debates without a decision left out",
        _SOURCE,
        needs=(answers,),
        by_seat=False,
    ),
    Metric(
        "rule_margin",
        "rules",
        "1",
        _of("margin"),
        "mean lead of the winner where the rule decides, in the rule's own unit",
        _SOURCE,
        needs=(finished,),
        by_seat=False,
    ),
    Metric(
        "condorcet_efficiency",
        "rules",
        "share",
        _of("condorcet_efficiency"),
        "mean weight of the Condorcet winner, of debates that have one",
        "Merrill 1984, Am. J. Polit. Sci. 28:23; docs/rules.md",
        needs=(finished,),
        by_seat=False,
    ),
)
