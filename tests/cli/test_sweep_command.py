"""`localtable sweep`: whole runs, kills, shards, how much it says that it is, and every way to ask wrongly."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import write_script
from command_line import Command, Ended, run_command
from store_builders import exported, one, require_clean
from sweep_builders import write_sweep

from localtable.cli import sweep as command
from localtable.cli.main import run

SWEEP = ("sweep", "sweep.yaml", "--store", "run.db", "--engine", "scripted")
WAIT_S = 60


Process = subprocess.Popen[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a sweep of four variants on four questions."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write_sweep(work)
    return work


@pytest.fixture
def localtable(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, *arguments)
        assert ended.out == "", "nothing but progress and totals, which are no result"
        return ended

    return command


def refused(ended: Ended, said: str) -> None:
    """One message on the last line but one and a hint on the last."""
    assert ended.code == 2, ended.err
    message, hint = ended.err.splitlines()[-2:]
    assert message.startswith("Error: ")
    assert said in message
    assert hint.startswith("  → ")


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_says_how_much_it_is_then_is_held_and_told_condition_by_condition(
    folder: Path, localtable: Command
) -> None:
    write_sweep(folder, controls=["first-round"], exclude=[{"rounds": "3", "visibility.order": "shuffled"}])
    ended = localtable(*SWEEP, "--summary", "out.json")
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert lines[0] == (
        "sweep trial: 3 variants (visibility.order 2 x rounds 2), 1 left out, and 1 control; 4 questions: 16 debates, "
        "64 turns at most, equal ones generated once"
    )
    assert lines[1].startswith("engine scripted (")
    told = [line.split()[0] for line in lines if line.startswith("order=")]
    assert told[:4] == [
        *("order=fixed,rounds=2", "order=fixed,rounds=2/first-round", "order=fixed,rounds=3", "order=shuffled,rounds=2")
    ]
    totals = json.loads((folder / "out.json").read_text())
    assert list(totals["conditions"]) == told[:4]
    assert totals["conditions"]["order=fixed,rounds=3"]["levels"] == {"visibility.order": "fixed", "rounds": "3"}
    assert totals["reused_turns"] >= 8 * 3, "the first round serves four conditions"
    require_clean(folder / "run.db", 16)


def test_quiet_says_the_totals_only_and_again_nothing_is_done(folder: Path, localtable: Command) -> None:
    ended = localtable(*SWEEP, "--quiet")
    assert ended.err.startswith("16 debates finished, 80 turns (")
    before = (folder / "run.db").read_bytes()
    assert localtable(*SWEEP).code == 0
    assert localtable("resume", "run.db").code == 0
    assert (folder / "run.db").read_bytes() == before


def test_a_limit_of_the_command_goes_before_the_file_s(folder: Path, localtable: Command) -> None:
    write_sweep(folder, limit="3")
    assert "; 3 questions: 12 debates" in localtable(*SWEEP).err
    assert "; 1 questions: 4 debates" in localtable(*SWEEP, "--store", "one.db", "--limit", "1").err
    refused(localtable(*SWEEP, "--limit", "1"), "run.db holds another run: the questions differ")


def test_questions_of_the_command_go_before_the_file_s(folder: Path, localtable: Command) -> None:
    write_sweep(folder, questions=["not-here.jsonl"])
    assert "not-here.jsonl" in localtable(*SWEEP).err
    assert "; 4 questions: 16 debates" in localtable(*SWEEP, "--questions", "suite.jsonl").err
    require_clean(folder / "run.db", 16)


def test_repeats_and_seed_reach_the_run(folder: Path, localtable: Command) -> None:
    write_sweep(folder, repeats="2")
    assert "; 4 questions x 2 repeats: 32 debates" in localtable(*SWEEP, "--seed", "9").err
    assert {data["panel"]["seed"] for data in exported(folder / "run.db")} == {9}
    write_sweep(folder, factors={"seed": ["0", "1"]})
    refused(localtable(*SWEEP, "--seed", "9", "--store", "other.db"), "--seed names one seed")


def test_shards_are_held_apart_and_merged_into_what_the_whole_is(folder: Path, localtable: Command) -> None:
    write_sweep(folder, num_questions=5)
    assert localtable(*SWEEP).code == 0
    first = localtable(*SWEEP, "--store", "1.db", "--shard", "1/2")
    assert "; 3 questions: 12 debates" in first.err
    assert localtable(*SWEEP, "--store", "2.db", "--shard", "2/2").code == 0
    assert localtable("merge", "1.db", "2.db", "--store", "all.db").code == 0
    require_clean(folder / "all.db", 20)
    assert list(exported(folder / "all.db")) == list(exported(folder / "run.db"))
    assert one(folder / "all.db", "SELECT count(*) FROM variants") == 4
    write_sweep(folder, num_questions=5, factors={"rounds": ["2", "3"]})
    localtable(*SWEEP, "--store", "3.db", "--shard", "2/2")
    refused(localtable("merge", "1.db", "3.db", "--store", "no.db"), "is of another run: ")


def test_broken_lines_are_left_out_and_listed_once(folder: Path, localtable: Command) -> None:
    with (folder / "suite.jsonl").open("a") as file:
        file.write("{\n")
    refused(localtable(*SWEEP), "suite.jsonl, line 5")
    assert not (folder / "run.db").exists()
    ended = localtable(*SWEEP, "--skip-invalid")
    assert ended.code == 0
    assert ended.err.count("left out: ") == 1
    assert "1 broken line left out" in ended.err
    require_clean(folder / "run.db", 16)


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
def test_a_failed_debate_is_named_with_its_variant(
    folder: Path, localtable: Command, strict: tuple[str, ...], code: int
) -> None:
    write_script(folder, {"question": "q1", "round": 3, "fail": "always"})
    ended = localtable(*SWEEP, "--engine-arg", "script=script.yaml", "--quiet", *strict)
    assert ended.code == code
    assert "14 debates finished, 2 failed" in ended.err
    assert "failed: q1 (order=fixed,rounds=3): " in ended.err


# ── what reads such a store ─────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_verified_tallied_and_exported_by_variant(
    folder: Path, localtable: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(folder, controls=["solo-revise"], controls_for="all")
    assert localtable(*SWEEP, "--quiet").code == 0
    assert localtable("verify", "run.db", "--prompts").code == 0
    assert run(["tally", "run.db", "--rule", "plurality", "--json", "-"]) == 0
    tallied = json.loads(capsys.readouterr().out)["conditions"]
    variants = [f"order={order},rounds={rounds}" for order in ("fixed", "shuffled") for rounds in (2, 3)]
    assert [condition["condition"] for condition in tallied] == variants, "every variant's debate"
    chosen = ("--condition", "solo-revise", "--condition", variants[2])
    assert run(["export", "run.db", "--parquet", "tables", "--out", "run.jsonl", *chosen]) == 0
    told = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    assert {data["condition"] for data in told} == {variants[2], *(f"{variant}/solo-revise" for variant in variants)}
    refused(run_command(capsys, "export", "run.db", "--condition", "rounds=2"), "no condition")

    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "tables" / "debates.parquet").to_pylist()
    for row in rows:
        assert row["condition"] in (row["variant"], f"{row['variant']}/solo-revise")
        levels = json.loads(row["levels"])
        assert row["variant"] == f"order={levels['visibility.order']},rounds={levels['rounds']}"


def test_seed_and_wording_of_a_table_are_the_variant_s(folder: Path, localtable: Command) -> None:
    write_sweep(folder, factors={"seed": ["3", "4"], "prompts": ["argue", "answer"]})
    assert localtable(*SWEEP, "--quiet").code == 0
    assert run(["export", "run.db", "--parquet", "tables"]) == 0

    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "tables" / "debates.parquet").to_pylist()
    assert {(row["seed"], json.loads(row["levels"])["seed"]) for row in rows} == {(3, "3"), (4, "4")}
    hashes = {(json.loads(row["levels"])["prompts"], row["prompts_sha256"]) for row in rows}
    assert len(hashes) == len({sha256 for _, sha256 in hashes}) == 2


# ── kills ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes that a test starts; none of them outlives it."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_kills_at_any_moment_lose_nothing_and_do_nothing_twice(
    folder: Path, localtable: Command, processes: list[Process]
) -> None:
    write_sweep(folder, num_questions=8)
    script = ("--engine-arg", "script=script.yaml", "--engine-arg", "max_num_seqs=4")
    write_script(folder)
    assert localtable(*SWEEP, *script, "--quiet", "--store", "whole.db").code == 0
    write_script(folder, delay_s=0.01)
    path, there = folder / "run.db", 0
    for least in (1, 30, 70):
        arguments = [sys.executable, "-m", "localtable.cli.main", *SWEEP, *script]
        process = subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        wait_for(process, path, least)
        process.kill()
        process.wait()
        assert turns(path) >= there
        there = turns(path)
    assert there < 160
    assert localtable("resume", "run.db", "--quiet").code == 0
    require_clean(path, 32)
    assert list(exported(path)) == list(exported(folder / "whole.db"))
    same = "SELECT count(*), sum(completion_tokens) FROM generations"
    assert one(path, same) == one(folder / "whole.db", same)


def turns(path: Path) -> int:
    count: int = one(path, "SELECT count(*) FROM turns")
    return count


def wait_for(process: Process, path: Path, least: int) -> None:
    """Until so many turns are stored."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()[1]
        try:
            if turns(path) >= least:
                return
        except sqlite3.Error:
            pass  # not begun yet
        time.sleep(0.01)
    raise AssertionError(f"{least} turns did not come in {WAIT_S} s")


# ── sweeps that explode, and bad input ──────────────────────────────────────────────────────────────────────


def test_more_turns_than_are_held_unasked_need_a_yes(
    folder: Path, localtable: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAX_TURNS_UNASKED", 79)
    ended = localtable(*SWEEP)
    assert ended.err.startswith("sweep trial: 4 variants"), "its size is said before"
    refused(ended, "the sweep 'trial' takes 80 turns; without being asked for, 79 are held at most")
    assert "--yes" in ended.err
    assert not (folder / "run.db").exists()
    assert localtable(*SWEEP, "--yes").code == 0
    assert localtable(*SWEEP).code == 0, "what was begun with it is gone on with without"
    assert localtable(*SWEEP, "--store", "some.db", "--limit", "3").code == 0


def test_fifty_thousand_turns_are_held_unasked(folder: Path, localtable: Command) -> None:
    factors = {"rounds": ["50", "60"], "seed": [str(n) for n in range(60)]}
    write_sweep(folder, factors=factors)
    refused(localtable(*SWEEP), "the sweep 'trial' takes 52,800 turns; without being asked for, 50,000 are")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"factors": {"round": ["1", "2"]}}, "unknown factor 'round'"),
        ({"factors": {"rounds": ["1", "0"]}}, "the level '0' of 'rounds': rounds: "),
        ({"factors": {"rounds": ["2"]}}, "the factor 'rounds' has 1 level"),
        ({"factors": {"rounds": ["2", "02"]}}, "the levels '2' and '02' of 'rounds' give the same panel"),
        ({"primary": [{"metric": "m", "factor": "seed", "levels": ["2", "3"]}]}, "the sweep has no factor 'seed'"),
        ({"primary": [{"metric": "acuracy", "factor": "rounds", "levels": ["2", "3"]}]}, "be compared by 'acuracy'"),
        ({"exclude": [{"rounds": "2"}, {"rounds": "2"}]}, "exclude, entry 2 leaves out nothing"),
        ({"controls": ["ring"]}, "the variant 'order=fixed,rounds=2': in a ring of 2 seats"),
        ({"questions": ["none.jsonl"]}, "none.jsonl"),
        ({"panel": "none.yaml"}, "none.yaml does not exist"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_sweep_that_is_none_is_one_plain_message_and_begins_nothing(
    folder: Path, localtable: Command, changes: dict[str, Any], said: str
) -> None:
    write_sweep(folder, **changes)
    refused(localtable(*SWEEP), said)
    assert not (folder / "run.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "3/2"), "--shard '3/2' is no slice"),
        (("--engine", "vlm"), "there is no engine 'vlm'"),
        (("--reuse", "none.db"), "none.db does not exist"),
        (("--summary", "."), "is a folder"),
        (("--store", "."), "is no regular file"),
        (("--store", "suite.jsonl"), "suite.jsonl"),
    ],
)
def test_a_bad_command_is_one_plain_message(localtable: Command, arguments: tuple[str, ...], said: str) -> None:
    refused(localtable(*SWEEP, *arguments, "--quiet"), said)


def test_a_file_that_is_none_is_said(folder: Path, localtable: Command) -> None:
    refused(localtable("sweep", "none.yaml", *SWEEP[2:]), "none.yaml does not exist")
    refused(localtable("sweep", "suite.jsonl", *SWEEP[2:]), "suite.jsonl")
    ended = localtable("sweep", "sweep.yaml")
    assert ended.code == 2
    assert "Missing option '--store'" in ended.err
