"""Engines side by side where they fit, in turn where they don't, with as few loads as there can be."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import pytest
from builders import CARD, make_panel, make_question, record, write_script

from localtable.engines.base import Completion, EngineInfo, EngineSpec, Origin, Request
from localtable.errors import EngineError, PlacementError, PrerequisiteError
from localtable.scheduler.devices import GIB
from localtable.scheduler.pool import (
    EngineDied,
    EngineLoaded,
    EngineLoading,
    EnginePool,
    Generated,
    Outlook,
    Placement,
    PoolEvent,
    Swap,
    Turns,
)
from localtable.scheduler.worker import EngineHandle, InlineEngine
from localtable.scripted_vocabulary import END_OF_TURN
from localtable.types import Sampling

QUESTION = make_question("Yes", "No")
CARDS = [{**CARD, "id": name} for name in ("one", "two", "three", "four")]


def spec(model_id: str, script: Path | None = None) -> EngineSpec:
    arguments = {"script": str(script)} if script else {}
    return EngineSpec("scripted", model_id, None, "float32", 4096, 8, 0, arguments=arguments)


def request(request_id: str, seat: str = "Ada", *, stream: bool = False) -> Request:
    origin = Origin("q", 0, seat, 1, "statement")
    return Request(request_id, (1, 2, 3), Sampling(max_tokens=16), 1, (END_OF_TURN,), stream=stream, origin=origin)


class Queues:
    """Work that waits in plain queues; an engine gets all of its own at once."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Request]] = defaultdict(list)
        self.served: set[str] = set()

    def put(self, model_id: str, requests: Sequence[Request]) -> None:
        self.waiting[model_id].extend(requests)

    def has_work(self, model_id: str) -> bool:
        return bool(self.waiting[model_id])

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        waiting = len(self.waiting[model_id])
        return Outlook(waiting, 0, bool(waiting) or model_id not in self.served)

    def take(self, model_id: str, info: EngineInfo, num_running: int) -> list[Request]:
        self.served.add(model_id)
        return self.waiting.pop(model_id, [])


class Pool:
    """A real pool of scripted engines, with what it started."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        capacity: int,
        *,
        script: Path | None = None,
        turns: Turns | None = None,
        swap: Swap = "reload",
        devices: Mapping[str, tuple[int, ...]] | None = None,
        free_bytes: Callable[[int], int] | None = None,
        optional: Set[str] = frozenset(),
    ) -> None:
        self.prefetched: list[str] = []
        self.started: list[str] = []
        self.handles: list[EngineHandle] = []
        self.supply = Queues()
        self.pool = EnginePool(
            {
                name: Placement(spec(name, script), size, (devices or {}).get(name, (0,)), swap=swap)
                for name, size in sizes.items()
            },
            capacities=[capacity] * (1 + max((d for spread in (devices or {}).values() for d in spread), default=0)),
            start=self._start,
            turns=turns,
            free_bytes=free_bytes,
            prefetch=lambda spec: self.prefetched.append(spec.model_id),
            optional=optional,
        )

    def _start(self, spec: EngineSpec) -> EngineHandle:
        self.started.append(spec.model_id)
        self.handles.append(InlineEngine(spec))
        return self.handles[-1]

    def awake(self) -> set[str]:
        return {name for name, slot in self.pool.slots.items() if slot.state == "awake"}

    def poll(self, timeout_s: float) -> list[PoolEvent]:
        return self.pool.poll(self.supply, timeout_s)

    def has_work(self) -> bool:
        slots = self.pool.slots.items()
        return any(slot.running or slot.state == "loading" or self.supply.has_work(name) for name, slot in slots)

    def drain(self, polls: int = 50) -> list[PoolEvent]:
        """Everything until nothing is queued, running or loading."""
        events: list[PoolEvent] = []
        for _ in range(polls):
            new = self.poll(0.01)
            events += new
            if not new and not self.has_work():
                break
        return events


@pytest.fixture
def pools() -> Iterator[list[Pool]]:
    made: list[Pool] = []
    yield made
    for pool in made:
        pool.pool.close()
        for handle in pool.handles:
            handle.close()


# ── where engines sit ───────────────────────────────────────────────────────────────────────────────────────


def test_engines_that_fit_are_all_awake_together(pools: list[Pool]) -> None:
    pool = Pool({"one": 3, "two": 3, "three": 3}, 9)
    pools.append(pool)
    for name in ("one", "two", "three"):
        pool.supply.put(name, [request(name)])
    events = pool.drain()
    assert pool.started == ["one", "two", "three"]
    assert pool.awake() == {"one", "two", "three"}
    assert {event.model_id for event in events if isinstance(event, Generated)} == {"one", "two", "three"}


def test_an_engine_that_does_not_fit_beside_another_waits_until_that_one_is_dry(pools: list[Pool]) -> None:
    pool = Pool({"one": 6, "two": 6}, 10)
    pools.append(pool)
    pool.supply.put("one", [request("a")])
    pool.supply.put("two", [request("b")])
    events = pool.drain()
    kinds = [(type(event).__name__, event.model_id) for event in events]
    assert kinds == [
        ("EngineLoading", "one"),
        ("EngineLoaded", "one"),
        ("Generated", "one"),
        ("EngineLoading", "two"),
        ("EngineLoaded", "two"),
        ("Generated", "two"),
    ]
    assert pool.awake() == {"two"}


def test_only_as_much_is_closed_as_is_needed_the_longest_idle_first(pools: list[Pool]) -> None:
    pool = Pool({"one": 4, "two": 4, "three": 4}, 8)
    pools.append(pool)
    for name in ("one", "two"):
        pool.supply.put(name, [request(name)])
        pool.drain()
    pool.supply.put("three", [request("three")])
    pool.drain()
    assert pool.awake() == {"two", "three"}


def test_one_engine_loads_at_a_time(pools: list[Pool]) -> None:
    pool = Pool({"one": 1, "two": 1}, 9)
    pools.append(pool)
    for name in ("one", "two"):
        pool.supply.put(name, [request(name)])
    assert pool.poll(0) == [EngineLoading("one")]
    assert [type(event) for event in pool.poll(0)] == [EngineLoaded]
    assert pool.poll(0) == [EngineLoading("two")]


def test_an_engine_without_work_is_loaded_ahead_where_it_fits_and_never_twice(pools: list[Pool]) -> None:
    pool = Pool({"one": 4, "two": 4, "three": 4}, 8)
    pools.append(pool)
    pool.supply.put("one", [request("a")])
    pool.drain()
    assert pool.started[0] == "one"
    assert "three" not in pool.started, "there is no room, and no work that would make some"
    assert len(pool.started) == len(set(pool.started))


def test_a_model_that_is_too_big_even_alone_is_refused_with_the_figures() -> None:
    with pytest.raises(PlacementError) as caught:
        Pool({"small": GIB, "big": 9 * GIB}, 8 * GIB)
    assert caught.value.exit_code == 3
    assert caught.value.message == "big needs 9.0 GiB; there are 8.0 GiB"
    assert "--device-memory" in caught.value.hint


@pytest.mark.parametrize(
    ("models", "rounds", "room", "activations"),
    [(3, 3, 1, 7), (2, 2, 1, 3), (4, 3, 1, 10), (3, 1, 1, 3), (3, 3, 3, 3), (1, 3, 1, 1), (4, 3, 2, 8), (3, 4, 2, 6)],
)
def test_a_debate_takes_the_fewest_loads_that_there_can_be(
    tmp_path: Path, models: int, rounds: int, room: int, activations: int
) -> None:
    """K models of which C fit take K + (R - 1)(K - C) loads over R rounds: the last ones awake begin the next."""
    assert activations == models + (rounds - 1) * (models - room)
    names = [f"Seat {i}" for i in range(models)]
    panel = make_panel(tmp_path, *names, cards=CARDS[:models], rounds=str(rounds))
    held = record(QUESTION, panel, sizes={card["id"]: 10 for card in CARDS}, capacity=10 * room)
    assert sum(slot.activations for slot in held.pool.slots.values()) == activations
    assert len(held.debate.rounds) == rounds


def test_swapping_changes_nothing_of_what_is_said(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", cards=CARDS[:3], rounds="3")
    sizes = {card["id"]: 10 for card in CARDS}
    together = record(QUESTION, panel, sizes=sizes, capacity=30)
    in_turn = record(QUESTION, panel, sizes=sizes, capacity=10)
    assert together.debate.rounds == in_turn.debate.rounds


# ── who generates ───────────────────────────────────────────────────────────────────────────────────────────


def test_where_engines_take_turns_only_one_of_them_works(pools: list[Pool]) -> None:
    pool = Pool({"one": 1, "two": 1}, 9, turns="machine")
    pools.append(pool)
    pool.drain()
    assert pool.awake() == {"one", "two"}
    pool.supply.put("one", [request("a")])
    pool.supply.put("two", [request("b"), request("c")])
    events = [event for event in pool.drain() if isinstance(event, Generated)]
    assert [event.model_id for event in events] == ["one", "two", "two"]


def test_who_sits_on_no_device_waits_for_nobody_and_nobody_waits_for_it(pools: list[Pool]) -> None:
    devices: dict[str, tuple[int, ...]] = {"one": (0,), "elsewhere": (), "two": (0,)}
    # The two others fit one at a time: they swap, and it stays.
    pool = Pool({"one": 6, "elsewhere": 0, "two": 6}, 9, turns="machine", devices=devices)
    pools.append(pool)
    for name in devices:
        pool.supply.put(name, long_work())
    together: set[frozenset[str]] = set()
    while pool.has_work():
        pool.poll(0.01)
        together.add(frozenset(name for name, slot in pool.pool.slots.items() if slot.running))
    assert {"one", "elsewhere"} in together
    assert not any({"one", "two"} <= found for found in together)
    assert sorted(pool.started) == ["elsewhere", "one", "two"]
    assert "elsewhere" in pool.awake()


def test_on_each_device_one_engine_has_the_turn_and_one_over_several_has_them_all(pools: list[Pool]) -> None:
    devices = {"one": (0,), "two": (0,), "three": (1,), "four": (0, 1)}
    pool = Pool(dict.fromkeys(devices, 1), 9, turns="device", devices=devices)
    pools.append(pool)
    pool.drain()
    for name in devices:
        pool.supply.put(name, long_work())
    orders: list[set[str]] = []
    while pool.has_work():
        pool.poll(0.01)
        at_work = {name for name, slot in pool.pool.slots.items() if slot.running}
        if at_work and orders[-1:] != [at_work]:
            orders.append(at_work)
    assert {"one", "three"} in orders, "two devices, two engines at work"
    busy = [sorted(device for name in at_work for device in devices[name]) for at_work in orders]
    assert all(len(used) == len(set(used)) for used in busy), orders
    assert set().union(*orders) == set(devices)


def test_nothing_to_do_is_nothing_at_all(pools: list[Pool]) -> None:
    pool = Pool({"one": 1}, 9)
    pools.append(pool)
    pool.drain()
    began = time.monotonic()
    assert pool.poll(0.05) == []
    assert time.monotonic() - began < 2
    pool.supply.put("one", [])
    assert pool.poll(0) == []


def test_what_is_aborted_comes_back_no_more(pools: list[Pool]) -> None:
    pool = Pool({"one": 1}, 9)
    pools.append(pool)
    pool.drain()
    pool.supply.put("one", [request("a"), request("c")])
    pool.pool._dispatch(pool.supply)
    pool.pool.abort("one", ["a", "c", "unknown"])
    assert pool.drain(3) == []
    pool.supply.put("one", [request("b")])
    (event,) = pool.drain()
    assert isinstance(event, Generated)
    assert isinstance(event.event, Completion)
    assert event.event.request_id == "b"


def test_a_pool_may_be_closed_twice(pools: list[Pool]) -> None:
    pool = Pool({"one": 1}, 9)
    pools.append(pool)
    pool.drain()
    pool.pool.close()
    pool.pool.close()
    assert pool.awake() == set()


def test_what_one_engine_finished_is_given_before_the_death_of_another_is_told(
    tmp_path: Path, pools: list[Pool]
) -> None:
    script = write_script(tmp_path, {"seat": "Bob", "fail": "crash"}, {"statement": "Aye."})
    pool = Pool({"one": 1, "two": 1}, 9, script=script)
    pools.append(pool)
    pool.drain()
    pool.supply.put("one", [request("a", "Ada")])
    pool.supply.put("two", [request("b", "Bob")])
    done, died = pool.poll(0)
    assert isinstance(done, Generated)
    assert done.model_id == "one"
    assert isinstance(died, EngineDied)
    assert (died.model_id, died.lost) == ("two", ("b",))
    assert isinstance(died.error, EngineError)


def test_an_engine_that_died_is_loaded_anew_when_it_has_work(tmp_path: Path, pools: list[Pool]) -> None:
    script = write_script(tmp_path, {"seat": "Bob", "fail": "crash"}, {"statement": "Aye."})
    pool = Pool({"one": 1}, 9, script=script)
    pools.append(pool)
    pool.drain()
    pool.supply.put("one", [request("b", "Bob")])
    assert [type(event) for event in pool.drain()] == [EngineDied]
    assert pool.started == ["one"]
    pool.supply.put("one", [request("a", "Ada")])
    assert [type(event) for event in pool.drain()] == [EngineLoading, EngineLoaded, Generated]


# ── memory that others hold ─────────────────────────────────────────────────────────────────────────────────


def poll_until_told(pool: Pool) -> list[PoolEvent]:
    """What the first polls tell that have something to tell."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if events := pool.poll(0.01):
            return events
    raise AssertionError("nothing happened")


def test_memory_that_somebody_else_holds_is_waited_for_and_then_ends_the_work(
    pools: list[Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [5]
    pool = Pool({"one": 4, "two": 4}, 6, free_bytes=lambda device: free[0])
    pools.append(pool)
    pool.supply.put("one", [request("a")])
    pool.drain()
    free[0] = 3
    pool.supply.put("two", [request("b")])
    assert pool.drain(3) == []
    free[0] = 4
    assert [type(event) for event in pool.drain()] == [EngineLoading, EngineLoaded, Generated]
    monkeypatch.setattr("localtable.scheduler.pool.MEMORY_WAIT_S", 0.05)
    pools.append(short := Pool({"one": 4}, 8, free_bytes=lambda device: 3))
    short.supply.put("one", [request("a")])
    with pytest.raises(PrerequisiteError, match=r"one needs .* of device memory"):
        poll_until_told(short)


@pytest.mark.parametrize("asleep", [False, True])
def test_a_model_that_the_run_can_do_without_is_given_up_where_somebody_else_holds_its_memory(
    pools: list[Pool], monkeypatch: pytest.MonkeyPatch, asleep: bool
) -> None:
    monkeypatch.setattr("localtable.scheduler.pool.MEMORY_WAIT_S", 0.05)
    free = [8]
    pool = Pool({"one": 6, "two": 6}, 8, swap="sleep_1", free_bytes=lambda device: free[0], optional=frozenset({"two"}))
    pools.append(pool)
    for name in ("two", "one") if asleep else ("one",):
        pool.supply.put(name, [request(name)])
        pool.drain()
    assert pool.pool.slots["two"].state == ("asleep" if asleep else "unloaded")
    free[0] = 3
    pool.supply.put("two", [request("late")])
    (died,) = poll_until_told(pool)
    assert isinstance(died, EngineDied)
    assert (died.model_id, died.lost, died.failed_loads, died.given_up) == ("two", (), 1, True)
    assert "two needs" in died.error.message and "no more came within" in died.error.message
    assert pool.pool.slots["two"].handle is None, "it keeps nothing, asleep or not"
    pool.supply.waiting.clear()  # as whoever has the work does
    free[0] = 6
    pool.supply.put("one", [request("again")])
    events = pool.drain()
    assert [event.model_id for event in events if isinstance(event, Generated)] == ["one"]
    assert pool.awake() == {"one"}


# ── what is read ahead ──────────────────────────────────────────────────────────────────────────────────────


def long_work(count: int = 1) -> list[Request]:
    """Requests that take an engine several polls."""
    return [request(f"long {number}", stream=True) for number in range(count)]


def test_while_one_generates_the_next_model_s_weights_are_read_once_and_no_other_s(pools: list[Pool]) -> None:
    pool = Pool({"one": 6, "two": 6, "three": 6}, 10)
    pools.append(pool)
    for name, count in (("one", 1), ("two", 1), ("three", 2)):
        pool.supply.put(name, long_work(count))
    while pool.awake() != {"three"}:
        pool.poll(0.01)
        assert not pool.prefetched, "nothing generates yet"
    for _ in range(3):
        pool.poll(0.01)
    assert pool.pool.slots["three"].running, "it still generates"
    assert pool.prefetched == ["one"]
    pool.drain()
    assert pool.started == ["three", "one", "two"]
    assert pool.prefetched == ["one", "two"], "in the order in which they were loaded, and each once"


def test_what_was_loaded_and_closed_is_read_again(pools: list[Pool]) -> None:
    pool = Pool({"one": 6, "two": 6}, 10)
    pools.append(pool)
    for name in ("one", "two", "one", "two"):
        pool.supply.put(name, long_work())
        for _ in range(50):
            if pool.pool.slots[name].running:
                break
            pool.poll(0.01)
        assert pool.pool.slots[name].running
    assert pool.started == ["one", "two", "one", "two"]
    assert pool.prefetched == ["two", "one", "two"]


def test_what_fits_beside_is_loaded_at_once_and_what_sleeps_needs_no_reading(pools: list[Pool]) -> None:
    beside = Pool({"one": 1, "two": 1}, 9)
    asleep = Pool({"one": 6, "two": 6}, 10, swap="sleep_1")
    pools += [beside, asleep]
    for name in ("one", "two"):
        beside.supply.put(name, long_work())
    beside.drain()
    assert not beside.prefetched
    asleep.supply.put("one", long_work())
    asleep.supply.put("two", long_work())
    asleep.drain()
    assert asleep.prefetched == ["two"]
    asleep.supply.put("two", long_work())
    asleep.supply.put("one", long_work())
    asleep.drain()
    assert asleep.pool.slots["one"].activations == 2
    assert asleep.prefetched == ["two"], "one slept, and needs its weights from no disk"


def test_a_model_without_work_is_not_read(pools: list[Pool]) -> None:
    pool = Pool({"one": 6, "two": 6}, 10)
    pools.append(pool)
    pool.supply.put("one", long_work())
    pool.drain()
    assert not pool.prefetched
