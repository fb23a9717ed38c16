"""When requests to a server may be sent: distances, backoff, and what Retry-After says."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime

import pytest

from localtable.engines.endpoint.pacing import LONGEST_WAIT_S, Pacer, backoff_s, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-7", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


def test_each_wait_is_twice_the_last_half_of_it_by_chance_and_bounded() -> None:
    rng = random.Random(1)
    for failures, whole in ((1, 0.5), (2, 1.0), (5, 8.0), (30, LONGEST_WAIT_S)):
        waits = [backoff_s(failures, rng) for _ in range(200)]
        assert whole / 2 <= min(waits) < max(waits) <= whole
        assert len(set(waits)) > 100


def test_threads_are_spread_at_even_distances() -> None:
    pacer, sent = Pacer(1200.0), []

    def send() -> None:
        pacer.wait(time.sleep)
        sent.append(time.monotonic())

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gaps = [later - sooner for sooner, later in zip(sorted(sent), sorted(sent)[1:], strict=False)]
    assert sum(gaps) >= 5 * 0.05 - 0.02


def test_a_pause_holds_for_whoever_comes_next() -> None:
    pacer, waited = Pacer(None), []
    pacer.wait(waited.append)
    pacer.pause(3.0)
    pacer.wait(waited.append)
    assert waited == [pytest.approx(3.0, abs=0.1)]


def test_a_pause_holds_for_those_who_wait_already() -> None:
    pacer, waited = Pacer(6000.0), []
    pacer.wait(time.sleep)

    def sleep(seconds: float) -> None:
        if not waited:
            pacer.pause(0.05)
        waited.append(seconds)
        time.sleep(seconds)

    began = time.monotonic()
    pacer.wait(sleep)
    assert time.monotonic() - began >= 0.05
