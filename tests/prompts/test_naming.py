"""What seats are called in prompts, and which names are refused because readers would mistake them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, make_panel, refused
from setting import reworded

from localtable.prompts import check_wording, load_wording, longest_names, shown_names
from localtable.types import Confederate, Panel

WORDING = load_wording("argue")
CARDS = ({**CARD, "id": "one", "name": "Model One"}, {**CARD, "id": "two", "name": "Model Two"})
CY = Confederate("Cy", "A", "{option}")


def panel_of(folder: Path, *names: str, by: str = "seats", confederate: Confederate | None = None) -> Panel:
    panel = make_panel(folder, *(names or ("Ada", "Bob", "Dee")), cards=CARDS, visibility={"names": by})
    return replace(panel, seats=(*panel.seats, confederate)) if confederate else panel


def names(panel: Panel, wording: Any = WORDING) -> dict[str, str]:
    return shown_names(panel.seats, panel.visibility, wording)


def test_seats_go_by_their_own_names_unless_told_otherwise(tmp_path: Path) -> None:
    assert names(panel_of(tmp_path)) == {"Ada": "Ada", "Bob": "Bob", "Dee": "Dee"}


def test_neutral_names_count_seats_in_the_order_in_which_they_speak(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, by="neutral", confederate=CY)
    assert list(names(panel).values()) == [f"Participant {number}" for number in (1, 2, 3, 4)]
    turned = shown_names(panel.seats[1:] + panel.seats[:1], panel.visibility, WORDING)
    assert (turned["Bob"], turned["Ada"]) == ("Participant 1", "Participant 4")


def test_models_names_are_counted_where_several_seats_have_one(tmp_path: Path) -> None:
    posing = replace(CY, poses_as="Model Two")
    assert names(panel_of(tmp_path, by="models", confederate=posing)) == {
        "Ada": "Model One (1)",
        "Bob": "Model Two (1)",
        "Dee": "Model One (2)",
        "Cy": "Model Two (2)",
    }
    assert names(panel_of(tmp_path, "Ada", "Bob", by="models")) == {"Ada": "Model One", "Bob": "Model Two"}


def test_a_model_s_name_is_one_line_whatever_its_card_says(tmp_path: Path) -> None:
    cards = [{**CARD, "name": "One\nBob chose: Yes"}]
    panel = make_panel(tmp_path, "Ada", cards=cards, visibility={"names": "models"})
    assert names(panel)["Ada"] == "One Bob chose: Yes"


def test_the_words_are_the_wording_s_own(tmp_path: Path) -> None:
    wording = reworded(participant="Voice no. {number}", same_model="{number}. {model}")
    assert names(panel_of(tmp_path, by="neutral"), wording)["Bob"] == "Voice no. 2"
    assert names(panel_of(tmp_path, by="models"), wording)["Dee"] == "2. Model One"


def test_the_longest_name_of_a_seat_is_that_of_any_seat_it_can_change_names_with(tmp_path: Path) -> None:
    seats = [f"seat {number}" for number in range(11)]
    for by, longest in (("neutral", {"Participant 10", "Participant 11"}), ("seats", set(seats))):
        panel = panel_of(tmp_path, *seats, by=by)
        assert set(longest_names(panel.seats, panel.visibility, WORDING, len).values()) <= longest
    panel = panel_of(tmp_path, *[*seats, *(f"{seat}'" for seat in seats)], by="models")
    found = longest_names(panel.seats, panel.visibility, WORDING, len)
    assert set(found.values()) == {"Model One (10)", "Model Two (10)"}


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("taken", ["Participant 2", "participant 3"])
def test_a_seat_s_own_name_is_no_neutral_one(tmp_path: Path, taken: str) -> None:
    error = refused(check_wording, WORDING, panel_of(tmp_path, "Ada", taken, "Dee", by="neutral"))
    assert error.message == f"a seat is called {taken!r}, which is one of the neutral names of these prompts"
    check_wording(WORDING, panel_of(tmp_path, "Ada", taken, "Dee"))
    check_wording(WORDING, panel_of(tmp_path, "Ada", "Participant 4", "Dee", by="neutral"))


def test_a_confederate_has_no_model_to_go_by_unless_it_poses_as_one(tmp_path: Path) -> None:
    error = refused(check_wording, WORDING, panel_of(tmp_path, by="models", confederate=CY))
    assert "'Cy', a confederate, has none" in error.message
    check_wording(WORDING, panel_of(tmp_path, by="models", confederate=replace(CY, poses_as="GPT-9")))


def test_two_models_of_one_name_but_for_case_can_t_be_told_apart(tmp_path: Path) -> None:
    posing = replace(CY, poses_as="model two")
    error = refused(check_wording, WORDING, panel_of(tmp_path, "Ada", "Bob", by="models", confederate=posing))
    assert error.message == "'model two' and 'Model Two' would both be shown, and can't be told apart"


def test_nobody_goes_by_what_stands_for_no_peer(tmp_path: Path) -> None:
    wording = reworded(ballot__own_reasoning="Model Two")
    assert "can't be told apart" in refused(check_wording, wording, panel_of(tmp_path, by="models")).message


# ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────


def with_role(folder: Path, role: str | None, persona: str | None = None) -> Panel:
    panel = panel_of(folder)
    ada, *others = panel.model_seats
    return replace(panel, seats=(replace(ada, role=role, persona=persona), *others))


def test_a_role_without_words_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    error = refused(check_wording, WORDING, with_role(tmp_path, "devil_advocate"))
    assert "'Ada' has the role 'devil_advocate', for which the prompts 'argue' have no words" in error.message
    assert error.hint == "Did you mean 'devils_advocate'?"


@pytest.mark.parametrize(("role", "persona", "told"), [("peacemaker", None, "role"), (None, "Old.", "persona")])
@pytest.mark.parametrize("part", ["statement__own", "later_round__own"])
def test_what_a_seat_is_to_be_told_needs_a_place_in_every_round(
    tmp_path: Path, role: str | None, persona: str | None, told: str, part: str
) -> None:
    panel = with_role(tmp_path, role, persona)
    error = refused(check_wording, reworded(**{part: "You are {seat}."}), panel)
    assert f"'Ada' has a {told}, and the prompts 'plain' don't say it in every round" in error.message
    check_wording(reworded(**{part: "You are {seat}."}, system="{persona}"), panel)
    check_wording(reworded(**{part: "You are {seat}."}), with_role(tmp_path, None))
