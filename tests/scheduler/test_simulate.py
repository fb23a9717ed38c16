"""The simulator keeps every turn, the clock and the memory; the rule needs as few activations as there can be."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from schedule_builders import drawn, equal_models

from localtable.scheduler.policy import Activate, Standing, decide
from localtable.scheduler.simulate.bounds import lower_bound
from localtable.scheduler.simulate.by_hand import (
    Batch,
    batch_s,
    by_constant_penalty,
    one_after_another,
    per_operator,
    per_question,
    per_round,
)
from localtable.scheduler.simulate.instance import Closing, Instance, Model, Sharing, Sleep, Speed, Turn
from localtable.scheduler.simulate.result import Span, Stalled
from localtable.scheduler.simulate.simulation import Simulation, simulate


def model(model_id: str = "m", **fields: object) -> Model:
    default = Model(model_id, (0,), 10, Speed(0.01, 0.001, 0.0001), 4, 30.0, 15.0, 1.0)
    return replace(default, **fields)  # type: ignore[arg-type]


# ── one engine ────────────────────────────────────────────────────────────────────────────────────────────


def test_one_turn_takes_its_load_its_prompt_and_its_steps() -> None:
    result = simulate(Instance((10,), (model(),), (0,), (((Turn(1000, 200),),),)))
    assert result.makespan_s == pytest.approx(30 + 1000 * 0.0001 + 200 * 0.011)


def test_a_batch_steps_as_slowly_as_it_has_rows_and_is_filled_as_they_end() -> None:
    turns = tuple(((Turn(0, tokens),),) for tokens in (10, 20, 30))
    two_rows = simulate(Instance((10,), (model(max_num_seqs=2),), (0,), turns))
    # Ten steps of two rows, then the third turn begins: ten more of two, and twenty of one.
    assert two_rows.makespan_s == pytest.approx(30 + 20 * 0.012 + 20 * 0.011)
    assert batch_s(model(max_num_seqs=2), [Turn(0, n) for n in (10, 20, 30)]) == pytest.approx(two_rows.makespan_s - 30)


def test_a_round_opens_when_all_turns_of_the_one_before_are_finished() -> None:
    instance = drawn(4)
    ends: dict[tuple[int, int], list[float]] = {}
    for finished in simulate(instance).finished:
        ends.setdefault((finished.debate, finished.round_number), []).append(finished.at_s)
    for debate in range(len(instance.turns)):
        for number in range(1, instance.rounds):
            assert max(ends[debate, number - 1]) < min(ends[debate, number])


def test_a_summary_waits_for_its_debate_and_goes_behind_turns_of_others() -> None:
    turns = tuple(((Turn(0, 10),),) for _ in range(3))
    closings = (Closing(0, Turn(0, 5)), None, Closing(0, Turn(0, 5)))
    one_row = Instance((10,), (model(max_num_seqs=1),), (0,), turns, closings=closings)
    ends = [(done.debate, done.round_number) for done in simulate(one_row).finished]
    assert ends == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1)]


def test_a_moderator_that_does_not_debate_is_loaded_when_there_is_something_to_sum_up() -> None:
    debater, moderator = model("debater"), model("moderator")
    turns = tuple(((Turn(0, tokens),),) for tokens in (10, 500))
    closings = (Closing(1, Turn(0, 10)),) * 2
    roomy, narrow = (Instance((size,), (debater, moderator), (0,), turns, closings=closings) for size in (20, 10))
    assert simulate(narrow).activations == simulate(roomy).activations == {"debater": 1, "moderator": 1}
    assert simulate(narrow).makespan_s == pytest.approx(30 + 10 * 0.012 + 490 * 0.011 + 1 + 30 + 10 * 0.012)


def test_a_debate_that_is_held_elsewhere_is_only_summed_up() -> None:
    elsewhere = Instance((10,), (model(),), (), ((),), closings=(Closing(0, Turn(1000, 10)),))
    assert simulate(elsewhere).makespan_s == pytest.approx(30 + 0.1 + 10 * 0.011)
    assert lower_bound(elsewhere).seconds == pytest.approx(30 + 0.1 + 10 * 0.011)


def test_a_round_that_others_will_open_is_awaited_by_those_alone_who_sit_there() -> None:
    """Else a model of other debates would hold its place for rounds in which it has no turn."""
    panels = ((0, 1), (0, 2))
    turns = (((Turn(0, 10), Turn(0, 200)),) * 2, ((Turn(0, 500),) * 2,) * 2)
    models = tuple(model(name) for name in "abc")
    simulation = Simulation(Instance((30,), models, (0, 1, 2), turns, panels=panels))
    for name in "abc":
        simulation.apply(Activate(name))
    while simulation.left == 8:
        simulation.settle(decide)
        simulation.advance()
    coming = {standing.model_id: standing.coming for standing in simulation.standings()}
    assert {done.seat for done in simulation.result().finished} == {0}
    assert coming == {"a": 1, "b": 0, "c": 0}


@pytest.mark.parametrize("sleeps", [True, False])
def test_a_cache_is_lost_where_its_model_was_put_away_and_kept_where_the_next_round_follows_at_once(
    sleeps: bool,
) -> None:
    """In the order a b | b a | a b every model has one later round of each kind."""
    sleep = Sleep(3.0, 1.0, 1.0, 0) if sleeps else None
    models = tuple(model(name, sleep=sleep) for name in "ab")

    def made(lost: int, size: int = 10) -> Instance:
        later = (Turn(100, 20, lost),) * 2
        return Instance((size,), models, (0, 1), (((Turn(100, 20),) * 2, later, later),) * 5)

    plain, costly = simulate(made(0)), simulate(made(1000))
    assert costly.activations == plain.activations == {"a": 2, "b": 2}
    assert costly.makespan_s - plain.makespan_s == pytest.approx(2 * 5 * 1000 * 0.0001)
    assert simulate(made(1000, 20)).makespan_s == simulate(made(0, 20)).makespan_s
    assert lower_bound(made(1000)).seconds == lower_bound(made(0)).seconds


def test_what_a_cache_has_no_room_for_is_read_anew() -> None:
    """Two debates at once: when the second one's later turn begins, the first one's has written 120 tokens."""
    turns = (((Turn(100, 20),), (Turn(100, 20, 1000),)),) * 2

    def seconds(cache_tokens: float) -> float:
        return simulate(Instance((10,), (model(cache_tokens=cache_tokens),), (0,), turns)).makespan_s

    roomy = seconds(1000)
    assert seconds(120) == roomy
    assert seconds(119) == pytest.approx(roomy + 1000 * 0.0001)


# ── sharing ───────────────────────────────────────────────────────────────────────────────────────────────


def two_at_once(sharing: Sharing) -> list[Span]:
    both = (model("a", first_load_s=5.0), model("b", first_load_s=5.0))
    instance = Instance((20,), both, (0, 1), (((Turn(0, 2000), Turn(0, 1000)),),), sharing)
    return [span for span in simulate(instance).timeline if span.part == "generate"]


def test_engines_that_share_a_device_each_have_half_of_it() -> None:
    a, b = two_at_once("processor")
    assert (a.start_s, b.start_s) == (5, 10)
    assert b.end_s == pytest.approx(10 + 2 * 1000 * 0.011)
    assert a.end_s == pytest.approx(5 + 3000 * 0.011)


def test_engines_that_take_turns_work_one_after_another() -> None:
    a, b = two_at_once("turns")
    assert a.end_s == pytest.approx(5 + 2000 * 0.011)
    assert b.end_s == pytest.approx(5 + 3000 * 0.011)


# ── loading, sleeping, waking ─────────────────────────────────────────────────────────────────────────────


def parts(instance: Instance) -> list[tuple[str, str, float]]:
    return [
        (span.model_id, span.part, round(span.end_s - span.start_s, 6))
        for span in simulate(instance).timeline
        if span.part != "generate"
    ]


def test_the_first_load_and_the_first_sleep_cost_more_than_later_ones() -> None:
    sleep = Sleep(first_s=6.0, later_s=2.0, wake_s=1.0, asleep_bytes=0)
    pair = (model("a", sleep=sleep), model("b", sleep=sleep))
    turns = (((Turn(0, 50), Turn(0, 50)),) * 5,)
    assert parts(Instance((10,), pair, (0, 1), turns)) == [
        *(("a", "load", 30), ("a", "sleep", 6), ("b", "load", 30), ("b", "sleep", 6), ("a", "wake", 1)),
        *(("a", "sleep", 2), ("b", "wake", 1), ("b", "sleep", 2), ("a", "wake", 1)),
        # Nothing of a is left to do: it is closed rather than put to sleep.
        *(("a", "close", 1), ("b", "wake", 1)),
    ]


def test_what_can_not_sleep_is_closed_and_loaded_anew() -> None:
    turns = (((Turn(0, 50), Turn(0, 50)),) * 2,)
    loads = [("a", "load", 30), ("a", "close", 1), ("b", "load", 30), ("b", "close", 1), ("a", "load", 15)]
    assert parts(Instance((10,), (model("a"), model("b")), (0, 1), turns)) == loads


def test_one_load_at_a_time_on_a_device_and_two_on_two() -> None:
    turns = (((Turn(0, 50), Turn(0, 50)),),)
    for devices, starts in (((0,), [0, 30]), ((1,), [0, 0])):
        pair = (model("a"), model("b", devices=devices))
        timeline = simulate(Instance((20, 20), pair, (0, 1), turns)).timeline
        assert [span.start_s for span in timeline if span.part == "load"] == starts


# ── what the rule makes of it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
@pytest.mark.parametrize("models", range(2, 9))
def test_as_few_activations_as_there_can_be(models: int, rounds: int) -> None:
    for fitting in range(1, models):
        for questions in (20, 200) if models < 6 else (20,):
            instance = equal_models(models, fitting, rounds, questions, sharing=("processor", "turns")[fitting % 2])
            assert simulate(instance).num_activations == models + (rounds - 1) * (models - fitting)


def test_eight_models_of_which_three_fit_and_200_questions() -> None:
    assert simulate(equal_models(8, 3, 4, 200)).num_activations == 8 + 3 * 5


def test_where_everything_fits_each_model_is_loaded_once() -> None:
    result = simulate(equal_models(4, 4, 3, 20))
    assert result.activations == {"m0": 1, "m1": 1, "m2": 1, "m3": 1}


def test_a_lingering_thinker_is_taken_back_and_everything_is_finished_sooner() -> None:
    """In both rounds a few turns of a take minutes; taken back, those of the first go on beside those of the second."""
    sleep = Sleep(2.0, 1.0, 1.0, 0)
    pair = (model("a", sleep=sleep, max_num_seqs=8), model("b", sleep=sleep, max_num_seqs=8, first_load_s=1000.0))
    rng = random.Random(3)
    lengths = [[300] * 50 + [50_000] * 3 for _ in range(2)]
    for of_round in lengths:
        rng.shuffle(of_round)
    turns = tuple(tuple((Turn(0, tokens), Turn(0, 1000)) for tokens in said) for said in zip(*lengths, strict=True))
    instance = Instance((10,), pair, (0, 1), turns)

    def patient(standings: Sequence[Standing], capacities: Sequence[int]) -> Activate | None:
        return decide([replace(s, rest_s=0.0) for s in standings], capacities)

    ours, waited = simulate(instance), simulate(instance, patient)
    assert len(ours.finished) == len(waited.finished) == 4 * len(turns)
    assert ours.num_activations > waited.num_activations
    assert ours.makespan_s < 0.9 * waited.makespan_s


# ── whatever is drawn ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("seed", range(25))
def test_every_turn_is_finished_once_and_every_second_is_accounted_for(seed: int, devices: int) -> None:
    instance = drawn(seed, devices=devices)
    result = simulate(instance)
    turns = [finished[1:] for finished in result.finished]
    expected = {
        (debate, number, seat)
        for debate in range(len(instance.turns))
        for number in range(instance.rounds)
        for seat in range(len(instance.seats))
    }
    assert set(turns) == expected
    assert len(turns) == len(expected)
    assert result.finished[-1].at_s == result.makespan_s
    for seconds in result.seconds:
        assert sum(seconds.values()) == pytest.approx(result.makespan_s)
    assert result == simulate(instance)


def test_a_copy_goes_its_own_way_and_ends_as_the_original_does() -> None:
    instance = drawn(7)
    first = Simulation(instance)
    for _ in range(20):
        first.settle(decide)
        first.advance()
    second = first.copy()
    assert second.signature() == first.signature()
    for simulation in (first, second):
        while simulation.left:
            simulation.settle(decide)
            simulation.advance()
    assert first.result() == second.result()


def test_a_policy_that_does_nothing_is_told_so() -> None:
    with pytest.raises(Stalled):
        simulate(drawn(1), lambda standings, capacities: None)


def test_a_policy_that_takes_more_memory_than_there_is_is_refused() -> None:
    instance = equal_models(2, 1, 1, 2)
    with pytest.raises(ValueError, match="memory"):
        simulate(instance, lambda standings, capacities: Activate(next(s.model_id for s in standings if not s.present)))


def test_a_simulation_of_fifty_questions_takes_some_tens_of_milliseconds() -> None:
    instance, best = equal_models(4, 2, 3, 50), 1.0
    for _ in range(5):
        began = time.perf_counter()
        simulate(instance)
        best = min(best, time.perf_counter() - began)
    assert best < 0.1


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────


def test_by_hand_each_question_swaps_and_with_a_barrier_each_round() -> None:
    instance = equal_models(3, 1, 2, 20)
    question, barrier = (one_after_another(instance, stages(instance)) for stages in (per_question, per_round))
    assert (question.num_activations, barrier.num_activations) == (3 * 2 * 20, 3 * 2)
    assert simulate(instance).makespan_s < barrier.makespan_s < question.makespan_s


def test_by_hand_nothing_is_swapped_where_everything_fits() -> None:
    instance = equal_models(3, 3, 2, 20)
    assert one_after_another(instance, per_question(instance)).num_activations == 3


def test_a_constant_penalty_groups_a_round_by_model_and_begins_each_with_the_smallest() -> None:
    instance = replace(equal_models(3, 1, 2, 2), seats=(0, 1, 2))
    order = [stage[0].model for stage in by_constant_penalty(instance, (70.0, 8.0, 8.1), 512)]
    assert order == [1, 2, 0, 1, 2, 0]
    assert [stage[0].model for stage in per_operator(instance)] == [0, 1, 2, 0, 1, 2]


def test_a_stage_ends_when_its_last_device_does() -> None:
    pair = (model("a"), model("b", devices=(1,)))
    turn = Turn(0, 100)
    instance = Instance((10, 10), pair, (0, 1), (((turn, turn),),))
    together = one_after_another(instance, [[Batch(0, (turn,)), Batch(1, (turn,))]])
    apart = one_after_another(instance, [[Batch(0, (turn,))], [Batch(1, (turn,))]])
    assert apart.makespan_s == pytest.approx(2 * together.makespan_s)
