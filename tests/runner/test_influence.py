"""Influence measured over real stores: which turns, what is asked for them, what planted peers come to."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from builders import REASONING, make_panel, make_question, write_script
from influence_builders import (
    ALL,
    BOTH,
    FOLLOWERS,
    disagreements,
    held,
    means,
    measure,
    note_requests,
    questions,
    rows,
    table,
)
from store_builders import CARDS, alter, hold_suite, resume
from sweep_builders import hold_sweep, write_sweep

from localtable.engines.base import Request
from localtable.prompts import ByteTokenizer
from localtable.runner import RunOptions
from localtable.runner.influence import Wanted, open_measuring


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that reaches an engine from here on."""
    return note_requests(monkeypatch)


def text(request: Request) -> str:
    return ByteTokenizer().decode(request.prompt_token_ids)


# ── what is measured ────────────────────────────────────────────────────────────────────────────────────────


def test_planted_influence_is_found_and_direct_and_total_are_told_apart(tmp_path: Path) -> None:
    path = held(tmp_path)
    measure(path, BOTH)
    direct, total = means(path, "direct"), means(path, "total")
    assert 0.3 < direct["Ada", "Bob"] <= 0.6, "0.6 of what was left of the probability"
    assert direct["Cy", "Bob"] == pytest.approx(0), "before its statement it follows nobody"
    assert 0.3 < total["Ada", "Bob"] <= 0.6
    assert 0.3 < total["Cy", "Bob"] <= 0.6
    others = [value for found in (direct, total) for (_, peer), value in found.items() if peer != "Bob"]
    assert others == pytest.approx([0] * len(others)), "without noise nothing else moves anything"
    assert disagreements(path) == []


def test_a_value_is_the_difference_of_both_distributions_at_what_the_peer_voted_for(tmp_path: Path) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.2})
    measure(path, ALL)
    found = rows(
        path,
        "SELECT option, base, without, value, standard_error, samples, (SELECT vote FROM ballots JOIN turns AS said"
        " ON said.id = ballots.turn WHERE said.debate = turns.debate AND said.round = 1 AND said.seat = peer)"
        " FROM influences JOIN turns ON turns.id = influences.turn",
    )
    assert len(found) == 4 * 4 * 3
    for option, base, without, value, error, samples, voted in found:
        assert option == voted
        assert value == pytest.approx(json.loads(base)[option] - json.loads(without)[option])
        assert (error, samples) == (None, 1)
        assert math.fsum(json.loads(without).values()) == pytest.approx(1)
    assert any(value for *_, value, _, _, _ in found)


def test_a_total_is_the_mean_over_pairs_of_samples_with_its_standard_error(tmp_path: Path) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.3}, asked=questions(1))
    measure(path, Wanted(direct=False, total=9, everything=True))
    (turn, option, value, error, samples) = rows(
        path,
        "SELECT turn, option, value, standard_error, samples FROM influences JOIN turns ON turns.id = turn"
        " WHERE seat = 'Dee' AND peer = 'Ada'",
    )[0]
    drawn: defaultdict[int, dict[str | None, float]] = defaultdict(dict)
    for replaced, sample, distribution in rows(
        path, "SELECT replaced, sample, distribution FROM probes WHERE turn = ? AND kind = 'total'", turn
    ):
        drawn[sample][replaced] = json.loads(distribution)[option]
    differences = [by_peer[None] - by_peer["Ada"] for by_peer in drawn.values()]
    assert len(differences) == samples == 9
    assert value == pytest.approx(statistics.mean(differences))
    assert error == pytest.approx(statistics.stdev(differences) / 3)
    assert error > 0


def test_only_turns_that_moved_are_measured_unless_all_are_wanted(tmp_path: Path) -> None:
    first = {"Ada": (0.5, 0.3, 0.2), "Bob": (0.5, 0.3, 0.2), "Cy": (0.5, 0.3, 0.2), "Dee": (0.41, 0.39, 0.2)}
    second = {"Ada": (0.5, 0.3, 0.2), "Bob": (0.41, 0.39, 0.2), "Cy": (0.4, 0.3, 0.3), "Dee": (0.39, 0.41, 0.2)}
    path = held(
        tmp_path,
        *(
            {"seat": seat, "round": number, "distribution": dict(zip("ABC", shares, strict=True))}
            for number, by_seat in enumerate((first, second), start=1)
            for seat, shares in by_seat.items()
        ),
    )
    measure(path)
    seats = "SELECT DISTINCT seat FROM influences JOIN turns ON turns.id = turn ORDER BY 1"
    assert rows(path, seats) == [("Cy",), ("Dee",)], "a tenth on any option, or another vote"
    measure(path, ALL)
    assert rows(path, seats) == [("Ada",), ("Bob",), ("Cy",), ("Dee",)]


def test_every_later_round_is_measured_against_the_round_that_was_read(tmp_path: Path) -> None:
    turns = [{"seat": "Bob", "round": number, "vote": vote} for number, vote in ((1, "A"), (2, "B"), (3, "C"))]
    path = held(tmp_path, *turns, {"seat": "Ada", "follows": {"seat": "Bob"}}, rounds=3)
    measure(path, ALL)
    found = rows(
        path,
        "SELECT DISTINCT round, option FROM influences JOIN turns ON turns.id = turn WHERE seat = 'Ada'"
        " AND peer = 'Bob' AND value > 0.2 ORDER BY 1",
    )
    assert found == [(2, "A"), (3, "B")]


def test_a_store_in_progress_is_measured_as_far_as_it_is(tmp_path: Path) -> None:
    seats, script = table(tmp_path, engine={"max_num_seqs": "3"}), write_script(tmp_path, *FOLLOWERS)
    path = hold_suite(tmp_path / "run.db", seats, questions(), script, stop_after=23)
    ((stored,),) = rows(path, "SELECT count(*) FROM turns WHERE round = 2")
    assert 0 < stored < 16
    measure(path, ALL)
    assert rows(path, "SELECT count(DISTINCT turn) FROM influences") == [(stored,)]
    resume(path)
    measure(path, ALL)
    assert rows(path, "SELECT count(DISTINCT turn), count(*) FROM influences") == [(16, 48)]
    assert disagreements(path) == []


def test_a_debate_that_failed_is_measured_where_it_was_held(tmp_path: Path) -> None:
    path = held(tmp_path, {"seat": "Dee", "round": 2, "question": "q1", "fail": "always"}, *FOLLOWERS)
    ((stored,),) = rows(path, "SELECT count(*) FROM turns WHERE round = 2 AND seat <> 'Dee'")
    measure(path, ALL)
    ((measured,),) = rows(
        path, "SELECT count(DISTINCT turn) FROM influences JOIN turns ON turns.id = turn WHERE seat <> 'Dee'"
    )
    assert measured == stored


def test_only_the_first_questions_where_a_limit_is_given(tmp_path: Path) -> None:
    path = held(tmp_path)
    measure(path, Wanted(everything=True, num_questions=2))
    found = "SELECT DISTINCT question FROM influences JOIN turns ON turns.id = turn JOIN debates ON debates.id = debate"
    assert rows(path, f"{found} ORDER BY 1") == [(1,), (2,)]


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_replaced_turn_is_neutral_and_as_long_and_all_else_is_what_was_read(
    tmp_path: Path, asked: list[Request]
) -> None:
    path = held(tmp_path, {"seat": "Bob", "round": 1, "vote": "B", "statement": "Rome it is,\nfor its food."})
    asked.clear()
    measure(path, Wanted(everything=True, num_questions=1))
    by_peer = {}
    for request in asked:
        assert request.origin is not None
        assert request.origin.step == "before"
        if request.origin.seat == "Ada":
            by_peer[request.request_id.rpartition("/")[2]] = text(request)
    base = by_peer.pop("")
    assert "Bob chose: Rome0\n> Rome it is,\n> for its food." in base
    assert set(by_peer) == {"Bob", "Cy", "Dee"}
    without = by_peer["Bob"]
    assert len(without) == len(base)
    assert "Bob said:\n> I have read the question" in without
    assert without.replace(without[without.index("Bob said:") :][: len(base)], "") != without
    start, end = (
        base.index("Bob chose:"),
        base.index("Bob chose:") + len("Bob chose: Rome0\n> Rome it is,\n> for its food."),
    )
    assert without[:start] == base[:start]
    assert without[end:] == base[end:]
    assert "Rome0" not in without[start:end]
    assert "Bob chose: Rome0" in by_peer["Cy"], "one peer at a time"


def test_the_tally_that_is_shown_loses_the_peer_s_vote(tmp_path: Path, asked: list[Request]) -> None:
    votes = [
        {"seat": seat, "round": 1, "vote": vote} for seat, vote in zip(("Ada", "Bob", "Cy", "Dee"), "AABB", strict=True)
    ]
    path = held(tmp_path, *votes, visibility={"tally": "shown"})
    asked.clear()
    measure(path, Wanted(everything=True, num_questions=1))
    shown = {request.request_id.rpartition("/")[2]: text(request) for request in asked}
    assert "- Paris0: 2\n- Rome0: 2" in shown[""]
    assert "- Paris0: 1\n- Rome0: 2" in shown["Bob"]
    assert "- Paris0: 2\n- Rome0: 1" in shown["Cy"]


def test_what_a_panel_asks_before_its_statements_is_not_asked_again(tmp_path: Path, asked: list[Request]) -> None:
    path = held(tmp_path, ballot={"at": "both", "orders": 2, "label_mass": True, "free_reply": True})
    asked.clear()
    done, _ = measure(path, ALL)
    assert done == 4 * 4 * 4, "everybody shown, and three peers"
    assert len(asked) == 4 * 4 * 3 * 2, "only those without a peer, in two orders each"
    assert disagreements(path) == []


@pytest.mark.parametrize(
    "ballot", [{"orders": "all_rotations"}, {"orders": 2, "pool": "geometric"}, {"at": "before", "orders": 3}]
)
def test_orders_and_pool_are_the_panel_s(tmp_path: Path, ballot: dict[str, Any], asked: list[Request]) -> None:
    path = held(tmp_path, *FOLLOWERS, {"noise": 0.3}, ballot=ballot)
    asked.clear()
    measure(path, Wanted(direct=True, total=8, everything=True, num_questions=1))
    orders = 3 if ballot["orders"] != 2 else 2
    steps = Counter(step for (step,) in rows(path, "SELECT step FROM probe_steps JOIN probes ON probes.id = probe"))
    assert steps["before"] == 16 * orders
    assert steps["ballot"] == 16 * 8 * orders
    assert steps["statement"] >= 16 * 8
    assert set(steps) == {"before", "ballot", "statement"}
    assert disagreements(path) == []


def test_pairs_of_statements_share_their_seeds_and_no_other_has_them(tmp_path: Path, asked: list[Request]) -> None:
    path = held(tmp_path)
    own = {request.seed for request in asked}
    asked.clear()
    measure(path, Wanted(direct=False, total=8, everything=True, num_questions=1))
    seeds: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for request in asked:
        assert request.origin is not None
        if request.origin.step == "statement" and request.origin.seat == "Ada":
            _, sample, replaced = request.request_id.rsplit("/", 2)
            seeds[replaced, sample].append(request.seed)
    by_peer = {peer: [seeds[peer, str(sample)] for sample in range(8)] for peer in ("", "Bob", "Cy", "Dee")}
    assert by_peer[""] == by_peer["Bob"] == by_peer["Cy"] == by_peer["Dee"], "common random numbers"
    first = [seed for drawn in by_peer[""] for seed in drawn]
    assert len(set(first)) == 8
    assert not set(first) & own, "the statement that was said is none of them"


def test_seats_that_think_think_anew_for_a_total(tmp_path: Path, asked: list[Request]) -> None:
    seats = make_panel(
        tmp_path, "Ada", "Bob", cards=[{**card, "reasoning": REASONING} for card in CARDS], thinking={"on": "true"}
    )
    path = hold_suite(tmp_path / "run.db", seats, questions(1), write_script(tmp_path, *FOLLOWERS))
    asked.clear()
    measure(path, BOTH)
    steps = Counter(request.origin.step for request in asked if request.origin)
    assert steps["thinking"] == 2 * 2 * 8
    assert steps["before"] == 2 * 2
    assert disagreements(path) == []


def test_each_model_is_activated_once_for_the_whole_pass(tmp_path: Path) -> None:
    path = held(tmp_path, asked=questions(6))
    cards = json.dumps({"kv_cache_memory_bytes": "1GiB", "script": str(tmp_path / "script.yaml")})
    alter(path, f"UPDATE run SET panel = json_set(panel, '$.engine', json('{cards}'))")
    options = RunOptions(tmp_path / "home", "scripted", device_memory_bytes=3 * 2**29)
    with open_measuring(path, BOTH, options) as measuring:
        list(measuring.run(lambda event: None))
        assert measuring.store.sessions()[-1]["activations"] == {"toy": 1, "other": 1}


def test_requests_come_by_debate_and_place(tmp_path: Path, asked: list[Request]) -> None:
    path = held(tmp_path, asked=questions(3))
    asked.clear()
    measure(path, ALL)
    for model in range(2):
        seats = ("Ada", "Cy") if model == 0 else ("Bob", "Dee")
        met = [
            (request.origin.question_id, request.request_id.rpartition("/")[2])
            for request in asked
            if request.origin and request.origin.seat in seats
        ]
        runs = [pair for place, pair in enumerate(met) if place == 0 or met[place - 1] != pair]
        assert len(runs) == len(set(runs)) == 3 * 5, "each once: nobody, and each of four seats"
        assert runs[0][1] == ""


# ── noise ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_noise_has_the_option_at_the_same_place_and_moves_nobody(tmp_path: Path) -> None:
    path = held(tmp_path, *FOLLOWERS, suite={"controls": ("noise-peers",)})
    wanted = Wanted(direct=True, total=8, everything=True, conditions=("noise-peers",))
    measure(path, wanted)
    found = rows(
        path,
        "SELECT option, value, (SELECT vote FROM ballots JOIN turns AS said ON said.id = ballots.turn"
        " WHERE said.debate = debates.partner AND said.round = 1 AND said.seat = peer)"
        " FROM influences JOIN turns ON turns.id = influences.turn JOIN debates ON debates.id = turns.debate",
    )
    assert len(found) == 4 * 4 * 3 * 2
    assert all(option == voted for option, _, voted in found)
    assert [value for _, value, _ in found] == pytest.approx([0] * len(found))
    assert disagreements(path) == []


def test_noise_that_names_one_of_the_question_s_own_options_is_measured_by_its_text(tmp_path: Path) -> None:
    asked = [make_question("Yes", "No", id="q0"), make_question("No", "Yes", id="q1")]
    path = held(tmp_path, *FOLLOWERS, asked=asked, suite={"controls": ("noise-peers",)})
    measure(path, Wanted(everything=True, conditions=("noise-peers",)))
    assert means(path, "direct")["Ada", "Bob"] > 0.3, "it follows what its prompt says, whatever that is about"
    assert disagreements(path) == []


def test_a_sweep_s_debates_are_all_measured_each_under_its_own_rules(tmp_path: Path) -> None:
    factors = {"prompts": ["argue", "answer-2"], "rounds": ["1", "2"], "visibility.order": ["fixed", "shuffled"]}
    file = write_sweep(tmp_path, seats=("Ada", "Bob", "Cy"), factors=factors)
    path = hold_sweep(tmp_path / "run.db", file)
    done, _ = measure(path, ALL)
    assert done == 4 * 4 * 3 * 3, "of four variants with two rounds: questions, seats, everybody shown and two peers"
    assert disagreements(path) == []
