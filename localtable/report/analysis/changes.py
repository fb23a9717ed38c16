"""What changed: who was right from round to round, who moved whom, and what debate gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.analysis.findings import Analysis, Finding
from localtable.report.analysis.figures import NOTHING, Figures, bounds, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

_BY_ROUND = (
    ("single seats right", "individual_accuracy"),
    ("majority right", "majority_accuracy"),
    ("some seat right", "oracle_accuracy"),
    ("all seats agree", "unanimity_rate"),
    ("votes changed", "change_rate"),
    ("wrong, then right", "correction_rate"),
    ("right, then wrong", "vulnerability"),
    ("drift, points", "martingale_drift"),
)
_WHOLE: Sequence[tuple[str, str, Mapping[str, int | str]]] = (
    ("vote gain: first majority − single seats", "vote_gain", {}),
    ("debate gain: last majority − first", "debate_gain", {}),
    ("best single model, cross-fitted", "best_single_accuracy", {}),
    ("panel gain: last majority − that model", "panel_gain", {}),
    ("wrong first majorities that recover", "majority_wrong_recovery", {}),
    ("right first majorities that are lost", "majority_right_loss", {}),
    ("drift from first round to last", "martingale_drift", {"round": "last"}),
    ("adopts the others' mode where it is right", "modal_adoption", {"mode": "right"}),
    ("adopts the others' mode where it is wrong", "modal_adoption", {"mode": "wrong"}),
    ("stays right against a wrong mode", "independence_rate", {}),
    ("takes a peer's differing vote", "conformity", {}),
    ("adopts a scripted seat's vote", "confederate_adoption", {}),
    ("changes that name a peer", "persuaded_by_named", {}),
    ("of these, to what that peer had voted", "persuaded_by_adopted", {}),
    ("changes by reading, before a word is said", "change_by_reading", {"round": "last"}),
    ("changes by the seat's own statement", "change_by_speaking", {"round": "last"}),
    ("divided first rounds that end unanimous", "disagreement_collapse_rate", {}),
    ("… on a wrong option", "disagreement_collapse_rate", {"onto": "wrong"}),
    ("rounds until nobody changes", "rounds_to_stability", {}),
    ("still changing in the last round", "unsettled_rate", {}),
)


def print_changes(analysis: Analysis, figures: Figures, condition: str, sheet: Sheet) -> None:
    """Round by round, over the whole debate, by model and by how the first votes stood."""
    rounds = rounds_of(analysis, figures, condition)
    if not rounds:
        return
    sheet.heading(f"What changed ({condition})")
    sheet.by_round(
        [
            Row(label, [with_bounds(figures.find(name, condition=condition, round=number)) for number in rounds])
            for label, name in _BY_ROUND
            if figures.some((name,), condition=condition)
        ],
        rounds,
    )
    print_found(
        [
            (label, finding)
            for label, name, by in _WHOLE
            if (finding := figures.find(name, condition=condition, **by)) is not None
        ],
        sheet,
    )
    for dimension in ("model", "agreement"):
        _print_split(figures, condition, dimension, sheet)


def rounds_of(analysis: Analysis, figures: Figures, condition: str) -> list[int]:
    """The rounds of which there is any figure."""
    facts = next(c for c in analysis.facts.conditions if c.name == condition)
    names = ("change_rate", "individual_accuracy", "unanimity_rate", "rule_decision_rate")
    return [n for n in range(1, facts.panel.rounds + 1) if figures.some(names, condition=condition, round=n)]


def print_found(found: Sequence[tuple[str, Finding]], sheet: Sheet) -> None:
    """A line for each figure that has a value: value, interval, questions, verdict."""
    rows = [
        Row(
            label,
            [
                value(finding),
                bounds(finding.estimate, finding.metric.unit),
                f"{finding.estimate.n:,}",
                finding.verdict or "",
            ],
        )
        for label, finding in found
        if finding.estimate.value is not None
    ]
    if rows:
        sheet.rows(["", "", "95 %", "n", ""], rows)


def _print_split(figures: Figures, condition: str, dimension: str, sheet: Sheet) -> None:
    """Single seats by model, the panel by initial agreement."""
    names = {"model": ("individual_accuracy",), "agreement": ("majority_accuracy", "debate_gain")}[dimension]
    labels = {
        str(finding.by[dimension]): finding
        for finding in figures.each(names[0], dimension, condition=condition, round=1)
    }
    if len(labels) < 2:
        return
    rows = []
    for label, finding in labels.items():
        of = {"condition": condition, dimension: label}
        cells = [with_bounds(figures.find(names[0], round=which, **of)) for which in (1, "last")]
        gain = figures.find("debate_gain", **of) if dimension == "agreement" else None
        rows.append(Row(label, [f"{finding.estimate.n:,}", *cells, NOTHING if gain is None else with_bounds(gain)]))
    title = {"model": "single seats", "agreement": "majority"}[dimension]
    sheet.rows([title, "n", "first", "last", "gain"], rows)
    if dimension == "agreement":
        sheet.line("4:2 has four first votes for one option and two for another.", dim=True)
