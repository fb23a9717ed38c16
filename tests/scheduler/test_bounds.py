"""Lower bounds: never above what any policy, or an exact search, can do; and as high as they can be in plain cases."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from schedule_builders import drawn, equal_models

from localtable.scheduler.policy import Activate, Standing, decide
from localtable.scheduler.simulate import bounds, load_paths
from localtable.scheduler.simulate.bounds import lower_bound, work_of
from localtable.scheduler.simulate.exact import optimum
from localtable.scheduler.simulate.instance import Closing, Instance, Model, Sleep, Speed, Turn
from localtable.scheduler.simulate.load_paths import LoadPaths, Weights
from localtable.scheduler.simulate.simulation import simulate


def erratic(seed: int) -> Callable[[Sequence[Standing], Sequence[int]], Activate | None]:
    """The rule with everything that it compares thrown into disorder: other orders, early and late, aborts."""
    rng = random.Random(seed)

    def policy(standings: Sequence[Standing], capacities: Sequence[int]) -> Activate | None:
        stuck = not any(s.running or s.state == "changing" or (s.waiting and s.present) for s in standings)
        if not stuck and rng.random() < 0.3:
            return None
        return decide(
            [
                replace(
                    s,
                    coming=0 if rng.random() < 0.3 else s.coming,
                    waiting_s=s.waiting_s * rng.uniform(0.1, 10),
                    return_s=s.return_s * rng.uniform(0.1, 10),
                    rest_s=s.rest_s * rng.choice((0, 1, 20)),
                )
                for s in standings
            ],
            capacities,
        )

    return policy


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("seed", range(40))
def test_no_policy_is_faster_than_the_bound(seed: int, devices: int) -> None:
    instance = drawn(seed, devices=devices)
    bound = lower_bound(instance)
    for sharing in ("processor", "turns"):
        shared = replace(instance, sharing=sharing)
        for policy in (decide, erratic(seed), erratic(seed + 1000)):
            assert simulate(shared, policy).makespan_s >= bound.seconds - 1e-6


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_at_all_is_faster_than_the_bound(seed: int) -> None:
    instance = drawn(seed, questions=2, models=2 + seed % 2)
    best = optimum(instance, max_nodes=3000)
    assert best.makespan_s >= lower_bound(instance).seconds - 1e-6
    assert best.makespan_s <= simulate(instance).makespan_s + 1e-6


def one_of_two(**fields: object) -> Instance:
    return replace(equal_models(2, 1, 2, 2), **fields)  # type: ignore[arg-type]


def test_the_search_finds_the_shorter_of_two_orders() -> None:
    """With the dear model last, only the cheap one comes twice; the rule looks at what each has to do as well."""
    instance = one_of_two()
    cheap, dear = instance.models[0], replace(instance.models[1], first_load_s=30.0, later_load_s=29.0)
    instance = replace(instance, models=(dear, cheap))
    best = optimum(instance)
    assert best.proven
    worst = simulate(instance, lambda s, c: decide([replace(x, waiting_s=float(x.model_id == "m1")) for x in s], c))
    assert best.makespan_s == pytest.approx(worst.makespan_s - 14.0, abs=2.0)


def test_a_search_cut_short_says_so() -> None:
    best = optimum(drawn(3, questions=6, models=3), max_nodes=5)
    assert not best.proven


def test_with_room_for_one_the_bound_is_work_and_all_swaps() -> None:
    instance = equal_models(3, 1, 3, 40)
    works = sum(work_of(instance, number).seconds for number in range(3))
    bound = lower_bound(instance)
    assert bound.swap_s == pytest.approx(3 * 30 + 2 * 2 * 16)
    assert bound.seconds == pytest.approx(works + bound.swap_s)
    assert bound.exposed_s == pytest.approx(bound.swap_s)


def test_with_room_for_all_the_bound_is_first_loads_and_the_work_that_comes_after_them() -> None:
    instance = equal_models(3, 3, 3, 10)
    works = [work_of(instance, number) for number in range(3)]
    later = sum(work.later_s + max(work.later_steps_s, work.later_chain_steps_s) for work in works)
    least_first = min(work.first_s for work in works)
    assert lower_bound(instance).seconds >= 3 * 30 + later + least_first - 1e-6


def test_the_longest_debate_bounds_where_the_work_is_spread_over_devices() -> None:
    speed = Speed(0.01, 0.001, 0.0)
    models = tuple(Model(f"m{i}", (i,), 10, speed, 64, 1.0, 1.0) for i in range(4))
    turns = ((tuple(Turn(0, 5000 if seat == number else 10) for seat in range(4)) for number in range(4)),)
    instance = Instance((10,) * 4, models, (0, 1, 2, 3), tuple(tuple(debate) for debate in turns))
    assert lower_bound(instance).seconds == pytest.approx(1 + 4 * 5000 * 0.011)
    assert simulate(instance).makespan_s == pytest.approx(lower_bound(instance).seconds, rel=0.01)


def panel(*gib: int, sleep: Sleep | None = None) -> list[Model]:
    speed = Speed(0.01, 0.001, 0.0)
    return [Model(f"m{i}", (0,), size, speed, 4, 2.0 * size, 1.0 * size, 0.0, sleep) for i, size in enumerate(gib)]


def least_s(models: Sequence[Model], capacity: int, rounds: int, weight: float = 1.0) -> float:
    every = (weight,) * len(models)
    return LoadPaths(models, capacity, rounds).least_s(Weights(every, every))


def test_what_stays_between_rounds_alternates_between_the_two_dearest() -> None:
    """With room for one, no model can stay at two ends of rounds in a row: the knapsack bound alone would allow it."""
    assert least_s(panel(10, 9, 8), 10, 2) == 2 * 27 + (27 - 10)
    assert least_s(panel(10, 9, 8), 10, 3) == 2 * 27 + (27 - 10) + (27 - 9)


def test_loads_hide_only_behind_what_fits_beside_them() -> None:
    assert least_s(panel(10, 9, 8), 10, 3, weight=0.0) == least_s(panel(10, 9, 8), 10, 3)
    # Only the very first load has nothing beside it: that of the smallest, best of all.
    assert least_s(panel(5, 4, 3), 9, 3, weight=0.0) == 6


def test_a_first_sleep_is_dearer_once_for_each_model_that_can_not_stay() -> None:
    sleep = Sleep(first_s=5.0, later_s=1.0, wake_s=1.0, asleep_bytes=0)
    assert least_s(panel(10, 10, 10, sleep=sleep), 10, 2) == 60 + 2 * 2 + 2 * 4


def test_closing_is_reckoned_with_where_it_is_cheaper_than_sleeping() -> None:
    sleep = Sleep(first_s=50.0, later_s=50.0, wake_s=1.0, asleep_bytes=0)
    assert least_s(panel(10, 10, sleep=sleep), 10, 2) == 40 + 10


@pytest.mark.parametrize("seed", range(10))
def test_the_knapsack_bound_is_never_above_the_searched_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = drawn(seed, models=5)
    searched = lower_bound(instance)
    for module in (bounds, load_paths):
        monkeypatch.setattr(module, "MAX_SEARCHED", 2)
    assert lower_bound(instance).seconds <= searched.seconds + 1e-6


def test_a_model_that_fits_nowhere_has_no_bound() -> None:
    with pytest.raises(ValueError, match="fit"):
        least_s(panel(10), 5, 1)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_summed_up_has_a_bound_too(seed: int) -> None:
    """By one that debates, or by one that doesn't and beside which others fit or not; sometimes not all of it."""
    rng = random.Random(seed)
    whole = drawn(seed, questions=rng.randint(1, 12), devices=1 + seed % 2)
    extra = replace(whole.models[0], model_id="extra", awake_bytes=rng.choice((10, 60, 95)))
    models = (*whole.models, extra)
    moderator = rng.choice((len(whole.models), rng.choice(whole.seats)))
    some = rng.random() < 0.3
    closings = tuple(
        None if some and rng.random() < 0.5 else Closing(moderator, Turn(rng.randint(0, 900), rng.randint(0, 400)))
        for _ in whole.turns
    )
    summed_up = replace(whole, models=models, closings=closings)
    result = simulate(summed_up, erratic(seed) if seed % 2 else decide)
    number = sum(closing is not None for closing in closings)
    turns = sum(len(opened) for debate in whole.turns for opened in debate)
    assert len(result.finished) == turns + number
    bound = lower_bound(summed_up)
    assert lower_bound(whole).seconds - 1e-6 <= bound.seconds <= result.makespan_s + 1e-6
    rounds = {debate: len(opened) for debate, opened in enumerate(whole.turns)}
    last = {(done.debate, done.round_number): done.at_s for done in result.finished}
    for debate, closing in enumerate(closings):
        if closing is not None:
            assert last[debate, rounds[debate]] >= last[debate, rounds[debate] - 1]


def test_a_moderator_that_fits_beside_nobody_takes_its_time_on_top() -> None:
    whole = equal_models(2, 2, 2, 5)
    judge = replace(whole.models[0], model_id="judge", awake_bytes=15, first_load_s=100.0)
    closings = (Closing(2, Turn(0, 50)),) * len(whole.turns)
    apart = replace(whole, models=(*whole.models, judge), closings=closings)
    beside = replace(apart, capacities=(35,))
    added = 100 + work_of(apart, 2).seconds
    assert lower_bound(apart).seconds == pytest.approx(lower_bound(whole).seconds + added)
    assert lower_bound(beside).seconds < lower_bound(apart).seconds
    assert simulate(apart).makespan_s == pytest.approx(lower_bound(apart).seconds, rel=0.1)


def test_the_search_refuses_what_its_bounds_do_not_know() -> None:
    whole = drawn(1, questions=1)
    with pytest.raises(ValueError, match="without summaries"):
        optimum(replace(whole, closings=(Closing(0, Turn(1, 1)),)))


@pytest.mark.parametrize("seed", range(40))
def test_debates_of_different_panels_and_lengths_have_a_bound_too(seed: int) -> None:
    """As in a sweep: some debates lack models, some end sooner, some turns are said by others and take nothing."""
    rng = random.Random(seed)
    whole = drawn(seed, questions=8, devices=1 + seed % 2)
    turns, panels = [], []
    for debate in whole.turns:
        kept = sorted(rng.sample(range(len(whole.seats)), rng.randint(1, len(whole.seats))))
        panels.append(tuple(whole.seats[seat] for seat in kept))
        rounds = debate[: rng.randint(1, len(debate))]
        turns.append(
            tuple(tuple(Turn(0, 0) if rng.random() < 0.2 else opened[seat] for seat in kept) for opened in rounds)
        )
    sitting = sorted({model for panel in panels for model in panel})
    models = tuple(whole.models[model] for model in sitting)
    renumbered = tuple(tuple(sitting.index(model) for model in panel) for panel in panels)
    seats = tuple(range(len(models)))
    mixed = replace(whole, models=models, seats=seats, turns=tuple(turns), panels=renumbered)
    result = simulate(mixed)
    assert len(result.finished) == sum(len(opened) for debate in turns for opened in debate)
    assert 0 < lower_bound(mixed).seconds <= result.makespan_s + 1e-6
    ends = {(done.debate, done.round_number): done.at_s for done in result.finished}
    assert all(ends[debate, number] >= ends[debate, number - 1] for debate, number in ends if number)
