"""The scheduler's rule, case by case, and what it must never do."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

import pytest

from localtable.scheduler.policy import Activate, Standing, decide

GIB = 2**30


def standing(model_id: str, state: str = "unloaded", gib: float = 10, **fields: Any) -> Standing:
    costs = {"activate_s": 10.0, "return_s": 12.0, "devices": (0,), "asleep_bytes": 0} | fields
    waiting_s = costs.pop("waiting_s", float(costs.get("waiting", 0)))
    return Standing(model_id, state, awake_bytes=int(gib * GIB), waiting_s=waiting_s, **costs)


def on(gib: float, *standings: Standing, devices: int = 1) -> Activate | None:
    return decide(standings, [int(gib * GIB)] * devices)


# ── where everything fits ─────────────────────────────────────────────────────────────────────────────────


def test_what_fits_is_activated_one_at_a_time_and_nothing_is_put_away() -> None:
    a, b = standing("a", waiting=5), standing("b", waiting=5)
    assert on(24, a, b) == Activate("a")
    assert on(24, standing("a", "changing", waiting=5), b) is None
    assert on(24, standing("a", "awake", waiting=5), b) == Activate("b")


def test_what_sits_on_no_device_is_activated_whatever_the_devices_do() -> None:
    elsewhere = standing("elsewhere", gib=0, waiting=1, devices=())
    busy = standing("a", "changing", gib=24, waiting=5)
    assert on(24, busy, elsewhere) == Activate("elsewhere")
    assert on(24, standing("a", "awake", gib=24, running=3), elsewhere) == Activate("elsewhere")


def test_where_all_are_awake_nothing_is_done() -> None:
    assert on(24, standing("a", "awake"), standing("b", "awake", waiting=5)) is None


def test_a_model_without_work_yet_is_loaded_ahead_where_there_is_room() -> None:
    assert on(24, standing("a", "awake", running=3), standing("b")) == Activate("b")


def test_nothing_is_loaded_ahead_that_has_nothing_left_to_do() -> None:
    assert on(24, standing("a", "awake", running=3), standing("b", return_s=0.0)) is None


def test_nothing_is_put_away_for_a_load_ahead() -> None:
    assert on(15, standing("a", "awake"), standing("b")) is None


# ── when an engine is dry ─────────────────────────────────────────────────────────────────────────────────


def test_a_dry_engine_makes_room() -> None:
    assert on(15, standing("a", "awake"), standing("b", waiting=5)) == Activate("b", ("a",))


@pytest.mark.parametrize("work", ["running", "waiting", "coming"])
def test_an_engine_that_has_work_or_will_have_it_from_its_neighbours_stays(work: str) -> None:
    assert on(15, standing("a", "awake", **{work: 1}), standing("b", waiting=5)) is None


def test_of_two_dry_engines_the_one_goes_that_is_cheaper_to_bring_back() -> None:
    a, b = standing("a", "awake", return_s=30.0), standing("b", "awake", return_s=20.0)
    assert on(24, a, b, standing("c", waiting=5)) == Activate("c", ("b",))


def test_unequal_sizes_one_large_engine_may_be_cheaper_than_two_small_ones() -> None:
    small = [standing(name, "awake", 10, return_s=9.0) for name in "ab"]
    large = standing("c", "awake", 20, return_s=15.0)
    assert on(40, *small, large, standing("d", gib=20, waiting=5)) == Activate("d", ("c",))


def test_unequal_sizes_two_small_engines_may_be_cheaper_than_one_large() -> None:
    small = [standing(name, "awake", 10, return_s=7.0) for name in "ab"]
    large = standing("c", "awake", 20, return_s=15.0)
    assert on(40, *small, large, standing("d", gib=20, waiting=5)) == Activate("d", ("a", "b"))


def test_of_many_dry_engines_no_more_go_than_are_needed() -> None:
    dry = [standing(f"m{number}", "awake", 4, return_s=10.0 + number) for number in range(10)]
    action = on(40, *dry, standing("x", gib=11, waiting=5))
    assert action == Activate("x", ("m0", "m1", "m2"))


def test_what_has_nothing_left_to_do_goes_first() -> None:
    a, b = standing("a", "awake", return_s=1.0), standing("b", "awake", return_s=0.0)
    assert on(24, a, b, standing("c", waiting=5)) == Activate("c", ("b",))


def test_of_equal_models_the_first_in_the_panels_order_comes() -> None:
    b, c = standing("b", waiting=5), standing("c", waiting=5)
    assert on(15, standing("a", "awake"), b, c) == Activate("b", ("a",))
    assert on(15, standing("a", "awake"), c, b) == Activate("c", ("a",))


def test_what_nobody_waits_for_comes_behind_turns_however_much_it_is() -> None:
    turns, summaries = standing("b", waiting=1, waiting_s=1.0), standing("c", waiting=50, waiting_s=50.0, awaited=False)
    assert on(15, standing("a", "awake"), summaries, turns) == Activate("b", ("a",))
    assert on(15, standing("a", "awake"), summaries) == Activate("c", ("a",))


def test_what_only_sums_up_is_not_loaded_ahead_into_a_place_that_a_debater_will_want() -> None:
    awake, moderator = standing("a", "awake", running=1), standing("m", awaited=False, return_s=9.0)
    debater = standing("b", gib=20, return_s=9.0)
    assert on(25, awake, moderator, debater) is None, "the debater doesn't fit yet; the moderator would"
    assert on(25, awake, moderator) == Activate("m")
    assert on(25, awake, moderator, replace(debater, return_s=0.0)) == Activate("m"), "nothing of it is left"
    assert on(25, awake, moderator, replace(debater, state="awake", awake_bytes=0)) == Activate("m")


# ── asleep ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_sleeps_is_woken_without_being_put_away_first() -> None:
    a = standing("a", "awake", asleep_bytes=GIB)
    assert on(15, a, standing("b", "asleep", asleep_bytes=GIB, waiting=5)) == Activate("b", ("a",))


def test_sleepers_are_closed_where_what_they_keep_is_in_the_way() -> None:
    a = standing("a", "awake", asleep_bytes=2 * GIB)
    b = standing("b", "asleep", asleep_bytes=2 * GIB, return_s=5.0)
    action = on(12, a, b, standing("c", waiting=5))
    assert action is not None and action.close
    assert action.instead_of == ("a",)


def test_a_sleeper_is_closed_alone_where_that_is_enough() -> None:
    a = standing("a", "awake", running=1)
    b = standing("b", "asleep", asleep_bytes=2 * GIB, return_s=5.0)
    assert on(21, a, b, standing("c", waiting=5)) == Activate("c", ("b",), close=True)


def test_nothing_is_closed_where_sleeping_makes_room_enough() -> None:
    a = standing("a", "awake", asleep_bytes=GIB)
    b = standing("b", "asleep", asleep_bytes=GIB)
    assert on(13, a, b, standing("c", waiting=5)) == Activate("c", ("a",))


# ── several devices ───────────────────────────────────────────────────────────────────────────────────────


def test_each_device_is_decided_by_itself() -> None:
    a, b = standing("a", "awake", devices=(0,), running=1), standing("b", "awake", devices=(1,))
    c = standing("c", devices=(1,), waiting=5)
    assert on(15, a, b, c, devices=2) == Activate("c", ("b",))
    assert on(15, a, b, standing("c", devices=(0,), waiting=5), devices=2) is None


def test_nothing_is_done_on_a_device_while_one_of_its_engines_changes_but_on_the_other() -> None:
    changing = standing("a", "changing", 2, devices=(0,))
    on_same, on_other = standing("b", gib=2, devices=(0,), waiting=5), standing("c", gib=2, devices=(1,), waiting=1)
    assert on(15, changing, on_same, on_other, devices=2) == Activate("c")


def test_a_tensor_parallel_model_takes_room_on_both_of_its_devices() -> None:
    a, b = standing("a", "awake", devices=(0,)), standing("b", "awake", devices=(1,))
    wide = standing("w", devices=(0, 1), waiting=5)
    assert on(15, a, b, wide, devices=2) == Activate("w", ("a", "b"))
    assert on(15, a, standing("b", "awake", devices=(1,), running=1), wide, devices=2) is None
    assert on(15, a, standing("b", "changing", devices=(1,)), wide, devices=2) is None


def test_a_tensor_parallel_model_makes_room_for_one_on_either_device() -> None:
    wide = standing("w", "awake", devices=(0, 1))
    assert on(15, wide, standing("a", devices=(1,), waiting=5), devices=2) == Activate("a", ("w",))


# ── one that lingers ──────────────────────────────────────────────────────────────────────────────────────


def thinker(**fields: Any) -> Standing:
    return standing("a", "awake", **{"running": 1, "rest_s": 25.0, "return_s": 12.0} | fields)


def test_a_lingering_thinker_is_aborted_only_if_its_rest_takes_longer_than_all_swaps_of_a_round() -> None:
    b = standing("b", waiting=5, return_s=12.0, waiting_s=30.0)
    assert on(15, thinker(rest_s=23.0), b) is None
    assert on(15, thinker(rest_s=25.0), b) == Activate("b", ("a",), abort=True)
    assert on(15, thinker(rest_s=25.0, turn_s=2.0), b) is None


def test_a_thinker_is_aborted_only_for_a_model_that_has_more_to_do_than_that_costs() -> None:
    assert on(15, thinker(), standing("b", waiting=5, return_s=12.0, waiting_s=23.0)) is None


def test_a_batch_that_fills_its_rows_is_no_lingering_thinker() -> None:
    b = standing("b", waiting=5, return_s=12.0, waiting_s=30.0)
    assert on(15, thinker(running=8, rows=8, rest_s=1000.0), b) is None
    assert on(15, thinker(running=2, rows=8, rest_s=33.0), b) == Activate("b", ("a",), abort=True)
    assert on(15, thinker(running=2, rows=8, rest_s=31.0), b) is None


def test_nobody_is_aborted_while_another_engine_works_on_its_device() -> None:
    lingers = standing("a", "awake", running=1, rest_s=1000.0)
    works = standing("c", "awake", running=9, waiting=3)
    assert on(24, lingers, works, standing("b", waiting=5, waiting_s=1000.0)) is None


def test_nobody_is_aborted_for_nobody() -> None:
    assert on(15, standing("a", "awake", running=1, rest_s=1000.0), standing("b")) is None


def test_a_thinker_with_more_to_come_is_not_aborted() -> None:
    for field in ("waiting", "coming"):
        assert on(15, thinker(rest_s=1000.0, **{field: 1}), standing("b", waiting=5, waiting_s=1000.0)) is None


# ── whatever happens ──────────────────────────────────────────────────────────────────────────────────────


def drawn(rng: random.Random) -> tuple[list[Standing], list[int]]:
    devices = rng.randint(1, 3)
    capacities = [rng.randint(16, 80) * GIB for _ in range(devices)]
    free = list(capacities)
    standings = []
    for number in range(rng.randint(1, 9)):
        first = rng.randrange(devices)
        place = (first, first + 1) if first + 1 < devices and rng.random() < 0.2 else (first,)
        gib, asleep = rng.randint(2, 16), rng.randint(0, 2)
        state = rng.choice(["unloaded", "asleep", "awake", "awake", "changing"])
        taken = {"unloaded": 0, "asleep": asleep}.get(state, gib) * GIB
        if any(taken > free[device] for device in place):
            state, taken = "unloaded", 0
        for device in place:
            free[device] -= taken
        awake = state == "awake"
        standings.append(
            standing(
                f"m{number}",
                state,
                gib,
                devices=place,
                asleep_bytes=asleep * GIB,
                running=rng.choice([0, 0, 3]) if awake else 0,
                waiting=rng.choice([0, 0, 7]),
                coming=rng.choice([0, 0, 2]) if awake else 0,
                waiting_s=rng.choice([5.0, 500.0]),
                rest_s=rng.choice([1.0, 500.0]),
                activate_s=rng.uniform(1, 60),
                return_s=rng.choice([0.0, rng.uniform(1, 60)]),
            )
        )
    return standings, capacities


@pytest.mark.parametrize("seed", range(40))
def test_whatever_stands_it_stays_within_memory_and_leaves_alone_what_works(seed: int) -> None:
    rng = random.Random(seed)
    decided = 0
    for _ in range(100):
        standings, capacities = drawn(rng)
        action = decide(standings, capacities)
        assert action == decide(standings, capacities)
        if action is None:
            continue
        decided += 1
        by_id = {s.model_id: s for s in standings}
        target = by_id[action.model_id]
        assert target.state in ("unloaded", "asleep")
        assert not any(s.state == "changing" and set(s.devices) & set(target.devices) for s in standings)
        taken = [0] * len(capacities)
        for s in standings:
            gone = s.model_id in action.instead_of
            if gone:
                assert s.state in ("awake", "asleep")
                assert not (s.waiting or s.coming) or s.state == "asleep"
                assert not s.running or action.abort
                assert set(s.devices) & set(target.devices)
                assert target.waiting
            left = (0 if action.close else s.asleep_bytes) if gone else s.bytes_now()
            for device in s.devices:
                taken[device] += s.awake_bytes if s is target else left
        assert all(used <= capacity for used, capacity in zip(taken, capacities, strict=True))
    assert decided > 10


@pytest.mark.parametrize("running", [0, 1, 40])
def test_a_decision_takes_less_than_a_millisecond_at_64_engines(running: int) -> None:
    """Queues are numbers to the rule: 100,000 requests wait, and nothing depends on how many."""
    rng = random.Random(1)
    fields: dict[str, Any] = {"asleep_bytes": GIB // 2, "running": running, "rest_s": 3.0 * running, "rows": 64}
    standings = [
        standing(f"a{n}", "awake", 30, devices=(n % 8,), return_s=rng.uniform(5, 60), **fields) for n in range(16)
    ]
    standings += [
        standing(f"s{n}", "asleep", 65, devices=(n % 8,), asleep_bytes=GIB // 2, waiting=2084, waiting_s=60.0 + n)
        for n in range(48)
    ]
    best = 1.0
    for _ in range(50):
        began = time.perf_counter()
        decide(standings, [80 * GIB] * 8)
        best = min(best, time.perf_counter() - began)
    assert best < 0.001
