"""`localtable influence` from the command line down: figures, costs, stopping and going on, what is refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from builders import make_question, write_script
from command_line import Command, Ended, run_command
from influence_builders import FOLLOWERS, disagreements, held, questions, rows, table
from store_builders import hold_suite

from localtable.store import Store, locked

WAIT_S = 60


@pytest.fixture
def influence(capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, "influence", *arguments)
        assert not re.search(r"\bnan\b", ended.out + ended.err, flags=re.IGNORECASE)
        return ended

    return command


def refused(ended: Ended, code: int, said: str) -> None:
    assert ended.code == code, ended.err
    assert said in ended.err
    assert ended.out == ""
    assert ended.err.splitlines()[-1].startswith("  → "), "it says what to do"


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_persuasion_matrix_is_printed_and_what_it_took_is_said(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path, asked=questions(12))
    ended = influence(path, "--all")
    assert ended.code == 0
    assert ended.out.startswith(
        "debate, direct influence: what reading a peer does to the vote before anything is said\n"
    )
    (row,) = (line.split() for line in ended.out.splitlines() if line.startswith("Bob"))
    assert re.fullmatch(r"\+0\.[3-6]\d\d\*", row[1]), "Ada follows Bob"
    assert row[2:] == ["(12)", "–", "+0.000", "(12)", "+0.000", "(12)"] or row[3] == "–"
    assert "persuaded_by names the peer of largest influence in " in ended.out
    lines = ended.err.splitlines()
    assert lines[0] == "48 turns have read peers, " + lines[0].partition(", ")[2]
    assert lines[0].endswith("; 48 are wanted")
    assert lines[1].startswith("192 ballots to ask for 48 turns: 192 requests, about ")
    assert lines[-1].startswith("192 ballots in ")
    assert re.search(r"\(\d+% of what the debates took(, about \d+% of their statements alone)?\)", lines[-1])
    again = influence(path, "--all")
    assert again.out == ended.out
    assert again.err.splitlines() == [lines[0]], "nothing is left to ask"


def test_quiet_says_the_figures_and_what_they_took(tmp_path: Path, influence: Command) -> None:
    ended = influence(held(tmp_path), "--all", "--quiet")
    assert "loading" not in ended.err
    assert len(ended.err.splitlines()) == 2
    assert ended.out


def test_json_has_all_figures(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path, asked=questions(12), suite={"controls": ("noise-peers",)})
    ended = influence(
        path, "--direct", "--total", "8", "--all", "--condition", "debate", "--condition", "noise-peers", "--json", "-"
    )
    data = json.loads(ended.out)
    assert data["schema_version"] == 1
    assert [entry["condition"] for entry in data["conditions"]] == ["debate", "noise-peers"]
    debate = data["conditions"][0]
    assert debate["turns"] == {"later": 48, "moved": debate["turns"]["moved"], "wanted": 48, "measured": 48}
    kinds = {entry["kind"]: entry for entry in debate["influence"]}
    assert set(kinds) == {"direct", "total"}
    pair = next(p for p in kinds["total"]["by_seat"] if (p["reader"], p["peer"]) == ("Cy", "Bob"))
    assert (pair["turns"], pair["mean"]["n"]) == (12, 12)
    assert 0.2 < pair["mean"]["low"] < pair["mean"]["value"] < pair["mean"]["high"] < 1
    assert pair["test"]["p"] <= pair["p_adjusted"] < 0.05
    assert len(kinds["direct"]["by_seat"]) == 12
    assert len(kinds["direct"]["by_model"]) == 4
    assert set(kinds["direct"]["persuaded_by"]) == {"n", "agreeing", "base_rate"}
    assert data["cost"]["probes"] == 2 * 48 * 4 * 9
    out = tmp_path / "out.json"
    assert influence(path, "--all", "--json", out).out.startswith("debate, direct influence")
    assert json.loads(out.read_text())["run"] == data["run"]


def test_a_claim_is_held_against_the_largest_influence(tmp_path: Path, influence: Command) -> None:
    follower = {"seat": "Ada", "round": 2, "follows": {"seat": "Bob", "weight": 1}, "persuaded_by": "Bob"}
    wrong = {"seat": "Cy", "round": 2, "follows": {"seat": "Bob", "weight": 1}, "persuaded_by": "Dee"}
    first = [{"seat": seat, "round": 1, "vote": "A"} for seat in ("Ada", "Cy")]
    rest = [{"seat": seat, "vote": vote} for seat, vote in (("Bob", "B"), ("Dee", "C"))]
    path = held(tmp_path, follower, wrong, *first, *rest)
    data = json.loads(influence(path, "--json", "-").out)
    claims = data["conditions"][0]["influence"][0]["persuaded_by"]
    assert claims == {"n": 8, "agreeing": 4.0, "base_rate": pytest.approx(1 / 3)}


def test_a_dry_run_says_what_it_would_take_and_leaves_the_store_as_it_is(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path)
    before = rows(path, "SELECT count(*) FROM sessions")
    ended = influence(path, "--all", "--total", "8", "--dry-run")
    assert ended.code == 0
    assert ended.out == ""
    assert re.search(r"512 ballots to ask for 16 turns: 1,0\d\d requests, .* to prefill, [\d,]+ to generate", ended.err)
    assert rows(path, "SELECT count(*) FROM sessions") == before
    assert rows(path, "SELECT count(*) FROM probes") == [(0,)]


# ── nothing to measure ──────────────────────────────────────────────────────────────────────────────────────


def test_seats_that_have_not_moved_are_said_and_no_error(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path, {"distribution": {"A": 0.6, "B": 0.3, "C": 0.1}})
    ended = influence(path, "--json", "-")
    assert ended.code == 0
    assert "of 16 turns that have read peers none has moved: nothing to measure (--all takes all)" in ended.err
    assert json.loads(ended.out)["conditions"][0]["influence"] == []
    assert influence(path, "--all").code == 0


def test_a_store_without_later_turns_is_no_error(tmp_path: Path, influence: Command) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), questions(), stop_after=0)
    ended = influence(path)
    assert (ended.code, ended.out) == (0, "")
    assert "no turn that has read a peer is finished: nothing to measure" in ended.err


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("panel", "said"),
    [({"names": ["Ada"]}, "its panel has one seat"), ({"rounds": 1}, "it has one round, and nobody has read anybody")],
)
def test_a_run_in_which_nobody_reads_anybody(
    tmp_path: Path, influence: Command, panel: dict[str, Any], said: str
) -> None:
    seats = table(tmp_path, *panel.pop("names", ()), **panel)
    refused(influence(hold_suite(tmp_path / "run.db", seats, questions(1))), 2, said)


def test_a_store_that_is_worked_on_is_refused(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path)
    with locked(path):
        refused(influence(path), 1, "is being written by process")


@pytest.mark.parametrize("samples", ["7", "1", "0", "-8"])
def test_too_few_samples_are_refused(tmp_path: Path, influence: Command, samples: str) -> None:
    path = held(tmp_path, asked=questions(1))
    refused(influence(path, "--total", samples), 2, f"{samples} samples are too few for a total influence")


def test_what_is_no_store_or_no_condition_or_the_run_s_own_is_refused(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path, asked=[make_question()])
    refused(influence(tmp_path / "none.db"), 2, "none.db does not exist")
    refused(influence(path, "--condition", "noise"), 2, "the run has no condition 'noise'")
    refused(influence(path, "--seed", "1"), 2, "--seed is the run's own")
    refused(influence(path, "--engine-arg", "script=x"), 2, "--engine-arg is the run's own")
    refused(influence(path, "--engine", "transformers"), 2, "was begun with the engine 'scripted'")
    refused(influence(path, "--json", path), 2, "is the store itself")
    refused(influence(path, "--json", tmp_path), 2, "is a folder")


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_pass_keeps_what_is_measured_and_goes_on(tmp_path: Path, influence: Command) -> None:
    path = held(tmp_path, asked=questions(8), engine={"max_num_seqs": "2"})
    write_script(tmp_path, *FOLLOWERS, delay_s=0.05)
    process = subprocess.Popen(
        [sys.executable, "-m", "localtable.cli.main", "influence", str(path), "--all", "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + WAIT_S
    while rows(path, "SELECT count(*) FROM probes")[0][0] < 10:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "What is measured is kept: the same command goes on." in said
    ((kept,),) = rows(path, "SELECT count(*) FROM probes")
    assert 10 <= kept < 128
    write_script(tmp_path, *FOLLOWERS)
    ended = influence(path, "--all")
    assert f"{128 - kept} ballots to ask for" in ended.err
    assert rows(path, "SELECT count(*) FROM influences") == [(96,)]
    assert disagreements(path) == []
    with Store.open(path, write=False) as store:
        assert [session["kind"] for session in store.sessions()] == ["run", "influence", "influence"]
