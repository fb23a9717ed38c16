"""Models that don't fit side by side: as few activations as there can be, for the whole run and not for each debate."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from builders import CARD, Recorded, make_panel, make_question, record

from localtable.scheduler.pool import EngineLoading, Swap
from localtable.types import Panel, Question

NAMES = ("one", "two", "three", "four")


def panel_of(folder: Path, models: int, rounds: int, seats: int = 0) -> Panel:
    cards = [{**CARD, "id": name} for name in NAMES[:models]]
    names = [f"Seat{i}" for i in range(seats or models)]
    return make_panel(folder, *names, cards=cards, rounds=rounds)


def questions_of(number: int) -> list[Question]:
    return [make_question("Yes", "No", id=f"q{i}") for i in range(number)]


def held(
    folder: Path, models: int, fit: int, rounds: int, questions: int, *, seats: int = 0, swap: Swap = "reload"
) -> Recorded:
    panel = panel_of(folder, models, rounds, seats)
    sizes = dict.fromkeys(NAMES[:models], 2)
    return record(questions_of(questions), panel, sizes=sizes, capacity=2 * fit, swap=swap)


def activations(recorded: Recorded) -> int:
    return sum(slot.activations for slot in recorded.pool.slots.values())


@pytest.mark.parametrize("questions", [1, 20, 200])
@pytest.mark.parametrize(
    ("models", "fit", "rounds"), [(3, 1, 3), (2, 1, 2), (3, 2, 3), (4, 1, 2), (4, 2, 3), (4, 3, 4), (3, 3, 3)]
)
def test_a_run_takes_the_fewest_activations_however_many_questions_it_has(
    tmp_path: Path, models: int, fit: int, rounds: int, questions: int
) -> None:
    recorded = held(tmp_path, models, fit, rounds, questions)
    assert activations(recorded) == models + (rounds - 1) * (models - fit)
    assert len(recorded.outcomes) == questions
    assert Counter(turn.seat for debate in recorded.debates for turn in debate.rounds[-1].turns) == Counter(
        {f"Seat{i}": questions for i in range(models)}
    )


def test_several_seats_of_a_model_take_no_more(tmp_path: Path) -> None:
    assert activations(held(tmp_path, 3, 1, 3, 10, seats=7)) == 7


def test_the_order_turns_round_at_the_end_of_a_round(tmp_path: Path) -> None:
    recorded = held(tmp_path, 3, 1, 2, 5)
    loads = [event.model_id for event in recorded.events if isinstance(event, EngineLoading)]
    assert loads[:3] == ["one", "two", "three"]
    assert loads[3] in ("one", "two"), "the third one is awake, so its second round comes first"


def test_models_that_sleep_are_loaded_once(tmp_path: Path) -> None:
    recorded = held(tmp_path, 3, 1, 3, 5, swap="sleep_1")
    assert activations(recorded) == 7
    phases = Counter(interval.phase for interval in recorded.pool.timeline.take())
    assert phases["load"] == 3
    assert phases["wake"] == 4
    assert phases["sleep"] >= 6


def test_a_sleeper_whose_rest_is_in_the_way_is_closed(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, 2, 2)
    # Asleep, the first one leaves 2 of 4 bytes; the second one needs 3.
    recorded = record(questions_of(3), panel, sizes={"one": 3, "two": 3}, capacity=4, swap="sleep_1", asleep_bytes=2)
    assert len(recorded.outcomes) == 3
    phases = Counter(interval.phase for interval in recorded.pool.timeline.take())
    assert phases["wake"] == 0
    assert phases["load"] == 3


@pytest.mark.parametrize("controls", [["solo-revise", "text-only"], ["noise-peers", "votes-only"], ["homogeneous"]])
def test_controls_run_to_their_end_beside_the_debates(tmp_path: Path, controls: list[str]) -> None:
    panel = panel_of(tmp_path, 3, 3)
    recorded = record(questions_of(8), panel, sizes=dict.fromkeys(NAMES, 2), capacity=2, controls=controls)
    assert all(outcome.error is None for outcome in recorded.outcomes)
    # Three rounds of three models, once each: what the conditions need together is there at the same time.
    assert activations(recorded) <= 9


def test_the_timeline_says_who_did_what_and_nobody_did_two_things_at_once(tmp_path: Path) -> None:
    recorded = held(tmp_path, 3, 1, 3, 5)
    intervals = recorded.pool.timeline.take()
    for model_id in NAMES[:3]:
        own = sorted((i.began_s, i.ended_s) for i in intervals if i.model_id == model_id)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(own))
    assert Counter(i.phase for i in intervals)["load"] == 7
