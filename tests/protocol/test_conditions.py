"""Controls: who sits there, how long, and what each seat reads of the round before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from builders import CARD, make_panel, make_question, make_turn, record, refused, votes, write_script

from localtable.protocol import Condition, Debate, build_conditions
from localtable.protocol.conditions import CONTROLS, DEBATE
from localtable.types import Panel, Question, ShownTurn, Visibility

CARDS = ({**CARD, "id": "one"}, {**CARD, "id": "two"})
TWO, THREE = make_question("Yes", "No"), make_question("Left", "Right", id="other", question="Where?")
VIEWS = ("solo-revise", "noise-peers", "votes-only", "text-only", "ring")
MANY = ("Ada", "Bob", "Cy", "Dee", "Eve")


def control(panel: Panel, name: str) -> list[Condition]:
    """The conditions of one control; the debate stands before them, as it is."""
    debate, *conditions = build_conditions(panel, [name])
    assert debate == Condition(DEBATE, panel)
    assert {condition.control for condition in conditions} == {name}
    return conditions


# ── who sits there ──────────────────────────────────────────────────────────────────────────────────────────


def test_without_controls_there_is_the_debate_alone(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob")
    assert build_conditions(panel, []) == (Condition(DEBATE, panel),)


def test_the_first_round_is_the_debate_that_ends_after_it(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="3")
    assert control(panel, "first-round") == [Condition("first-round", replace(panel, rounds=1))]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("solo-revise", Visibility(reads="itself")),
        ("votes-only", Visibility(statements="hidden")),
        ("text-only", Visibility(votes="hidden")),
        ("ring", Visibility(reads="neighbours")),
    ],
)
def test_a_control_of_what_is_read_is_the_debate_s_own_panel_with_another_visibility(
    tmp_path: Path, name: str, seen: Visibility
) -> None:
    panel = make_panel(tmp_path, *MANY, cards=CARDS)
    assert control(panel, name) == [Condition(name, replace(panel, visibility=seen))]


def test_noise_is_the_debate_s_own_panel_with_other_peers(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY, cards=CARDS)
    assert control(panel, "noise-peers") == [Condition("noise-peers", panel, noise=True)]


def test_a_control_turns_its_own_switches_and_leaves_the_panel_s_others(tmp_path: Path) -> None:
    seen = {"names": "neutral", "confidence": "shown", "tally": "shown", "order": "balanced", "votes": "hidden"}
    panel = make_panel(tmp_path, *MANY, visibility=seen)
    kept = replace(panel.visibility, names="neutral", order="balanced")
    expected = {
        "solo-revise": replace(kept, reads="itself", tally="hidden"),
        "votes-only": replace(kept, votes="shown", statements="hidden"),
        "text-only": replace(kept, confidence="hidden", tally="hidden"),
        "ring": replace(kept, reads="neighbours"),
        "homogeneous": kept,
        "first-round": kept,
    }
    assert {name: control(panel, name)[0].panel.visibility for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("solo-revise", {"reads": "itself"}),
        ("votes-only", {"statements": "hidden"}),
        ("text-only", {"votes": "hidden"}),
        ("ring", {"reads": "neighbours"}),
    ],
)
def test_a_control_that_is_what_the_panel_does_itself_is_refused(
    tmp_path: Path, name: str, seen: dict[str, str]
) -> None:
    error = refused(build_conditions, make_panel(tmp_path, *MANY, visibility=seen), [name])
    assert error.message == f"the control {name!r} is what the panel 'panel' does itself"


def test_where_nothing_of_peers_is_read_there_is_no_noise(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY, visibility={"reads": "itself"})
    error = refused(build_conditions, panel, ["noise-peers"])
    assert "seats of the panel 'panel' read nothing of them" in error.message


def test_a_homogeneous_panel_has_every_seat_on_one_model_that_speaks_as_its_first_seat_does(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", cards=CARDS)
    ada, bob, cy = panel.seats
    loud = replace(bob.sampling, temperature=1.5)
    panel = replace(panel, seats=(ada, replace(bob, sampling=loud, persona="A sceptic."), cy))
    one, two = control(panel, "homogeneous")
    assert (one.name, two.name) == ("homogeneous:one", "homogeneous:two")
    for condition, card in ((one, ada.card), (two, bob.card)):
        assert condition.panel.cards == (card,)
        assert [seat.name for seat in condition.panel.seats] == ["Ada", "Bob", "Cy"]
        assert [seat.persona for seat in condition.panel.seats] == [None, "A sceptic.", None]
        assert (condition.panel.rounds, condition.panel.visibility) == (2, Visibility())
    assert [seat.sampling for seat in one.panel.seats] == [ada.sampling] * 3
    assert [seat.sampling for seat in two.panel.seats] == [loud] * 3


def test_a_seat_that_keeps_its_model_keeps_its_own_sampling(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", cards=CARDS)
    ada, bob, cy = panel.seats
    quiet = replace(cy, sampling=replace(cy.sampling, max_tokens=5))
    one, _ = control(replace(panel, seats=(ada, bob, quiet)), "homogeneous")
    assert [seat.sampling.max_tokens for seat in one.panel.seats] == [256, 256, 5]


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_self_consistency_takes_as_many_blind_samples_as_the_debate_has_turns(tmp_path: Path, rounds: int) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy", cards=CARDS, rounds=str(rounds))
    for condition, homogeneous in zip(control(panel, "self-consistency"), control(panel, "homogeneous"), strict=True):
        samples = condition.panel.seats
        assert condition.panel.rounds == 1
        assert len(samples) == 3 * rounds
        assert samples[:3] == homogeneous.panel.seats
        assert condition.name.partition(":")[2] == homogeneous.name.partition(":")[2]
        assert [replace(seat, name="") for seat in samples] == [
            replace(seat, name="") for seat in homogeneous.panel.seats
        ] * rounds


def test_the_names_of_samples_are_unique_whatever_the_seats_are_called(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "ada 2", "Ada 3", "Ada 2'", "Ada 2 2", rounds="3")
    (condition,) = control(panel, "self-consistency")
    names = [seat.name.casefold() for seat in condition.panel.seats]
    assert len(set(names)) == len(names) == 15


def test_the_first_samples_are_the_homogeneous_panel_s_requests_and_its_own_debate_s(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob", rounds="3")
    together = record(TWO, panel, controls=["self-consistency", "homogeneous"])
    first = [request for request in together.requests if request.origin and request.origin.round_number == 1]
    seats = [request.origin.seat for request in first if request.origin and request.origin.step == "statement"]
    assert sorted(seats) == ["Ada", "Ada 2", "Ada 3", "Bob", "Bob 2", "Bob 3"], "each is generated once for all three"
    alone = record(TWO, panel)
    same = {request.prompt_token_ids for request in alone.of(round_number=1)}
    assert same <= {request.prompt_token_ids for request in first}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["rings", "", "debate", "Ring"])
def test_an_unknown_control_is_refused_with_those_that_there_are(tmp_path: Path, name: str) -> None:
    error = refused(build_conditions, make_panel(tmp_path, "Ada", "Bob"), [name])
    assert error.message == f"unknown control {name!r}"
    assert all(known in error.hint for known in CONTROLS)


def test_a_control_that_stands_twice_is_refused(tmp_path: Path) -> None:
    error = refused(build_conditions, make_panel(tmp_path, "Ada", "Bob"), ["votes-only", "first-round", "votes-only"])
    assert error.message == "the control 'votes-only' stands twice"


@pytest.mark.parametrize("seats", [2, 3])
def test_a_ring_of_up_to_three_seats_is_the_debate_itself_and_refused(tmp_path: Path, seats: int) -> None:
    error = refused(build_conditions, make_panel(tmp_path, *MANY[:seats]), ["ring"])
    assert f"in a ring of {seats} seats" in error.message
    assert build_conditions(make_panel(tmp_path, *MANY[:4]), ["ring"])


@pytest.mark.parametrize("name", VIEWS)
def test_what_changes_later_rounds_needs_a_later_round(tmp_path: Path, name: str) -> None:
    error = refused(build_conditions, make_panel(tmp_path, *MANY, rounds="1"), [name])
    assert repr(name) in error.message
    assert "two rounds or more" in error.hint


@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"solo-revise", "ring"}))
def test_what_changes_the_reading_of_peers_needs_peers(tmp_path: Path, name: str) -> None:
    error = refused(build_conditions, make_panel(tmp_path, "Ada"), [name])
    assert "the panel 'panel' has one seat" in error.message


@pytest.mark.parametrize("name", ["solo-revise", "first-round", "self-consistency", "homogeneous"])
def test_one_seat_alone_has_the_other_controls(tmp_path: Path, name: str) -> None:
    (condition,) = control(make_panel(tmp_path, "Ada"), name)
    assert condition.panel.seats[0].name == "Ada"


# ── what a seat reads ───────────────────────────────────────────────────────────────────────────────────────


def after_one_round(condition: Condition, question: Question = TWO, *, partner: Debate | None = None) -> Debate:
    """A debate behind its first round, in which every seat but the first votes B."""
    panel = condition.panel
    return close(Debate(question, panel, noise=condition.noise, partner=partner), {panel.seats[0].name: "A"})


def close(debate: Debate, chosen: Mapping[str, str], otherwise: str = "B") -> Debate:
    """The next round: each seat says its name, the question and the round."""
    number = debate.open_round
    return debate.close_round(
        {
            seat.name: make_turn(
                seat.name,
                chosen.get(seat.name, otherwise),
                position=place,
                statement=f"{seat.name} on {debate.question.id}, {number}",
            )
            for place, seat in enumerate(debate.order, start=1)
        }
    )


def reads(debate: Debate, reader: str, number: int = 2) -> dict[str, tuple[str | None, str | None]]:
    shown: Sequence[ShownTurn] = debate.shown_to(reader, number)
    assert len({turn.seat for turn in shown}) == len(shown)
    return {turn.seat: (turn.vote, turn.statement) for turn in shown}


def condition_of(panel: Panel, name: str | None) -> Condition:
    return control(panel, name)[0] if name else Condition(DEBATE, panel)


@pytest.mark.parametrize("name", [None, "solo-revise", "votes-only", "text-only", "ring", "noise-peers"])
@pytest.mark.parametrize("repeat", [0, 1, 2])
def test_its_own_turn_a_seat_always_reads_whole(tmp_path: Path, name: str | None, repeat: int) -> None:
    panel = make_panel(tmp_path, *MANY)
    partner = after_one_round(condition_of(panel, None), THREE)
    debate = replace(after_one_round(condition_of(panel, name), partner=partner), repeat=repeat)
    for reader in MANY:
        assert reads(debate, reader)[reader] == ("Yes" if reader == "Ada" else "No", f"{reader} on q, 1")


@pytest.mark.parametrize("name", VIEWS)
def test_the_first_round_is_blind_under_every_view(tmp_path: Path, name: str) -> None:
    panel = make_panel(tmp_path, *MANY)
    condition = condition_of(panel, name)
    debate = Debate(TWO, condition.panel, noise=condition.noise)
    assert all(reads(debate, reader, 1) == {} for reader in MANY)


def test_alone_a_seat_reads_itself_and_nobody_else(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY)
    debate = after_one_round(condition_of(panel, "solo-revise"))
    assert all(set(reads(debate, reader)) == {reader} for reader in MANY)


def test_with_votes_only_no_word_of_a_peer_is_read(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY)
    debate = after_one_round(condition_of(panel, "votes-only"))
    peers = reads(debate, "Cy")
    del peers["Cy"]
    assert peers == {"Ada": ("Yes", None), "Bob": ("No", None), "Dee": ("No", None), "Eve": ("No", None)}


def test_with_text_only_no_vote_of_a_peer_is_read(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY)
    debate = after_one_round(condition_of(panel, "text-only"))
    peers = reads(debate, "Cy")
    del peers["Cy"]
    assert peers == {name: (None, f"{name} on q, 1") for name in ("Ada", "Bob", "Dee", "Eve")}


@pytest.mark.parametrize("repeat", range(6))
@pytest.mark.parametrize("seats", [4, 5])
def test_in_a_ring_neighbours_are_those_of_the_panel_whoever_speaks_first(
    tmp_path: Path, seats: int, repeat: int
) -> None:
    names = MANY[:seats]
    panel = make_panel(tmp_path, *names)
    debate = replace(after_one_round(condition_of(panel, "ring")), repeat=repeat)
    for place, reader in enumerate(names):
        near = {names[place - 1], names[(place + 1) % seats]}
        assert set(reads(debate, reader)) == near | {reader}
        assert set(debate.readers_peers(reader, 2)) == near


def test_noise_is_what_the_same_seats_said_of_another_question(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY, rounds="3")
    partner = after_one_round(condition_of(panel, None), THREE)
    debate = after_one_round(condition_of(panel, "noise-peers"), partner=partner)
    peers = reads(debate, "Ada")
    del peers["Ada"]
    assert peers == {name: ("Right", f"{name} on other, 1") for name in MANY[1:]}
    later = replace(close(debate, {}), partner=close(partner, {}, "A"))
    assert reads(later, "Ada", 3)["Bob"] == ("Left", "Bob on other, 2")
    assert reads(later, "Ada", 3)["Ada"] == ("No", "Ada on q, 2")


def test_a_partner_that_agreed_early_is_read_with_what_it_said_last(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, *MANY, rounds="4", stop={"when": "unanimous"})
    partner = close(Debate(THREE, panel), {})
    assert partner.open_round is None
    debate = after_one_round(condition_of(panel, "noise-peers"), partner=partner)
    for number in (2, 3, 4):
        assert reads(debate, "Ada", number)["Bob"] == ("Right", "Bob on other, 1")
        debate = close(debate, {"Ada": "A"})


# ── whole debates under a view ──────────────────────────────────────────────────────────────────────────────


def quarrel(folder: Path, names: Sequence[str] = MANY) -> Path:
    """Everybody changes its vote in every round and claims that it was persuaded; by whom the rule draws."""
    turns = [
        turn
        for place, name in enumerate(names)
        for turn in votes(name, *("AB" if place % 2 else "BA"), "A" if place % 2 else "B")
    ]
    return write_script(folder, *turns)


@pytest.mark.parametrize("name", [*VIEWS, "homogeneous"])
def test_only_a_visible_peer_is_said_to_have_persuaded(tmp_path: Path, name: str) -> None:
    panel = make_panel(tmp_path, *MANY, rounds="3")
    held = record([TWO, THREE, replace(THREE, id="third")], panel, quarrel(tmp_path), controls=[name])
    named: set[str | None] = set()
    debates = [outcome.debate for outcome in held.outcomes if outcome.condition != DEBATE]
    assert len(debates) == 3
    for debate in debates:
        for round_ in debate.rounds[1:]:
            for turn in round_.turns:
                assert turn.changed_mind
                by = turn.ballot.persuaded_by
                assert by is None or by in debate.readers_peers(turn.seat, round_.number)
                named.add(by)
    assert (named == {None}) == (name == "solo-revise"), "the rule names peers, where there are any"


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("votes-only", "Bob chose: No", "Bob says"),
        ("text-only", "Bob says A in round 1.", "Bob chose"),
        ("solo-revise", "Ada says B in round 1.", "Bob"),
        ("ring", "Eve says B in round 1.", "Cy"),
    ],
)
def test_what_a_view_leaves_out_stands_in_no_prompt(tmp_path: Path, name: str, has: str, lacks: str) -> None:
    panel = make_panel(tmp_path, *MANY)
    script = write_script(tmp_path, *(t for seat in MANY for t in votes(seat, "A" if seat == "Bob" else "B", "B")))
    question = make_question("No", "Yes")
    plain = set(record(question, panel, script).prompts("Ada", 2))
    prompts = [p for p in record(question, panel, script, controls=[name]).prompts("Ada", 2) if p not in plain]
    assert len(prompts) == 2, "a statement and a ballot of the control's own"
    for prompt in prompts:
        assert has in prompt
        assert lacks not in prompt
        assert "Ada says B in round 1." in prompt
        assert "Ada chose: Yes" in prompt
