"""Every figure of a family one by one, and the main ones by tag, model, seat or first votes."""

from __future__ import annotations

from collections.abc import Sequence

from localtable.analysis.findings import Analysis, Finding
from localtable.report.analysis.figures import NOTHING, Figures, bounds, value
from localtable.report.analysis.sheet import Row, Sheet

_MAIN = (
    ("seats 1st", "individual_accuracy", 1),
    ("last", "individual_accuracy", "last"),
    ("maj. 1st", "majority_accuracy", 1),
    ("last", "majority_accuracy", "last"),
    ("gain", "debate_gain", None),
    ("drift", "martingale_drift", "last"),
    ("changed", "change_rate", "last"),
)


def print_family(analysis: Analysis, family: str, sheet: Sheet) -> None:
    """All figures of a family: value, interval, questions."""
    findings = [finding for finding in analysis.findings if finding.metric.family == family]
    sheet.heading(family.capitalize())
    print_findings(findings, sheet)


def print_findings(findings: list[Finding], sheet: Sheet) -> None:
    """A line for each figure; what has no value is there, too, and has its reason behind the table."""
    rows = [
        Row(
            f"{finding.metric.name}: {finding.by_text}",
            [
                value(finding),
                bounds(finding.estimate, finding.metric.unit),
                f"{finding.estimate.n:,}",
                finding.verdict or "",
            ],
        )
        for finding in findings
    ]
    if rows:
        sheet.rows(["", "value", "95 %", "n", ""], rows)


def print_dimension(figures: Figures, dimension: str, conditions: Sequence[str], sheet: Sheet) -> None:
    """The main figures of each part; `round` has its columns everywhere."""
    if dimension == "round":
        return
    for condition in conditions:
        parts = {
            str(finding.by[dimension]): finding
            for _, name, which in _MAIN
            for finding in figures.each(name, dimension, condition=condition, **({"round": which} if which else {}))
        }
        if not parts:
            continue
        sheet.heading(f"By {dimension} ({condition})")
        rows = []
        for label, finding in parts.items():
            found = [_part(figures, condition, dimension, label, name, which) for _, name, which in _MAIN]
            rows.append(Row(label, [f"{finding.estimate.n:,}", *found]))
        sheet.rows([dimension, "n", *(title for title, *_ in _MAIN)], rows)
        sheet.line(
            "Intervals, every other figure by these parts, and those of the controls: --json, --csv or --family.",
            dim=True,
        )


def _part(figures: Figures, condition: str, dimension: str, label: str, name: str, which: int | str | None) -> str:
    by: dict[str, int | str] = {"condition": condition, dimension: label}
    if which is not None:
        by["round"] = which
    finding = figures.find(name, **by)
    return NOTHING if finding is None else value(finding)
