"""How it was tested: unit of inference, intervals, tests, corrections."""

from __future__ import annotations

from collections.abc import Iterator

from localtable import __version__
from localtable.analysis.findings import Analysis
from localtable.analysis.methods.words import Used
from localtable.analysis.statistics.equivalence import METHOD as EQUIVALENCE
from localtable.analysis.words import count

DESIGN = "Miller 2024"
"""What the unit of inference and paired questions follow."""
HOLM, HOCHBERG = "Holm 1979", "Benjamini & Hochberg 1995"


def inference_paragraph(analysis: Analysis, used: Used) -> str:
    """The unit, what intervals are, which comparisons were made, and how they were adjusted."""
    debates = {c.name for c in analysis.facts.conditions if c.is_debate}
    main = [
        finding.estimate
        for finding in analysis.findings
        if finding.part is None and finding.metric.family in ("outcome", "dynamics")
        if finding.by.get("condition") in debates and finding.estimate.low is not None
    ]
    unit = (
        f"question (questions that share a {analysis.asked.cluster} tag are one)"
        if analysis.asked.cluster
        else "question"
    )
    sentences = [
        f"The unit of inference is the {unit}{used.cite(DESIGN)}; n = {analysis.num_clusters:,}. First places that"
        " options share are scored as expected values."
    ]
    methods = list(dict.fromkeys(estimate.method for estimate in main))
    if methods:
        sentences.append(f"95 % intervals: {'; '.join(f'{method}{used.cite(method)}' for method in methods)}.")
    sentences += _tested(analysis, used)
    if any(finding.verdict for finding in analysis.findings):
        drift = used.cite("martingale", EQUIVALENCE)
        sentences.append(f"Drift of belief was tested for equivalence with 0 within ± 2 points{drift}: {EQUIVALENCE}.")
    sentences.append(f"Figures were computed by localtable {__version__} [@localtable].")
    return " ".join(sentences)


def _tested(analysis: Analysis, used: Used) -> Iterator[str]:
    """Which comparisons were primary, and how all were tested and adjusted."""
    primary = [test for test in analysis.tests if test.family == "primary"]
    others = [test for test in analysis.tests if test.family != "primary"]
    methods = list(dict.fromkeys(test.p.method for test in analysis.tests if test.p.p is not None))
    if any(not test.condition for test in analysis.tests):
        yield (
            "Levels of a factor are compared over all pairs of variants that differ in nothing else; a question's"
            " difference is the mean over its pairs."
        )
    if methods:
        yield f"Comparisons are paired by question: {'; '.join(f'{m}{used.cite(m)}' for m in methods)}."
    if primary:
        named = "; ".join(f"{test.name} (n = {test.estimate.n:,}{_detectable(test.detectable)})" for test in primary)
        yield f"Primary, adjusted after Holm{used.cite(HOLM)}: {named}."
    elif analysis.tests:
        yield "No comparison was named as primary."
    if others:
        adjusted = f"adjusted after Benjamini and Hochberg{used.cite(HOCHBERG)}"
        yield f"{count(len(others), 'more comparison')}, exploratory, {adjusted}."
    mcnemar = next((test.mcnemar for test in primary if test.mcnemar is not None), None)
    if mcnemar is not None:
        yield f"Where each question has one yes or no on either side: {mcnemar.method}{used.cite(mcnemar.method)}."


def _detectable(points: float | None) -> str:
    return "" if points is None else f", detectable at 80 % power: {points * 100:.1f} points"
