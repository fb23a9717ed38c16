"""The page: what was run, what is valid, what changed, beside controls; then what the data can't show."""

from __future__ import annotations

from rich.console import Console

from localtable.analysis.findings import Analysis
from localtable.analysis.notes import PARTS
from localtable.report.analysis import changes, comparisons, header, influence, listing, qualities, validity
from localtable.report.analysis.figures import Figures
from localtable.report.analysis.labels import with_short_names
from localtable.report.analysis.sheet import Sheet
from localtable.report.analysis.terminal_sheet import TerminalSheet, roomy


def print_analysis(analysis: Analysis, console: Console) -> None:
    """Print an analysis; nothing in names can steer the terminal."""
    put_analysis(analysis, TerminalSheet(roomy(console)))


def put_analysis(analysis: Analysis, sheet: Sheet) -> None:
    """Put an analysis on a sheet.

    With families named every figure of theirs is listed, in place of the chosen ones.
    """
    analysis = with_short_names(analysis)
    figures = Figures(analysis)
    header.print_run(analysis, sheet)
    comparisons.print_answer(analysis, sheet)
    if analysis.asked.families:
        for family in analysis.asked.families:
            listing.print_family(analysis, family, sheet)
    else:
        mains = _mains(analysis)
        validity.print_validity(analysis, figures, mains, sheet)
        comparisons.print_factors(analysis, figures, sheet)
        for condition in mains:
            changes.print_changes(analysis, figures, condition, sheet)
            influence.print_influence(analysis, figures, condition, sheet)
            comparisons.print_controls(analysis, figures, condition, sheet)
            qualities.print_agreement(figures, condition, analysis, sheet)
            qualities.print_calibration(figures, condition, analysis, sheet)
            qualities.print_bias(figures, condition, sheet)
            qualities.print_rules(figures, condition, sheet)
        for dimension in analysis.asked.by:
            listing.print_dimension(figures, dimension, mains, sheet)
    comparisons.print_limits(analysis, sheet)
    if analysis.notes:
        sheet.heading("Notes")
        of_parts = [note for note in analysis.notes if note.startswith(PARTS)]
        of_others = [note for note in analysis.notes if note.startswith(_of_other_variants(analysis))]
        for note in analysis.notes:
            if note not in of_parts and note not in of_others:
                sheet.line(f"- {note}")
        for left_out, what in ((of_parts, "what parts lack"), (of_others, "other variants")):
            if left_out:
                sheet.line(f"- {len(left_out):,} notes on {what}: --json or --csv")


def _of_other_variants(analysis: Analysis) -> tuple[str, ...]:
    """How notes begin that a sweep's page has no room for: each says of a variant what it says of the shown one."""
    if analysis.facts.run.sweep is None:
        return ()
    shown = set(_mains(analysis))
    return tuple(f"{c.name}: " for c in analysis.facts.conditions if c.debate not in shown)


def _mains(analysis: Analysis) -> list[str]:
    """The debate; of a sweep its first variant; of a run that was asked for its controls alone, the first of these."""
    debates = [c.name for c in analysis.facts.conditions if c.name in analysis.asked.conditions and c.is_debate]
    return (debates or list(analysis.asked.conditions))[:1]
