"""One metric explained: what it is, by which formula, from whom, and what it comes to here."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from localtable.analysis.findings import Analysis
from localtable.analysis.metrics.metric import Metric
from localtable.report.analysis.listing import print_findings
from localtable.report.analysis.terminal_sheet import TerminalSheet, plain, roomy

_BALLOTS = {
    "counting": "the ballot that counts: after the statement, unless the panel says `at: before`",
    "before": "the ballot before the statement",
    "before and after": "both ballots of a turn",
    "each order": "the single orders of a ballot that was asked in several",
    "free": "the unconstrained reply to the ballot",
    "none": "none",
}


def print_explanation(metric: Metric, analysis: Analysis, console: Console) -> None:
    """Print a metric's definition and all its figures, with what they were computed by."""
    console = roomy(console)
    sheet = TerminalSheet(console)
    findings = [finding for finding in analysis.findings if finding.metric is metric]
    console.print(Text(metric.name, style="bold"))
    for name, text in (
        ("family", metric.family),
        ("unit", metric.unit),
        ("formula", metric.formula),
        ("source", metric.source),
        ("reads", _BALLOTS[metric.ballot]),
        *(("method", method) for method in dict.fromkeys(f.estimate.method for f in findings)),
        *(("missing", reason) for reason in dict.fromkeys(f.estimate.reason for f in findings) if reason),
    ):
        for part in textwrap.wrap(
            plain(text), console.width, initial_indent=f"  {name:9} ", subsequent_indent=" " * 12
        ):
            console.print(Text(part))
    print_findings(findings, sheet)
    sheet.line("n: units of inference that have a case of it.", dim=True)
