"""One long turn does not hold a device at batch 1 while others wait: it is taken back, and goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from builders import CARD, make_panel, make_question, write_script

from localtable.engines.base import Completion, EngineInfo, EngineSpec, Origin, Preempted, Request
from localtable.runner import RunOptions
from localtable.runner.suite import SuiteOptions, begin_suite, open_suite
from localtable.runner.verify import verify_store
from localtable.scheduler.pool import EnginePool, Generated, Outlook, Placement, Swap
from localtable.scheduler.worker import EngineHandle, InlineEngine
from localtable.scripted_vocabulary import END_OF_TURN, encode
from localtable.store import Store
from localtable.types import Sampling

STATEMENT = "It takes me a while to say all of this. " * 5
LONG_S = 3.0


def asked(name: str, seat: str = "Quick", *, stream: bool = False) -> Request:
    origin = Origin("q", 0, seat, 1, "statement")
    return Request(name, (1, 2, 3), Sampling(max_tokens=400), 1, (END_OF_TURN,), stream=stream, origin=origin)


class Queues:
    """Work in plain queues; what is preempted waits again."""

    def __init__(self, waiting: Mapping[str, list[Request]]) -> None:
        self.waiting = dict(waiting)

    def has_work(self, model_id: str) -> bool:
        return bool(self.waiting[model_id])

    def outlook(self, model_id: str, awake: object) -> Outlook:
        return Outlook(len(self.waiting[model_id]), 0, True)

    def take(self, model_id: str, info: EngineInfo, num_running: int) -> list[Request]:
        taken, self.waiting[model_id] = self.waiting[model_id], []
        return taken


def run(
    tmp_path: Path, waiting: Mapping[str, list[Request]], *, swap: Swap = "reload", load_s: float = 0.05
) -> tuple[list[tuple[float, Generated]], EnginePool]:
    """Two models of which one fits; what came, and when."""
    script = write_script(tmp_path, {"seat": "Slow", "statement": STATEMENT, "takes_s": LONG_S})

    def spec(model_id: str) -> EngineSpec:
        return EngineSpec("scripted", model_id, None, "float32", 4096, 8, 0, arguments={"script": str(script)})

    def start(spec: EngineSpec) -> EngineHandle:
        handles.append(InlineEngine(spec))
        return handles[-1]

    handles: list[EngineHandle] = []
    placements = {
        name: Placement(spec(name), 6, load_s=load_s, turn_s=0.2, alone_s=0.05, wake_s=load_s, swap=swap)
        for name in waiting
    }
    pool = EnginePool(placements, capacities=[10], start=start, turns=None)
    supply = Queues(waiting)
    wanted = sum(map(len, waiting.values()))
    began, found = time.monotonic(), list[tuple[float, Generated]]()
    try:
        while sum(isinstance(event.event, Completion) for _, event in found) < wanted:
            assert time.monotonic() - began < 20, found
            for event in pool.poll(supply, 0.01):
                if not isinstance(event, Generated):
                    continue
                found.append((time.monotonic() - began, event))
                if isinstance(event.event, Preempted):
                    waits = next(r for r in slow if r.request_id == event.event.request_id)
                    resumed = Request(**{**_fields(waits), "said": event.event.said})
                    supply.waiting[event.model_id].append(resumed)
    finally:
        pool.close()
        for handle in handles:
            handle.close()
    return found, pool


def _fields(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in Request.__slots__}


slow = [asked("slow", "Slow"), *(asked(f"first {i}") for i in range(7))]


@pytest.mark.parametrize("swap", ["reload", "sleep_1"])
def test_a_long_turn_makes_room_for_much_work_and_is_said_once(tmp_path: Path, swap: Swap) -> None:
    quick = [asked(f"quick {i}") for i in range(6)]
    found, pool = run(tmp_path, {"one": slow, "two": quick}, swap=swap)
    order = [event.event.request_id for _, event in found if isinstance(event.event, Completion)]
    assert order[-1] == "slow"
    assert sorted(order) == sorted(request.request_id for request in (*slow, *quick)), "each once"
    (preempted,) = [event.event for _, event in found if isinstance(event.event, Preempted)]
    done = found[-1][1].event
    assert isinstance(done, Completion)
    assert 0 < len(preempted.said) < len(done.token_ids)
    assert done.token_ids == tuple(encode(STATEMENT)), "what was said before and after is one statement"
    assert {name: slot.activations for name, slot in pool.slots.items()} == {"one": 2, "two": 1}
    assert found[-1][0] == pytest.approx(LONG_S, abs=1.5), "what was said was not said again"


def test_little_work_waits_for_a_long_turn(tmp_path: Path) -> None:
    # 0.2 s of work, and a swap of 5 s there and back.
    found, pool = run(tmp_path, {"one": slow, "two": [asked("quick")]}, load_s=5.0)
    assert not [event for _, event in found if isinstance(event.event, Preempted)]
    assert {name: slot.activations for name, slot in pool.slots.items()} == {"one": 1, "two": 1}


@pytest.mark.parametrize("process", ["false", "true"])
def test_a_debate_whose_long_turn_was_preempted_is_whole_and_the_store_says_so(tmp_path: Path, process: str) -> None:
    cards = [{**CARD, "id": name} for name in ("one", "two")]
    panel = make_panel(tmp_path, "Slow", "Quick", cards=cards, rounds=1)
    questions = [make_question("Yes", "No", id=f"q{i}") for i in range(60)]
    script = write_script(
        tmp_path,
        {"question": "q59", "seat": "Slow", "statement": STATEMENT, "takes_s": 5.0},
        {"seat": "Slow", "statement": STATEMENT, "vote": "A"},
    )
    arguments = {"process": process, "script": str(script), "kv_cache_memory_bytes": "1GiB"}
    options = RunOptions(tmp_path / "home", "scripted", "", arguments, device_memory_bytes=3 * 2**29)
    begin_suite(tmp_path / "run.db", panel, questions, options, SuiteOptions())
    with open_suite(tmp_path / "run.db", options) as suite:
        outcomes = list(suite.run())
    with Store.open(tmp_path / "run.db", write=False) as store:
        preempted = store.query("SELECT model, preempted_at FROM generations WHERE preempted_at <> '[]'")
        ((model_id, places),) = list(preempted)
        loads = store.query("SELECT count(*) FROM timeline WHERE phase = 'load' AND model = 'one'")
        assert [row[0] for row in loads] == [2]
        assert not list(verify_store(store))
    assert model_id == "one"
    (place,) = json.loads(places)
    assert 0 < place < len(STATEMENT)
    assert [outcome.error for outcome in outcomes] == [None] * 60
    last = next(outcome.debate for outcome in outcomes if outcome.debate.question.id == "q59")
    statements = {turn.seat: turn.statement for turn in last.rounds[0].turns}
    assert statements["Slow"] == STATEMENT.strip()
