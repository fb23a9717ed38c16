"""Ballots in several orders, with the labels' free probability and a free reply: from panel to store and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from builders import hold, make_panel, make_question, record, refused, votes, write_script

from localtable import transcript as written
from localtable.runner import RunOptions
from localtable.runner.suite import SuiteOptions, begin_suite, open_suite
from localtable.runner.verify import verify_store
from localtable.store import Store

QUESTION = make_question("Paris", "Rome", "Oslo", "Bern", id="q")
ALL = {"orders": "all_rotations", "label_mass": True, "free_reply": True}


def held(tmp_path: Path, *turns: dict[str, Any], ballot: dict[str, Any] | None = None, **panel: Any) -> Any:
    seats = make_panel(tmp_path, "Ada", "Bob", ballot=ballot or ALL, **panel)
    return record(QUESTION, seats, write_script(tmp_path, *turns))


def turn_of(recorded: Any, seat: str, number: int = 1) -> Any:
    return next(turn for turn in recorded.debate.rounds[number - 1].turns if turn.seat == seat)


def test_each_rotation_is_asked_on_the_same_statement_and_listed_as_it_says(tmp_path: Path) -> None:
    recorded = held(tmp_path, *votes("Ada", "B"), rounds=1)
    prompts = recorded.prompts("Ada", 1, "ballot")
    assert len(prompts) == 4
    listed = [[line[3:] for line in p.splitlines() if line[:3] in ("A. ", "B. ", "C. ", "D. ")] for p in prompts]
    assert [options[:4] for options in listed] == [
        ["Paris", "Rome", "Oslo", "Bern"],
        ["Rome", "Oslo", "Bern", "Paris"],
        ["Oslo", "Bern", "Paris", "Rome"],
        ["Bern", "Paris", "Rome", "Oslo"],
    ]
    start = recorded.prompts("Ada", 1, "statement")[0]
    assert all(prompt.startswith(start) for prompt in prompts)


def test_a_seat_that_loves_a_letter_has_no_preference_left_over_all_rotations(tmp_path: Path) -> None:
    recorded = held(tmp_path, {"seat": "Ada", "label": "A"}, rounds=1)
    ballot = turn_of(recorded, "Ada").ballot
    assert [max(o.distribution, key=o.distribution.__getitem__) for o in ballot.orders] == ["A", "B", "C", "D"]
    assert all(math.fsum(o.distribution.values()) == pytest.approx(1) for o in ballot.orders)
    means = {x: math.fsum(o.distribution[x] for o in ballot.orders) / 4 for x in "ABCD"}
    assert ballot.distribution == pytest.approx(means)
    assert ballot.distribution[ballot.vote] == max(ballot.distribution.values())
    assert max(ballot.distribution.values()) - min(ballot.distribution.values()) < 0.2


def test_the_vote_that_counts_is_the_mean_s_and_peers_read_it(tmp_path: Path) -> None:
    spread = {"A": 0.1, "B": 0.6, "C": 0.2, "D": 0.1}
    recorded = held(tmp_path, {"seat": "Ada", "distribution": spread}, rounds=2)
    turn = turn_of(recorded, "Ada")
    assert turn.ballot.vote == "B"
    assert turn.ballot.distribution == pytest.approx(spread)
    assert "Rome" in recorded.prompts("Bob", 2, "statement")[0]


def test_label_mass_is_the_labels_share_of_the_whole_vocabulary(tmp_path: Path) -> None:
    spread = {"A": 0.1, "B": 0.6, "C": 0.2, "D": 0.1}
    recorded = held(tmp_path, {"seat": "Ada", "distribution": spread}, rounds=1)
    assert turn_of(recorded, "Ada").ballot.label_mass == pytest.approx(0.9)
    (asked,) = recorded.of("Ada", 1, "label_mass")
    assert asked.constraint is None
    assert asked.prompt_token_ids == recorded.of("Ada", 1, "ballot")[0].prompt_token_ids


@pytest.mark.parametrize(("reply", "vote"), [("Well, Rome.", "B"), ("Nobody can say.", None), (None, "C")])
def test_a_free_reply_is_read_by_the_parser_and_decides_nothing(
    tmp_path: Path, reply: str | None, vote: str | None
) -> None:
    recorded = held(tmp_path, {"seat": "Ada", "vote": "C", "free_reply": reply}, rounds=1)
    ballot = turn_of(recorded, "Ada").ballot
    assert ballot.vote == "C"
    assert ballot.free_reply.vote == vote
    (asked,) = recorded.of("Ada", 1, "free_reply")
    prefix = recorded.of("Ada", 1, "ballot")[0].prompt_token_ids
    assert prefix[: len(asked.prompt_token_ids)] == asked.prompt_token_ids, "the ballot's turn, without its beginning"


def test_the_ballot_before_the_statement_is_asked_in_all_orders_too(tmp_path: Path) -> None:
    recorded = held(tmp_path, *votes("Ada", "B", "A"), ballot={"at": "both", "orders": 2}, rounds=2)
    assert len(recorded.of("Ada", 1, "before")) == len(recorded.of("Ada", 1, "ballot")) == 2
    turn = turn_of(recorded, "Ada", 2)
    assert len(turn.ballot_before.orders) == 2
    assert turn.changed_mind
    assert turn.ballot.persuaded_by in ("Bob", None)
    (asked,) = recorded.prompts("Ada", 2, "persuaded")
    assert asked.startswith(recorded.prompts("Ada", 2, "ballot")[0]), "it goes on from the question's own order"


def test_measures_of_a_ballot_that_is_cast_before_the_statement(tmp_path: Path) -> None:
    recorded = held(tmp_path, *votes("Ada", "B"), ballot={**ALL, "at": "before"}, rounds=1)
    (mass,) = recorded.of("Ada", 1, "label_mass")
    assert mass.prompt_token_ids == recorded.of("Ada", 1, "before")[0].prompt_token_ids
    assert turn_of(recorded, "Ada").ballot.free_reply.vote == "B"


@pytest.mark.parametrize("ballot", [ALL, {"at": "both", "orders": 3, "pool": "geometric", "floor": 0.01}])
def test_a_store_keeps_every_order_and_verify_holds_it_to_the_log_probabilities(
    tmp_path: Path, ballot: dict[str, Any]
) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", ballot=ballot, rounds=2)
    questions = [QUESTION, make_question("Yes", "No", id="r"), make_question("1", "2", "3", id="s")]
    options = RunOptions(tmp_path / "home", "scripted")
    path = tmp_path / "run.db"
    begin_suite(path, panel, questions, options, SuiteOptions())
    with open_suite(path, options) as suite:
        outcomes = list(suite.run())
    assert [outcome.error for outcome in outcomes] == [None] * 3
    with Store.open(path, write=False) as store:
        assert not list(verify_store(store))
        (number,) = next(store.query("SELECT count(*) FROM ballot_orders"))
        asked = {"q": 4, "r": 2, "s": 3} if ballot is ALL else {"q": 3, "r": 2, "s": 3}
        assert number == sum(asked.values()) * 3 * 2 * (1 if ballot is ALL else 2)
    with Store.open(path, write=True) as store:
        for _ in store.query(
            "UPDATE ballot_orders SET distribution = json_set(distribution, '$.A', 0.0, '$.B', 1.0)"
            " WHERE number = 1 AND turn = 1"
        ):
            pass
        for _ in store.query("UPDATE ballots SET label_mass = 0.5, free_vote = 'A' WHERE turn = 2 AND counts = 1"):
            pass
        store.commit()
    with Store.open(path, write=False) as store:
        said = {found.what for found in verify_store(store)}
    assert "distribution" in said
    assert ("label_mass" in said) == (ballot is ALL)


def test_a_transcript_has_the_orders_and_the_measures_and_is_valid(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", ballot=ALL, rounds=1)
    done = hold(tmp_path, QUESTION, panel)
    assert done.error is None
    data = json.loads(json.dumps(written.to_json(done.transcript)))
    written.check(data, "it")
    ballot = data["rounds"][0]["turns"][0]["ballot"]
    assert [entry["order"] for entry in ballot["orders"]][1] == ["B", "C", "D", "A"]
    assert 0 < ballot["label_mass"] <= 1
    assert set(ballot["free_reply"]) == {"text", "vote"}
    assert data["panel"]["ballot"]["orders"] == "all_rotations"


@pytest.mark.parametrize(
    ("ballot", "said"),
    [
        ({"orders": 0}, "orders"),
        ({"orders": 27}, "orders"),
        ({"orders": "some"}, "orders"),
        ({"orders": 2, "pool": "median"}, "pool"),
        ({"orders": 2, "floor": 0.1}, "floor"),
        ({"pool": "geometric"}, "orders"),
        ({"orders": 2, "pool": "geometric", "floor": 0}, "floor"),
    ],
)
def test_impossible_ballots_are_refused(tmp_path: Path, ballot: dict[str, Any], said: str) -> None:
    assert said in refused(make_panel, tmp_path, "Ada", ballot=ballot).message
