"""An analysis on a terminal: what fits, what is folded, that nothing is cut off or lost."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from analyzed_stores import analysis_of, random_store
from rich.console import Console

from localtable.analysis.findings import Analysis
from localtable.analysis.metrics.registry import METRICS
from localtable.report.analysis import print_analysis, print_explanation


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    controls = ("self-consistency", "solo-revise", "noise-peers", "votes-only")
    path = random_store(
        tmp_path_factory.mktemp("page"), number=16, rounds=5, repeats=1, controls=controls, ballot={"orders": "2"}
    )
    return analysis_of(path, by=["tag", "model", "seat", "agreement"])


def screen(analysis: Analysis, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, highlight=False)
    print_analysis(analysis, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_line_fits(analysis: Analysis, width: int) -> None:
    lines = screen(analysis, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line and not line.lstrip().startswith("…") for line in lines), "nothing is cut"


def test_rounds_without_room_are_named(analysis: Analysis) -> None:
    narrow, wide = "\n".join(screen(analysis, 80)), "\n".join(screen(analysis, 200))
    assert "No room for round 3, 4" in narrow
    assert "No room for round" not in wide
    for text in (narrow, wide):
        assert "round 1" in text
        assert "round 5" in text


def test_numbers_are_the_same_at_any_width(analysis: Analysis) -> None:
    def gains(lines: list[str]) -> list[str]:
        return next(line.split()[-4:] for line in lines if line.startswith("debate gain"))

    assert gains(screen(analysis, 80)) == gains(screen(analysis, 200))


def test_a_long_name_of_a_condition_has_a_line_of_its_own(analysis: Analysis) -> None:
    lines = screen(analysis, 80)
    at = lines.index("self-consistency:small")
    assert lines[at + 1].startswith("  ")
    assert "[" in lines[at + 1]


def test_a_file_is_no_terminal_and_has_room(analysis: Analysis) -> None:
    assert screen(analysis, 20, terminal=False) == screen(analysis, 160)


def test_every_metric_can_be_explained(tmp_path: Path) -> None:
    analysis = analysis_of(random_store(tmp_path, number=6, rounds=2, repeats=1))
    for metric in METRICS.values():
        console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, highlight=False)
        print_explanation(metric, analysis, console)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert lines[0] == metric.name
        assert max(map(len, lines)) <= 80
        assert " ".join(metric.formula.split()) in " ".join(" ".join(lines).split())
