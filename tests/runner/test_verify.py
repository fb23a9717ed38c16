"""Verify: every kind of fact of a real store, changed behind the program's back, is reported, and nothing else is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import CARD, REASONING, make_panel, make_question, write_script
from store_builders import alter, copy_store, hold_suite, suite, table

from localtable.config import parse_panel
from localtable.errors import PrerequisiteError, StoreError
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.keys import combine
from localtable.runner.verify import Disagreement, Replay, debates, verify_store
from localtable.runner.verify.rows import StoredTurn
from localtable.runner.verify.whole import read_inputs
from localtable.store import Store
from localtable.types import Stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with changes of mind, early agreements, both ballots, noise."""
    folder = tmp_path_factory.mktemp("whole")
    panel = table(folder, ballot={"at": "both"}, stop={"when": "unanimous"})
    path = hold_suite(folder / "run.db", panel, suite(9), controls=("noise-peers", "votes-only"), repeats=2)
    return copy_store(path, folder / "copy.db")


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    """One to change."""
    return copy_store(whole, tmp_path / "store.db")


def found(path: Path, *, prompts: bool = False) -> list[Disagreement]:
    with Store.open(path, write=False) as opened:
        replay = Replay(*read_inputs(opened), path.parent / "home") if prompts else None
        return list(verify_store(opened, replay=replay))


def whats(path: Path, *, prompts: bool = False) -> list[str]:
    return [disagreement.what for disagreement in found(path, prompts=prompts)]


def one(path: Path, sql: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(path)) as connection:
        row: tuple[object, ...] = connection.execute(sql).fetchone()
    assert row is not None, "the store has nothing of this kind to change"
    return row


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# ── what is whole ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_store_has_no_disagreement(whole: Path) -> None:
    assert found(whole, prompts=True) == []
    one(whole, "SELECT 1 FROM ballots WHERE persuaded_by NOT NULL")
    one(whole, "SELECT 1 FROM debates WHERE rounds < 3 AND condition = 1")
    one(whole, "SELECT 1 FROM debates WHERE partner NOT NULL")


def test_nor_has_one_that_was_left_on_its_way(tmp_path: Path) -> None:
    panel = table(tmp_path)
    path = hold_suite(tmp_path / "run.db", panel, suite(9), controls=("noise-peers",), stop_after=40)
    assert found(path, prompts=True) == []
    one(path, "SELECT 1 FROM debates WHERE state = 'open' AND EXISTS (SELECT 1 FROM turns WHERE debate = debates.id)")
    fresh = tmp_path / "fresh.db"
    begin_suite(fresh, panel, suite(3), RunOptions(home=tmp_path, engine="scripted"), SuiteOptions())
    assert found(fresh, prompts=True) == []


@pytest.mark.parametrize("at", ["before", "after", "both"])
def test_nor_has_one_with_thinking_second_attempts_ties_and_failures(tmp_path: Path, at: str) -> None:
    tie = {"A": 0.5, "B": 0.5}
    script = write_script(
        tmp_path,
        {"seat": "Ada", "round": 1, "statement": "", "distribution": tie},
        {"seat": "Bob", "round": 2, "statement": "Option B, <think>I think</think> it is.", "distribution": dict(tie)},
        {"seat": "Cyd", "round": 2, "fail": "always", "question": "q-3"},
        {"seat": "Cyd", "reasoning": "Hm. " * 30},
    )
    cards = [{**CARD, "id": "toy", "reasoning": REASONING}]
    panel = make_panel(
        *(tmp_path, "Ada", "Bob", "Cyd"),
        cards=cards,
        rounds=3,
        ballot={"at": at},
        thinking={"on": True, "max_tokens": 40},
        engine={"script": str(script)},
    )
    questions = [make_question(id=f"q-{i}", question=f"Question {i}?") for i in range(4)]
    path = hold_suite(tmp_path / "run.db", panel, questions, controls=("homogeneous", "solo-revise"))
    assert found(path, prompts=True) == []
    for had in ("turns WHERE attempts = 2", "ballots WHERE tied <> '[]'", "debates WHERE state = 'failed'"):
        one(path, f"SELECT 1 FROM {had}")
    one(path, "SELECT 1 FROM turns WHERE reasoning_truncated")


def test_26_options_and_64_seats_are_verified(tmp_path: Path) -> None:
    panel = table(tmp_path, *(f"Seat {i}" for i in range(64)), rounds=2)
    question = make_question(*(f"Option {i}" for i in range(26)))
    assert found(hold_suite(tmp_path / "run.db", panel, [question]), prompts=True) == []


def test_nor_has_one_that_took_over_what_another_run_was_given(tmp_path: Path) -> None:
    panel, options = table(tmp_path), RunOptions(home=tmp_path / "home", engine="scripted")
    first = hold_suite(tmp_path / "first.db", panel, suite(3))
    path = tmp_path / "run.db"
    begin_suite(path, panel, suite(5), options, SuiteOptions())
    with open_suite(path, options, reuse=[first]) as opened:
        list(opened.run())
    assert found(path, prompts=True) == []
    one(path, "SELECT 1 FROM turns WHERE reused")
    alter(path, "UPDATE turns SET reused = 0 WHERE id = (SELECT min(id) FROM turns WHERE reused)")
    assert whats(path) == ["reused"]


def test_nor_has_one_that_is_being_worked_on(tmp_path: Path) -> None:
    """Every commit leaves a store that is whole."""
    path, options = tmp_path / "run.db", RunOptions(home=tmp_path / "home", engine="scripted")
    begin_suite(path, table(tmp_path, stop={"when": "unanimous"}), suite(6), options, SuiteOptions())
    with open_suite(path, options) as opened:
        commit, commits = opened.store.commit, []

        def committed() -> None:
            commit()
            commits.append(found(path))

        opened.store.commit = committed
        list(opened.run())
    assert len(commits) > 5
    assert not any(commits)


# ── what was changed ────────────────────────────────────────────────────────────────────────────────────────

TURN = "(SELECT id FROM turns WHERE round = 2 AND changed_mind LIMIT 1)"
CALM = "(SELECT id FROM turns WHERE round = 2 AND NOT changed_mind LIMIT 1)"
SAID = "(SELECT generation FROM steps WHERE step = 'statement' ORDER BY turn LIMIT 1)"
FULL = "(SELECT id FROM debates WHERE rounds = 3 AND condition = 1 LIMIT 1)"
NOISE = "(SELECT id FROM debates WHERE partner NOT NULL LIMIT 1)"
BALLOT = f"turn = {TURN} AND counts"

BALLOTS = "ballots, and whether they count,"

CHANGES = [
    ("UPDATE run SET prompts_sha256 = 'x'", ["prompts_sha256"]),
    ("UPDATE run SET prompts = replace(prompts, 'You', 'Thou')", ["prompts_sha256"]),
    ("UPDATE run SET questions_sha256 = 'x'", ["questions_sha256"]),
    ("UPDATE questions SET context = 'changed' WHERE id = 1", ["questions_sha256"]),
    ("UPDATE texts SET sha256 = x'00' WHERE id = 5", ["sha256"]),
    ("UPDATE texts SET text = text || ' ' WHERE id = (SELECT max(prompt_shared) FROM turns)", ["sha256"]),
    ("UPDATE generations SET identity = 'x' WHERE id = 7", ["key"]),
    ("UPDATE generations SET prompt_sha256 = x'00' WHERE id = 7", ["key"]),
    ("UPDATE generations SET request_sha256 = x'00' WHERE id = 7", ["key"]),
    ("UPDATE generations SET key = x'00' WHERE id = 7", ["key"]),
    (f"UPDATE turns SET seed = seed + 1 WHERE id = {TURN}", ["seed"]),
    (f"UPDATE turns SET position = 9 WHERE id = {TURN}", ["position"]),
    (f"UPDATE turns SET model = 'toys' WHERE id = {TURN}", ["model", "labels of toys"]),
    (f"UPDATE turns SET changed_mind = 0 WHERE id = {TURN}", ["changed_mind"]),
    (f"UPDATE turns SET changed_mind = 1 WHERE id = {CALM}", ["changed_mind"]),
    (f"UPDATE turns SET stated = 'Z' WHERE id = {TURN}", ["stated"]),
    (f"UPDATE turns SET names_letter = NOT names_letter WHERE id = {TURN}", ["names_letter"]),
    (f"UPDATE turns SET truncated = NOT truncated WHERE id = {TURN}", ["truncated"]),
    (
        f"UPDATE turns SET finish_reason = iif(finish_reason = 'stop', 'length', 'stop') WHERE id = {TURN}",
        ["finish_reason"],
    ),
    (f"UPDATE turns SET reasoning_truncated = 1 WHERE id = {TURN}", ["reasoning_truncated"]),
    (f"UPDATE turns SET attempts = 2 WHERE id = {TURN}", ["attempts"]),
    (f"DELETE FROM steps WHERE turn = {TURN} AND step = 'persuaded'", ["steps"]),
    (f"DELETE FROM steps WHERE turn = {TURN} AND step = 'ballot'", ["steps"]),
    (f"UPDATE steps SET number = 9 WHERE turn = {TURN} AND step = 'statement'", ["steps"]),
    (f"INSERT INTO steps SELECT turn, 9, step, generation FROM steps WHERE turn = {CALM} LIMIT 1", ["steps"]),
    (f"UPDATE ballots SET vote = iif(vote = 'A', 'B', 'A') WHERE {BALLOT}", ["vote"]),
    (f"UPDATE ballots SET vote = 'Z' WHERE {BALLOT}", ["vote"]),
    (f"UPDATE ballots SET tied = '[\"A\", \"B\"]' WHERE {BALLOT}", ["tied"]),
    (f"UPDATE ballots SET persuaded_by = 'Nobody' WHERE {BALLOT}", ["persuaded_by"]),
    (f"UPDATE ballots SET persuaded_by = 'Ada' WHERE turn = {CALM} AND counts", ["persuaded_by"]),
    (f"UPDATE ballots SET counts = 1 WHERE turn = {TURN} AND at = 'before'", [BALLOTS]),
    (f"DELETE FROM ballots WHERE turn = {TURN} AND at = 'before'", [BALLOTS]),
    (
        f"UPDATE ballots SET distribution = json_set(distribution, '$.A', 0.999999) WHERE {BALLOT}",
        ["distribution"],
    ),
    (
        f"UPDATE ballots SET distribution = json_remove(distribution, '$.A') WHERE {BALLOT}",
        ["options of the distribution"],
    ),
    (f"UPDATE debates SET state = 'open' WHERE id = {FULL}", ["state"]),
    (f"UPDATE debates SET state = 'failed', reason = 'x' WHERE id = {FULL}", ["state"]),
    (f"UPDATE debates SET reason = 'x' WHERE id = {FULL}", ["a reason"]),
    (f"UPDATE debates SET session = NULL WHERE id = {FULL}", ["a session"]),
    (f"UPDATE debates SET votes = votes + 1 WHERE id = {FULL}", ["verdict"]),
    (f"UPDATE debates SET of = 9 WHERE id = {FULL}", ["verdict"]),
    (f"UPDATE debates SET rounds = 2 WHERE id = {FULL}", ["verdict"]),
    (f"UPDATE debates SET agreement = 1 - agreement WHERE id = {FULL}", ["verdict"]),
    (f"UPDATE debates SET leading = '[\"Z\"]' WHERE id = {FULL}", ["verdict"]),
    (f"UPDATE debates SET verdict = 'tie' WHERE id = {FULL} AND verdict <> 'tie'", ["verdict"]),
    (f"UPDATE debates SET partner = id WHERE id = {NOISE}", ["partner"]),
    (f"UPDATE debates SET partner = NULL WHERE id = {NOISE}", ["partner"]),
    ("UPDATE conditions SET left_out = 1 WHERE name = 'noise-peers'", ["debates"]),
    ("UPDATE conditions SET name = 'ring' WHERE name = 'votes-only'", ["names"]),
    ("UPDATE sessions SET activations = '{\"toy\": 1}'", ["activations of other"]),
    ("UPDATE sessions SET seconds = json_set(seconds, '$.total', 1e6)", ["seconds in all"]),
    ("UPDATE sessions SET facts = json_set(facts, '$.engine', 'vllm')", ["engine"]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), CHANGES, ids=[change[0][:90] for change in CHANGES])
def test_a_changed_fact_is_reported_and_nothing_else(store: Path, sql: str, expected: list[str]) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        assert connection.execute(sql).rowcount >= 1, "it changes something"
    assert sorted(whats(store)) == sorted(expected)


def test_a_disagreement_says_where_and_both_values(store: Path) -> None:
    number, question, repeat, seat, vote = one(
        store,
        "SELECT debates.id, questions.name, repeat, seat, vote FROM turns JOIN ballots ON turn = turns.id AND counts"
        " JOIN debates ON debates.id = debate JOIN questions ON questions.id = debates.question"
        " JOIN conditions ON conditions.id = condition"
        " WHERE round = 2 AND conditions.name = 'votes-only' AND repeat = 1 AND num_options = 3 LIMIT 1",
    )
    turn = f"(SELECT id FROM turns WHERE debate = {number} AND round = 2 AND seat = '{seat}')"
    other = "A" if vote == "C" else "C"
    alter(store, f"UPDATE ballots SET vote = '{other}' WHERE turn = {turn} AND counts")
    (disagreement,) = found(store)
    where = f"debate {number} ({question}, votes-only, {repeat}), round 2, {seat}, ballot after"
    assert disagreement.line() == f"{where}: vote says {other}, the distribution says {vote}"
    assert disagreement.to_json() == {"where": where, "what": "vote", "stored": other, "derived": vote}


def test_a_wrong_log_probability_is_found_and_carries_nothing_else_along(store: Path) -> None:
    """Distribution and vote agree; the log-probabilities are what disagrees."""
    number, logprobs = one(
        store,
        "SELECT id, logprobs FROM generations WHERE id IN (SELECT generation FROM steps WHERE step = 'ballot'"
        " GROUP BY 1 HAVING count(*) = 1) LIMIT 1",
    )
    read = json.loads(str(logprobs))
    (low, a), *_, (high, b) = sorted(read.items(), key=lambda item: item[1])
    changed = json.dumps({**read, low: b, high: a})
    alter(store, f"UPDATE generations SET logprobs = '{changed}' WHERE id = {number}")
    assert whats(store) == ["distribution"]
    alter(store, f"UPDATE generations SET logprobs = '{{}}' WHERE id = {number}")
    (disagreement,) = found(store)
    assert "no log-probability for the allowed ids" in str(disagreement.stored)


def test_a_generation_that_ends_otherwise_is_found_at_its_turns(store: Path) -> None:
    number, before = one(
        store,
        "SELECT id, finish_reason FROM generations WHERE id IN (SELECT generation FROM steps WHERE step = 'statement'"
        " GROUP BY 1 HAVING count(*) = 1) LIMIT 1",
    )
    alter(
        store,
        f"UPDATE generations SET finish_reason = '{'stop' if before == 'length' else 'length'}' WHERE id = {number}",
    )
    assert whats(store) == ["finish_reason", "truncated"]


def test_a_generation_of_another_turn_does_not_fit(store: Path) -> None:
    (turn,) = one(store, f"SELECT {CALM}")
    alter(
        store,
        f"UPDATE steps SET generation = (SELECT generation FROM steps WHERE step = 'ballot' AND turn <> {turn}"
        f" ORDER BY turn DESC LIMIT 1) WHERE turn = {turn} AND step = 'ballot'",
    )
    assert set(whats(store)) <= {"model", "seed", "distribution", "log-probabilities of the ballot"}
    assert "seed" in whats(store)


def delete_turns(path: Path, where: str) -> None:
    for name in ("steps", "ballots"):
        alter(path, f"DELETE FROM {name} WHERE turn IN (SELECT id FROM turns WHERE {where})")
    alter(path, f"DELETE FROM turns WHERE {where}")


def test_a_missing_turn_is_found(store: Path) -> None:
    (debate,) = one(store, f"SELECT {FULL}")
    delete_turns(store, f"debate = {debate} AND round = 3 AND seat = 'Bob'")
    (disagreement,) = found(store)
    assert (disagreement.what, disagreement.stored, disagreement.derived) == ("state", "finished", "open")


def test_a_hole_in_an_early_round_is_found(store: Path) -> None:
    (debate,) = one(store, f"SELECT {FULL}")
    delete_turns(store, f"debate = {debate} AND round = 2 AND seat = 'Bob'")
    (disagreement,) = found(store)
    assert (disagreement.what, disagreement.stored, disagreement.derived) == (
        "rounds that have turns",
        [1, 2, 3],
        [1, 2],
    )


@pytest.mark.parametrize("early", [True, False], ids=["after the stop rule", "after the last round"])
def test_a_turn_beyond_the_end_is_found(store: Path, early: bool) -> None:
    (debate,) = one(store, "SELECT id FROM debates WHERE rounds = 1 LIMIT 1" if early else f"SELECT {FULL}")
    columns = [row[1] for row in rows(store, "PRAGMA table_info(turns)") if row[1] not in ("id", "round")]
    alter(
        store,
        f"INSERT INTO turns (round, {', '.join(columns)}) SELECT {2 if early else 4}, {', '.join(columns)} FROM turns"
        f" WHERE debate = {debate} AND round = 1",
    )
    (disagreement,) = found(store)
    last = 1 if early else 3
    assert disagreement.what == "rounds that have turns"
    assert disagreement.derived == list(range(1, last + 1))


def test_a_turn_of_nobody_is_found(store: Path) -> None:
    (turn,) = one(store, f"SELECT id FROM turns WHERE debate = {FULL} AND round = 3 LIMIT 1")
    alter(store, f"UPDATE turns SET seat = 'Eve' WHERE id = {turn}")
    assert whats(store) == ["seat in round 3", "state"]


def test_a_missing_debate_is_found(store: Path) -> None:
    (debate,) = one(store, "SELECT max(id) FROM debates WHERE condition = 3")
    delete_turns(store, f"debate = {debate}")
    alter(store, f"DELETE FROM debates WHERE id = {debate}")
    (disagreement,) = found(store)
    assert (disagreement.where, disagreement.what) == ("condition votes-only", "debates")


def test_rows_that_point_nowhere_are_found(store: Path) -> None:
    alter(store, f"DELETE FROM generations WHERE id = {SAID}")
    assert "reference to generations" in whats(store)


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE ballots SET distribution = 'no json' WHERE {BALLOT}",
        f"UPDATE ballots SET distribution = '[1]' WHERE {BALLOT}",
        f"UPDATE ballots SET distribution = replace(distribution, '0.', 'NaN') WHERE {BALLOT}",
        f"UPDATE ballots SET tied = '7' WHERE {BALLOT}",
        f"UPDATE turns SET round = 'two' WHERE id = {TURN}",
        f"UPDATE turns SET attempts = x'00' WHERE id = {TURN}",
        f"UPDATE generations SET logprobs = '{{\"x\": 1}}' WHERE id = {SAID}",
        f"UPDATE generations SET token_ids = x'0000' WHERE id = {SAID}",
        f"UPDATE generations SET token_ids = 'text' WHERE id = {SAID}",
        f"UPDATE debates SET leading = '[' WHERE id = {FULL}",
        f"UPDATE debates SET leading = x'ff' WHERE id = {FULL}",
        f"UPDATE debates SET condition = 99 WHERE id = {FULL}",
        f"UPDATE debates SET question = 99 WHERE id = {FULL}",
        "UPDATE questions SET options = 'x' WHERE id = 1",
        "UPDATE questions SET answer = 'Z' WHERE id = 1",
        "UPDATE sessions SET facts = '[]'",
        "UPDATE sessions SET facts = 'x'",
        'UPDATE sessions SET seconds = \'{"total": "x"}\'',
        "UPDATE texts SET text = x'ff' WHERE id = 1",
        "UPDATE texts SET text = CAST(x'ff' AS TEXT) WHERE id = 1",
        "UPDATE run SET prompts = '{}'",
        "DELETE FROM ballots",
        "DELETE FROM steps",
        "DELETE FROM texts",
        "DELETE FROM sessions",
    ],
)
def test_what_can_not_be_read_is_reported_and_never_a_traceback(store: Path, sql: str) -> None:
    alter(store, sql)
    assert whats(store)


@pytest.mark.parametrize("column", ["panel", "cards", "controls", "weights"])
@pytest.mark.parametrize("value", ["", "{", "[]", "7"])
def test_inputs_that_can_not_be_read_are_an_error(store: Path, column: str, value: str) -> None:
    alter(store, f"UPDATE run SET {column} = '{value}'")
    if (column, value) == ("controls", "[]"):
        assert "names" in whats(store), "a run without controls has fewer conditions"
        return
    with pytest.raises(StoreError, match=r"the inputs of .* can't be read") as caught:
        whats(store)
    assert caught.value.hint


def test_a_wrong_number_of_options_is_found(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(2))
    alter(path, "UPDATE questions SET num_options = 3 WHERE id = 1")
    (disagreement,) = found(path)
    assert disagreement.line() == "question 1 (q-0): num_options says 3, the options say 2"


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (f"UPDATE turns SET peers_cut = 5 WHERE id = {TURN}", ["peers_cut"]),
        (f"UPDATE turns SET prompt_own = statement WHERE id = {TURN}", ["prompt_own"]),
        (f"UPDATE turns SET prompt_shared = statement WHERE id = {TURN}", ["prompt_shared"]),
        (f"UPDATE turns SET reasoning = statement WHERE id = {TURN}", ["reasoning"]),
        (
            "UPDATE ballots SET persuaded_by = iif(persuaded_by IS NULL, (SELECT seat FROM turns AS other"
            f" WHERE other.seat <> (SELECT seat FROM turns WHERE id = turn)), NULL) WHERE {BALLOT}",
            ["persuaded_by"],
        ),
    ],
)
def test_what_only_prompts_say_is_found_with_them(store: Path, change: str, expected: list[str]) -> None:
    alter(store, change)
    assert found(store) == []
    assert whats(store, prompts=True) == expected


def test_a_statement_that_its_generation_did_not_give_is_found(store: Path) -> None:
    (turn, last) = one(store, f"SELECT id, max(id) FROM turns WHERE round = 3 AND debate = {FULL}")
    alter(
        store,
        f"UPDATE turns SET (statement, stated, names_letter) = (SELECT statement, stated, names_letter FROM turns"
        f" WHERE id <> {turn} AND stated IS NULL ORDER BY id DESC LIMIT 1) WHERE id = {turn}",
    )
    assert last
    assert whats(store, prompts=True) == ["statement"]


def test_a_prompt_that_was_another_is_found_with_its_key_mended(store: Path) -> None:
    """All hashes fit each other, and still this is not what the panel asks."""
    number, identity, request, seed = one(
        store,
        "SELECT id, identity, request_sha256, seed FROM generations WHERE id IN"
        " (SELECT generation FROM steps WHERE step = 'ballot' GROUP BY 1 HAVING count(*) = 1) LIMIT 1",
    )
    assert isinstance(identity, str)
    assert isinstance(request, bytes)
    assert isinstance(seed, int)
    for name, parts in (("prompt_sha256", (request, b"\1" * 32)), ("request_sha256", (b"\1" * 32, b"\1" * 32))):
        key = combine(identity, *parts, seed)
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute(
                "UPDATE generations SET request_sha256 = ?, prompt_sha256 = ?, key = ? WHERE id = ?",
                (*parts, key, number),
            )
        assert found(store) == []
        assert name in whats(store, prompts=True)


def test_without_weights_prompts_are_refused(tmp_path: Path) -> None:
    card_id = "smollm2-135m-instruct"
    data = {"name": "panel", "seats": [{"name": "Ada", "model": card_id}]}
    path = hold_suite(tmp_path / "run.db", parse_panel(data, "it", tmp_path, default_stop=Stop()), suite(1))
    assert found(path, prompts=True) == []
    weights = json.dumps({card_id: {"weights": "0" * 64, "source": "hub"}})
    alter(path, f"UPDATE run SET engine = 'transformers', weights = '{weights}'")
    with pytest.raises(PrerequisiteError, match=f"the weights of {card_id} are not here") as caught:
        found(path, prompts=True)
    assert f"localtable models fetch {card_id}" in caught.value.hint


def test_one_debate_at_a_time_is_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory is flat, and what is wrong with the first debate is said before the second one is looked at."""
    read: list[int] = []
    real = debates.read_turns

    def reading(opened: Store, number: int) -> list[StoredTurn]:
        read.append(number)
        return real(opened, number)

    monkeypatch.setattr(debates, "read_turns", reading)
    alter(store, "UPDATE turns SET seed = 0")
    with Store.open(store, write=False) as opened:
        first = next(disagreement for disagreement in verify_store(opened) if disagreement.what == "seed")
    assert first.where.startswith("debate 1 (")
    assert read == [1]
