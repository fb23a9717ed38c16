"""Stores that several tests analyse, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders import make_panel, make_question
from store_builders import NAMED, hold_suite

from localtable.analysis.analyze import analyze
from localtable.analysis.findings import Analysis, Comparison, Finding
from localtable.report.stored import read_run
from localtable.types import Question

SEATS = ("Ada", "Bob", "Cy", "Dee", "Eve")


def questions(number: int, *, answers: bool = True) -> list[Question]:
    """Two, three and four options; every fifth without an answer; two tags, and a passage for three questions each."""
    options = ("Yes", "No", "Maybe", "Never")
    return [
        make_question(
            *options[: 2 + i % 3],
            id=f"q{i}",
            question=f"Is it {i}?",
            answer="ABC"[i % (2 + i % 2)] if answers and i % 5 else None,
            tags=[("easy", "hard")[i % 2], f"passage:{i // 3}"],
        )
        for i in range(number)
    ]


def random_store(folder: Path, number: int = 24, **changes: Any) -> Path:
    """Five seats on two models that vote at random, three rounds, two repeats, two controls of self-consistency."""
    folder.mkdir(parents=True, exist_ok=True)
    names = changes.pop("names", SEATS)
    controls: Sequence[str] = changes.pop("controls", ("self-consistency", "solo-revise"))
    repeats: int = changes.pop("repeats", 2)
    panel = make_panel(folder, *names, cards=NAMED, **{"rounds": 3, **changes})
    return hold_suite(folder / "run.db", panel, questions(number), controls=controls, repeats=repeats)


def analysis_of(path: Path, *conditions: str, **options: Any) -> Analysis:
    return analyze(*read_run(path, conditions), **options)


def finding(analysis: Analysis, name: str, **by: int | str) -> Finding:
    """The one figure of exactly this; the condition is the debate unless said."""
    wanted = {"condition": "debate", **by}
    (found,) = [f for f in analysis.findings if f.metric.name == name and dict(f.by) == wanted]
    return found


def value(analysis: Analysis, name: str, **by: int | str) -> float:
    found = finding(analysis, name, **by).estimate.value
    assert found is not None
    return found


def comparison(analysis: Analysis, name: str) -> Comparison:
    (found,) = [test for test in analysis.tests if test.name == name]
    return found
