"""A sweep analysed: level against level over variants that differ in nothing else; what it names is primary."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import plain_metrics as plain
import pytest
from analyzed_stores import analysis_of
from store_builders import alter, copy_store
from sweep_builders import hold_sweep, load, write_sweep

from localtable.analysis.findings import Analysis
from localtable.cli.main import run
from localtable.types import Transcript

ORDERS, ROUNDS = ("fixed", "shuffled"), ("2", "3")
PRIMARY = [{"metric": "individual_accuracy", "factor": "rounds", "levels": ["3", "2"]}]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four variants and one control, on the scripted engine's own rule."""
    folder = tmp_path_factory.mktemp("sweep")
    file = write_sweep(folder, num_questions=12, primary=PRIMARY, controls=["solo-revise"])
    return hold_sweep(folder / "run.db", file)


def by_name(analysis: Analysis) -> dict[str, Any]:
    return {test.name: test for test in analysis.tests if not test.condition}


def right_at_last(transcripts: list[Transcript]) -> dict[str, float]:
    return {t.question.id: plain.mean(u.ballot.vote == "A" for u in plain.turns(t, len(t.rounds))) for t in transcripts}


def test_levels_are_compared_over_all_variants_that_differ_in_nothing_else(held: Path) -> None:
    analysis = analysis_of(held)
    test = by_name(analysis)["individual_accuracy: rounds 3 − rounds 2"]
    assert test.family == "primary"
    names = {
        (v.levels["visibility.order"], v.levels["rounds"]): v.name for v in load(held.with_name("sweep.yaml")).variants
    }
    right = {key: right_at_last(plain.read_transcripts(held, name)) for key, name in names.items()}
    assert set(right) == set(product(ORDERS, ROUNDS))
    differences = [right[order, "3"][q] - right[order, "2"][q] for order in ORDERS for q in right[order, "3"]]
    assert test.estimate.value == pytest.approx(plain.mean(differences))
    assert test.estimate.n == 12


def test_what_a_sweep_does_not_name_is_exploratory(held: Path) -> None:
    analysis = analysis_of(held)
    assert [test.name for test in analysis.tests if test.family == "primary"] == [
        "individual_accuracy: rounds 3 − rounds 2"
    ]
    others = by_name(analysis)
    assert others["majority_accuracy: visibility.order shuffled − visibility.order fixed"].family == "exploratory"
    assert others["individual_accuracy: visibility.order shuffled − visibility.order fixed"].family == "exploratory"
    assert "individual_accuracy: rounds 2 − rounds 3" not in others


def test_a_named_contrast_that_can_not_be_made_is_told(held: Path, tmp_path: Path) -> None:
    copy = copy_store(held, tmp_path / "copy.db")
    named = [{"metric": "brier", "factor": "rounds", "levels": ["3", "2"]}, {**PRIMARY[0], "levels": ["3", "4"]}]
    alter(copy, f"UPDATE run SET sweep = json_set(sweep, '$.primary', json('{json.dumps(named)}'))")
    analysis = analysis_of(copy)
    said = [note for note in analysis.notes if note.startswith("primary contrast of the sweep, not tested")]
    assert len(said) == 2
    assert "brier by rounds: conditions are compared by majority_accuracy, individual_accuracy" in said[0]
    assert "rounds 3 − rounds 4: no two variants that differ in it alone have it" in said[1]
    assert all(test.family == "exploratory" for test in analysis.tests)


def test_a_sweep_is_shown_by_its_variants_and_factors(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(held)]) == 0
    shown = capsys.readouterr().out
    first = load(held.with_name("sweep.yaml")).variants[0].name
    assert "Variants and factors" in shown
    assert f"What follows is of {first}; of another variant: --condition NAME." in shown
    assert shown.count("\nWhat changed (") == 1
    assert run(["methods", str(held)]) == 0
    said = capsys.readouterr().out
    assert "The run is a sweep over visibility.order (fixed, shuffled) and rounds (2, 3) in 4 variants" in said
