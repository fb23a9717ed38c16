"""Measured influence among the figures: whom the planted peer moves, what seats say of it, and stores without any."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from analyzed_stores import analysis_of, finding, value
from command_line import run_command
from influence_builders import ALL, BOTH, FOLLOWERS, MOVED, held, measure, questions

from localtable.analysis.findings import Analysis
from localtable.analysis.influence import claims, pairs, read_measurements
from localtable.store import Store

NAMES = ["Ada", "Bob", "Cy", "Dee"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada follows Bob by what she reads, Cy by what he then says; two repeats, one control."""
    suite = {"controls": ("solo-revise",), "repeats": 2}
    path = held(tmp_path_factory.mktemp("influence"), *FOLLOWERS, asked=questions(12), suite=suite)
    measure(path, BOTH)
    return path


@pytest.fixture(scope="module")
def analysis(path: Path) -> Analysis:
    return analysis_of(path, families=("influence", "dynamics"))


def test_the_planted_peer_moves_whom_it_should(analysis: Analysis) -> None:
    direct, total = (f"{kind}_influence" for kind in ("direct", "total"))
    assert value(analysis, direct, seat="Ada", peer="Bob") > 0.3
    assert abs(value(analysis, direct, seat="Cy", peer="Bob")) < 1e-9
    assert value(analysis, total, seat="Cy", peer="Bob") > 0.2
    by_peer = {peer: value(analysis, direct, peer=peer) for peer in NAMES}
    assert max(by_peer, key=lambda peer: by_peer[peer]) == "Bob"
    assert value(analysis, direct) == pytest.approx(sum(by_peer.values()) / 4)


def test_figures_are_those_of_the_command_for_influence(path: Path, analysis: Analysis) -> None:
    with Store.open(path, write=False) as store:
        turns = [row[0] for row in store.query("SELECT id FROM turns")]
        measurements = read_measurements(store, turns)
    for kind in ("direct", "total"):
        for pair in pairs(measurements, kind, "seat", NAMES):
            found = finding(analysis, f"{kind}_influence", seat=pair.reader, peer=pair.peer).estimate
            assert (found.value, found.n) == (pytest.approx(pair.mean.value, abs=1e-12), pair.mean.n)
        said = claims(measurements, kind)
        assert said.n > 0
        assert value(analysis, "persuaded_by_measured", kind=kind) == pytest.approx(said.agreeing / said.n)
        assert value(analysis, "persuaded_by_chance", kind=kind) == pytest.approx(said.base_rate)


def test_a_control_that_was_not_measured_says_so(analysis: Analysis) -> None:
    found = finding(analysis, "direct_influence", condition="solo-revise").estimate
    assert found.value is None
    assert found.reason == "influence was not measured (`localtable influence`)"


def test_the_page_has_it_beside_what_happens_without_peers(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run_command(capsys, "analyze", path).out
    section = shown.split("\nInfluence, measured (debate)\n")[1].split("\n\n")[0]
    assert re.search(r"^Bob +\+\d+\.\d \[.*\] +12 +\+4\d\.\d +– ", section, flags=re.MULTILINE)
    assert "direct: the peer that a seat names has moved it most" in section
    assert "… of solo-revise, which reads no peer" in section
    explained = run_command(capsys, "analyze", path, "--explain", "persuaded_by_measured").out
    assert "docs/influence.md" in explained
    assert "persuaded_by_measured: debate, kind total" in explained


def test_a_store_without_it_has_no_such_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = held(tmp_path, asked=questions(3))
    assert "Influence, measured" not in run_command(capsys, "analyze", plain).out
    measure(plain, ALL)
    assert "Influence, measured" in run_command(capsys, "analyze", plain).out


def test_turns_that_were_chosen_for_having_moved_are_counted(tmp_path: Path) -> None:
    follower = {"seat": "Ada", "round": 2, "follows": {"seat": "Bob", "weight": 1}, "persuaded_by": "Bob"}
    first = [{"seat": "Ada", "round": 1, "vote": "A"}, {"seat": "Bob", "vote": "B"}]
    still = [{"seat": seat, "vote": "C"} for seat in ("Cy", "Dee")]
    path = held(tmp_path, follower, *first, *still)
    measure(path, MOVED)
    analysis = analysis_of(path)
    assert any(re.match(r"debate: influence is measured of (\d|1[0-5]) of 16 turns", note) for note in analysis.notes)
    assert finding(analysis, "total_influence").estimate.reason == "no total influence was measured"
    assert value(analysis, "persuaded_by_measured", kind="direct") == 1
    assert value(analysis, "persuaded_by_chance", kind="direct") == pytest.approx(1 / 3)
