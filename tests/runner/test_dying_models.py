"""Models that keep dying, or load no more: their debates fail, each with its reason, and the others go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import CARD, Recorded, make_panel, make_question, record, write_script

from localtable.engines.base import Engine, EngineSpec
from localtable.engines.registry import create_engine
from localtable.errors import EngineError, EngineLoadError
from localtable.runner.events import DebateFailed, TurnFinished
from localtable.runner.loop import MAX_FAILED
from localtable.runner.turn_loop import MAX_DEATHS
from localtable.scheduler.pool import MAX_LOADS, EngineDied, EngineLoading
from localtable.types import Question

CARDS = ({**CARD, "id": "one"}, {**CARD, "id": "two"})
NAMES = ("Ada", "Bob", "Cy")
SIZES = {"one": 10, "two": 10}


def questions(count: int) -> list[Question]:
    return [make_question("Yes", "No", id=f"q{i}", question=f"Is it {i}?") for i in range(count)]


def engines(monkeypatch: pytest.MonkeyPatch, change: Callable[[EngineSpec, int], EngineSpec]) -> Counter[str]:
    """Real engines with their specs changed as they load; by model: how often it was to load."""
    loads = Counter[str]()

    def create(spec: EngineSpec) -> Engine:
        loads[spec.model_id] += 1
        return create_engine(change(spec, loads[spec.model_id]))

    monkeypatch.setattr("localtable.scheduler.inline.create_engine", create)
    return loads


def scripted(spec: EngineSpec, script: Path) -> EngineSpec:
    return replace(spec, arguments={"script": str(script)})


def ends(held: Recorded) -> dict[str, list[str | None]]:
    """By condition: why each debate failed, or None."""
    found: dict[str, list[str | None]] = {}
    for outcome in held.outcomes:
        found.setdefault(outcome.condition, []).append(outcome.error.message if outcome.error else None)
    return found


def said(held: Recorded) -> dict[str, object]:
    return {debate.question.id: debate.rounds for debate in held.debates}


def require_each_turn_once(held: Recorded) -> None:
    assert len({outcome.number for outcome in held.outcomes}) == len(held.outcomes)
    turns = Counter(
        (id(e.debate.panel), e.debate.question.id, e.round_number, e.turn.seat)
        for e in held.events
        if isinstance(e, TurnFinished)
    )
    assert set(turns.values()) == {1}


@pytest.mark.parametrize("rows", [2, 64])
def test_a_model_that_dies_on_everything_fails_the_debates_that_need_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    crash = write_script(tmp_path, {"fail": "crash"})
    loads = engines(monkeypatch, lambda spec, _: scripted(spec, crash) if spec.model_id == "two" else spec)
    panel = make_panel(tmp_path, *NAMES, cards=CARDS)
    count = MAX_FAILED + 10
    held = record(questions(count), panel, controls=["homogeneous"], max_num_seqs=rows)
    found = ends(held)
    assert {name: len(reasons) for name, reasons in found.items()} == {
        "debate": count,
        "homogeneous:one": count,
        "homogeneous:two": count,
    }
    assert set(found["homogeneous:one"]) == {None}, "it doesn't need the model that dies"
    reasons = [*found["debate"], *found["homogeneous:two"]]
    assert None not in reasons
    given_up = f"two died {MAX_DEATHS} times in a row and finished nothing in between: the scripted engine of two is"
    assert sum(str(reason).startswith(given_up) for reason in reasons) >= len(reasons) - MAX_DEATHS
    assert loads == {"one": 1, "two": MAX_DEATHS}, "it is not loaded again once it is given up"
    assert sum(isinstance(event, DebateFailed) for event in held.events) == 2 * count
    require_each_turn_once(held)


def test_a_model_whose_turns_are_over_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies in the second round alone: of two rounds and of one, those of one are whole."""
    crash = write_script(tmp_path, {"round": 2, "fail": "crash"})
    engines(monkeypatch, lambda spec, _: scripted(spec, crash) if spec.model_id == "two" else spec)
    panel = make_panel(tmp_path, *NAMES, cards=CARDS)
    held = record(questions(MAX_DEATHS + 4), panel, controls=["first-round"], max_num_seqs=64)
    found = ends(held)
    assert set(found["first-round"]) == {None}
    assert None not in found["debate"]
    assert all(len(outcome.debate.rounds) == 1 for outcome in held.outcomes), "what they had is kept"


def gone(after: int, until: int, script: Path) -> Callable[[EngineSpec, int], EngineSpec]:
    """Model two loads `after` times, then no more until its load number `until`."""

    def change(spec: EngineSpec, load: int) -> EngineSpec:
        return scripted(spec, script) if spec.model_id == "two" and after < load < until else spec

    return change


@pytest.mark.parametrize("failing", [1, MAX_LOADS - 1])
def test_a_load_that_fails_after_an_earlier_one_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    fails = write_script(tmp_path, load_fails="the device is busy")
    loads = engines(monkeypatch, gone(1, 2 + failing, fails))
    panel = make_panel(tmp_path, *NAMES, cards=CARDS, rounds="3")
    held = record(questions(5), panel, sizes=SIZES, capacity=10)
    assert ends(held) == {"debate": [None] * 5}
    assert [e.failed_loads for e in held.events if isinstance(e, EngineDied)] == list(range(1, failing + 1))
    plain = record(questions(5), panel, sizes=SIZES, capacity=20)
    assert said(held) == said(plain), "what was retried says the same"
    assert loads["two"] == 1 + failing + 1 + 1, "the second run loads it once more"
    require_each_turn_once(held)


def test_a_model_that_loads_no_more_fails_the_debates_that_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = write_script(tmp_path, load_fails="the device is busy")
    loads = engines(monkeypatch, gone(1, 1000, fails))
    panel = make_panel(tmp_path, *NAMES, cards=CARDS, rounds="3")
    held = record(questions(5), panel, sizes=SIZES, capacity=10, controls=["homogeneous", "first-round"])
    found = ends(held)
    assert set(found["homogeneous:one"]) == set(found["first-round"]) == {None}
    reason = f"two could not be loaded again, {MAX_LOADS} times in a row: two: the device is busy"
    assert found["debate"] == [reason] * 5
    assert loads["two"] == 1 + MAX_LOADS
    assert [e.model_id for e in held.events if isinstance(e, EngineLoading)].count("two") == 1 + MAX_LOADS


def test_a_first_load_that_fails_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = write_script(tmp_path, load_fails="no such model")
    loads = engines(monkeypatch, gone(0, 1000, fails))
    with pytest.raises(EngineLoadError, match="no such model") as caught:
        record(questions(5), make_panel(tmp_path, *NAMES, cards=CARDS), sizes=SIZES, capacity=10)
    assert caught.value.exit_code == 3
    assert loads["two"] == 1


def test_noise_whose_partner_is_given_up_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = write_script(tmp_path, {"round": 2, "fail": "crash"})
    engines(monkeypatch, lambda spec, _: scripted(spec, crash) if spec.model_id == "two" else spec)
    panel = make_panel(tmp_path, *NAMES, cards=CARDS, rounds="3")
    held = record(questions(MAX_DEATHS + 4), panel, controls=["noise-peers"])
    assert len(held.outcomes) == 2 * (MAX_DEATHS + 4)
    assert all(isinstance(outcome.error, EngineError) for outcome in held.outcomes)
