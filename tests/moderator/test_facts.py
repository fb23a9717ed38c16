"""Facts of a debate: each computed by hand here, and none made up where a transcript does not say it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from builders import hold, make_panel, make_question, votes, write_script
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from summary_builders import written

from localtable.moderator.facts import Argument, Change, MeasuredInfluence, TurningPoint, find_facts
from localtable.transcript import to_json
from localtable.types import Influence

CONFEDERATE = {"name": "Cleo", "confederate": {"vote": "No", "statement": "{option}, clearly."}}


def test_votes_stand_by_round_and_seat_in_the_panels_order(tmp_path: Path) -> None:
    facts = find_facts(written(tmp_path, {"Ada": "AB", "Bob": "BB"}))
    assert {number: dict(seats) for number, seats in facts.votes.items()} == {
        1: {"Ada": "A", "Bob": "B"},
        2: {"Ada": "B", "Bob": "B"},
    }
    assert list(facts.votes[2]) == ["Ada", "Bob"]


def test_a_change_has_what_was_said_of_it_and_what_was_measured(tmp_path: Path) -> None:
    measured = Influence("Bob", "B", 0.4, 0.3, 0.1, 8)
    data = written(
        tmp_path,
        {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.2, "B": 0.8}], "Bob": [{"B": 1.0}, {"B": 1.0}]},
        persuaded={(2, "Ada"): "Bob"},
        influence={(2, "Ada"): [measured]},
    )
    (change,) = find_facts(data).changes
    assert change == Change(2, "Ada", "A", "B", "Bob", pytest.approx(0.7), (MeasuredInfluence("Bob", "B", 0.4, 0.3),))


def test_influence_that_an_older_transcript_has_without_its_option_is_that_of_the_peers_vote(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB"}, influence={(2, "Ada"): [Influence("Bob", "B", 0.4)]})
    del next(t for t in data["rounds"][1]["turns"] if t["seat"] == "Ada")["influence"][0]["option"]
    assert find_facts(data).changes[0].influence == (MeasuredInfluence("Bob", "B", 0.4, None),)


# ── strongest arguments ─────────────────────────────────────────────────────────────────────────────────────


def argument(data: dict[str, Any], option: str) -> Argument | None:
    return next((found for found in find_facts(data).arguments if found.option == option), None)


def test_measured_influence_goes_before_what_is_reckoned(tmp_path: Path) -> None:
    """By their changes alone Bob and Cy would share Ada's; measured, it was Cy."""
    data = written(
        tmp_path,
        {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.1, "B": 0.9}], "Bob": [{"B": 1.0}] * 2, "Cy": [{"B": 1.0}] * 2},
        influence={(2, "Ada"): [Influence("Bob", "B", 0.05), Influence("Cy", "B", 0.5)]},
    )
    assert argument(data, "B") == Argument("B", 1, "Cy", 0.5, "measured")


def test_the_total_influence_stands_where_the_direct_one_was_not_measured(tmp_path: Path) -> None:
    data = written(
        tmp_path, {"Ada": "AB", "Bob": "BB"}, influence={(2, "Ada"): [Influence("Bob", "B", None, 0.3, 0.1, 8)]}
    )
    assert argument(data, "B") == Argument("B", 1, "Bob", 0.3, "measured")


def test_a_change_is_shared_equally_among_the_statements_that_were_read_for_it(tmp_path: Path) -> None:
    """Dan, who voted otherwise, has no part in it; of Bob and Cy the first in the panel's order stands."""
    data = written(
        tmp_path,
        {
            "Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.5, "B": 0.5}],
            "Bob": [{"B": 1.0}] * 2,
            "Cy": [{"B": 1.0}] * 2,
            "Dan": [{"C": 1.0}] * 2,
        },
    )
    assert argument(data, "B") == Argument("B", 1, "Bob", pytest.approx(0.2), "reckoned")
    assert argument(data, "A") is None
    assert argument(data, "C") is None


def test_the_seat_that_persuaded_gets_the_whole_change(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.4, "B": 0.6}], "Bob": [{"B": 1.0}] * 2, "Cy": [{"B": 1.0}] * 2},
        persuaded={(2, "Ada"): "Cy"},
    )
    assert argument(data, "B") == Argument("B", 1, "Cy", pytest.approx(0.5), "reckoned")


def test_what_several_readers_have_moved_is_added_up_statement_by_statement(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        {
            "Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.8, "B": 0.2}, {"A": 0.4, "B": 0.6}],
            "Bob": [{"B": 0.6, "A": 0.4}, {"B": 0.7, "A": 0.3}, {"B": 0.7, "A": 0.3}],
            "Cy": [{"A": 0.9, "B": 0.1}, {"A": 0.7, "B": 0.3}, {"A": 0.6, "B": 0.4}],
        },
    )
    # Bob in round 2 moved Ada by 0.4 and Cy by 0.1; in round 1 by 0.1 and 0.2.
    assert argument(data, "B") == Argument("B", 2, "Bob", pytest.approx(0.5), "reckoned")


@pytest.mark.parametrize(
    "key",
    [
        {"visibility": {"reads": "itself"}},
        {"visibility": {"statements": "hidden"}},
        {"condition": "noise-peers"},
        {"condition": "names=neutral/noise-peers"},
    ],
)
def test_a_statement_that_nobody_has_read_moved_nobody(tmp_path: Path, key: dict[str, Any]) -> None:
    distributions = {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.1, "B": 0.9}], "Bob": [{"B": 1.0}] * 2}
    data = written(tmp_path, distributions, influence={(2, "Ada"): [Influence("Bob", "B", 0.4)]}, **key)
    assert find_facts(data).arguments == ()


def test_in_a_ring_only_neighbours_are_read(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        {
            "Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.1, "B": 0.9}],
            "Bob": [{"A": 1.0}] * 2,
            "Cy": [{"B": 1.0}] * 2,
            "Dan": [{"A": 1.0}] * 2,
        },
        visibility={"reads": "neighbours"},
    )
    assert argument(data, "B") is None


def test_what_rounds_to_nothing_has_moved_nobody(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": [{"A": 0.9, "B": 0.1}, {"A": 0.896, "B": 0.104}], "Bob": [{"B": 1.0}] * 2})
    assert find_facts(data).arguments == ()


# ── imports, and whatever else is not there ─────────────────────────────────────────────────────────────────


def test_without_distributions_an_argument_is_that_of_the_seat_that_others_name(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"}, persuaded={(2, "Ada"): "Bob"})
    facts = find_facts(data)
    assert facts.changes == (Change(2, "Ada", "A", "B", "Bob", None),)
    assert facts.arguments == (Argument("B", 1, "Bob", None, "said"),)
    # A, A, B became A, B, B.
    assert facts.turning_points == (TurningPoint(2, "Ada", "A", "B", "decisive", ("A",), None),)


@pytest.mark.parametrize(
    "key",
    [
        {"visibility": {"statements": "hidden"}},
        {"visibility": {"reads": "neighbours"}},
        {"condition": "noise-peers"},
    ],
)
def test_nor_is_it_that_of_a_seat_whose_statement_nobody_has_read(tmp_path: Path, key: dict[str, Any]) -> None:
    votes = {"Ada": "AB", "Bob": "AA", "Cy": "BB", "Dan": "AA"}
    data = written(tmp_path, votes, persuaded={(2, "Ada"): "Cy"}, **key)
    assert find_facts(data).changes[0].persuaded_by == "Cy"
    assert find_facts(data).arguments == ()


def test_of_a_round_that_is_not_shown_nothing_is_made_up(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        {"Ada": [None, "B"], "Bob": [None, "B"]},
        changed=[(2, "Ada")],
        persuaded={(2, "Ada"): "Bob"},
    )
    assert data["rounds"][0]["turns"] == []
    facts = find_facts(data)
    assert set(facts.votes) == {2}
    assert facts.changes == (Change(2, "Ada", None, "B", "Bob", None),)
    assert facts.arguments == (Argument("B", 2, "Bob", None, "said"),)
    assert facts.turning_points == (TurningPoint(2, "Ada", None, "B", "largest_shift", None, None),)


def test_an_import_says_nothing_of_what_seats_see_and_is_read_as_open_to_all(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB"}, persuaded={(2, "Ada"): "Bob"})
    for key in data["panel"].keys() - {"name", "rounds", "seats"}:
        del data["panel"][key]
    assert find_facts(data).arguments == (Argument("B", 1, "Bob", None, "said"),)


def test_a_persuader_who_voted_otherwise_has_no_argument(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "CC"}, persuaded={(2, "Ada"): "Bob"})
    assert find_facts(data).arguments == ()


def test_one_round_and_one_seat_have_votes_and_nothing_else(tmp_path: Path) -> None:
    for data in (written(tmp_path, {"Ada": "A", "Bob": "B"}), written(tmp_path, {"Ada": "A"})):
        facts = find_facts(data)
        assert facts.votes[1]["Ada"] == "A"
        assert (facts.changes, facts.arguments, facts.turning_points) == ((), (), ())


def test_a_debate_without_a_finished_round_has_no_facts(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "A"}, finished=False)
    data["rounds"] = []
    facts = find_facts(data)
    assert (facts.votes, facts.changes, facts.arguments, facts.turning_points) == ({}, (), (), ())


# ── turning points ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_without_which_others_would_lead_is_decisive(tmp_path: Path) -> None:
    # 2 to 1 for A became 2 to 1 for B with Ada; Cy's and Dan's changes cancel.
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"})
    (point,) = find_facts(data).turning_points
    assert (point.seat, point.kind, point.verdict_without) == ("Ada", "decisive", ("A",))


def test_a_change_that_makes_a_tie_is_decisive(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA", "Dan": "AA"})
    (point,) = find_facts(data).turning_points
    assert (point.kind, point.verdict_without) == ("decisive", ("A",))


def test_several_changes_can_each_be_decisive(tmp_path: Path) -> None:
    # 3 to 2 for B; without either change 3 to 2 for A.
    data = written(tmp_path, {"Ada": "AB", "Bob": "AB", "Cy": "BB", "Dan": "AA", "Eve": "AA"})
    points = find_facts(data).turning_points
    assert [(p.seat, p.verdict_without) for p in points] == [("Ada", ("A",)), ("Bob", ("A",))]


def test_a_change_that_was_taken_back_decided_nothing_and_taking_it_back_did(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "ABA", "Bob": "BBB", "Cy": "AAA"})
    (point,) = find_facts(data).turning_points
    assert (point.round, point.before, point.after, point.verdict_without) == (3, "B", "A", ("B",))


def test_where_no_single_change_decided_the_largest_one_is_the_turning_point(tmp_path: Path) -> None:
    stay = [{"B": 1.0}, {"B": 1.0}]
    data = written(
        tmp_path,
        {
            "Ada": [{"A": 0.6, "B": 0.4}, {"A": 0.4, "B": 0.6}],
            "Bob": [{"A": 0.9, "B": 0.1}, {"A": 0.2, "B": 0.8}],
            "Cy": stay,
            "Dan": stay,
            "Eve": stay,
        },
    )
    (point,) = find_facts(data).turning_points
    assert point == TurningPoint(2, "Bob", "A", "B", "largest_shift", None, pytest.approx(0.7))


def test_where_nobody_changed_a_turn_that_moved_by_a_tenth_is_the_turning_point(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": [{"A": 0.6, "B": 0.4}, {"A": 0.7, "B": 0.3}], "Bob": [{"B": 1.0}] * 2})
    (point,) = find_facts(data).turning_points
    assert point == TurningPoint(2, "Ada", "A", "A", "largest_shift", None, pytest.approx(0.1))
    data = written(tmp_path, {"Ada": [{"A": 0.6, "B": 0.4}, {"A": 0.69, "B": 0.31}], "Bob": [{"B": 1.0}] * 2})
    assert find_facts(data).turning_points == ()


def test_a_debate_without_a_verdict_was_decided_by_nobody(tmp_path: Path) -> None:
    data = written(tmp_path, {"Ada": "AB", "Bob": "BB", "Cy": "AA"}, finished=False)
    assert [p.kind for p in find_facts(data).turning_points] == ["largest_shift"]


def test_confederates_whose_votes_do_not_count_decide_nothing_but_persuade(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", seats=[*_seats(tmp_path, "Ada", "Bob"), CONFEDERATE])
    script = write_script(
        tmp_path, *({**t, "persuaded_by": "Cleo"} for t in votes("Ada", "A", "B")), *votes("Bob", "A", "A")
    )
    facts = find_facts(to_json(hold(tmp_path, make_question("Yes", "No"), panel, script).whole))
    assert facts.votes[2] == {"Ada": "B", "Bob": "A", "Cleo": "B"}
    # With Cleo's vote B would lead; without it the change makes a tie of what A had won.
    assert [(p.seat, p.kind, p.verdict_without) for p in facts.turning_points] == [("Ada", "decisive", ("A",))]
    argument = next(found for found in facts.arguments if found.option == "B")
    assert (argument.seat, argument.round, argument.how) == ("Cleo", 1, "reckoned")


def _seats(folder: Path, *names: str) -> list[dict[str, str]]:
    make_panel(folder, *names)
    return [{"name": name, "model": "toy.yaml"} for name in names]


def test_a_debate_that_agreed_early_has_the_facts_of_the_rounds_that_were_held(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds=5, stop={"when": "unanimous"})
    script = write_script(tmp_path, *votes("Ada", "A", "B"), *votes("Bob", "B", "B"))
    facts = find_facts(to_json(hold(tmp_path, make_question("Yes", "No"), panel, script).whole))
    assert list(facts.votes) == [1, 2]
    assert [(p.round, p.seat, p.verdict_without) for p in facts.turning_points] == [(2, "Ada", ("A", "B"))]


# ── any debate ──────────────────────────────────────────────────────────────────────────────────────────────

letters = st.sampled_from("ABC")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(letters, min_size=3, max_size=3), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_decisive_change_is_one_whose_absence_changes_the_count(
    tmp_path: Path, ballots: list[list[str]], finished: bool, sure: bool
) -> None:
    seats = {f"Seat {i}": [{vote: 1.0} if sure else vote for vote in own] for i, own in enumerate(ballots)}
    data = written(tmp_path, seats, finished=finished)
    untouched = copy.deepcopy(data)
    facts = find_facts(data)
    assert data == untouched
    decisive = {(p.round, p.seat) for p in facts.turning_points if p.kind == "decisive"}
    for change in facts.changes:
        last = [own[-1] for own in ballots]
        kept = [change.before if f"Seat {i}" == change.seat else vote for i, vote in enumerate(last)]
        differs = _leaders(last) != _leaders(kept)  # type: ignore[arg-type]
        assert ((change.round, change.seat) in decisive) == (differs and finished)
    assert len(facts.turning_points) == max(len(decisive), 1 if facts.changes else 0)


def _leaders(votes: list[str]) -> set[str]:
    most = max(map(votes.count, votes))
    return {vote for vote in votes if votes.count(vote) == most}
