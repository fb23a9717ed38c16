"""The debate beside its controls, what was tested, and what such tests could not have seen."""

from __future__ import annotations

from collections.abc import Sequence

from localtable.analysis.findings import Analysis, Comparison
from localtable.report.analysis.figures import NOTHING, Figures, bounds, number, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

POINTS = "difference of shares"
MOST = 12
"""Exploratory comparisons that are shown."""


def print_controls(analysis: Analysis, figures: Figures, condition: str, sheet: Sheet) -> None:
    """A line for each condition that belongs to this debate, then the tests."""
    mine = [c.name for c in analysis.facts.conditions if c.debate == condition and c.name in analysis.asked.conditions]
    if not figures.some(("tokens_per_question",), condition=condition):
        return
    sheet.heading(f"Controls and cost ({condition})")
    _print_conditions(figures, mine, sheet)
    saved = figures.find("early_stop_savings", condition=condition, tokens="total")
    lost = figures.find("early_stop_regret", condition=condition)
    if saved is not None and saved.estimate.value is not None:
        points = (
            f", and cost {with_bounds(lost)} points" if lost is not None and lost.estimate.value is not None else ""
        )
        sheet.line(f"Ending at the first unanimous round would save {with_bounds(saved)} % of tokens{points}.")
    _print_families([test for test in analysis.tests if test.condition in mine], sheet)


def _print_conditions(figures: Figures, conditions: Sequence[str], sheet: Sheet) -> None:
    sheet.rows(
        ["", "majority", "single", "drift", "changed", "generated", "tokens"],
        [Row(name, _cells(figures, name)) for name in conditions],
    )
    sheet.line(
        "majority, single: right in the last round; drift, changed: last round against round 1; tokens: of a question,"
        " generated ones, and with those of prompts.",
        dim=True,
    )


def print_factors(analysis: Analysis, figures: Figures, sheet: Sheet) -> None:
    """A sweep's variants, and its factors: level against level over all variants that differ in nothing else."""
    variants = [c.name for c in analysis.facts.conditions if c.is_debate and c.name in analysis.asked.conditions]
    if len(variants) < 2:
        return
    sheet.heading("Variants and factors")
    _print_conditions(figures, variants, sheet)
    _print_families([test for test in analysis.tests if not test.condition], sheet)
    sheet.line(f"What follows is of {variants[0]}; of another variant: --condition NAME.")


def _print_families(tests: Sequence[Comparison], sheet: Sheet) -> None:
    for family, title in (
        ("primary", "Primary comparisons (p adjusted by Holm)"),
        ("exploratory", "Exploratory comparisons (p adjusted by Benjamini and Hochberg)"),
    ):
        _print_tests([test for test in tests if test.family == family], title, sheet)


def _cells(figures: Figures, name: str) -> list[str]:
    of = {"condition": name}
    return [
        with_bounds(figures.find("majority_accuracy", round="last", **of)),
        value(figures.find("individual_accuracy", round="last", **of)),
        value(figures.find("martingale_drift", round="last", **of)),
        value(figures.find("change_rate", round="last", **of)),
        value(figures.find("tokens_per_question", tokens="generated", **of)),
        value(figures.find("tokens_per_question", tokens="total", **of)),
    ]


def _print_tests(tests: Sequence[Comparison], title: str, sheet: Sheet) -> None:
    shown = tests if len(tests) <= MOST else sorted(tests, key=lambda test: (test.p.p is None, test.p.p))[:MOST]
    rows = [
        Row(
            _label(test),
            [
                number(test.estimate.value, POINTS if test.estimate.low is not None or test.detectable else "1"),
                bounds(test.estimate, POINTS),
                _p(test.p.p),
                _p(test.p_adjusted),
                "" if test.detectable is None else f"{test.detectable * 100:.1f}",
                test.verdict or "",
            ],
        )
        for test in shown
        if test.estimate.value is not None
    ]
    if rows:
        sheet.line(title)
        sheet.rows(["", "points", "95 %", "p", "adjusted", "detectable", ""], rows)
    if len(shown) < len(tests):
        sheet.line(f"The {MOST} with the smallest p; {len(tests) - MOST} more: --json, --csv.", dim=True)


def _label(test: Comparison) -> str:
    """The debate itself goes without saying, under its own heading."""
    if test.first != test.condition:
        return test.name
    return f"{test.metric} − {test.second}" if test.second else f"{test.metric} against 0"


def _p(p: float | None) -> str:
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def print_limits(analysis: Analysis, sheet: Sheet) -> None:
    """The differences that the primary tests would have missed."""
    primary = [test for test in analysis.tests if test.family == "primary" and test.detectable is not None]
    sheet.heading("What the data can't show")
    for test in primary:
        assert test.detectable is not None
        sheet.line(
            f"{test.name}: of true differences of {test.detectable * 100:.1f} points one in five would be missed, of"
            f" smaller ones more (n = {test.estimate.n:,}).",
        )
    if not primary:
        sheet.line("No primary comparison could be made.")
