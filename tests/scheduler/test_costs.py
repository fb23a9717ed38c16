"""Seconds: swaps against what others measured, speed against the roofline's limits, and measured figures first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localtable.config import load_card
from localtable.scheduler.costs import SwapCosts, roofline, speed, swap_costs
from localtable.scheduler.devices import GIB, Device
from localtable.scheduler.gpu_table import GPUS
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.memory import EngineSettings, Observation, cpu_settings
from localtable.scheduler.simulate.instance import Speed
from localtable.types import Card

SETTINGS = EngineSettings(4096, 64)
A100 = parse_gpus("a100-80gb").devices[0]
CPU = Device("cpu", "x86_64", 24 * GIB, 20 * GIB, cores=2)


def full_speed(card: Card, settings: EngineSettings, device: Device, observed: Observation | None = None) -> Speed:
    """With all rows taken."""
    return speed(card, settings, device, settings.max_num_seqs, observed)


def test_a_swap_of_a_30b_is_what_vllm_measured_on_an_a100() -> None:
    """2.85 s to wake, 2.78 s to sleep (vLLM's blog, 2025-10-26)."""
    costs = swap_costs(load_card("qwen3-30b-a3b"), SETTINGS, A100)
    assert costs.wake_1 == pytest.approx(2.85, rel=0.1)
    assert costs.later_sleep == pytest.approx(2.78, rel=0.1)


def test_the_first_sleep_pins_host_memory_and_is_dearer_by_far() -> None:
    """6.19 s against 0.34 s for an 8B on an H20 (vLLM pull request 58066)."""
    h20 = replace(A100, host_bytes_s=GPUS["h100-80gb"].host_bytes_s)
    costs = swap_costs(load_card("qwen3-8b"), SETTINGS, h20)
    assert costs.first_sleep == pytest.approx(6.19, rel=0.1)
    assert costs.later_sleep == pytest.approx(0.4, rel=0.3)


def test_costs_have_their_order() -> None:
    for card_id in ("qwen3-8b", "llama-3.3-70b-instruct-fp8", "gpt-oss-20b"):
        costs = swap_costs(load_card(card_id), SETTINGS, A100)
        assert costs.wake_1 < costs.wake_2 < costs.later_load < costs.first_load
        assert costs.later_sleep < costs.first_sleep
        assert costs.activate("load") == costs.later_load + costs.warm_up


def test_ranks_move_their_parts_at_the_same_time() -> None:
    card = load_card("llama-3.3-70b-instruct-fp8")
    one, two = (swap_costs(card, replace(SETTINGS, tensor_parallel_size=n), A100) for n in (1, 2))
    assert two.wake_1 == pytest.approx(one.wake_1 / 2, rel=0.1)


def test_a_size_without_a_card_has_a_link_all_the_same() -> None:
    bare = Device("cuda", "Some GPU", 24 * GIB, 24 * GIB)
    assert swap_costs(load_card("qwen3-8b"), SETTINGS, bare) == swap_costs(
        load_card("qwen3-8b"), SETTINGS, parse_gpus("24GiB").devices[0]
    )


def test_on_a_cpu_an_engine_is_closed_and_loaded_again() -> None:
    costs = swap_costs(load_card("smollm2-135m-instruct"), cpu_settings(1024, 64), CPU)
    assert costs.wake_1 == costs.wake_2 == costs.later_load
    assert 1 < costs.first_load < 30


def test_what_was_measured_goes_first() -> None:
    seen = Observation(first_load_s=99.0, later_load_s=9.0, wake_1_s=0.5, warm_up_s=0.0)
    costs = swap_costs(load_card("qwen3-8b"), SETTINGS, A100, seen)
    assert (costs.first_load, costs.later_load, costs.wake_1, costs.warm_up) == (99.0, 9.0, 0.5, 0.0)
    assert costs.wake_2 == swap_costs(load_card("qwen3-8b"), SETTINGS, A100).wake_2
    here = swap_costs(load_card("qwen3-8b"), cpu_settings(1024, 8), CPU, seen)
    assert isinstance(here, SwapCosts)
    assert (here.first_load, here.wake_1) == (99.0, 9.0)


def test_one_row_alone_is_bound_by_reading_the_weights() -> None:
    work = roofline(load_card("qwen3-8b"), SETTINGS, A100)
    assert work.step_seconds(1, 0) > 2 * 8.19e9 / 2039e9, "not faster than the memory"
    assert work.step_seconds(1, 0) < 3 * 2 * 8.19e9 / 2039e9


def test_many_rows_share_the_reading_and_longer_contexts_read_more() -> None:
    work = roofline(load_card("qwen3-8b"), SETTINGS, A100)
    assert work.step_seconds(64, 1000) / 64 < work.step_seconds(1, 1000) / 20
    assert work.step_seconds(64, 8000) > 1.5 * work.step_seconds(64, 1000)
    assert work.prefill_s * 1000 < work.step_seconds(1, 0) * 1000 / 10


def test_experts_are_read_as_far_as_rows_wake_them() -> None:
    card = load_card("qwen3-30b-a3b")
    work, dense = roofline(card, SETTINGS, A100), roofline(load_card("qwen3-8b"), SETTINGS, A100)
    assert work.step_seconds(1, 0) < dense.step_seconds(1, 0), "3B active of 30B"
    assert work.step_seconds(64, 0) > 4 * (work.step_seconds(1, 0) - work.step_s), "most experts are awake by then"
    read_alone = work.shared_bytes + (work.weights_bytes - work.shared_bytes) * work.row_share
    assert read_alone / work.weights_bytes == pytest.approx(card.active_parameters / card.parameters, rel=0.01)


def test_the_demo_models_on_two_cores_are_within_a_factor_of_what_was_measured() -> None:
    """Tokens per second alone, at 16 rows and of prompts: 11, 57 and 335 of the 0.5B, 4.7, 20 and 122 of the 1.5B."""
    for card_id, alone, together, prompt in [
        ("qwen2.5-coder-0.5b-instruct", 11, 57, 335),
        ("qwen2.5-coder-1.5b-instruct", 4.7, 20, 122),
    ]:
        work = roofline(load_card(card_id), cpu_settings(1024, 16), CPU)
        assert 1 / work.step_seconds(1, 100) == pytest.approx(alone, rel=0.4)
        assert 16 / work.step_seconds(16, 100) == pytest.approx(together, rel=0.4)
        assert 1 / work.prefill_s == pytest.approx(prompt, rel=0.4)


def test_a_speed_is_the_line_through_one_row_and_all() -> None:
    work, line = (make(load_card("qwen3-8b"), SETTINGS, A100) for make in (roofline, full_speed))
    for rows in (1, 64):
        assert line.decode_s(rows) == pytest.approx(work.step_seconds(rows, 2048) / rows)
    alone = speed(load_card("qwen3-8b"), SETTINGS, A100, 1)
    assert alone.decode_s(1) == pytest.approx(work.step_seconds(1, 2048))
    assert alone.row_s > 0, "what is learned from one debate is planned with for many"


def test_a_measured_speed_is_taken_as_it_is() -> None:
    measured = Speed(0.02, 0.001, 0.0002)
    assert full_speed(load_card("qwen3-8b"), SETTINGS, A100, Observation(speed=measured)) == measured
    nothing = Observation(first_load_s=3.0)
    card = load_card("qwen3-8b")
    assert full_speed(card, SETTINGS, A100, nothing) == full_speed(card, SETTINGS, A100)
