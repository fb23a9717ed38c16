"""Measured influence in its store: what is kept, gone on with, derived again, exported and merged; what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import write_script
from influence_builders import (
    ALL,
    BOTH,
    FOLLOWERS,
    MOVED,
    TOTAL,
    disagreements,
    held,
    measure,
    note_requests,
    questions,
    rows,
    table,
)
from store_builders import alter, copy_store, hold_suite

from localtable.engines.base import Request
from localtable.errors import ConfigError, EngineError, InterruptedRun
from localtable.runner import RunOptions, finished_transcripts, inputs, turn_loop
from localtable.runner.events import Note
from localtable.runner.influence import Measuring, Wanted, cost_so_far, forecast, open_measuring
from localtable.runner.keys import combine
from localtable.runner.totals import run_totals
from localtable.store import Store
from localtable.store.merging import merge
from localtable.transcript import to_json
from localtable.weights import ModelFiles


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that reaches an engine from here on."""
    return note_requests(monkeypatch)


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stop_after", [1, 30, 100])
def test_what_is_stored_is_not_asked_again(tmp_path: Path, stop_after: int, asked: list[Request]) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.1})
    whole = copy_store(path, tmp_path / "whole.db")
    wanted = BOTH
    made, _ = measure(whole, wanted)
    asked.clear()
    with pytest.raises(InterruptedRun):
        measure(path, wanted, stop_after=stop_after)
    assert disagreements(path) == [], "whole at every commit"
    ((kept,),) = rows(path, "SELECT count(*) FROM probes")
    assert kept >= stop_after
    again, _ = measure(path, wanted)
    assert kept + again == made
    assert len({request.request_id for request in asked}) == len(asked)
    sql = "SELECT * FROM influences ORDER BY turn, peer, kind"
    assert rows(path, sql) == rows(whole, sql)
    asked.clear()
    assert measure(path, wanted) == (0, []), "no engine is loaded"
    assert asked == []


def test_more_samples_are_added_to_those_that_are_there(tmp_path: Path, asked: list[Request]) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.1}, asked=questions(1))
    measure(path, TOTAL)
    asked.clear()
    done, _ = measure(path, Wanted(direct=False, total=10, everything=True))
    assert done == 4 * 4 * 2
    assert rows(path, "SELECT DISTINCT samples FROM influences") == [(10,)]
    assert measure(path, TOTAL)[0] == 0
    assert rows(path, "SELECT DISTINCT samples FROM influences") == [(10,)], "fewer take nothing away"
    assert disagreements(path) == []


def test_the_run_s_totals_are_what_they_were(tmp_path: Path) -> None:
    path = held(tmp_path)
    with Store.open(path, write=False) as store:
        before = run_totals(store)
    measure(path, BOTH)
    with Store.open(path, write=False) as store:
        assert run_totals(store) == before
        cost = cost_so_far(store)
        assert (cost.probes, cost.statements_s) == (4 * 4 * 4 * 9, None)
        assert cost.prompt_tokens > before["prompt_tokens"]
        assert cost.run_generating_s == pytest.approx(before["seconds"]["generating"])


def test_a_forecast_counts_what_is_left_and_what_is_shared(tmp_path: Path, asked: list[Request]) -> None:
    path = held(tmp_path, ballot={"orders": 2})
    options = RunOptions(tmp_path / "home", "scripted")
    wanted = BOTH
    with open_measuring(path, wanted, options) as measuring:
        ahead = forecast(measuring)
    asked.clear()
    done, _ = measure(path, wanted)
    assert (ahead.turns, ahead.probes, ahead.seconds) == (16, done, None)
    # A statement that is drawn anew can be empty, and is then asked for twice; its length is another one.
    assert ahead.requests == pytest.approx(len(asked), rel=0.02)
    assert ahead.prompt_tokens == pytest.approx(sum(len(request.prompt_token_ids) for request in asked), rel=0.05)
    assert 0 < ahead.new_tokens < ahead.prompt_tokens / 3
    with open_measuring(path, wanted, options) as measuring:
        assert forecast(measuring).probes == 0


def test_a_transcript_has_what_was_measured(tmp_path: Path) -> None:
    path = held(tmp_path, asked=questions(1))
    with Store.open(path, write=False) as store:
        (plain,) = (to_json(transcript) for transcript in finished_transcripts(store))
    assert all("influence" not in turn for round_ in plain["rounds"] for turn in round_["turns"])
    measure(path, TOTAL)
    measure(path, ALL)
    with Store.open(path, write=False) as store:
        (data,) = (to_json(transcript) for transcript in finished_transcripts(store))
    ada = next(turn for turn in data["rounds"][1]["turns"] if turn["seat"] == "Ada")
    assert [one["peer"] for one in ada["influence"]] == ["Bob", "Cy", "Dee"]
    bob = ada["influence"][0]
    assert set(bob) == {"peer", "option", "direct", "total", "total_standard_error", "samples"}
    assert bob["direct"] > 0.2
    assert bob["samples"] == 8
    assert all("influence" not in turn for turn in data["rounds"][0]["turns"])


def test_merged_shards_have_what_was_measured_in_each(tmp_path: Path) -> None:
    seats, script = table(tmp_path), write_script(tmp_path, *FOLLOWERS, {"noise": 0.1})
    whole = hold_suite(tmp_path / "whole.db", seats, questions(), script)
    shards = [hold_suite(tmp_path / f"{n}.db", seats, questions(), script, shard=(n, 2)) for n in (1, 2)]
    wanted = BOTH
    for path in (whole, *shards):
        measure(path, wanted)
    stores = [Store.open(path, write=False) for path in shards]
    merge(stores, tmp_path / "merged.db", combine)
    for store in stores:
        store.close()
    assert disagreements(tmp_path / "merged.db") == []
    sql = (
        "SELECT debate, seat, peer, kind, option, base, without, value, standard_error, samples FROM influences"
        " JOIN turns ON turns.id = turn ORDER BY 1, 2, 3, 4"
    )
    assert rows(tmp_path / "merged.db", sql) == rows(whole, sql)
    assert measure(tmp_path / "merged.db", wanted)[0] == 0


AT = "WHERE turn = 5 AND peer = 'Bob' AND kind ="


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE influences SET value = value + 0.001 {AT} 'direct'", {"value"}),
        (f"UPDATE influences SET standard_error = 1 {AT} 'total'", {"standard_error"}),
        (f"UPDATE influences SET option = 'Z' {AT} 'direct'", {"option"}),
        (f"UPDATE influences SET base = json_set(base, '$.A', 2) {AT} 'direct'", {"base"}),
        (f"UPDATE influences SET samples = 9 {AT} 'total'", {"samples"}),
        (f"UPDATE influences SET samples = 1 {AT} 'total'", {"samples"}),
        (f"UPDATE influences SET peer = 'Eve' {AT} 'total'", {"peer"}),
        ("UPDATE probes SET distribution = json_set(distribution, '$.A', 0.99) WHERE id = 1", {"distribution", "base"}),
        ("UPDATE probes SET replaced = 'Eve' WHERE id = 5", {"replaced", "samples"}),
        ("DELETE FROM probe_steps WHERE probe = 1", {"steps"}),
        (
            "UPDATE probe_steps SET generation = (SELECT generation FROM probe_steps WHERE probe = 5) WHERE probe = 1",
            {"prompt_sha256", "distribution"},
        ),
    ],
)
def test_verify_finds_what_disagrees(tmp_path: Path, statement: str, said: set[str]) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.2}, asked=questions(1))
    measure(path, BOTH)
    assert disagreements(path) == []
    alter(path, statement)
    assert said <= {found.what for found in disagreements(path)}


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_fails_is_said_and_tried_again_next_time(tmp_path: Path) -> None:
    path = held(tmp_path)
    write_script(tmp_path, {"seat": "Ada", "question": "q1", "round": 2, "fail": "always"}, *FOLLOWERS)
    done, told = measure(path, ALL)
    assert done == 4 * 4 * 4
    notes = [event.text for event in told if isinstance(event, Note)]
    assert len(notes) == 4
    assert "'Ada' in round 2 of 'q1'" in notes[0]
    assert rows(path, "SELECT count(*) FROM probes") == [(60,)]
    write_script(tmp_path, *FOLLOWERS)
    assert measure(path, ALL)[0] == 4
    assert rows(path, "SELECT count(*) FROM influences") == [(48,)]


def test_a_request_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    path = held(tmp_path)
    write_script(tmp_path, {"seat": "Ada", "round": 2, "fail": "once"}, *FOLLOWERS)
    measure(path, ALL)
    assert rows(path, "SELECT count(*) FROM influences") == [(48,)]


def test_what_kills_its_engine_is_left_out_and_all_else_is_measured(tmp_path: Path) -> None:
    path = held(tmp_path)
    write_script(tmp_path, {"seat": "Ada", "question": "q2", "round": 2, "fail": "crash"}, *FOLLOWERS)
    _, told = measure(path, ALL)
    assert sum(isinstance(event, Note) for event in told) == 4
    assert rows(path, "SELECT count(*) FROM probes") == [(60,)]
    write_script(tmp_path, *FOLLOWERS)
    assert measure(path, ALL)[0] == 4
    assert disagreements(path) == []


def test_a_model_that_is_given_up_ends_the_pass_and_what_is_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = held(tmp_path)
    write_script(tmp_path, {"seat": "Bob", "round": 2, "fail": "crash"}, *FOLLOWERS)
    monkeypatch.setattr(turn_loop, "MAX_DEATHS", 2)
    with pytest.raises(EngineError, match="other died 2 times in a row"):
        measure(path, ALL)
    ((kept,),) = rows(path, "SELECT count(*) FROM probes")
    assert 0 < kept < 64
    write_script(tmp_path, *FOLLOWERS)
    assert measure(path, ALL)[0] == 64 - kept
    assert disagreements(path) == []


def open_(path: Path, wanted: Wanted = MOVED) -> Measuring:
    with open_measuring(path, wanted, RunOptions(path.parent / "home", "scripted")) as measuring:
        return measuring


def test_a_pass_needs_somebody_who_reads_somebody(tmp_path: Path) -> None:
    one = table(tmp_path / "one", "Ada")
    path = hold_suite(tmp_path / "one.db", one, questions(1))
    with pytest.raises(ConfigError, match="one seat"):
        open_(path)
    blind = hold_suite(tmp_path / "blind.db", table(tmp_path / "blind", rounds=1), questions(1))
    with pytest.raises(ConfigError, match="one round"):
        open_(blind)
    both = hold_suite(
        tmp_path / "both.db", table(tmp_path / "both"), questions(1), controls=("solo-revise", "first-round")
    )
    for name, why in (("solo-revise", "read no single peer"), ("first-round", "one round"), ("solo", "no condition")):
        with pytest.raises(ConfigError, match=why):
            open_(both, Wanted(conditions=(name,)))
    assert [turn.round_number for turn in open_(both).later] == [2] * 4


def test_weights_that_are_others_now_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = held(tmp_path)
    weights = json.dumps({card: {"weights": "sha256:" + "1" * 64, "source": "x"} for card in ("toy", "other")})
    alter(path, f"UPDATE run SET engine = 'transformers', weights = '{weights}'")
    here = ModelFiles(**{**dict.fromkeys(ModelFiles.__dataclass_fields__), "weights_hash": "sha256:" + "2" * 64})
    monkeypatch.setattr(inputs, "find_weights", lambda cards, home, say: {card.id: here for card in cards})
    with (
        pytest.raises(ConfigError, match="weights of toy are not those"),
        open_measuring(path, MOVED, RunOptions(tmp_path / "home", "auto")),
    ):
        pass


def test_a_wording_that_is_another_now_is_refused(tmp_path: Path) -> None:
    path = held(tmp_path)
    alter(path, "UPDATE run SET prompts_sha256 = 'f00'")
    with pytest.raises(ConfigError, match="not what this run was begun with"):
        open_(path)
