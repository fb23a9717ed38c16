"""Workers that are killed from outside, in a real pool of processes: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from builders import CARD, make_panel, make_question, write_script

from localtable.errors import EngineLoadError
from localtable.runner import RunOptions
from localtable.runner.events import RunEvent, TurnFinished
from localtable.runner.loop import Outcome
from localtable.runner.suite import SuiteOptions, begin_suite, open_suite
from localtable.scheduler.pool import MAX_LOADS, EngineDied, EngineLoaded, EngineLoading

CARDS = ({**CARD, "id": "one"}, {**CARD, "id": "two"})
NAMES = ("Ada", "Bob")
QUESTIONS = [make_question("Yes", "No", id=f"q{i}", question=f"Is it {i}?") for i in range(4)]


OTHERS: set[int] = set()
"""Processes that were there before the test: engines that other tests keep are not for these to kill."""


def descendants() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    OTHERS.clear()
    OTHERS.update(descendants())
    yield
    until = time.monotonic() + 5
    while (left := descendants() - OTHERS) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def worker() -> int | None:
    """The newest worker: a child of the server that forks them."""
    servers = [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]
    pids = [child.pid for server in servers if server.pid not in OTHERS for child in server.children()]
    return max(pids, default=None)


def kill_worker() -> None:
    until = time.monotonic() + 20
    while (pid := worker()) is None:
        assert time.monotonic() < until, "no worker came"
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)


class Suite:
    """A suite of two models of which one fits, each in a process that takes a while to load and to answer."""

    def __init__(self, folder: Path, tell: Callable[[RunEvent], None]) -> None:
        script = write_script(folder, load_s=0.3, delay_s=0.05)
        arguments = {"process": "true", "script": str(script), "kv_cache_memory_bytes": "1GiB", "max_num_seqs": "2"}
        self.events: list[RunEvent] = []
        self._tell = tell
        self.options = RunOptions(
            folder / "home", "scripted", "", arguments, device_memory_bytes=3 * 2**29, tell=self._told
        )
        self.store = folder / "run.db"
        panel = make_panel(folder, *NAMES, cards=CARDS)
        begin_suite(self.store, panel, QUESTIONS, self.options, SuiteOptions())

    def _told(self, event: RunEvent) -> None:
        self.events.append(event)
        self._tell(event)

    def run(self) -> list[Outcome]:
        with open_suite(self.store, self.options) as suite:
            return list(suite.run())

    def require_whole(self, outcomes: list[Outcome]) -> None:
        assert [outcome.error for outcome in outcomes] == [None] * len(QUESTIONS)
        turns = Counter(
            (e.debate.question.id, e.round_number, e.turn.seat) for e in self.events if type(e) is TurnFinished
        )
        assert len(turns) == len(QUESTIONS) * 2 * len(NAMES)
        assert set(turns.values()) == {1}

    def deaths(self) -> list[int]:
        """How many loads had failed in a row, death by death."""
        return [event.failed_loads for event in self.events if isinstance(event, EngineDied)]


def when(kind: type, number: int) -> Callable[[RunEvent], None]:
    """Kills the worker at the event of a kind with this number."""
    seen = Counter[type]()

    def tell(event: RunEvent) -> None:
        seen[type(event)] += 1
        if type(event) is kind and seen[kind] == number:
            kill_worker()

    return tell


def test_undisturbed_it_swaps(tmp_path: Path) -> None:
    suite = Suite(tmp_path, lambda event: None)
    suite.require_whole(suite.run())
    assert [type(event) for event in suite.events].count(EngineLoading) == 3, "one, two, then one again"


@pytest.mark.parametrize("load", [1, 2, 3])
def test_a_worker_that_is_killed_as_it_loads_is_started_again(tmp_path: Path, load: int) -> None:
    suite = Suite(tmp_path, when(EngineLoading, load))
    suite.require_whole(suite.run())
    assert suite.deaths() == [1]
    assert [type(event) for event in suite.events].count(EngineLoading) == 4


@pytest.mark.parametrize("turn", [1, 5, 9])
def test_a_worker_that_is_killed_as_it_generates_loses_no_turn(tmp_path: Path, turn: int) -> None:
    suite = Suite(tmp_path, when(TurnFinished, turn))
    suite.require_whole(suite.run())
    assert suite.deaths() == [0]


def test_a_worker_that_is_killed_as_soon_as_it_is_ready_loses_nothing(tmp_path: Path) -> None:
    suite = Suite(tmp_path, when(EngineLoaded, 2))
    suite.require_whole(suite.run())
    assert suite.deaths() == [0]


def test_a_worker_that_is_killed_whenever_it_loads_ends_the_run_within_bounds(tmp_path: Path) -> None:
    suite = Suite(tmp_path, lambda event: kill_worker() if isinstance(event, EngineLoading) else None)
    with pytest.raises(EngineLoadError, match="died while loading") as caught:
        suite.run()
    assert caught.value.exit_code == 3
    assert suite.deaths() == list(range(1, MAX_LOADS))
