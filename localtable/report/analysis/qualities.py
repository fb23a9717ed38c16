"""Agreement, calibration, bias and rules: the rest of the page, each in a table of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.analysis.findings import Analysis
from localtable.report.analysis.changes import print_found, rounds_of
from localtable.report.analysis.figures import NOTHING, Figures, number, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

By = Mapping[str, int | str]

_AGREEMENT: Sequence[tuple[str, str, By]] = (
    ("pairs that agree", "pairwise_agreement", {}),
    ("above chance 1/k", "chance_corrected_agreement", {}),
    ("Fleiss' κ", "fleiss_kappa", {}),
    ("Krippendorff's α", "krippendorff_alpha", {}),
    ("vote entropy, nats", "vote_entropy", {}),
    ("same wrong option", "error_agreement", {}),
    ("… by chance", "error_agreement_chance", {}),
    ("error correlation", "error_correlation", {}),
    ("… within questions", "error_correlation_components", {"part": "within"}),
    ("… between them", "error_correlation_components", {"part": "between"}),
    ("effective votes", "effective_votes", {}),
    ("independent jury", "jury_accuracy", {}),
    ("majority − jury", "jury_gap", {}),
)
_CALIBRATION = (
    ("ECE", "ece"),
    ("Brier score", "brier"),
    ("confidence − right", "overconfidence"),
    ("AUROC", "auroc"),
    ("AURC", "aurc"),
)
_RULES = ("rule_accuracy", "rule_decision_rate", "rule_tie_rate", "condorcet_efficiency")


def print_agreement(figures: Figures, condition: str, analysis: Analysis, sheet: Sheet) -> None:
    """How much seats agree and err together, by round."""
    rounds = rounds_of(analysis, figures, condition)
    rows = [
        Row(label, [with_bounds(figures.find(name, condition=condition, round=n, **by)) for n in rounds])
        for label, name, by in _AGREEMENT
        if figures.some((name,), condition=condition, **by)
    ]
    if rows:
        sheet.heading(f"Agreement ({condition})")
        sheet.by_round(rows, rounds)


def print_calibration(figures: Figures, condition: str, analysis: Analysis, sheet: Sheet) -> None:
    """Of seats' votes and of the panel's share of votes, by round."""
    rounds = rounds_of(analysis, figures, condition)
    rows = [
        Row(f"{label}, {of}", [with_bounds(figures.find(name, condition=condition, of=of, round=n)) for n in rounds])
        for of in ("seat", "panel")
        for label, name in _CALIBRATION
        if figures.some((name,), condition=condition, of=of)
    ]
    if rows:
        sheet.heading(f"Calibration ({condition})")
        sheet.by_round(rows, rounds)
        sheet.line(
            "seat: probability of its vote; panel: share of votes, shared first places left out. Of ECE believe the"
            " interval: the value is too high by chance.",
            dim=True,
        )


def print_bias(figures: Figures, condition: str, sheet: Sheet) -> None:
    """What flips with the order of options, which letters and slots are preferred, whether the first speaker leads."""
    of = {"condition": condition}
    wanted: Sequence[tuple[str, str, By]] = [
        ("votes that flip with the order of options", "order_flip_rate", {"pooled": "none"}),
        ("… of pools of half the orders", "order_flip_rate", {"pooled": "halves"}),
        ("… of the pool of all, one order left out", "order_flip_rate", {"pooled": "all but one"}),
        ("votes that pooling the orders changes", "pooling_change_rate", {}),
        ("RStd of recall, orders pooled", "recall_spread", {"orders": "pooled", "round": "last"}),
        ("RStd of recall, the question's own order", "recall_spread", _own_order(figures, condition)),
        ("first speaker − others, points", "first_speaker_effect", {}),
    ]
    found = [(label, finding) for label, name, by in wanted if (finding := figures.find(name, **of, **by)) is not None]
    letters = [f for f in figures.each("letter_bias", "letter", round="last", **of) if f.estimate.value is not None]
    slots = [f for f in figures.each("slot_bias", "slot", **of) if f.estimate.value is not None]
    if not letters and not any(finding.estimate.value is not None for _, finding in found):
        return
    sheet.heading(f"Bias ({condition})")
    print_found(found, sheet)
    for title, findings, key in (
        ("chosen more often than right, points, by letter", letters, "letter"),
        ("chosen more often than by chance, points, by slot", slots, "slot"),
    ):
        if findings:
            cells = ", ".join(f"{finding.by[key]} {value(finding)}" for finding in findings)
            sheet.line(f"{title}: {cells}")


def _own_order(figures: Figures, condition: str) -> By:
    """Asked in one order the last round's is the question's own; asked in several that is a figure of all rounds."""
    several = figures.find("recall_spread", condition=condition, orders="own")
    return {"orders": "own"} if several is not None else {"orders": "own", "round": "last"}


def print_rules(figures: Figures, condition: str, sheet: Sheet) -> None:
    """Every rule on the last round's ballots."""
    of: By = {"condition": condition, "round": "last"}
    rules = [str(finding.by["rule"]) for finding in figures.each("rule_decision_rate", "rule", **of)]
    rows = [Row(rule, _rule_cells(figures, rule, of)) for rule in rules]
    if rows:
        sheet.heading(f"Decision rules on the last round ({condition})")
        sheet.rows(["", "right", "decides", "ties", "Condorcet"], rows)
        sheet.line(
            "right: a tie counts 1 ÷ winners, no decision is wrong. Condorcet: Condorcet winners that are elected."
            " `localtable tally` has margins and where rules differ.",
            dim=True,
        )


def _rule_cells(figures: Figures, rule: str, of: By) -> Sequence[str]:
    right, *rest = (figures.find(name, rule=rule, **of) for name in _RULES)
    return [with_bounds(right), *(NOTHING if f is None else number(f.estimate.value, f.metric.unit) for f in rest)]
