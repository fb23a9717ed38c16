"""A sweep analysed: level against level over variants that differ in nothing else; what it names is primary."""

from __future__ import annotations

import io
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import plain_metrics as plain
import pytest
from analyzed_stores import analysis_of
from builders import write_script
from rich.console import Console
from store_builders import alter, copy_store
from sweep_builders import hold_sweep, load, write_sweep

from localtable.analysis.findings import Analysis
from localtable.api import analyze
from localtable.cli.main import run
from localtable.report.analysis import print_analysis
from localtable.types import Transcript

ORDERS, ROUNDS = ("fixed", "shuffled"), ("2", "3")
PRIMARY = [{"metric": "individual_accuracy", "factor": "rounds", "levels": ["3", "2"]}]
UNMADE = [{**PRIMARY[0], "levels": ["3", "4"]}]
OF_ROUNDS = ("majority_accuracy: rounds 3 − rounds 2", "individual_accuracy: rounds 3 − rounds 2")


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


def test_what_the_sweep_is_for_stands_first_with_all_that_a_reader_needs(
    held: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = next(test for test in analysis_of(held).tests if test.family == "primary")
    assert run(["analyze", str(held)]) == 0
    shown = capsys.readouterr().out
    answer = shown.split("\nWhat the sweep is for\n")[1].split("\n\n")[0]
    (line,) = [line for line in answer.splitlines() if line.startswith("individual_accuracy: rounds 3 − 2 ")]
    estimate = test.estimate
    assert estimate.value is not None and estimate.low is not None and estimate.high is not None
    assert f"{estimate.value * 100:+.1f}" in line
    assert f"[{estimate.low * 100:+.1f}, {estimate.high * 100:+.1f}]" in line
    assert f"{test.p.p:.3f}  " in line
    assert f"{test.p_adjusted:.3f}" in line
    assert test.detectable is not None
    assert f"{test.detectable * 100:.1f}" in line
    assert "Primary comparisons" in answer
    assert shown.count("Primary comparisons") == 1
    factors = shown.split("\nFactors\n")[1].split("\nVariants\n")[0]
    row = next(line for line in factors.splitlines() if line.startswith("rounds 3 − 2 ")).split()
    assert row[4:6] == [f"{100 * by_name(analysis_of(held))[name].estimate.value + 0.0:+.1f}" for name in OF_ROUNDS]


def test_levels_named_the_other_way_round_share_a_row(held: Path, tmp_path: Path) -> None:
    copy = copy_store(held, tmp_path / "copy.db")
    turned = [{**PRIMARY[0], "levels": ["2", "3"]}]
    alter(copy, f"UPDATE run SET sweep = json_set(sweep, '$.primary', json('{json.dumps(turned)}'))")
    rows = [
        next(
            line.split()
            for line in page(path).split("\nFactors\n")[1].splitlines()
            if line.startswith(f"rounds {a} − ")
        )
        for path, a in ((held, 3), (copy, 2))
    ]
    assert "rounds 3 − 2" not in page(copy).split("\nFactors\n")[1].split("Exploratory")[0]
    assert [float(cell.rstrip("*")) for cell in rows[1][4:]] == [-float(cell.rstrip("*")) for cell in rows[0][4:]]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_sweep_s_page_fits_and_nothing_of_it_is_cut(held: Path, width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    print_analysis(analysis_of(held), console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line and not line.lstrip().startswith("…") for line in lines)
    legend = [line.split() for line in lines if re.match(r"V\d +(fixed|shuffled) ", line)]
    assert [row[:3] for row in legend] == [
        [f"V{n}", *levels] for n, levels in enumerate(product(ORDERS, ROUNDS), start=1)
    ]


def test_numbers_of_variants_are_those_of_the_whole_run(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = load(held.with_name("sweep.yaml")).variants[2].name
    assert run(["analyze", str(held), "--condition", third]) == 0
    shown = capsys.readouterr().out
    assert "What changed (V3)" in shown
    assert re.search(r"^V3 +shuffled +2 ", shown, flags=re.MULTILINE)
    assert "V1" not in shown
    data = analyze(held, conditions=[third])
    assert data["asked"]["conditions"] == [third], "files have the names that commands take"


def test_a_sweep_without_a_primary_comparison_says_so(held: Path, tmp_path: Path) -> None:
    copy = copy_store(held, tmp_path / "copy.db")
    alter(copy, "UPDATE run SET sweep = json_set(sweep, '$.primary', json('[]'))")
    shown = page(copy)
    assert "It names no primary comparison: all that follows is exploratory." in shown
    assert "No primary comparison could be made." in shown
    alter(copy, f"UPDATE run SET sweep = json_set(sweep, '$.primary', json('{json.dumps(UNMADE)}'))")
    answer = page(copy).split("\nWhat the sweep is for\n")[1].split("\n\n")[0]
    assert "Primary contrast of the sweep, not tested: individual_accuracy: rounds 3 − rounds 4: no two" in answer


def test_a_primary_comparison_in_which_no_question_differs_was_made_all_the_same(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, primary=PRIMARY)
    script = write_script(tmp_path, {"vote": "A"})
    shown = page(hold_sweep(tmp_path / "run.db", file, engine_arguments={"script": str(script)}))
    assert "individual_accuracy: rounds 3 − 2: no question differs, so that nothing says what could" in shown
    assert re.search(r"^- V1: \d+ of 16 ballots", shown, flags=re.MULTILINE)
    assert "- 3 notes on other variants: --json or --csv" in shown
    assert "No primary comparison" not in shown


def page(store: Path) -> str:
    console = Console(file=io.StringIO(), width=160, highlight=False)
    print_analysis(analysis_of(store), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_sweep_is_shown_by_its_variants_and_factors(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(held)]) == 0
    shown = capsys.readouterr().out
    heads = ("What was run", "What the sweep is for", "Validity", "Factors", "Variants", "What changed (V1)", "Notes")
    places = [shown.index(f"\n{head}\n") for head in heads]
    assert places == sorted(places)
    first = load(held.with_name("sweep.yaml")).variants[0].name
    assert f"What follows is of V1; of another variant: --condition and its name, as {first!r}." in shown
    assert shown.count("\nWhat changed (") == 1
    assert shown.count(first) == 1, "elsewhere it goes by its number"
    assert "No primary comparison" not in shown
    assert run(["methods", str(held)]) == 0
    said = capsys.readouterr().out
    assert "a full factorial design of visibility.order (fixed, shuffled) and rounds (2, 3): 4 variants" in said


def test_where_hardly_any_question_differs_little_could_have_been_found(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, num_questions=12, primary=PRIMARY)
    script = write_script(tmp_path, {"question": "q0", "round": 3, "vote": "B"}, {"vote": "A"})
    analysis = analysis_of(hold_sweep(tmp_path / "run.db", file, engine_arguments={"script": str(script)}))
    (test,) = [test for test in analysis.tests if test.family == "primary"]
    low, high = test.estimate.low, test.estimate.high
    assert test.estimate.value == pytest.approx(-1 / 12)
    assert low is not None and high is not None
    # Eleven differences of 0 and one of −1 have a standard error of 1/12; the interval knows that it may be more.
    allowed = (1.959964 + 0.841621) * (high - low) / 2 / 2.200985
    assert test.detectable == pytest.approx(allowed, rel=1e-5)
    assert allowed > (1.959964 + 0.841621) / 12
