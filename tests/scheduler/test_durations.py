"""How much longer a request is expected to run."""

from __future__ import annotations

import time

import pytest

from localtable.engines.base import EngineSpec
from localtable.scheduler.durations import KEPT, Durations
from localtable.scheduler.pool import Placement, Slot


def test_of_what_nothing_is_known_as_long_again() -> None:
    durations = Durations()
    assert durations.rest_s(0.0) == 0.0
    assert durations.rest_s(7.0) == 7.0


def test_the_rest_is_the_mean_excess_of_what_was_longer() -> None:
    durations = Durations()
    for seconds in (1.0, 1.0, 2.0, 10.0, 20.0):
        durations.add(seconds)
    assert durations.rest_s(0.5) == pytest.approx(34 / 5 - 0.5)
    assert durations.rest_s(1.0) == pytest.approx(32 / 3 - 1)
    assert durations.rest_s(12.0) == pytest.approx(8.0)
    assert durations.rest_s(20.0) == 20.0, "none was longer"


def test_what_is_long_ago_is_forgotten() -> None:
    durations = Durations()
    for _ in range(KEPT):
        durations.add(100.0)
    assert durations.rest_s(1.0) == pytest.approx(99.0)
    for _ in range(KEPT):
        durations.add(2.0)
    assert durations.rest_s(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("running", "most", "lingers"), [(1, 1, True), (2, 2, False), (4, 4, False), (3, 4, False), (2, 4, True)]
)
def test_of_a_batch_that_has_not_thinned_out_nothing_lingers(running: int, most: int, lingers: bool) -> None:
    placement = Placement(EngineSpec("scripted", "one", None, "float32", 4096, 64, 0), 6)
    began = time.monotonic() - 30
    slot = Slot(placement, 1.0, 1.0, running={str(n): began for n in range(running)}, most_running=most)
    slot.durations.add(20.0)
    assert (slot.rest_s() > 0) is lingers
