"""`localtable suite` and `localtable resume`: whole runs, signals, kills, summaries, and every way to ask wrongly."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, write_panel, write_script
from command_line import Command, Ended, run_command
from store_builders import exported, one, require_clean

WAIT_S = 60
SUITE = ("suite", "suite.jsonl", "--panel", "panel.yaml", "--store", "run.db", "--engine", "scripted")
SCRIPT = ("--engine-arg", "script=script.yaml", "--engine-arg", "max_num_seqs=4")


Process = subprocess.Popen[str]


def questions(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"q{i}", "question": f"Is it {i}?", "options": ["Yes", "No"], "answer": "A", **changes}
        for i in range(count)
    ]


def write_suite(folder: Path, *lines: Mapping[str, Any] | str, name: str = "suite.jsonl") -> Path:
    path = folder / name
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a panel of two seats and a suite of four questions."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write_panel(work, "Ada", "Bob")
    write_suite(work, *questions(4))
    return work


@pytest.fixture
def localtable(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, *arguments)
        assert ended.out == "", "nothing but progress and totals, which are no result"
        return ended

    return command


def refused(ended: Ended, code: int, said: str) -> None:
    """One message on one line and a hint on another, and nothing else."""
    assert ended.code == code, ended.err
    assert said in ended.err
    assert [line[:6] for line in ended.err.splitlines()] == ["Error:", ended.err.splitlines()[-1][:6]], ended.err
    assert ended.err.splitlines()[-1].startswith("  → ")


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_suite_is_held_and_its_totals_are_told_on_stderr(folder: Path, localtable: Command) -> None:
    write_script(folder, {"vote": "A"})
    ended = localtable(*SUITE, *SCRIPT, "--control", "first-round")
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert lines[0].startswith("engine scripted (")
    assert lines[1] == "loading toy"
    assert lines[2].startswith("toy ready on cpu in ")
    assert lines[2].endswith("(4 rows)")
    assert lines[3].startswith("8 debates finished, 24 turns (8 re-used), ")
    assert "\x1b" not in ended.err
    (row,) = (line.split() for line in lines if line.startswith("debate "))
    assert row[:6] == ["debate", "4", "0", "0", "100.0%", "[51.0,"]
    require_clean(folder / "run.db", 8)


def test_quiet_says_the_totals_only(folder: Path, localtable: Command) -> None:
    ended = localtable(*SUITE, "--quiet")
    assert ended.err.startswith("4 debates finished, 16 turns, ")
    assert "loading toy" not in ended.err


def test_the_same_command_goes_on_and_has_nothing_to_do(folder: Path, localtable: Command) -> None:
    assert localtable(*SUITE).code == 0
    before = (folder / "run.db").read_bytes()
    for again in (SUITE, ("resume", "run.db")):
        ended = localtable(*again)
        assert ended.code == 0
        assert ended.err.startswith("going on: 4 debates and 16 turns are there\n4 debates finished, ")
        assert "loading toy" not in ended.err
    assert (folder / "run.db").read_bytes() == before


def test_mixed_options_and_26_of_them_run_as_one_suite(folder: Path, localtable: Command) -> None:
    letters = [chr(65 + i) * 2 for i in range(26)]
    write_suite(folder, *(dict(q, options=letters[:n], id=f"q{n}") for n in (2, 3, 26) for q in questions(1)))
    assert localtable(*SUITE).code == 0
    require_clean(folder / "run.db", 3)
    counts = {len(d["rounds"][1]["turns"][0]["ballot"]["distribution"]) for d in exported(folder / "run.db")}
    assert counts == {2, 3, 26}


def test_several_files_are_one_suite(folder: Path, localtable: Command) -> None:
    write_suite(folder, *(dict(q, id=f"more-{q['id']}") for q in questions(2)), name="more.jsonl")
    assert localtable("suite", "more.jsonl", *SUITE[1:]).code == 0
    assert [data["question"]["id"] for data in exported(folder / "run.db")][:3] == ["more-q0", "more-q1", "q0"]


def test_a_limit_takes_the_first_questions(folder: Path, localtable: Command) -> None:
    assert localtable(*SUITE, "--limit", "2").code == 0
    assert [data["question"]["id"] for data in exported(folder / "run.db")] == ["q0", "q1"]
    refused(localtable(*SUITE, "--limit", "3"), 2, "holds another run: the questions differ")


def test_repeats_shards_rounds_and_seed_reach_the_run(folder: Path, localtable: Command) -> None:
    more = ("--repeats", "2", "--shard", "2/3", "--rounds", "1", "--seed", "5", "--prompts", "answer")
    assert localtable(*SUITE, *more).code == 0
    found = list(exported(folder / "run.db"))
    assert [(data["question"]["id"], data["repeat"]) for data in found] == [("q1", 0), ("q1", 1)]
    assert {(len(data["rounds"]), data["panel"]["seed"], data["panel"]["prompts"]) for data in found} == {
        (1, 5, "answer")
    }


def test_models_can_be_named_in_place_of_a_panel(folder: Path, localtable: Command) -> None:
    ended = localtable("suite", "suite.jsonl", "-m", "toy.yaml", "-m", "toy.yaml", *SUITE[4:])
    assert ended.code == 0
    assert {turn["seat"] for d in exported(folder / "run.db") for turn in d["rounds"][0]["turns"]} == {"Toy 1", "Toy 2"}


def test_a_suite_never_stops_early_unless_its_panel_says_so(folder: Path, localtable: Command) -> None:
    write_script(folder, {"vote": "A"})
    assert localtable(*SUITE, *SCRIPT).code == 0
    assert {len(data["rounds"]) for data in exported(folder / "run.db")} == {2}


def test_an_earlier_run_is_taken_over(folder: Path, localtable: Command) -> None:
    assert localtable(*SUITE).code == 0
    more = [*SUITE, "--rounds", "3", "--reuse", "run.db"]
    more[more.index("run.db")] = "more.db"
    ended = localtable(*more, "--summary", "out.json")
    assert "4 debates finished, 24 turns (16 re-used), " in ended.err
    totals = json.loads((folder / "out.json").read_text())
    assert (totals["turns"], totals["reused_turns"]) == (24, 16)


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
def test_a_failed_debate_is_counted_and_named(
    folder: Path, localtable: Command, strict: Sequence[str], code: int
) -> None:
    write_script(folder, {"question": "q1", "seat": "Bob", "round": 2, "fail": "always"})
    ended = localtable(*SUITE, *SCRIPT, "--quiet", *strict)
    assert ended.code == code
    assert ended.err.startswith("3 debates finished, 1 failed, ")
    assert "failed: q1 (debate): toy failed at the statement of 'Bob' in round 2 of 'q1', 3 of 3 times: " in ended.err
    assert localtable("resume", "run.db", "--quiet", *strict).code == code, "it is failed for good"


def test_what_has_failed_is_tried_again_where_that_is_asked_for(folder: Path, localtable: Command) -> None:
    write_script(folder, {"question": "q1", "seat": "Bob", "round": 2, "fail": "always"})
    localtable(*SUITE, *SCRIPT, "--quiet")
    write_script(folder)
    ended = localtable("resume", "run.db", "--retry-failed")
    assert (ended.code, ended.err.splitlines()[0]) == (0, "1 failed debate to be tried again")
    assert "4 debates finished" in ended.err and "failed" not in ended.err.splitlines()[-1]
    assert one(folder / "run.db", "SELECT count(*) FROM turns") == 16
    assert localtable("verify", "run.db").code == 0
    assert localtable("resume", "run.db", "--retry-failed").err.startswith("0 failed debates to be tried again")


def test_strict_asks_for_nothing_where_nothing_failed(localtable: Command) -> None:
    assert localtable(*SUITE, "--strict").code == 0


def test_debates_whose_moderator_does_not_load_are_counted_and_have_not_failed(
    folder: Path, localtable: Command
) -> None:
    script = write_script(folder, load_fails="no such model")
    (folder / "judge.yaml").write_text(json.dumps({**CARD, "id": "judge", "engine": {"script": str(script)}}))
    write_panel(folder, "Ada", "Bob", moderator="judge.yaml")
    ended = localtable(*SUITE, "--control", "votes-only", "--strict", "--quiet", "--summary", "out.json")
    assert ended.code == 0
    assert ended.err.startswith("8 debates finished, ")
    assert ended.err.splitlines()[-1] == "4 debates not summed up by judge: `localtable resume` asks again"
    assert json.loads((folder / "out.json").read_text())["not_summed_up"] == 4
    write_script(folder, {"question": "q1", "summary": "", "fail": "always"})
    ended = localtable("resume", "run.db", "--strict", "--quiet")
    assert ended.err.splitlines()[-1] == "1 debate not summed up by judge: `localtable resume` asks again"
    write_script(folder)
    ended = localtable("resume", "run.db", "--summary", "out.json")
    assert (ended.code, "summed up by" in ended.err) == (0, False)
    assert json.loads((folder / "out.json").read_text())["not_summed_up"] == 0
    require_clean(folder / "run.db", 8)


def test_failed_debates_are_named_up_to_a_number(folder: Path, localtable: Command) -> None:
    write_suite(folder, *questions(14))
    write_script(folder, {"seat": "Bob", "fail": "always"})
    ended = localtable(*SUITE, *SCRIPT, "--quiet")
    assert ended.err.count("failed: q") == 10
    assert "and 4 more failed" in ended.err


def test_an_engine_that_dies_while_loading_leaves_a_run_to_go_on_with(folder: Path, localtable: Command) -> None:
    write_script(folder, load_fails="out of memory")
    refused(localtable(*SUITE, *SCRIPT, "--quiet"), 3, "toy: out of memory")
    write_script(folder)
    assert localtable("resume", "run.db", "--quiet").code == 0
    require_clean(folder / "run.db", 4)


def test_an_engine_that_dies_on_everything_fails_its_debates_and_keeps_what_is_done(
    folder: Path, localtable: Command
) -> None:
    write_suite(folder, *questions(12))
    write_script(folder, {"round": 2, "fail": "crash"})
    ended = localtable(*SUITE, "--engine-arg", "script=script.yaml", "--summary", "out.json")
    assert ended.code == 0
    assert "toy died with " in ended.err
    path = folder / "run.db"
    assert one(path, "SELECT count(*) FROM debates WHERE state = 'failed'") == 12
    assert one(path, "SELECT count(*) FROM debates WHERE reason LIKE 'toy died % times in a row%'") > 0
    assert localtable(*SUITE, "--engine-arg", "script=script.yaml", "--quiet", "--strict").code == 1
    assert json.loads((folder / "out.json").read_text())["turns"] == one(
        folder / "run.db", "SELECT count(*) FROM turns"
    )
    assert one(folder / "run.db", "SELECT count(*) FROM turns WHERE round = 1") == 24


# ── the summary ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_summary_says_what_is_in_the_store(folder: Path, localtable: Command) -> None:
    write_script(folder, {"question": "q1", "seat": "Bob", "round": 2, "fail": "always"})
    controls = ("--control", "votes-only", "--control", "self-consistency")
    assert localtable(*SUITE, *SCRIPT, *controls, "--summary", "out.json").code == 0
    totals, path = json.loads((folder / "out.json").read_text()), folder / "run.db"
    states = {state: one(path, f"SELECT count(*) FROM debates WHERE state = '{state}'") for state in totals["debates"]}
    assert totals["debates"] == states == {"open": 0, "finished": 10, "failed": 2}
    assert totals["turns"] == one(path, "SELECT count(*) FROM turns")
    assert totals["reused_turns"] == one(path, "SELECT sum(reused) FROM turns") > 0
    assert totals["ballots"] == one(path, "SELECT count(*) FROM ballots")
    for kind in ("prompt_tokens", "cached_tokens", "completion_tokens"):
        assert totals[kind] == one(path, f"SELECT sum({kind}) FROM generations")
        for name in ("debate", "votes-only", "self-consistency:toy"):
            assert totals["conditions"][name][kind] == one(
                path,
                f"SELECT sum({kind}) FROM steps JOIN generations ON generations.id = generation"
                " JOIN turns ON turns.id = turn JOIN debates ON debates.id = debate"
                f" JOIN conditions ON conditions.id = condition WHERE conditions.name = '{name}'",
            )
    assert totals["activations"] == {"toy": 1}
    seconds = totals["seconds"]
    assert set(seconds) == {"total", "generating", "loading", "outside_engines"}
    parts = seconds["generating"] + seconds["loading"] + seconds["outside_engines"]
    assert parts == pytest.approx(seconds["total"], abs=0.002)
    assert min(seconds.values()) >= 0
    this = totals["this_run"]
    assert this.pop("finished") == 10
    assert this.pop("failed") == 2
    assert {name: totals[name] for name in this} == this, "one session is the whole run"


def test_a_summary_of_a_resumed_run_covers_both_and_tells_them_apart(
    folder: Path, localtable: Command, processes: list[Process]
) -> None:
    stop(begin(folder, processes, "--summary", "first.json"), signal.SIGTERM)
    assert localtable("resume", "run.db", "--quiet", "--summary", "second.json").code == 0
    first, second = (json.loads((folder / name).read_text()) for name in ("first.json", "second.json"))
    assert first["debates"]["open"] > 0
    assert (second["debates"], second["turns"]) == ({"open": 0, "finished": COUNT, "failed": 0}, 4 * COUNT)
    assert second["this_run"]["turns"] == 4 * COUNT - first["turns"]
    assert second["this_run"]["finished"] == COUNT - first["debates"]["finished"]
    assert second["this_run"]["completion_tokens"] < second["completion_tokens"]
    assert second["activations"] == {"toy": 2}
    assert second["seconds"]["total"] > second["this_run"]["seconds"]["total"] > 0


# ── signals and kills ───────────────────────────────────────────────────────────────────────────────────────

COUNT = 12


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes that a test starts; whatever it does, none is left."""
    started: list[Process] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(folder: Path, processes: list[Process], *arguments: str) -> Process:
    command = [sys.executable, "-m", "localtable.cli.main", *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder, start_new_session=True)
    processes.append(process)
    return process


def turns(path: Path) -> int:
    """How many turns are in a store that somebody may be beginning."""
    try:
        return int(one(path, "SELECT count(*) FROM turns"))
    except sqlite3.OperationalError:
        return 0


def wait_for(process: Process, path: Path, least: int) -> None:
    """Until so many turns are there."""
    until = time.monotonic() + WAIT_S
    while turns(path) < least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def begin(folder: Path, processes: list[Process], *more: str, least: int = 6, delay_s: float = 0.05) -> Process:
    """A suite of twelve questions under way, which takes long enough to be stopped in the midst."""
    write_suite(folder, *questions(COUNT))
    write_script(folder, delay_s=delay_s)
    process = start(folder, processes, *SUITE, *SCRIPT, *more)
    wait_for(process, folder / "run.db", least)
    return process


def stop(process: Process, number: signal.Signals) -> str:
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    return err


@pytest.fixture
def unbroken(folder: Path, localtable: Command) -> list[dict[str, Any]]:
    """What the run comes to if nobody stops it."""
    write_suite(folder, *questions(COUNT))
    write_script(folder)
    assert localtable(*(part.replace("run.db", "whole.db") for part in (*SUITE, *SCRIPT))).code == 0
    return list(exported(folder / "whole.db"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_the_first_signal_keeps_what_is_finished_and_resume_comes_to_the_same_end(
    folder: Path,
    localtable: Command,
    processes: list[Process],
    unbroken: list[dict[str, Any]],
    number: signal.Signals,
) -> None:
    err = stop(begin(folder, processes), number)
    assert "stopping; what is finished will be kept" in err
    assert "Error: interrupted\n  → What is finished is kept: `localtable resume run.db` goes on." in err
    assert f" debates finished, {one(folder / 'run.db', OPEN)} open, " in err
    finished = list(exported(folder / "run.db"))
    assert 0 < len(finished) < COUNT
    assert all(data in unbroken for data in finished)
    write_script(folder)
    assert localtable("resume", "run.db").code == 0
    require_clean(folder / "run.db", COUNT)
    assert list(exported(folder / "run.db")) == unbroken


OPEN = "SELECT count(*) FROM debates WHERE state = 'open'"


def test_kills_at_any_moment_lose_nothing_and_do_nothing_twice(
    folder: Path, localtable: Command, processes: list[Process], unbroken: list[dict[str, Any]]
) -> None:
    path = folder / "run.db"
    write_script(folder, delay_s=0.02)
    for after_s in (0.1, 0.3):
        process = start(folder, processes, *SUITE, *SCRIPT)
        time.sleep(after_s)
        process.kill()
        process.wait()
    there = 0
    for least in (1, 9, 14, 30):
        process = start(folder, processes, *SUITE, *SCRIPT)
        wait_for(process, path, least)
        process.kill()
        process.wait()
        assert turns(path) >= there
        there = turns(path)
    assert there < 4 * COUNT
    assert localtable("resume", "run.db").code == 0
    require_clean(path, COUNT)
    assert list(exported(path)) == unbroken
    assert one(path, "SELECT count(*) FROM generations") == one(folder / "whole.db", "SELECT count(*) FROM generations")


def test_a_store_has_one_writer_and_says_which(folder: Path, localtable: Command, processes: list[Process]) -> None:
    process = begin(folder, processes, least=1, delay_s=0.2)
    for command in (("resume", "run.db"), (*SUITE, *SCRIPT)):
        refused(localtable(*command), 1, f"run.db is being written by process {process.pid}")
    assert process.poll() is None, "and is left alone"
    stop(process, signal.SIGTERM)


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────

GOOD = json.dumps(questions(1)[0])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((GOOD, "{"), "suite.jsonl, line 2"),
        ((GOOD, "", '{"question": "Is it?", "options": ["Yes"]}'), "suite.jsonl, line 3"),
        (
            (GOOD, '{"question": "Is it?", "options": ["Yes", "No"], "answer": "C"}'),
            "suite.jsonl, line 2: the answer 'C'",
        ),
        ((GOOD, '{"question": "Is it?", "options": ["a", "b"], "optoins": []}'), "unknown key 'optoins'"),
        ((GOOD, "[]"), "suite.jsonl, line 2"),
        ((GOOD, json.dumps({"question": "Is it?", "options": list("abcdefghijklmnopqrstuvwxyz0")})), "line 2: options"),
        ((GOOD, GOOD), "suite.jsonl, line 2: the id 'q0' stands already in"),
        ((), "suite.jsonl holds no question"),
        (("", ""), "suite.jsonl holds no question"),
    ],
    ids=["broken", "one option", "no such answer", "unknown key", "a list", "27", "an id twice", "empty", "blank"],
)
def test_a_bad_suite_is_one_plain_message_and_begins_nothing(
    folder: Path, localtable: Command, lines: tuple[str, ...], said: str
) -> None:
    write_suite(folder, *lines)
    refused(localtable(*SUITE, "--summary", "out.json"), 2, said)
    assert not (folder / "out.json").exists()
    refused(localtable("resume", "run.db"), 2, "run.db")
    write_suite(folder, GOOD)
    assert localtable(*SUITE).code == 0, "what was not begun is no other run"


def test_an_id_that_stands_in_two_files_is_refused_with_both_places(folder: Path, localtable: Command) -> None:
    write_suite(folder, GOOD, name="more.jsonl")
    ended = localtable("suite", "more.jsonl", *SUITE[1:])
    refused(ended, 2, "suite.jsonl, line 1: the id 'q0' stands already in ")
    assert "more.jsonl, line 1" in ended.err


def test_broken_lines_can_be_left_out_and_are_listed_and_counted(folder: Path, localtable: Command) -> None:
    write_suite(folder, *questions(2), "{", GOOD, *["[]"] * 11)
    ended = localtable(*SUITE, "--skip-invalid")
    assert ended.code == 0
    listed = [line for line in ended.err.splitlines() if line.startswith("left out: ")]
    assert len(listed) == 10
    assert "suite.jsonl, line 3" in listed[0]
    assert "suite.jsonl, line 4: the id 'q0' stands already" in listed[1]
    assert "13 broken lines left out" in ended.err.splitlines()
    require_clean(folder / "run.db", 2)


def test_one_broken_line_is_one_line(folder: Path, localtable: Command) -> None:
    write_suite(folder, GOOD, "{")
    assert "1 broken line left out" in localtable(*SUITE, "--skip-invalid").err.splitlines()


def test_nothing_but_broken_lines_is_no_suite(folder: Path, localtable: Command) -> None:
    write_suite(folder, "{", "[]")
    ended = localtable(*SUITE, "--skip-invalid")
    assert ended.code == 2
    assert "suite.jsonl holds no question" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--shard", "3/2"), 2, "--shard '3/2' is no slice"),
        (("--shard", "0/2"), 2, "--shard '0/2' is no slice"),
        (("--shard", "1"), 2, "--shard '1' is no slice"),
        (("--shard", "1/0"), 2, "--shard '1/0' is no slice"),
        (("--shard", "-1/2"), 2, "--shard '-1/2' is no slice"),
        (("--shard", "1/2/3"), 2, "--shard '1/2/3' is no slice"),
        (("--shard", "a/b"), 2, "--shard 'a/b' is no slice"),
        (("--shard", ""), 2, "--shard '' is no slice"),
        (("--shard", "1/2", "--control", "noise-peers"), 2, "a shard can't have the control 'noise-peers'"),
        (("--control", "rings"), 2, "unknown control 'rings'"),
        (("--control", "ring"), 2, "in a ring of 2 seats"),
        (("--control", "text-only", "--control", "text-only"), 2, "the control 'text-only' stands twice"),
        (("--control", "text-only", "--rounds", "1"), 2, "the control 'text-only' changes what seats read"),
        (("--engine", "vlm"), 2, "there is no engine 'vlm'"),
        (("--engine-arg", "scrip=x"), 2, "unknown key 'scrip'"),
        (("--prompts", "argu"), 2, "unknown prompts 'argu'"),
        (("--device-memory", "8"), 2, "'8' is no size"),
        (("-m", "toy.yaml"), 2, "both --panel and -m"),
        (("--panel", "none.yaml"), 2, "none.yaml does not exist"),
        (("--reuse", "none.db"), 2, "none.db does not exist"),
        (("--summary", "."), 2, "is a folder"),
        (("--summary", "missing/out"), 2, "does not exist"),
        (("--summary", "./run.db"), 2, "is the store itself"),
        (("--reuse", "none.db", "--summary", "none.db"), 2, "is the store itself"),
        (("--store", "."), 2, "is no regular file"),
        (("--store", "missing/run.db"), 2, "missing"),
        (("--store", "suite.jsonl"), 2, "suite.jsonl"),
    ],
)
def test_a_bad_command_is_one_plain_message(
    folder: Path, localtable: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    suite = (folder / "suite.jsonl").read_bytes()
    refused(localtable(*SUITE, *arguments, "--quiet"), code, said)
    assert (folder / "suite.jsonl").read_bytes() == suite
    assert not (folder / "missing").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("suite", "suite.jsonl"), "Missing option '--store'"),
        (("suite", "--store", "run.db"), "Missing argument 'SUITE…'"),
        ((*SUITE, "--limit", "0"), "0 is not in the range"),
        ((*SUITE, "--repeats", "0"), "0 is not in the range"),
        ((*SUITE, "--limit", "all"), "'all' is not a valid integer"),
        (("resume",), "Missing argument 'DB'"),
        (("resume", "run.db", "--panel", "panel.yaml"), "No such option"),
    ],
)
def test_a_wrong_option_is_a_usage_error(localtable: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = localtable(*arguments)
    assert ended.code == 2
    assert said in ended.err


def test_a_missing_suite_and_a_missing_store_are_said(folder: Path, localtable: Command) -> None:
    refused(localtable("suite", "none.jsonl", *SUITE[2:]), 2, "none.jsonl")
    refused(localtable("resume", "none.db"), 2, "none.db does not exist")
    assert not (folder / "none.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", "1"), "the panel differs (seed: 0 there, 1 here)"),
        (("--rounds", "3"), "the panel differs (rounds: 2 there, 3 here)"),
        (("--prompts", "answer"), "the panel differs (prompts: 'argue' there, 'answer' here); the prompts differ"),
        (("--control", "first-round"), "the controls differ"),
        (("--repeats", "2"), "the number of repeats differs"),
        (("--shard", "1/2"), "the number of shards differs"),
        (("--limit", "1"), "the questions differ"),
    ],
)
def test_another_run_in_the_same_store_is_refused(
    folder: Path, localtable: Command, arguments: tuple[str, ...], said: str
) -> None:
    assert localtable(*SUITE).code == 0
    before = (folder / "run.db").read_bytes()
    refused(localtable(*SUITE, *arguments), 2, f"run.db holds another run: {said}")
    assert (folder / "run.db").read_bytes() == before


def test_another_panel_in_the_same_store_is_refused(folder: Path, localtable: Command) -> None:
    assert localtable(*SUITE).code == 0
    write_panel(folder, "Ada", "Cy")
    refused(localtable(*SUITE), 2, "holds another run: the panel differs (seats: ")
    write_panel(folder, "Ada", "Bob", cards=[{**CARD, "license": "MIT"}])
    refused(localtable(*SUITE), 2, "holds another run: a model's card differs (toy: ")
    assert localtable("resume", "run.db").code == 0, "which needs no panel"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", "1"), "--seed is the run's own"),
        (("--engine-arg", "max_num_seqs=2"), "--engine-arg is the run's own"),
        (("--engine", "transformers"), "run.db was begun with the engine 'scripted', not 'transformers'"),
        (("--engine", "vlm"), "there is no engine 'vlm'"),
        (("--summary", "."), "is a folder"),
    ],
)
def test_what_is_the_run_s_own_can_not_be_changed_on_the_way(
    folder: Path, localtable: Command, arguments: tuple[str, ...], said: str
) -> None:
    assert localtable(*SUITE).code == 0
    refused(localtable("resume", "run.db", *arguments), 2, said)


def test_resume_names_the_engine_that_the_run_has(folder: Path, localtable: Command) -> None:
    assert localtable(*SUITE).code == 0
    assert localtable("resume", "run.db", "--engine", "scripted").code == 0


def test_hostile_text_reaches_no_terminal_raw(folder: Path, localtable: Command) -> None:
    hostile = "\x1b[2J\u202e [bold]b[/bold]\nfailed: not this"
    write_suite(folder, {"id": hostile, "question": hostile, "options": ["Yes", hostile]}, "{")
    write_script(folder, {"seat": "Bob", "fail": "always"})
    ended = localtable(*SUITE, *SCRIPT, "--skip-invalid")
    assert ended.code == 0
    for raw in ("\x1b", "\u202e"):
        assert raw not in ended.err
    assert "[bold]b[/bold]" in ended.err
    assert not [line for line in ended.err.splitlines() if line.startswith("failed: not this")]
