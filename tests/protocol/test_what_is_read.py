"""What a seat reads of the round before: each switch by itself, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from builders import CARD, make_panel, make_question, make_turn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localtable.protocol import Debate
from localtable.types import Ballot, Panel, ShownTurn, VoteCounts

NAMES = ("Ada", "Bob", "Cy", "Dee", "Eve", "Fay")
QUESTION = make_question("Yes", "No", "Perhaps")
VOTES = {"Ada": "A", "Bob": "B", "Cy": "B", "Dee": "A", "Eve": "B", "Fay": "B"}
SURE = {"A": 0.6, "B": 0.3, "C": 0.1}


def after_rounds(panel: Panel, count: int = 1, repeat: int = 0, question_id: str = "q") -> Debate:
    debate = Debate(replace(QUESTION, id=question_id), panel, repeat)
    for _ in range(count):
        debate = debate.close_round(
            {
                seat.name: make_turn(
                    seat.name,
                    VOTES[seat.name],
                    position=place,
                    statement=f"{seat.name} speaks.",
                    ballot=Ballot(VOTES[seat.name], SURE),
                )
                for place, seat in enumerate(debate.order, start=1)
            }
        )
    return debate


def panel_of(folder: Path, names: Sequence[str] = NAMES, rounds: int = 9, **seen: str) -> Panel:
    return make_panel(folder, *names, cards=[CARD], rounds=str(rounds), visibility=seen)


def order(debate: Debate, reader: str, number: int = 2) -> tuple[str, ...]:
    return tuple(turn.seat for turn in debate.shown_to(reader, number))


# ── each switch by itself ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("votes", ["shown", "hidden"])
@pytest.mark.parametrize("statements", ["shown", "hidden"])
@pytest.mark.parametrize("confidence", ["shown", "hidden"])
def test_votes_statements_and_confidence_are_shown_each_or_not(
    tmp_path: Path, votes: str, statements: str, confidence: str
) -> None:
    if votes == statements == "hidden":
        return  # nothing of a single peer is read then
    seen = {"votes": votes, "statements": statements, "confidence": confidence}
    turns = {turn.seat: turn for turn in after_rounds(panel_of(tmp_path, **seen)).shown_to("Bob", 2)}
    said = "Ada speaks." if statements == "shown" else None
    sure = {"A": 0.6, "B": 0.3} if confidence == "shown" else {"A": None, "B": None}
    assert turns["Ada"] == ShownTurn("Ada", "Yes" if votes == "shown" else None, said, sure["A"])
    assert turns["Bob"] == ShownTurn("Bob", "No", "Bob speaks.", sure["B"]), "its own turn is read whole"


def test_where_peers_hide_votes_and_statements_a_seat_reads_itself_and_nobody_can_have_persuaded_it(
    tmp_path: Path,
) -> None:
    debate = after_rounds(panel_of(tmp_path, votes="hidden", statements="hidden", tally="shown"))
    assert order(debate, "Cy") == ("Cy",)
    assert debate.readers_peers("Cy", 2) == ()
    assert debate.tally_shown(2) == (("Yes", 2), ("No", 4), ("Perhaps", 0))


def test_the_tally_is_that_of_the_previous_round_in_the_question_s_own_order_or_hidden(tmp_path: Path) -> None:
    counts: VoteCounts = (("Yes", 2), ("No", 4), ("Perhaps", 0))
    shown = after_rounds(panel_of(tmp_path, tally="shown"))
    assert (shown.tally_shown(1), shown.tally_shown(2)) == ((), counts)
    assert after_rounds(panel_of(tmp_path)).tally_shown(2) == ()


def test_the_tally_of_noise_is_the_partner_s_as_all_that_peers_say_is(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, tally="shown", confidence="shown")
    other = make_question("Left", "Right", "Up", id="other")
    partner = replace(after_rounds(panel), question=other)
    debate = replace(after_rounds(panel), noise=True, partner=partner)
    assert debate.tally_shown(2) == (("Left", 2), ("Right", 4), ("Up", 0))
    assert debate.shown_to("Bob", 2)[0].confidence is not None


def test_without_a_word_on_it_everything_is_as_it_always_was(tmp_path: Path) -> None:
    debate = after_rounds(make_panel(tmp_path, *NAMES))
    spoken = tuple(seat.name for seat in debate.order)
    for reader in NAMES:
        assert order(debate, reader) == spoken
        assert debate.readers_peers(reader, 2) == tuple(name for name in spoken if name != reader)
        assert all(turn.confidence is None for turn in debate.shown_to(reader, 2))


# ── in which order ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", ["fixed", "shuffled", "balanced"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    seats=st.integers(1, 6),
    repeat=st.integers(0, 9),
    question=st.text(max_size=4),
    reads=st.sampled_from(["everyone", "neighbours"]),
)
def test_whatever_the_order_each_seat_that_is_read_stands_in_it_once(
    tmp_path: Path, rule: str, seats: int, repeat: int, question: str, reads: str
) -> None:
    debate = after_rounds(panel_of(tmp_path, NAMES[:seats], order=rule, reads=reads), 3, repeat, question)
    for reader in NAMES[:seats]:
        for number in (2, 3, 4):
            read = order(debate, reader, number)
            assert len(set(read)) == len(read)
            assert reader in read
            assert debate.readers_peers(reader, number) == tuple(name for name in read if name != reader)
            assert len(read) == (seats if reads == "everyone" else min(seats, 3))


def test_shuffled_orders_are_drawn_for_each_seat_round_repeat_and_question(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, order="shuffled")
    here = {(r, n): order(after_rounds(panel, 3), r, n) for r in NAMES for n in (2, 3, 4)}
    assert len(set(here.values())) > 15, "18 of the 720 orders there are"
    assert here["Ada", 2] == order(after_rounds(panel), "Ada"), "the same whenever it is asked for"
    for other in (
        after_rounds(panel, repeat=1),
        after_rounds(panel, question_id="other"),
        after_rounds(replace(panel, seed=1)),
    ):
        assert order(other, "Ada") != here["Ada", 2]


def test_over_many_questions_shuffled_orders_favour_no_place(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, NAMES[:4], order="shuffled")
    places = Counter[tuple[str, int]]()
    for number in range(600):
        debate = after_rounds(panel, question_id=str(number))
        places.update((name, place) for place, name in enumerate(order(debate, "Ada")))
    assert len(places) == 16
    assert all(abs(count - 150) < 45 for count in places.values()), "four standard deviations of 150"


@pytest.mark.parametrize("seats", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("repeat", [0, 1])
def test_balanced_each_seat_stands_at_each_place_for_one_reader(
    tmp_path: Path, seats: int, number: int, repeat: int
) -> None:
    names = NAMES[:seats]
    debate = after_rounds(panel_of(tmp_path, names, order="balanced"), 2, repeat)
    for places in zip(*(order(debate, reader, number) for reader in names), strict=True):
        assert sorted(places) == list(names)


@pytest.mark.parametrize("seats", [4, 6])
def test_balanced_an_even_number_of_seats_each_follow_each_other_one_once(tmp_path: Path, seats: int) -> None:
    names = NAMES[:seats]
    debate = after_rounds(panel_of(tmp_path, names, order="balanced"))
    follows = Counter(pair for reader in names for pair in pairwise(order(debate, reader)))
    assert len(follows) == seats * (seats - 1)
    assert set(follows.values()) == {1}


def test_balanced_an_odd_number_follow_each_other_alike_over_two_repeats(tmp_path: Path) -> None:
    names = NAMES[:5]
    panel = panel_of(tmp_path, names, order="balanced")
    debates = [after_rounds(panel, repeat=repeat) for repeat in (0, 1)]
    follows = Counter(pair for debate in debates for reader in names for pair in pairwise(order(debate, reader)))
    assert len(follows) == 20
    assert set(follows.values()) == {2}


def test_balanced_a_seat_s_own_turn_stands_everywhere_over_the_questions(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, NAMES[:4], order="balanced")
    own = Counter(order(after_rounds(panel, question_id=str(n)), "Bob").index("Bob") for n in range(400))
    assert set(own) == {0, 1, 2, 3}
    assert all(abs(count - 100) < 40 for count in own.values())
