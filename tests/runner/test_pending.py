"""What open debates wait for, counted: the same whether it was followed or read from a store."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import pytest
from builders import CARD, make_panel, make_question, make_turn

from localtable.prompts import load_wording
from localtable.protocol import Condition, build_conditions
from localtable.runner.inputs import describe_run
from localtable.runner.open_debates import OpenDebates
from localtable.runner.pending import Pending
from localtable.scheduler.pool import Outlook
from localtable.store import IN_MEMORY, Store, TurnRecord

ALL = frozenset({"one", "two"})


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    panel = make_panel(
        tmp_path, "Ada", "Bob", "Cy", cards=[{**CARD, "id": "one"}, {**CARD, "id": "two"}], rounds=2
    )  # Ada and Cy are `one`, Bob is `two`
    conditions = dict(enumerate(build_conditions(panel, ()), start=1))
    questions = [make_question("Yes", "No", id=f"q{i}") for i in range(3)]
    described = describe_run("scripted", panel, {}, load_wording(panel.prompts))
    with Store.create(IN_MEMORY, described, questions, [c.name for c in conditions.values()]) as store:
        store.begin_session({})
        yield store, conditions


def finish(store: Store, debate: int, round_number: int, seat: str, model: str, position: int) -> None:
    turn = make_turn(seat, "A", position=position)
    store.add_turn(TurnRecord(debate, round_number, turn, model, "shared", f"own {seat}", (), False))
    store.commit()


def outlooks(store: Store, conditions: dict[int, Condition], awake: Set[str] = ALL) -> dict[str, Outlook]:
    pending = Pending(store, conditions)
    return {name: pending.outlook(name, awake) for name in sorted(ALL)}


def test_at_the_beginning_everything_waits(run: tuple[Store, dict[int, Condition]]) -> None:
    assert outlooks(*run) == {"one": Outlook(6, 0, True), "two": Outlook(3, 0, True)}


def test_what_a_neighbour_will_bring_counts_as_coming(run: tuple[Store, dict[int, Condition]]) -> None:
    store, conditions = run
    for seat, position in (("Ada", 1), ("Cy", 3)):
        finish(store, 1, 1, seat, "one", position)
    found = outlooks(store, conditions)
    assert found["one"] == Outlook(4, 2, True), "the second round of the first debate waits for `two` alone"
    assert outlooks(store, conditions, frozenset({"one"}))["one"] == Outlook(4, 0, True), "and `two` is not awake"


def test_a_complete_round_opens_the_next_one(run: tuple[Store, dict[int, Condition]]) -> None:
    store, conditions = run
    for seat, model, position in (("Ada", "one", 1), ("Bob", "two", 2), ("Cy", "one", 3)):
        finish(store, 2, 1, seat, model, position)
    assert outlooks(store, conditions) == {"one": Outlook(6, 0, True), "two": Outlook(3, 0, True)}


def test_nothing_comes_behind_the_last_round(run: tuple[Store, dict[int, Condition]]) -> None:
    store, conditions = run
    for debate in (1, 2, 3):
        for seat, model, position in (("Ada", "one", 1), ("Bob", "two", 2), ("Cy", "one", 3)):
            finish(store, debate, 1, seat, model, position)
        for seat, position in (("Ada", 1), ("Cy", 3)):
            finish(store, debate, 2, seat, "one", position)
    assert outlooks(store, conditions) == {"one": Outlook(0, 0, False), "two": Outlook(3, 0, True)}


def test_following_a_debate_comes_to_what_its_rows_say(run: tuple[Store, dict[int, Condition]]) -> None:
    store, conditions = run
    pending = Pending(store, conditions)
    entry = OpenDebates(store, conditions).get(1)
    for round_number in (1, 2):
        for seat, model, position in (("Ada", "one", 1), ("Bob", "two", 2), ("Cy", "one", 3)):
            before = pending.of(entry)
            entry.turns[seat] = make_turn(seat, "A", position=position)
            finish(store, 1, round_number, seat, model, position)
            if len(entry.turns) == 3:
                entry.debate, entry.turns = entry.debate.close_round(entry.turns), {}
            over = entry.debate.open_round is None
            pending.move(before, None if over else pending.of(entry))
            if not over:
                assert {name: pending.outlook(name, ALL) for name in sorted(ALL)} == outlooks(store, conditions)
    assert pending.outlook("one", ALL) == Outlook(4, 0, True)
