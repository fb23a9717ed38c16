"""What seats see of each other, by the prompts that reach the engine: one switch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, Recorded, make_panel, make_question, record, refused, votes, write_script
from store_builders import hold_suite

from localtable.runner.verify import Replay, verify_store
from localtable.runner.verify.whole import read_inputs
from localtable.store import Store
from localtable.types import Panel

CARDS = ({**CARD, "id": "one", "name": "Model One"}, {**CARD, "id": "two", "name": "Model Two"})
NAMES = ("Ada", "Bob", "Cy", "Dee")
QUESTION = make_question("Yes", "No", answer="A")
SAID = {"Ada": "AA", "Bob": "BA", "Cy": "BB", "Dee": "BB"}
DEFAULT = (
    "Ada chose: Yes\n> Ada says A in round 1.",
    "Bob chose: No\n> Bob says B in round 1.",
    "Cy chose: No\n> Cy says B in round 1.",
    "Dee chose: No\n> Dee says B in round 1.",
)


def panel_of(folder: Path, seen: Mapping[str, str], **changes: Any) -> Panel:
    return make_panel(folder, *NAMES, cards=CARDS, visibility=dict(seen), **changes)


def script(folder: Path) -> Path:
    turns = []
    for turn in (turn for name, said in SAID.items() for turn in votes(name, *said)):
        shares = {"A": 0.82, "B": 0.18} if turn["vote"] == "A" else {"A": 0.004, "B": 0.996}
        turns.append({**turn, "distribution": shares, "persuaded_by": "Ada"})
    return write_script(folder, *turns)


def held(folder: Path, **seen: str) -> Recorded:
    return record(QUESTION, panel_of(folder, seen), script(folder))


def shown(held: Recorded, reader: str = "Bob") -> list[str]:
    """The turns that a reader's second statement is prompted with, and what else stands there."""
    (prompt,) = held.prompts(reader, 2, "statement")
    told = prompt.split("In the previous round the participants said:\n\n")[1].split("\n\nYou are ")[0]
    return told.split("\n\n")


def own(held: Recorded, reader: str = "Bob") -> str:
    (prompt,) = held.prompts(reader, 2, "statement")
    return prompt.split("\n\n")[-1]


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_default_seats_read_names_votes_and_statements_and_nothing_else(tmp_path: Path) -> None:
    whole = held(tmp_path)
    assert sorted(shown(whole)) == sorted(DEFAULT)
    assert own(whole).startswith("You are Bob; the turn of Bob above is yours.\n")


def test_neutral_names_stand_everywhere_and_own_ones_nowhere(tmp_path: Path) -> None:
    whole = held(tmp_path, names="neutral")
    order = [seat.name for seat in whole.debate.order]
    called = {name: f"Participant {order.index(name) + 1}" for name in NAMES}
    expected = [f"{called[name]} chose: {'Yes' if name == 'Ada' else 'No'}" for name in order]
    assert [turn.split("\n")[0] for turn in shown(whole)] == expected
    for name in NAMES:
        assert own(whole, name).startswith(f"You are {called[name]}; the turn of {called[name]} above is yours.")
        for prompt in whole.prompts(name):
            assert called[name] in prompt
            assert not any(f"{other} chose" in prompt or f"are {other}" in prompt for other in NAMES)
            assert f"above, {name}:" not in prompt, "the ballot calls it so, too"
    (asked,) = whole.prompts("Bob", 2, "persuaded")
    peers = [called[name] for name in order if name != "Bob"]
    assert "".join(f"{letter}. {name}\n" for letter, name in zip("ABC", peers, strict=True)) in asked


def test_whoever_persuaded_is_stored_by_its_own_name(tmp_path: Path) -> None:
    for names in ("seats", "neutral", "models"):
        (turn,) = (t for t in held(tmp_path, names=names).debate.rounds[1].turns if t.seat == "Bob")
        assert (turn.changed_mind, turn.ballot.persuaded_by) == (True, "Ada")


def test_models_names_are_shown_and_told_apart_where_several_seats_have_one(tmp_path: Path) -> None:
    whole = held(tmp_path, names="models")
    order = [seat.name for seat in whole.debate.order]
    one, two = (1, 2) if order.index("Ada") < order.index("Cy") else (2, 1)
    assert f"Model One ({one}) chose: Yes\n> Ada says A in round 1." in shown(whole)
    assert f"Model One ({two}) chose: No\n> Cy says B in round 1." in shown(whole)
    assert own(whole).startswith("You are Model Two (")


def test_the_names_in_prompts_are_the_same_in_every_round(tmp_path: Path) -> None:
    whole = record(QUESTION, panel_of(tmp_path, {"names": "neutral"}, rounds="4"), script(tmp_path))
    for name in NAMES:
        called = {
            prompt.split("You are ")[1].split(".")[0].split(";")[0] for prompt in whole.prompts(name, step="statement")
        }
        assert len(called) == 1


# ── votes, statements, confidence, tally ────────────────────────────────────────────────────────────────────


def test_hidden_votes_are_those_of_peers(tmp_path: Path) -> None:
    turns = shown(held(tmp_path, votes="hidden"))
    assert "Ada said:\n> Ada says A in round 1." in turns
    assert DEFAULT[1] in turns, "its own vote a seat reads"


def test_hidden_statements_are_those_of_peers(tmp_path: Path) -> None:
    turns = shown(held(tmp_path, statements="hidden"))
    assert sorted(turns) == sorted(["Ada chose: Yes", "Cy chose: No", "Dee chose: No", DEFAULT[1]])


def test_confidence_stands_behind_each_vote_in_whole_percent(tmp_path: Path) -> None:
    turns = shown(held(tmp_path, confidence="shown"))
    assert "Ada chose: Yes (82 % sure)\n> Ada says A in round 1." in turns
    assert "Bob chose: No (100 % sure)\n> Bob says B in round 1." in turns


def test_confidence_stands_behind_the_name_where_votes_are_hidden(tmp_path: Path) -> None:
    turns = shown(held(tmp_path, confidence="shown", votes="hidden"))
    assert "Ada (82 % sure) said:\n> Ada says A in round 1." in turns


def test_the_running_tally_stands_behind_the_turns_in_what_all_seats_share(tmp_path: Path) -> None:
    whole = held(tmp_path, tally="shown")
    for reader in NAMES:
        assert shown(whole, reader)[-1] == "The votes in the previous round:\n- Yes: 1\n- No: 3"
        assert shown(whole, reader) == shown(whole, "Ada")


def test_a_seat_can_see_the_tally_and_nobody(tmp_path: Path) -> None:
    whole = held(tmp_path, tally="shown", votes="hidden", statements="hidden")
    assert shown(whole) == [DEFAULT[1], "The votes in the previous round:\n- Yes: 1\n- No: 3"]
    assert whole.of(step="persuaded") == [], "nobody can be named"


def test_the_words_are_the_wording_s(tmp_path: Path) -> None:
    wording = yaml.safe_load((Path(__file__).parents[2] / "localtable/prompts/presets/argue.yaml").read_text())
    wording |= {"confidence": "[p = 0.{percent}]", "tally": "Poll: {counts}", "tally_line": "{votes} x {option}"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(wording))
    panel = panel_of(tmp_path, {"confidence": "shown", "tally": "shown"}, prompts="mine.yaml")
    turns = shown(record(QUESTION, panel, script(tmp_path)))
    assert "Ada chose: Yes [p = 0.82]\n> Ada says A in round 1." in turns
    assert turns[-1] == "Poll: 1 x Yes\n3 x No"


def test_the_blind_round_shows_nothing_of_all_that(tmp_path: Path) -> None:
    seen = {"confidence": "shown", "tally": "shown", "order": "shuffled"}
    plain, other = held(tmp_path), held(tmp_path, **seen)
    first = [sorted(h.prompts(round_number=1)) for h in (plain, other)]
    assert first[0] == first[1]


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────


def speakers(turns: Sequence[str]) -> list[str]:
    return [turn.split(" ")[0] for turn in turns]


def test_one_order_serves_all_readers_unless_it_is_to_be_another(tmp_path: Path) -> None:
    orders = {
        rule: [tuple(speakers(shown(whole, reader))) for reader in NAMES]
        for rule in ("fixed", "shuffled", "balanced")
        for whole in [held(tmp_path, order=rule)]
    }
    assert len(set(orders["fixed"])) == 1
    assert len(set(orders["shuffled"])) > 1
    assert len(set(orders["balanced"])) == 4
    assert all(sorted(place) == list(NAMES) for place in zip(*orders["balanced"], strict=True))


def test_who_persuaded_is_asked_in_the_order_in_which_peers_were_read(tmp_path: Path) -> None:
    whole = held(tmp_path, order="shuffled")
    (asked,) = whole.prompts("Bob", 2, "persuaded")
    peers = [name for name in speakers(shown(whole)) if name != "Bob"]
    assert "".join(f"{letter}. {name}\n" for letter, name in zip("ABC", peers, strict=True)) in asked


# ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_is_told_in_the_seat_s_own_part_behind_its_persona_in_every_round(tmp_path: Path) -> None:
    seats = [
        {"name": "Ada", "model": "one.yaml", "persona": "You are old.", "role": "devils_advocate"},
        {"name": "Bob", "model": "two.yaml", "role": "peacemaker"},
        {"name": "Cy", "model": "one.yaml"},
    ]
    whole = record(QUESTION, panel_of(tmp_path, {}, seats=seats, ballot={"at": "both"}), script(tmp_path))
    for number in (1, 2):
        (ada,) = whole.prompts("Ada", number, "statement")
        assert "\nYou are old.\nYou are the devil's advocate of this discussion." in ada.split("\n\n")[-1]
        (bob,) = whole.prompts("Bob", number, "before")
        assert "You are Bob.\nYou are the peacemaker of this discussion." in bob
        assert not any("devil's advocate" in prompt for prompt in whole.prompts("Cy", number))


def test_roles_are_in_transcript_and_manifest(tmp_path: Path) -> None:
    from builders import hold

    from localtable.transcript import check, to_json

    seats = [{"name": "Ada", "model": "one.yaml", "role": "peacemaker"}, {"name": "Bob", "model": "two.yaml"}]
    data = to_json(hold(tmp_path, QUESTION, panel_of(tmp_path, {"tally": "shown"}, seats=seats)).whole)
    check(data, "the transcript")
    assert [seat["role"] for seat in data["panel"]["seats"]] == ["peacemaker", None]
    assert data["panel"]["visibility"]["tally"] == "shown"
    assert data["manifest"]["prompts"]["roles"].keys() == {"peacemaker"}
    assert "peacemaker" in data["manifest"]["prompts"]["roles"]["peacemaker"]


# ── everything else follows ─────────────────────────────────────────────────────────────────────────────────

SEEN: list[dict[str, str]] = [
    {"names": "neutral", "confidence": "shown", "tally": "shown", "order": "shuffled"},
    {"names": "models", "votes": "hidden", "confidence": "shown", "order": "balanced", "reads": "neighbours"},
    {"votes": "hidden", "statements": "hidden", "tally": "shown"},
]


@pytest.mark.parametrize("seen", SEEN)
def test_a_store_of_any_visibility_verifies_with_its_prompts(tmp_path: Path, seen: dict[str, str]) -> None:
    questions = [make_question("Yes", "No", id=name, question=f"{name}?", answer="B") for name in "abcd"]
    panel = panel_of(tmp_path, seen, rounds="3", ballot={"at": "both"})
    controls = ("noise-peers", "solo-revise", "first-round", "homogeneous")
    path = hold_suite(tmp_path / "run.db", panel, questions, controls=controls)
    with Store.open(path, write=False) as store:
        replay = Replay(*read_inputs(store), path.parent / "home")
        assert list(verify_store(store, replay=replay)) == []


def test_a_neutral_name_that_a_seat_has_is_refused_before_a_store_is_made(tmp_path: Path) -> None:
    seats = [{"name": "Participant 1", "model": "one.yaml"}, {"name": "Bob", "model": "two.yaml"}]
    panel = panel_of(tmp_path, {"names": "neutral"}, seats=seats)
    error = refused(hold_suite, tmp_path / "run.db", panel, [QUESTION])
    assert "one of the neutral names" in error.message
    assert not (tmp_path / "run.db").exists()


def test_samples_of_a_control_can_have_more_neutral_names_than_the_debate(tmp_path: Path) -> None:
    seats = [{"name": "Participant 5", "model": "one.yaml"}, {"name": "Bob", "model": "one.yaml"}]
    panel = panel_of(tmp_path, {"names": "neutral"}, seats=seats, rounds="3")
    hold_suite(tmp_path / "alone.db", panel, [QUESTION])
    error = refused(hold_suite, tmp_path / "run.db", panel, [QUESTION], controls=("self-consistency",))
    assert "'Participant 5'" in error.message
