"""A run's models sit where its plan has said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localtable.config import load_card
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.planning import plan_inputs, tokenizers_here
from localtable.runner.session import seat_run
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.plan import make_plan
from localtable.types import Card, FileSource, Panel, Question, Sampling, Seat, Stop


def copies(folder: Path, names: str) -> list[Card]:
    card = replace(load_card("smollm2-135m-instruct"), sources=(FileSource(str(folder)),))
    return [replace(card, id=name) for name in names]


@pytest.mark.parametrize(
    ("gpus", "moderator", "swaps"),
    [("3.5GiB", False, True), ("3.5GiB", True, True), ("12GiB", False, False), ("12GiB", True, False)],
)
def test_a_run_takes_the_places_of_its_plan(
    smollm2_folder: Path, tmp_path: Path, gpus: str, moderator: bool, swaps: bool
) -> None:
    """Also where it has to be reckoned which of several ways is the quickest."""
    one, two, judge = copies(smollm2_folder, "abj")
    seats = tuple(Seat(card.id, card, Sampling(max_tokens=400)) for card in (one, two))
    panel = Panel("copies", seats, rounds=2, stop=Stop("never"), moderator=judge if moderator else None)
    questions = [Question(f"q{i}", f"Which of these is it? {i} " * 10, ("Yes", "No")) for i in range(200)]
    options, machine = RunOptions(home=tmp_path / "home", engine="vllm"), parse_gpus(gpus)
    begin_suite(tmp_path / "run.db", panel, questions, options, SuiteOptions())
    with open_suite(tmp_path / "run.db", options) as suite:
        seating = seat_run(suite.store, suite.inputs, machine, options.home, suite=True)
    here = tokenizers_here([one, two, judge], options.home)
    plan = make_plan(*plan_inputs(panel, machine, "vllm", questions, len(questions), here), machine)
    assert {m: seat.spot for m, seat in seating.seated.items()} == {m: seat.spot for m, seat in plan.seated.items()}
    assert any(seat.spot.crowded for seat in plan.seated.values()) == swaps
    assert {m: placement.total_bytes for m, placement in seating.placements.items()} == {
        m: seat.spot.total_bytes for m, seat in plan.seated.items()
    }
