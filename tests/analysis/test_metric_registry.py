"""Every metric is what its page says, and gives figures or a reason on any store."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from analyzed_stores import analysis_of, random_store
from builders import make_panel
from store_builders import NAMED, hold_suite, mixed_store, suite

from localtable.analysis.families import FAMILIES
from localtable.analysis.findings import Analysis
from localtable.analysis.metrics.metric import Metric
from localtable.analysis.metrics.registry import METRICS
from localtable.cli import analyze as command

PAGE = (Path(__file__).resolve().parents[2] / "docs/analysis.md").read_text("utf-8")
CONTRACT = {
    *("individual_accuracy", "majority_accuracy", "oracle_accuracy", "correction_rate", "vulnerability"),
    *("change_rate", "modal_adoption", "unanimity_rate", "fleiss_kappa", "krippendorff_alpha", "error_agreement"),
    *("effective_votes", "ece", "brier", "truncation_rate", "failure_rate"),
}
"""The names that the design promises."""


def row(metric: Metric) -> str:
    """A metric's line in the page."""
    formula, source = (text.replace("|", "\\|") for text in (metric.formula, metric.source))
    return f"| `{metric.name}` | {metric.unit} | {formula} | {metric.ballot} | {source} |"


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_the_page_says_what_the_metrics_say(metric: Metric) -> None:
    assert f"\n{row(metric)}\n" in PAGE, f"docs/analysis.md should have\n{row(metric)}"


def test_all_names_that_are_promised_are_there() -> None:
    assert set(METRICS) >= CONTRACT
    assert all(name == metric.name for name, metric in METRICS.items())


def test_families_are_the_same_on_the_command_line() -> None:
    assert command.FAMILIES == FAMILIES
    assert {metric.family for metric in METRICS.values()} == set(FAMILIES)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Failed debates, ties, both ballots, thinking, repeats, questions without an answer."""
    return analysis_of(mixed_store(tmp_path_factory.mktemp("mixed")), by=["tag", "model", "seat", "agreement"])


def test_every_metric_has_a_figure_in_every_condition(mixed: Analysis) -> None:
    conditions = {facts.name for facts in mixed.facts.conditions}
    for metric in METRICS.values():
        found = {finding.by.get("condition") for finding in mixed.findings if finding.metric is metric}
        assert found == {"conditions": conditions, "debates": {"debate"}, "run": {None}}[metric.scope], metric.name


def test_no_figure_stands_twice(mixed: Analysis) -> None:
    keys = [(finding.metric.name, *sorted(finding.by.items(), key=str)) for finding in mixed.findings]
    assert len(set(keys)) == len(keys)


def test_a_missing_number_has_its_reason_beside_it_and_in_the_notes(mixed: Analysis) -> None:
    said = "\n".join(mixed.notes)
    for finding in mixed.findings:
        estimate = finding.estimate
        for number in (estimate.value, estimate.low, estimate.high):
            assert number is None or math.isfinite(number)
        if estimate.value is None:
            assert estimate.reason is not None
            assert estimate.reason in said
            assert any(finding.metric.name in note for note in mixed.notes if estimate.reason in note)


def test_intervals_hold_their_value_and_stay_in_range(mixed: Analysis) -> None:
    biased = {"ece", "ece_equal_mass"}  # their interval takes off what chance adds
    for finding in mixed.findings:
        value, low, high = finding.estimate.value, finding.estimate.low, finding.estimate.high
        if low is None or high is None or value is None:
            continue
        assert low <= high
        if finding.metric.name not in biased:
            assert low - 1e-9 <= value <= high + 1e-9, finding
        if finding.metric.unit == "share":
            assert 0 <= low <= high <= 1, finding


def test_parts_add_up(tmp_path: Path) -> None:
    analysis = analysis_of(random_store(tmp_path, repeats=1), by=["tag", "model", "seat", "agreement"])

    def parts(name: str, key: str) -> list[float]:
        found = [f for f in analysis.findings if f.metric.name == name and f.part == key and f.by.get("round") == 1]
        return [f.estimate.value for f in found if f.by["condition"] == "debate" and f.estimate.value is not None]

    assert len(parts("individual_accuracy", "seat")) == 5
    assert len(parts("individual_accuracy", "model")) == 2
    assert len(parts("majority_accuracy", "agreement")) > 2
    (whole,) = [
        f.estimate.value
        for f in analysis.findings
        if f.metric.name == "individual_accuracy" and dict(f.by) == {"condition": "debate", "round": 1}
    ]
    assert sum(parts("individual_accuracy", "seat")) / 5 == pytest.approx(whole)
    assert {f.by["tag"] for f in analysis.findings if f.part == "tag"} >= {"easy", "hard"}


def test_the_same_store_gives_the_same_analysis(tmp_path: Path) -> None:
    path = random_store(tmp_path, number=12, repeats=1)
    first, second = analysis_of(path), analysis_of(path)
    assert first.findings == second.findings
    assert first.tests == second.tests


def test_adding_conditions_changes_no_figure(tmp_path: Path) -> None:
    path = random_store(tmp_path, number=12, repeats=1)
    alone, beside = analysis_of(path, "debate"), analysis_of(path)
    ours = {f.metric.name: f for f in alone.findings if f.part is None}
    others = {"self_consistency_accuracy", "compute_matched_gain"}  # they are of another condition
    for finding in beside.findings:
        if finding.by.get("condition") == "debate" and finding.part is None and finding.metric.name not in others:
            same = [f for f in alone.findings if f.metric is finding.metric and f.by == finding.by]
            assert same == [finding]
    assert ours


def test_a_panel_of_many_seats_lists_no_pairs(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *(f"Seat {number}" for number in range(13)), cards=NAMED, rounds=1)
    analysis = analysis_of(hold_suite(tmp_path / "run.db", panel, suite(6)))
    (kappa,) = [f for f in analysis.findings if f.metric.name == "cohen_kappa"]
    assert kappa.estimate.reason == "13 seats have too many pairs to list: 12 at most"
