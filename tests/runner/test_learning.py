"""What a session learns of its engines: which seconds are a load's, a wake's or a sleep's, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from builders import make_card

from localtable.engines.base import EngineInfo
from localtable.engines.step_meter import StepSample
from localtable.runner.learning import LEAST_S, Learning
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.memory import Observation
from localtable.scheduler.pool import Swap
from localtable.scheduler.seating import Seated, Wish, seat_all
from localtable.scheduler.simulate.instance import Speed
from localtable.scheduler.step_times import StepTimes
from localtable.scheduler.timeline import Interval, Phase

MACHINE = parse_gpus("24GiB")
INFO = EngineInfo("vllm", "cuda:0", "bfloat16", 512, 8, 100, 16, 1000, 100_000, {}, {})


class Watched:
    """One model's engine, and what is known of it afterwards."""

    def __init__(self, home: Path, swap: Swap = "sleep_1") -> None:
        self._home = home
        (found,) = seat_all([Wish(make_card(), "vllm", 512, 8, "bfloat16")], MACHINE).values()
        self.seat: Seated = replace(found, swap=swap)
        self.learning = Learning(Calibration(home), {"toy": self.seat}, MACHINE)

    def known(self) -> Observation:
        found = Calibration(self._home).find(self.seat.wish.card, self.seat.settings, MACHINE.devices[0])
        return found or Observation()

    def ready(self, *intervals: Interval, info: EngineInfo = INFO) -> None:
        self.learning.loaded("toy", info)
        self.learning.spent(list(intervals))


def interval(phase: Phase, seconds: float) -> Interval:
    return Interval("toy", (0,), phase, 100.0, 100.0 + seconds)


def test_the_first_load_and_later_ones_are_told_apart(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.ready(interval("load", 20.0))
    assert (watched.known().first_load_s, watched.known().later_load_s) == (20.0, None)
    watched.ready(interval("load", 5.0))
    assert (watched.known().first_load_s, watched.known().later_load_s) == (20.0, 5.0)


@pytest.mark.parametrize(("swap", "figure"), [("sleep_1", "wake_1_s"), ("sleep_2", "wake_2_s")])
def test_a_wake_is_no_load(tmp_path: Path, swap: Swap, figure: str) -> None:
    watched = Watched(tmp_path, swap)
    watched.ready(interval("load", 20.0))
    watched.learning.spent([interval("sleep", 2.0)])
    watched.ready(interval("wake", 0.5))
    assert getattr(watched.known(), figure) == 0.5
    assert watched.known().later_load_s is None


def test_only_the_first_sleep_after_a_load_pins_memory(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.ready(interval("load", 20.0))
    watched.learning.spent([interval("sleep", 3.0), interval("sleep", 1.0)])
    assert (watched.known().first_sleep_s, watched.known().later_sleep_s) == (3.0, 1.0)
    watched.ready(interval("load", 5.0))
    watched.learning.spent([interval("sleep", 4.0)])
    assert (watched.known().first_sleep_s, watched.known().later_sleep_s) == (4.0, 1.0)


def test_a_sleep_at_level_2_says_nothing_of_level_1(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "sleep_2")
    watched.ready(interval("load", 20.0))
    watched.learning.spent([interval("sleep", 0.1)])
    assert (watched.known().first_sleep_s, watched.known().later_sleep_s) == (None, None)


def test_a_load_that_ended_in_a_death_counts_for_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.learning.spent([interval("load", 900.0)])
    assert watched.known().first_load_s is None
    watched.ready(interval("load", 20.0))
    assert watched.known().first_load_s == 20.0


def test_seconds_that_are_told_before_the_engine_is_said_to_be_ready_count(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.learning.spent([interval("load", 20.0)])
    watched.ready()
    assert watched.known().first_load_s == 20.0


def test_what_a_first_step_and_graphs_took_is_planned_with(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.ready(interval("load", 1.0), info=replace(INFO, activation_bytes=123, graph_bytes=45))
    (again,) = seat_all([watched.seat.wish], MACHINE, Calibration(tmp_path)).values()
    assert (again.bytes.activations, again.bytes.graphs) == (123, 45)


def test_an_engine_over_two_devices_does_not_say_what_each_holds(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.ready(interval("load", 1.0), info=replace(INFO, arguments={"tensor_parallel_size": 2}))
    assert watched.known().weights_bytes is None
    assert watched.known().kv_block_bytes == 1000


def test_what_steps_have_shown_is_planned_with(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    true = Speed(0.02, 0.001, 0.0002)
    samples = [
        StepSample(steps * (true.step_s + rows * true.row_s) + prompt * true.prefill_s, steps, steps * rows, prompt)
        for steps, rows, prompt in product((0, 5, 20), (1, 8, 60), (100, 4000))
    ]
    times = StepTimes()
    times.add(samples[:4])
    assert times.seconds < LEAST_S
    assert watched.learning.ended({"toy": times}) == {}
    assert watched.known().speed is None, "too short a time"
    times.add(samples * 10)
    learned = watched.learning.ended({"toy": times, "elsewhere": times})
    assert learned == {"toy": watched.known().speed}
    (again,) = seat_all([watched.seat.wish], MACHINE, Calibration(tmp_path)).values()
    assert again.speed == learned["toy"]
    for name in ("step_s", "row_s", "prefill_s"):
        assert getattr(again.speed, name) == pytest.approx(getattr(true, name), rel=0.1)
