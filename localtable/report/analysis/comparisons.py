"""The debate beside its controls, what was tested, and what such tests could not have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.analysis.findings import Analysis, Comparison
from localtable.analysis.notes import NOT_TESTED
from localtable.report.analysis.figures import NOTHING, Figures, bounds, number, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

POINTS = "difference of shares"
MOST = 12
"""Exploratory comparisons that are shown."""
SIGNIFICANT, STAR = 0.05, "*"
PRIMARY = "Primary comparisons (p adjusted by Holm)"
EXPLORATORY = "Exploratory comparisons (p adjusted by Benjamini and Hochberg)"
_SHORT: Mapping[str, str] = {
    "majority_accuracy": "majority",
    "individual_accuracy": "single",
    "unanimity_rate": "agree",
    "change_rate": "changed",
    "martingale_drift": "drift",
    "correction_rate": "w → r",
    "vulnerability": "r → w",
}
"""What a metric that conditions are compared by is called in a column."""


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


def print_answer(analysis: Analysis, sheet: Sheet) -> None:
    """What a sweep was made for, before anything else is said; nothing of a plain suite, which has a page's order."""
    sweep = analysis.facts.run.sweep
    if sweep is None:
        return
    sheet.heading("What the sweep is for")
    if not sweep["primary"]:
        sheet.line("It names no primary comparison: all that follows is exploratory.")
    _print_tests([test for test in analysis.tests if test.family == "primary"], PRIMARY, sheet)
    for note in analysis.notes:
        if note.startswith(NOT_TESTED):
            sheet.line(f"{note[:1].upper()}{note[1:]}.")


def print_factors(analysis: Analysis, figures: Figures, sheet: Sheet) -> None:
    """A sweep's factors, level against level over all variants that differ in nothing else; then its variants."""
    variants = [name for name in _debates(analysis) if name in analysis.asked.conditions]
    if len(variants) < 2:
        return
    sheet.heading("Factors")
    of_factors = [test for test in analysis.tests if not test.condition]
    _print_differences(of_factors, sheet)
    _print_tests([test for test in of_factors if test.family == "exploratory"], EXPLORATORY, sheet)
    sheet.heading("Variants")
    _print_conditions(figures, variants, sheet)
    first = next(
        row.name for row, c in zip(analysis.facts.run.variants, _debates(analysis), strict=True) if c in variants
    )
    sheet.line(f"What follows is of {variants[0]}; of another variant: --condition and its name, as {first!r}.")


def _debates(analysis: Analysis) -> list[str]:
    """In the order of a sweep's variants."""
    return [c.name for c in analysis.facts.conditions if c.is_debate]


def _print_differences(tests: Sequence[Comparison], sheet: Sheet) -> None:
    """All differences of levels at a glance: a row for each two levels, a column for each metric."""
    found: list[dict[str, Comparison]] = []
    for test in tests:
        same = next((of for of in found if _same_levels(test, next(iter(of.values())))), None)
        if same is None:
            found.append({test.metric: test})
        else:
            same[test.metric] = test
    rows = []
    for of_metric in found:
        first = next(iter(of_metric.values()))
        cells = [_difference(of_metric.get(metric), first) for metric in _SHORT]
        rows.append(Row(f"{first.first} − {first.second}", cells))
    if rows:
        sheet.rows(["points", *_SHORT.values()], rows)
        sheet.line(
            "majority, single: that are right; agree: all seats do; w → r: of seats that were wrong, those that are"
            f" right in the end; r → w: the other way. {STAR}: adjusted p below 5 %.",
            dim=True,
        )


def _same_levels(one: Comparison, other: Comparison) -> bool:
    """Whether they compare the same two; primary ones may do it the other way round: `tally hidden − shown`."""
    if (one.first, one.second) == (other.first, other.second):
        return True
    factors = one.first.removesuffix(f" {other.second}"), other.first.removesuffix(f" {one.second}")
    return factors[0] == factors[1] and factors != (one.first, other.first)


def _difference(test: Comparison | None, like: Comparison) -> str:
    """In points, as the levels stand in the row's first comparison."""
    if test is None or test.estimate.value is None:
        return NOTHING
    star = STAR if test.p_adjusted is not None and test.p_adjusted < SIGNIFICANT else ""
    sign = 1 if test.second == like.second else -1
    return f"{number(sign * test.estimate.value, POINTS)}{star}"


def _print_families(tests: Sequence[Comparison], sheet: Sheet) -> None:
    for family, title in (("primary", PRIMARY), ("exploratory", EXPLORATORY)):
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
    primary = [test for test in analysis.tests if test.family == "primary"]
    sheet.heading("What the data can't show")
    for test in primary:
        n = f"n = {test.estimate.n:,}"
        if test.estimate.value is None:
            sheet.line(f"{test.name}: no figure: {test.estimate.reason}.")
        elif test.detectable is None:
            sheet.line(f"{test.name}: no question differs, so that nothing says what could have been found ({n}).")
        else:
            sheet.line(
                f"{test.name}: of true differences of {test.detectable * 100:.1f} points one in five would be missed,"
                f" of smaller ones more ({n}).",
            )
    if not primary:
        sheet.line("No primary comparison could be made.")
