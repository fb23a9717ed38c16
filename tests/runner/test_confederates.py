"""Confederates: seats that a script plays, among seats that models sit on, from the panel's file to the transcript."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, hold, make_panel, make_question, record, refused, votes, write_script
from store_builders import alter, copy_store, exported, hold_suite, resume

from localtable.analysis.rules import every_rule, tally
from localtable.analysis.table import load_table
from localtable.errors import ConfigError, PlacementError
from localtable.report.markdown import to_markdown
from localtable.report.terminal import print_result
from localtable.runner.inputs import conditions_of
from localtable.runner.planning import plan_inputs
from localtable.runner.totals import condition_totals, validity
from localtable.runner.verify import Replay, verify_store
from localtable.runner.verify.whole import read_inputs
from localtable.scheduler.gpus import parse_gpus
from localtable.store import Store, holds_run
from localtable.transcript import check, panel_to_json, to_json
from localtable.types import CONFEDERATE, Panel, Question

QUESTION = make_question("Yes", "No", "Perhaps", answer="A")


def model_seat(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "model": "toy.yaml", **changes}


def confederate(name: str, vote: Any = "wrong", statement: str = "It is {option}.", **keys: Any) -> dict[str, Any]:
    return {"name": name, "confederate": {"vote": vote, "statement": statement, **keys}}


def panel_with(folder: Path, *seats: dict[str, Any], **changes: Any) -> Panel:
    return make_panel(folder, cards=[CARD], seats=list(seats), **changes)


def two_and_two(folder: Path, **changes: Any) -> Panel:
    return panel_with(folder, model_seat("Ada"), confederate("Cy"), model_seat("Bob"), confederate("Dee"), **changes)


def script(folder: Path) -> Path:
    return write_script(folder, *votes("Ada", "A", "A"), *votes("Bob", "A", "A"))


def suite(count: int = 6) -> list[Question]:
    return [
        make_question("Yes", "No", "Perhaps", id=f"q{n}", question=f"Is {n} odd?", answer="ABC"[n % 3])
        for n in range(count)
    ]


def disagreements(path: Path) -> list[str]:
    with Store.open(path, write=False) as store:
        replay = Replay(*read_inputs(store), path.parent / "home")
        return [found.what for found in verify_store(store, replay=replay)]


# ── what they do, and what others see of it ─────────────────────────────────────────────────────────────────


def test_a_confederate_s_turns_are_its_script_in_every_round(tmp_path: Path) -> None:
    held = record(QUESTION, two_and_two(tmp_path), script(tmp_path))
    for round_ in held.debate.rounds:
        cy, dee = (next(turn for turn in round_.turns if turn.seat == name) for name in ("Cy", "Dee"))
        wrong = cy.ballot.vote
        assert wrong in "BC"
        assert dee.ballot.vote == wrong, "they are together"
        assert cy.statement == f"It is {QUESTION.text_of(wrong)}."
        assert cy.ballot.distribution == {letter: float(letter == wrong) for letter in "ABC"}
        assert (cy.stated, cy.changed_mind, cy.usage, cy.token_ids) == (wrong, False, {}, None)


def test_no_engine_is_asked_for_them_and_none_is_loaded(tmp_path: Path) -> None:
    held = record(QUESTION, two_and_two(tmp_path), script(tmp_path))
    assert {request.origin.seat for request in held.requests if request.origin} == {"Ada", "Bob"}
    assert held.models.keys() == {"toy"}


def test_peers_can_not_tell_them_from_others(tmp_path: Path) -> None:
    """The prompts are those of a debate in which models say and vote the same."""
    played = record(QUESTION, two_and_two(tmp_path), script(tmp_path))
    wrong = next(turn.ballot.vote for turn in played.debate.rounds[0].turns if turn.seat == "Cy")
    said = f"It is {QUESTION.text_of(wrong)}."
    turns = [{"seat": name, "vote": wrong, "statement": said} for name in ("Cy", "Dee")]
    real = panel_with(tmp_path, *(model_seat(name) for name in ("Ada", "Cy", "Bob", "Dee")))
    spoken = write_script(tmp_path, *votes("Ada", "A", "A"), *votes("Bob", "A", "A"), *turns)
    meant = record(QUESTION, real, spoken)
    for name in ("Ada", "Bob"):
        assert played.prompts(name) == meant.prompts(name)


def test_who_persuaded_can_be_a_confederate(tmp_path: Path) -> None:
    turns = [*votes("Ada", "A", "B"), *votes("Bob", "A", "A")]
    turns[1]["persuaded_by"] = "Dee"
    held = record(QUESTION, two_and_two(tmp_path), write_script(tmp_path, *turns))
    (ada,) = (turn for turn in held.debate.rounds[1].turns if turn.seat == "Ada")
    assert ada.ballot.persuaded_by == "Dee"


def test_a_confederate_is_as_sure_as_its_file_says_and_peers_read_it_so(tmp_path: Path) -> None:
    sure = (model_seat("Ada"), confederate("Cy", "B", confidence="0.6"), confederate("Dee", "C"))
    held = record(QUESTION, panel_with(tmp_path, *sure, visibility={"confidence": "shown"}), script(tmp_path))
    (prompt,) = held.prompts("Ada", 2, "statement")
    assert "Cy chose: No (60 % sure)\n> It is No." in prompt
    assert "Dee chose: Perhaps (100 % sure)\n> It is Perhaps." in prompt
    (cy,) = (turn for turn in held.debate.rounds[0].turns if turn.seat == "Cy")
    assert (cy.ballot.vote, cy.ballot.confidence) == ("B", 0.6)
    assert cy.ballot.distribution == pytest.approx({"A": 0.2, "B": 0.6, "C": 0.2})


def test_the_confidence_of_one_that_counts_is_what_rules_read(tmp_path: Path) -> None:
    """Ada gives No 0.55 and Yes 0.35; with 0.6 of Cy's for Yes that wins the pool, with 0.4 No does."""
    said = write_script(tmp_path, {"seat": "Ada", "distribution": {"A": 0.35, "B": 0.55, "C": 0.1}})
    winners = {}
    for sure in ("0.6", "0.4"):
        folder = tmp_path / sure
        folder.mkdir()
        panel = panel_with(folder, model_seat("Ada"), confederate("Cy", "A", confidence=sure, counts="true"))
        path = hold_suite(folder / "run.db", panel, [QUESTION], said)
        with Store.open(path, write=False) as store:
            table = load_table(store, conditions_of(store.run(), "the run"))
        pool = next(r for r in tally(table.conditions[0], every_rule(), None).results if r.chosen.text == "linear_pool")
        winners[sure] = pool.accuracy.value
    assert winners == {"0.6": 1.0, "0.4": 0.0}


def test_a_confederate_that_is_no_surer_of_its_vote_than_of_others_is_refused(tmp_path: Path) -> None:
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", "B", confidence="0.4"))
    assert hold(tmp_path, QUESTION, panel, script(tmp_path)).whole
    two = make_question("Yes", "No", answer="A")
    error = hold(tmp_path, two, panel, script(tmp_path)).error
    assert isinstance(error, ConfigError)
    assert error.message == (
        "the confederate 'Cy' gives its vote 0.4, and each of the other options of the question 'q' 0.6"
    )
    assert error.hint == "Give it a `confidence` above 0.5."


def test_with_models_names_a_confederate_goes_by_the_one_it_poses_as(tmp_path: Path) -> None:
    seats = (model_seat("Ada"), confederate("Cy", poses_as="GPT-9"))
    held = record(QUESTION, panel_with(tmp_path, *seats, visibility={"names": "models"}), script(tmp_path))
    (prompt,) = held.prompts("Ada", 2, "statement")
    assert "GPT-9 chose: " in prompt
    assert "Cy" not in prompt


# ── what counts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("counts", "of", "kind"), [("false", 2, "unanimous"), ("true", 4, "tie")])
def test_their_votes_count_where_the_panel_says_so(tmp_path: Path, counts: str, of: int, kind: str) -> None:
    seats = (model_seat("Ada"), model_seat("Bob"), *(confederate(name, "B", counts=counts) for name in ("Cy", "Dee")))
    held = record(QUESTION, panel_with(tmp_path, *seats), script(tmp_path))
    verdict = held.debate.verdict
    assert verdict is not None
    assert (verdict.of, verdict.kind) == (of, kind)
    assert held.debate.rounds[0].tally == {"A": 2, "B": of - 2, "C": 0}


def test_a_stop_rule_asks_those_that_count(tmp_path: Path) -> None:
    panel = two_and_two(tmp_path, stop={"when": "unanimous"}, rounds="3")
    assert len(record(QUESTION, panel, script(tmp_path)).debate.rounds) == 1


def test_the_tally_that_seats_see_is_of_all_whom_they_see(tmp_path: Path) -> None:
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", "B"), visibility={"tally": "shown"})
    (prompt,) = record(QUESTION, panel, script(tmp_path)).prompts("Ada", 2, "statement")
    assert "- Yes: 1\n- No: 1\n- Perhaps: 0" in prompt


def test_rules_and_tables_leave_those_out_that_do_not_count(tmp_path: Path) -> None:
    seats = (model_seat("Ada"), confederate("Cy", "right", counts="true"), model_seat("Bob"), confederate("Dee"))
    path = hold_suite(tmp_path / "run.db", panel_with(tmp_path, *seats), suite())
    with Store.open(path, write=False) as store:
        run = store.run()
        table = load_table(store, conditions_of(run, "the run"))
        states = {row.id: row.verdict for row in store.all_debates()}
    (debate,) = table.conditions
    assert [(seat.name, seat.model, seat.counts) for seat in debate.seats] == [
        ("Ada", "toy", True),
        ("Cy", CONFEDERATE, True),
        ("Bob", "toy", True),
        ("Dee", CONFEDERATE, False),
    ]
    found = tally(debate, every_rule(), None)
    assert [name for name, _ in found.seats] == ["Ada", "Cy", "Bob"]
    plurality = next(result for result in found.results if result.chosen.text == "plurality")
    tied = sum(verdict is not None and verdict.kind == "tie" for verdict in states.values())
    assert plurality.tie_rate.value == pytest.approx(tied / len(states)), "as the debates' own verdicts"


# ── stores ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    controls = ("noise-peers", "votes-only", "homogeneous", "self-consistency", "first-round")
    panel = two_and_two(folder, rounds="3", ballot={"at": "both"}, stop={"when": "unanimous"})
    return copy_store(hold_suite(folder / "run.db", panel, suite(), controls=controls, repeats=2), folder / "copy.db")


def test_a_store_says_which_turns_are_theirs(whole: Path) -> None:
    with closing(sqlite3.connect(whole)) as connection:
        seats = set(connection.execute("SELECT seat, model FROM turns WHERE model = 'confederate'"))
        steps = connection.execute(
            "SELECT count(*) FROM steps JOIN turns ON turns.id = turn WHERE model = 'confederate'"
        ).fetchone()
        theirs = "FROM ballots JOIN turns ON turns.id = turn WHERE model = 'confederate'"
        at = set(connection.execute(f"SELECT at, counts {theirs}"))
    assert seats == {("Cy", CONFEDERATE), ("Dee", CONFEDERATE)}
    assert steps == (0,)
    assert at == {("after", 1)}


def test_a_store_with_them_verifies_with_its_prompts(whole: Path) -> None:
    assert disagreements(whole) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE turns SET statement = (SELECT min(id) FROM texts) WHERE id = {turn}", "statement"),
        ("UPDATE turns SET model = 'toy' WHERE id = {turn}", "model"),
        ("UPDATE turns SET position = 9 WHERE id = {turn}", "position"),
        ("UPDATE turns SET stated = NULL WHERE id = {turn}", "stated"),
        ("UPDATE turns SET changed_mind = 1 WHERE id = {turn}", "changed_mind"),
        ("UPDATE turns SET seed = 5 WHERE id = {turn}", "seed"),
        ("UPDATE turns SET prompt_own = statement WHERE id = {turn}", "prompt_own"),
        ("UPDATE turns SET reused = 1 WHERE id = {turn}", "reused"),
        ("UPDATE ballots SET at = 'before' WHERE turn = {turn}", "ballots"),
        ('UPDATE ballots SET distribution = \'{{"A":0,"B":0.5,"C":0.5}}\' WHERE turn = {turn}', "ballots"),
        ("INSERT INTO steps SELECT {turn}, 0, 'statement', min(id) FROM generations", "steps"),
    ],
)
def test_what_was_changed_in_their_turns_is_found(whole: Path, tmp_path: Path, change: str, what: str) -> None:
    path = copy_store(whole, tmp_path / "store.db")
    with closing(sqlite3.connect(path)) as connection:
        # Of a last round, so that nothing follows from it in later prompts.
        (turn,) = connection.execute(
            "SELECT max(turns.id) FROM turns JOIN debates ON debates.id = debate WHERE model = 'confederate'"
            " AND condition = 1 AND round = 3"
        ).fetchone()
    alter(path, change.format(turn=turn))
    with Store.open(path, write=False) as store:
        assert [found.what for found in verify_store(store)] == [what]


def test_a_question_that_lost_its_answer_is_a_disagreement_and_no_crash(whole: Path, tmp_path: Path) -> None:
    path = copy_store(whole, tmp_path / "store.db")
    alter(path, "UPDATE questions SET answer = NULL WHERE id = 1")
    assert "a confederate's vote" in disagreements(path)


@pytest.mark.parametrize("stop_after", [1, 2, 3, 9])
def test_a_run_that_was_broken_off_goes_on_to_the_same_end(tmp_path: Path, stop_after: int) -> None:
    panel = two_and_two(tmp_path, rounds="3")
    one = hold_suite(tmp_path / "one.db", panel, suite(3), controls=("noise-peers",))
    two = hold_suite(tmp_path / "two.db", panel, suite(3), controls=("noise-peers",), stop_after=stop_after)
    resume(two)
    assert disagreements(two) == []
    assert [strip(data) for data in exported(one)] == [strip(data) for data in exported(two)]


def strip(data: dict[str, Any]) -> dict[str, Any]:
    data["manifest"].pop("engines", None)
    return data


def test_shards_merge_to_a_store_that_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from localtable.cli.main import run

    panel = two_and_two(tmp_path)
    shards = [hold_suite(tmp_path / f"{i}.db", panel, suite(5), shard=(i, 2)) for i in (1, 2)]
    assert run(["merge", *map(str, shards), "--store", str(tmp_path / "whole.db")]) == 0
    assert disagreements(tmp_path / "whole.db") == []
    undivided = hold_suite(tmp_path / "undivided.db", panel, suite(5))
    merged = [strip(data)["rounds"] for data in exported(tmp_path / "whole.db")]
    assert merged == [strip(data)["rounds"] for data in exported(undivided)]


def test_tables_for_pandas_and_others_have_them(whole: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from localtable.store.parquet import write_tables

    with Store.open(whole, write=False) as store:
        write_tables(store, tmp_path / "tables", [name for name, _ in store.conditions().values()])
    turns = pq.read_table(tmp_path / "tables/turns.parquet").to_pylist()
    theirs = [row for row in turns if row["model"] == CONFEDERATE]
    assert len(theirs) == sum(row["seat"] in ("Cy", "Dee") for row in turns) > 0
    assert {(row["prompt_sha256"], row["statement_completion_tokens"], row["confidence"]) for row in theirs} == {
        (None, 0, 1.0)
    }


def test_totals_count_what_models_did(whole: Path) -> None:
    with Store.open(whole, write=False) as store:
        assert {row["seat"] for row in validity(store) if row["condition"] == "debate"} == {"Ada", "Bob"}
        assert condition_totals(store)["debate"]["completion_tokens"] > 0


def test_controls_keep_them_where_they_keep_peers(tmp_path: Path) -> None:
    cards = [{**CARD, "id": "one"}, {**CARD, "id": "two"}]
    seats = [{"name": "Ada", "model": "one.yaml"}, {"name": "Bob", "model": "two.yaml"}, confederate("Cy", "B")]
    panel = make_panel(tmp_path, cards=cards, seats=seats)
    held = record(QUESTION, panel, controls=["homogeneous", "self-consistency", "solo-revise"])
    seats_of = {outcome.condition: [turn.seat for turn in outcome.debate.rounds[0].turns] for outcome in held.outcomes}
    assert sorted(seats_of["homogeneous:one"]) == sorted(seats_of["solo-revise"]) == ["Ada", "Bob", "Cy"]
    assert sorted(seats_of["self-consistency:two"]) == ["Ada", "Ada 2", "Bob", "Bob 2"]


def test_a_store_that_an_earlier_version_began_is_the_same_run(tmp_path: Path) -> None:
    """Panels had no `visibility` and seats no `role` then."""
    panel = make_panel(tmp_path, "Ada", "Bob")
    path = hold_suite(tmp_path / "run.db", panel, suite(2), stop_after=3)
    stored = panel_to_json(panel)
    del stored["visibility"]
    for seat in stored["seats"]:
        del seat["role"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE run SET panel = ?", (json.dumps(stored),))
        connection.execute("UPDATE run SET prompts = json_remove(prompts, '$.roles', '$.tally', '$.participant')")
    hold_suite(path, panel, suite(2))
    assert disagreements(path) == []


# ── transcripts and pages ───────────────────────────────────────────────────────────────────────────────────


def test_a_transcript_marks_them_and_is_read_back_as_the_same_panel(tmp_path: Path) -> None:
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", {"by_question": {"q": "No", "other": "A"}}))
    data = json.loads(json.dumps(to_json(hold(tmp_path, QUESTION, panel, script(tmp_path)).whole)))
    check(data, "the transcript")
    assert data["panel"]["seats"][1] == {
        "name": "Cy",
        "confederate": {
            "vote": {"by_question": {"q": "No"}},
            "statement": "It is {option}.",
            "counts": False,
            "together": True,
            "poses_as": None,
            "confidence": 1.0,
        },
    }
    (turn,) = (turn for turn in data["rounds"][0]["turns"] if turn["seat"] == "Cy")
    assert (turn["ballot"]["vote"], turn["usage"]["completion_tokens"]) == ("B", 0)
    assert data["manifest"]["cards"].keys() == {"toy"}


@pytest.mark.parametrize("counts", ["true", "false"])
def test_pages_and_screens_say_who_is_scripted(tmp_path: Path, counts: str) -> None:
    from rich.console import Console

    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", "B", counts=counts))
    transcript = hold(tmp_path, QUESTION, panel, script(tmp_path)).whole
    mark = "scripted confederate" if counts == "true" else "scripted confederate, no vote"
    page = to_markdown(to_json(transcript))
    assert "2 seats, 1 of them a scripted confederate" in page
    assert f"### Cy\n\n*{mark}* · Vote: **No**" in page
    screen = StringIO()
    print_result(to_json(transcript), Console(file=screen, width=200))
    (line,) = (line for line in screen.getvalue().splitlines() if line.startswith("Cy"))
    assert f"Cy     {mark}  " in line


# ── plans and lengths ───────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_reckons_with_models_alone(tmp_path: Path) -> None:
    wishes, (work,) = plan_inputs(two_and_two(tmp_path), parse_gpus("80GiB"), "vllm", [], 10)
    assert len(wishes) == 1
    assert work.seats == ("toy", "toy")


def test_what_they_say_is_reckoned_with_before_anything_runs(tmp_path: Path) -> None:
    long = "On and on. " * 40
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", "B", long), peers={"max_tokens": "300"})
    with pytest.raises(PlacementError, match=r"what 'Cy' says takes \d+ tokens of toy on 'q'"):
        record(QUESTION, panel)
    cut = panel_with(
        tmp_path,
        model_seat("Ada"),
        confederate("Cy", "B", long),
        peers={"max_tokens": "300", "over": "head_tail"},
    )
    (prompt,) = record(QUESTION, cut).prompts("Ada", 2, "statement")
    assert "tokens left out" in prompt


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("vote", "question", "said"),
    [
        ("Maybe", QUESTION, "votes 'Maybe', which is no option of the question 'q'"),
        ("wrong", make_question("Yes", "No", id="open"), "the question 'open' has no answer"),
        ({"by_question": {"a": "A"}}, QUESTION, "has no vote on the question 'q'"),
    ],
)
def test_a_vote_that_can_not_be_is_refused_before_anything_runs(
    tmp_path: Path, vote: Any, question: Question, said: str
) -> None:
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", vote))
    fine = make_question("Maybe", "No", id="a", answer="A")
    error = refused(hold_suite, tmp_path / "run.db", panel, [fine, question])
    assert said in error.message
    assert not holds_run(tmp_path / "run.db")
    held = hold(tmp_path, question, panel)
    assert said in str(held.error)
    assert not any(type(event).__name__ == "RoundOpened" for event in held.events)


def test_votes_by_question_come_from_a_file_beside_the_panel(tmp_path: Path) -> None:
    (tmp_path / "votes.yaml").write_text(yaml.safe_dump({"q0": "No", "q1": "right", "q2": "C"}))
    panel = panel_with(tmp_path, model_seat("Ada"), confederate("Cy", {"file": "votes.yaml"}))
    path = hold_suite(tmp_path / "run.db", panel, suite(3))
    (tmp_path / "votes.yaml").unlink()
    resume(path)
    assert disagreements(path) == [], "the store has them"
    with closing(sqlite3.connect(path)) as connection:
        said = connection.execute(
            "SELECT question, vote FROM votes WHERE model = 'confederate' AND round = 1 ORDER BY question"
        ).fetchall()
    assert said == [("q0", "B"), ("q1", "B"), ("q2", "C")]
