"""Ways to seat models, and which of them is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localtable.config import load_card
from localtable.runner.planning import plan_inputs
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.machine import Machine
from localtable.scheduler.plan import Workload, make_plan, quickest, telling
from localtable.scheduler.seating import Wish, seatings
from localtable.types import Panel, Question, Sampling, Seat, Stop

QUESTIONS = [Question(f"q{number}", "Which of these is it? " * 10, ("Yes", "No")) for number in range(4)]


def asked(gpus: str, names: str, number: int = 300) -> tuple[list[Wish], list[Workload], Machine]:
    """Copies of one model, a seat each."""
    card, machine = load_card("smollm2-135m-instruct"), parse_gpus(gpus)
    seats = tuple(Seat(name, replace(card, id=name), Sampling(max_tokens=400)) for name in names)
    panel = Panel("copies", seats, rounds=2, stop=Stop("never"))
    return *plan_inputs(panel, machine, "vllm", QUESTIONS, number), machine


def rows(gpus: str, names: str) -> list[tuple[int, bool]]:
    """Of each way: the rows of each engine, and whether it swaps."""
    wishes, _, machine = asked(gpus, names)
    found = [next(iter(seated.values())) for seated in seatings(wishes, machine)]
    return [(seat.rows, seat.spot.crowded) for seat in found]


def test_with_all_the_rows_that_are_wished_for_there_is_one_way() -> None:
    assert rows("48GiB", "ab") == [(256, False)]
    assert rows("2x24GiB", "ab") == [(256, False)]


def test_nobody_sits_in_one_way() -> None:
    """As where all seats are at endpoints."""
    assert seatings([], parse_gpus("24GiB")) == [{}]


def test_one_model_by_itself_swaps_with_nobody() -> None:
    assert rows("3GiB", "a") == [(rows("3GiB", "a")[0][0], False)]
    assert rows("2x3GiB", "ab")[0][1] is False
    assert len(rows("2x3GiB", "ab")) == 1


def test_where_caches_side_by_side_are_small_taking_turns_is_another_way() -> None:
    few, many = rows("4GiB", "ab")
    assert few[0] * 4 < many[0]
    assert (few[1], many[1]) == (False, True)


def test_where_not_all_fit_one_or_several_may_be_awake_at_once() -> None:
    found = rows("4GiB", "abcd")
    assert all(crowded for _, crowded in found)
    assert len({number for number, _ in found}) == len(found) > 1


@pytest.mark.parametrize(("gpus", "swaps"), [("3.5GiB", True), ("4GiB", True), ("6GiB", False), ("12GiB", False)])
def test_models_that_fit_side_by_side_swap_only_where_that_is_much_quicker(gpus: str, swaps: bool) -> None:
    wishes, workloads, machine = asked(gpus, "ab")
    plan = make_plan(wishes, workloads, machine)
    assert plan.cramped == any(seat.spot.crowded for seat in plan.seated.values()) == swaps
    assert plan.lower_bound_s <= plan.predicted_s


def test_swapping_pays_for_many_questions_and_not_for_few() -> None:
    few, many = (make_plan(*asked("4GiB", "ab", number)) for number in (10, 300))
    assert (few.cramped, many.cramped) == (False, True)
    assert few.swaps == 0
    assert many.swaps == 1


def test_the_first_way_is_taken_where_no_other_saves_a_tenth() -> None:
    wishes, workloads, machine = asked("6GiB", "ab")
    first, other = seatings(wishes, machine)
    assert quickest([first, other], workloads, machine) is first
    assert quickest([other, first], workloads, machine) is other
    assert quickest([other], [], machine) is other


def test_of_many_conditions_the_first_few_tell_and_those_with_models_of_their_own() -> None:
    many = [{"a", "b"}] * 20 + [{"a"}, {"c"}, {"b", "c"}, {"d", "a"}]
    kept = telling(many)
    assert kept == [*range(8), 21, 23]
    assert telling([many[place] for place in kept]) == list(range(10)), "asked again it is the same"


def test_what_is_repeated_does_not_change_the_places_which_a_run_could_not_know() -> None:
    wishes, (work,), machine = asked("4GiB", "ab")
    repeated = replace(work, repeated=((True, True), (True, True)))
    assert make_plan(wishes, [repeated], machine).seated.keys() == {"a", "b"}
    spots = [{m: seat.spot for m, seat in make_plan(wishes, [w], machine).seated.items()} for w in (work, repeated)]
    assert spots[0] == spots[1]
