"""What a panel's file says of what seats see, of roles and of confederates, and every way to write that wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, given_or_refused, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localtable.config import parse_panel
from localtable.transcript import panel_to_json
from localtable.types import Confederate, Panel, Stop, Visibility

ADA = {"name": "Ada", "model": "toy.yaml"}
PLAYED = {"vote": "wrong", "statement": "It is {option}."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(dict(CARD)))
    return tmp_path


def parse(folder: Path, **changes: Any) -> Panel:
    return parse_panel({"name": "p", "seats": [ADA], **changes}, "the panel", folder, default_stop=Stop())


def with_played(folder: Path, **changes: Any) -> Confederate:
    panel = parse(folder, seats=[ADA, {"name": "Cy", "confederate": {**PLAYED, **changes}}])
    (seat,) = panel.confederates
    return seat


# ── what is left out, and what is said ──────────────────────────────────────────────────────────────────────


def test_what_is_left_out_is_what_seats_always_saw(folder: Path) -> None:
    panel = parse(folder)
    assert panel.visibility == Visibility("everyone", "seats", "shown", "shown", "hidden", "hidden", "fixed")
    assert panel.model_seats[0].role is None


def test_each_switch_is_a_field_of_its_own(folder: Path) -> None:
    said = {
        "reads": "neighbours",
        "names": "neutral",
        "votes": "hidden",
        "statements": "shown",
        "confidence": "shown",
        "tally": "shown",
        "order": "balanced",
    }
    assert parse(folder, visibility=said).visibility == Visibility(**said)  # type: ignore[arg-type]
    for key, value in said.items():
        assert getattr(parse(folder, visibility={key: value}).visibility, key) == value


def test_a_confederate_is_a_seat_without_a_card(folder: Path) -> None:
    assert with_played(folder) == Confederate("Cy", "wrong", "It is {option}.")
    said = {"vote": " No ", "counts": "true", "together": "false", "poses_as": "GPT-9", "confidence": "0.7"}
    assert with_played(folder, **said) == Confederate("Cy", "No", "It is {option}.", True, False, "GPT-9", 0.7)
    panel = parse(folder, seats=[{"name": "Cy", "confederate": PLAYED}, ADA])
    assert [seat.name for seat in panel.seats] == ["Cy", "Ada"]
    assert [card.id for card in panel.cards] == ["toy"]


@pytest.mark.parametrize("name", ["votes.yaml", "votes.json"])
def test_votes_by_question_stand_in_the_panel_or_in_a_file_beside_it(folder: Path, name: str) -> None:
    votes = {"q1": "A", "q2": "right"}
    (folder / name).write_text(json.dumps(votes))
    assert with_played(folder, vote={"file": name}).vote == votes
    assert with_played(folder, vote={"by_question": votes}).vote == votes


def test_a_panel_is_read_back_as_it_is_written(folder: Path) -> None:
    seats = [
        {**ADA, "role": "peacemaker"},
        {"name": "Cy", "confederate": {**PLAYED, "vote": {"by_question": {"q": "A"}}, "poses_as": "X"}},
    ]
    panel = parse(folder, seats=seats, visibility={"names": "neutral", "tally": "shown"})
    data = panel_to_json(panel)
    data["seats"][0]["model"] = "toy.yaml"
    assert parse_panel(data, "the panel", folder, default_stop=Stop()) == panel


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seen", "said", "remedy"),
    [
        ({"names": "anonymous"}, "visibility.names: input should be 'seats', 'neutral' or 'models'", ""),
        ({"names": "neutrl"}, "visibility.names: ", "Did you mean 'neutral'?"),
        ({"votes": "true"}, "visibility.votes: input should be 'shown' or 'hidden', got 'true'", ""),
        ({"order": "random"}, "visibility.order: input should be 'fixed', 'shuffled' or 'balanced'", ""),
        ({"reads": "all"}, "visibility.reads: ", ""),
        ({"vote": "hidden"}, "unknown key 'visibility.vote'", "Did you mean 'votes'?"),
        ("neutral", "visibility: ", ""),
        ({"votes": "hidden", "statements": "hidden"}, "visibility: with votes, statements and tally hidden", ""),
        (
            {"votes": "hidden", "statements": "hidden", "tally": "shown", "confidence": "shown"},
            "visibility: a confidence is shown beside a vote or a statement, and both are hidden",
            "",
        ),
    ],
)
def test_a_switch_that_is_none_is_refused(folder: Path, seen: Any, said: str, remedy: str) -> None:
    error = refused(parse, folder, visibility=seen)
    assert error.message.startswith(f"the panel: {said}")
    assert remedy in error.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vote": ""}, "seats.1.confederate.vote: "),
        ({"vote": ["A"]}, "seats.1.confederate.vote: write `right`, `wrong`, an option, or a mapping"),
        ({"vote": None}, "seats.1.confederate.vote: "),
        ({"vote": {}}, "seats.1.confederate.vote: give `by_question` or a `file`, and not both"),
        ({"vote": {"file": "a", "by_question": {"q": "A"}}}, "seats.1.confederate.vote: give `by_question` or a"),
        ({"vote": {"by_question": {}}}, "seats.1.confederate.vote.by_question: "),
        ({"vote": {"by_question": {"q": ["A"]}}}, "seats.1.confederate.vote.by_question.q: "),
        ({"vote": {"by_questions": {"q": "A"}}}, "unknown key 'seats.1.confederate.vote.by_questions'"),
        ({"statement": " "}, "seats.1.confederate.statement: "),
        ({"statement": "It is {options}."}, "seats.1.confederate.statement: unknown slot {options}; {option} is"),
        ({"counts": "maybe"}, "seats.1.confederate.counts: "),
        ({"together": "yes, all"}, "seats.1.confederate.together: "),
        ({"poses_as": "A\nB"}, "seats.1.confederate.poses_as: "),
        ({"confidence": "0"}, "seats.1.confederate.confidence: "),
        ({"confidence": "1.01"}, "seats.1.confederate.confidence: "),
        ({"confidence": "nan"}, "seats.1.confederate.confidence: "),
        ({"confidence": "sure"}, "seats.1.confederate.confidence: "),
        ({"model": "toy"}, "unknown key 'seats.1.confederate.model'"),
    ],
)
def test_a_confederate_out_of_form_is_refused_with_its_place(folder: Path, changes: dict[str, Any], said: str) -> None:
    assert refused(with_played, folder, **changes).message.startswith(f"the panel: {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("- A\n- B\n", "holds a list at its top level"),
        ("q: [A]\n", "the vote on 'q' is no text"),
        ("q:\n", "the vote on 'q' is no text"),
    ],
)
def test_a_file_of_votes_that_is_none_is_refused(folder: Path, content: str | None, said: str) -> None:
    if content is not None:
        (folder / "votes.yaml").write_text(content)
    assert said in refused(with_played, folder, vote={"file": "votes.yaml"}).message


@pytest.mark.parametrize("key", ["persona", "role", "thinking", "sampling"])
def test_what_is_for_a_model_is_not_for_a_confederate(folder: Path, key: str) -> None:
    value: Any = {"on": "true"} if key == "thinking" else "card" if key == "sampling" else "x"
    seats = [ADA, {"name": "Cy", "confederate": PLAYED, key: value}]
    error = refused(parse, folder, seats=seats)
    assert error.message == f"the panel: seats.1: a confederate has no model that {key!r} would be for"


@pytest.mark.parametrize("seat", [{"name": "Cy"}, {"name": "Cy", "model": "toy.yaml", "confederate": PLAYED}])
def test_a_seat_has_a_model_or_is_a_confederate(folder: Path, seat: dict[str, Any]) -> None:
    error = refused(parse, folder, seats=[ADA, seat])
    assert error.message == "the panel: seats.1: a seat has a `model`, or it is a `confederate`"


def test_confederates_alone_are_no_panel(folder: Path) -> None:
    error = refused(parse, folder, seats=[{"name": "Cy", "confederate": PLAYED}])
    assert error.message == "the panel: all seats are confederates; a panel needs one with a model"


def test_no_model_is_called_what_stores_call_confederates(folder: Path) -> None:
    (folder / "toy.yaml").write_text(yaml.safe_dump({**CARD, "id": "confederate"}))
    assert "a model is called 'confederate'" in refused(parse, folder).message


ANY = st.none() | st.text(max_size=6) | st.sampled_from(["right", "hidden", "neutral", "{option}", "x.yaml"])
KEYS = st.sampled_from(["file", "by_question", "q"])
NESTED = ANY | st.lists(ANY, max_size=2) | st.dictionaries(KEYS, ANY, max_size=2)
PLAYED_KEYS = ("vote", "statement", "counts", "together", "poses_as", "confidence")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the folder is read only
@given(
    seen=st.dictionaries(st.sampled_from([*Visibility.__dataclass_fields__, "vote"]), NESTED, max_size=4),
    played=st.dictionaries(st.sampled_from(PLAYED_KEYS), NESTED, max_size=5),
)
def test_no_data_makes_the_reader_raise_anything_else(folder: Path, seen: dict[str, Any], played: Any) -> None:
    given_or_refused(parse, folder, visibility=seen)
    given_or_refused(with_played, folder, **played)
