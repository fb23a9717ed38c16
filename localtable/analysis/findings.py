"""What an analysis comes to: figures with intervals, tests, and in words what neither can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from localtable.analysis.statistics.estimate import Estimate, PValue

if TYPE_CHECKING:
    from localtable.analysis.families import Dimension
    from localtable.analysis.metrics.metric import Metric
    from localtable.analysis.run_facts import RunFacts

Verdict = Literal["equivalent", "different", "unresolved"]
ComparisonFamily = Literal["primary", "exploratory"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A metric's value."""

    metric: Metric
    by: Mapping[str, int | str]
    """What it is of: the condition, and what else it is broken down by."""
    estimate: Estimate
    part: Dimension | None = None
    """What its condition is broken down by; None for the whole."""
    verdict: Verdict | None = None
    """Whether it is as good as 0, where that is tested."""

    @property
    def by_text(self) -> str:
        """`debate, round 2, model small`: the condition stands for itself."""
        return ", ".join(str(v) if k == "condition" else f"{k} {v}" for k, v in self.by.items())


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison."""

    condition: str
    """Whose it is: a debate's."""
    metric: str
    first: str
    second: str
    """What is subtracted from the first; empty where a figure is held against 0, or a pattern against chance."""
    family: ComparisonFamily
    estimate: Estimate
    """First − second, a mean over questions; a test of a pattern has its statistic here, without an interval."""
    p: PValue
    p_adjusted: float | None
    """Holm's over the primary tests, Benjamini and Hochberg's over the exploratory ones."""
    detectable: float | None
    """The smallest true difference that this test would find in four studies of five."""
    verdict: Verdict | None = None
    mcnemar: PValue | None = None
    """Where each question has one yes or no on either side: the mid-p McNemar test of the same difference."""
    note: str | None = None
    """What has to be known of this comparison."""

    @property
    def name(self) -> str:
        """`majority_accuracy: debate − solo-revise`."""
        return f"{self.metric}: {self.first} − {self.second}" if self.second else f"{self.metric}: {self.first}"


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What was asked for."""

    conditions: tuple[str, ...]
    by: tuple[str, ...]
    families: tuple[str, ...]
    cluster: str | None
    """The kind of tag that makes questions one unit, as `passage`."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A store's figures."""

    facts: RunFacts
    asked: Breakdown
    num_questions: int
    num_clusters: int
    findings: tuple[Finding, ...]
    tests: tuple[Comparison, ...]
    notes: tuple[str, ...]
