"""Panels: who sits at the table and by which rules, and every way to write that wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, given_or_refused, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localtable.config import load_panel, parse_panel
from localtable.errors import ConfigError
from localtable.types import Panel, Peers, Sampling, Stop, Thinking

ADA = {"name": "Ada", "model": "toy.yaml"}
BOB = {"name": "Bob", "model": "toy.yaml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(dict(CARD)))
    return tmp_path


def parse(folder: Path, **changes: Any) -> Panel:
    data = {"name": "p", "seats": [ADA, BOB], **changes}
    return parse_panel(data, "the panel", folder, default_stop=Stop("unanimous"))


def refuse(folder: Path, **changes: Any) -> ConfigError:
    return refused(parse, folder, **changes)


# ── what is left out ────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_left_out_has_the_documented_default(folder: Path) -> None:
    panel = parse(folder)
    assert panel.rounds == 2
    assert panel.prompts == "argue"
    assert panel.peers == Peers(None, "refuse")
    assert panel.ballot.at == "after"
    assert panel.stop == Stop("unanimous")
    assert panel.seed == 0
    assert {seat.sampling for seat in panel.seats} == {Sampling(temperature=0.7, top_p=0.95, max_tokens=256)}
    assert {seat.thinking for seat in panel.seats} == {Thinking(on=False)}
    assert {seat.persona for seat in panel.seats} == {None}


def test_one_sampling_serves_every_seat_that_has_none_of_its_own(folder: Path) -> None:
    own = {**BOB, "sampling": {"temperature": "0"}}
    panel = parse(folder, seats=[ADA, own], sampling={"temperature": "1.5", "max_tokens": "9"})
    assert [(seat.sampling.temperature, seat.sampling.max_tokens) for seat in panel.seats] == [(1.5, 9), (0.0, 256)]


def test_a_card_s_own_sampling_is_taken_where_the_panel_says_card(folder: Path) -> None:
    (folder / "toy.yaml").write_text(yaml.safe_dump({**CARD, "sampling": {"temperature": "0.2", "top_k": "20"}}))
    plain = parse(folder).seats[0].sampling
    assert (plain.temperature, plain.top_k) == (0.7, 0)
    for panel in (parse(folder, sampling="card"), parse(folder, seats=[{**ADA, "sampling": "card"}, BOB])):
        assert (panel.seats[0].sampling.temperature, panel.seats[0].sampling.top_k) == (0.2, 20)


def test_a_seat_s_own_thinking_stands_before_the_panel_s(folder: Path) -> None:
    panel = parse(folder, seats=[ADA, {**BOB, "thinking": {"on": "false"}}], thinking={"on": "true", "max_tokens": "7"})
    assert [seat.thinking for seat in panel.seats] == [Thinking(on=True, max_tokens=7), Thinking(on=False)]


def test_the_command_s_stop_rule_gives_way_to_the_panel_s(folder: Path) -> None:
    assert parse(folder, stop={"when": "never"}).stop == Stop("never")
    assert parse(folder, stop={"when": "threshold", "share": "0.6667"}).stop == Stop("threshold", 0.6667)


def test_two_seats_of_one_card_are_one_model(folder: Path) -> None:
    assert [card.id for card in parse(folder).cards] == ["toy"]


def test_paths_are_read_from_the_panel_s_own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "panel.yaml").write_text(yaml.safe_dump({"name": "p", "seats": [ADA], "prompts": "mine.yaml"}))
    monkeypatch.chdir("/")
    panel = load_panel(folder / "panel.yaml", default_stop=Stop())
    assert panel.prompts == str(folder / "mine.yaml")
    assert panel.seats[0].card.id == "toy"


def test_prompts_in_json_are_a_file_like_those_in_yaml(folder: Path) -> None:
    assert parse(folder, prompts="mine.json").prompts == str(folder / "mine.json")
    assert parse(folder, prompts="answer-2").prompts == "answer-2"


def test_the_panel_of_the_examples_is_whole() -> None:
    from localtable.places import packaged

    panel = load_panel(packaged("examples") / "panels/demo.yaml", default_stop=Stop())
    assert [card.id for card in panel.cards] == [
        "smollm2-135m-instruct",
        "qwen2.5-coder-0.5b-instruct",
        "qwen2.5-coder-1.5b-instruct",
    ]


# ── seats ───────────────────────────────────────────────────────────────────────────────────────────────────


def seats(count: int) -> list[dict[str, str]]:
    return [{"name": f"seat {number}", "model": "toy.yaml"} for number in range(count)]


@pytest.mark.parametrize("count", [1, 64])
def test_one_to_sixty_four_seats_are_fine(folder: Path, count: int) -> None:
    assert len(parse(folder, seats=seats(count)).seats) == count


def test_a_panel_without_seats_is_refused(folder: Path) -> None:
    error = refuse(folder, seats=[])
    assert "seats: list should have at least 1 item, not 0" in error.message
    assert error.hint == "Give at least 1."


def test_sixty_five_seats_are_refused(folder: Path) -> None:
    error = refuse(folder, seats=seats(65))
    assert "seats: list should have at most 64 items, not 65" in error.message
    assert error.hint == "Give at most 64."


@pytest.mark.parametrize("again", ["Ada", "ADA", " ada "])
def test_a_name_that_stands_twice_is_refused(folder: Path, again: str) -> None:
    error = refuse(folder, seats=[ADA, {**BOB, "name": again}])
    assert f"two seats are named {again.strip()!r}" in error.message


@pytest.mark.parametrize("name", ["", "  ", "A\nB", "x" * 61, None, ["Ada"]])
def test_a_name_that_is_none_is_refused_with_its_place(folder: Path, name: Any) -> None:
    assert "seats.1.name: " in refuse(folder, seats=[ADA, {**BOB, "name": name}]).message


def test_an_unknown_model_comes_with_the_nearest_known_one(folder: Path) -> None:
    error = refuse(folder, seats=[{**ADA, "model": "smollm2-135m-instrct"}])
    assert "unknown model 'smollm2-135m-instrct'" in error.message
    assert "Did you mean 'smollm2-135m-instruct'?" in error.hint


def test_a_model_like_no_other_comes_with_all_known_ones(folder: Path) -> None:
    error = refuse(folder, seats=[{**ADA, "model": "xyzzy"}])
    assert "qwen2.5-coder-0.5b-instruct" in error.hint


def test_a_model_on_the_hub_that_was_not_added_comes_with_the_command_that_adds_it(folder: Path) -> None:
    error = refuse(folder, seats=[{**ADA, "model": "hub:Org/Model@abc"}])
    assert "hub:Org/Model@abc" in error.message
    assert "localtable models add hub:Org/Model@abc" in error.hint


@pytest.mark.parametrize("model", ["missing.yaml", "../toy.yml", "a\0b", "x" * 5000, "~no-such-user-here/m", "sub/"])
def test_a_model_s_path_that_leads_nowhere_is_refused(folder: Path, model: str) -> None:
    said = refuse(folder, seats=[{**ADA, "model": model}]).message
    assert any(words in said for words in ("does not exist", "is no path", "unknown model"))


def test_two_models_of_one_id_are_refused(folder: Path) -> None:
    (folder / "other.yaml").write_text(yaml.safe_dump({**CARD, "context_length": "1024"}))
    assert (
        "two different models are called 'toy'" in refuse(folder, seats=[ADA, {**BOB, "model": "other.yaml"}]).message
    )


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        ({"rounds": "0"}, "rounds: input should be greater than or equal to 1, got '0'", "Give 1 or more."),
        ({"rounds": "101"}, "rounds: input should be less than or equal to 100, got '101'", "Give 100 or less."),
        ({"rounds": "two"}, "rounds: input should be a valid integer", "Write a whole number."),
        ({"rounds": "2.5"}, "rounds: input should be a valid integer", "Write a whole number."),
        ({"seed": "-1"}, "seed: input should be greater than or equal to 0, got '-1'", "Give 0 or more."),
        ({"seed": str(2**53)}, f"seed: input should be less than {2**53}", f"Give less than {2**53}."),
        ({"name": ""}, "name: string should have at least 1 character", ""),
        (
            {"ballot": {"at": "befor"}},
            "ballot.at: input should be 'after', 'before' or 'both', got 'befor'",
            "'before'?",
        ),
        ({"stop": {"when": "always"}}, "stop.when: input should be 'unanimous', 'threshold' or 'never'", ""),
        ({"stop": {"when": "threshold"}}, "stop: a share belongs to `when: threshold`, and only to it", ""),
        ({"stop": {"when": "never", "share": "1"}}, "stop: a share belongs to `when: threshold`", ""),
        (
            {"stop": {"when": "threshold", "share": "0"}},
            "stop.share: input should be greater than 0",
            "Give more than 0.",
        ),
        ({"stop": {"when": "threshold", "share": "66"}}, "stop.share: input should be less than or equal to 1", ""),
        ({"peers": {"max_tokens": "7"}}, "peers.max_tokens: input should be greater than or equal to 8", ""),
        ({"peers": {"over": "cut"}}, "peers.over: input should be 'refuse' or 'head_tail', got 'cut'", ""),
        ({"thinking": {"on": "maybe"}}, "thinking.on: input should be a valid boolean", "Write true or false."),
        ({"thinking": {"max_tokens": "0"}}, "thinking.max_tokens: input should be greater than or equal to 1", ""),
        (
            {"sampling": "cards"},
            "sampling: write `card`, for each card's own, or a mapping of settings, got 'cards'",
            "",
        ),
        ({"sampling": {"temperature": "hot"}}, "sampling.temperature: input should be a valid number", ""),
        ({"sampling": {"temperature": "nan"}}, "sampling.temperature: ", ""),
        ({"sampling": {"temperature": "-1"}}, "sampling.temperature: input should be greater than or equal to 0", ""),
        ({"sampling": {"top_p": "0"}}, "sampling.top_p: input should be greater than 0", ""),
        ({"sampling": {"min_tokens": "9", "max_tokens": "8"}}, "sampling: min_tokens 9 is above max_tokens 8", ""),
        ({"engine": "fast"}, "engine: input should be a valid dictionary, got 'fast'", ""),
        ({"seats": {"Ada": "toy"}}, "seats: input should be a valid list", ""),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_place_value_and_bound(
    folder: Path, changes: dict[str, Any], said: str, remedy: str
) -> None:
    error = refuse(folder, **changes)
    assert error.message.startswith(f"the panel: {said}")
    assert remedy in error.hint


@pytest.mark.parametrize(
    ("changes", "key", "nearest"),
    [
        ({"round": "3"}, "round", "rounds"),
        ({"sampling": {"temprature": "1"}}, "sampling.temprature", "temperature"),
        ({"seats": [{**ADA, "modell": "x"}]}, "seats.0.modell", "model"),
        ({"seats": [ADA, {**BOB, "sampling": {"topp": "1"}}]}, "seats.1.sampling.topp", "top_p"),
        ({"thinking": {"onn": "true"}}, "thinking.onn", "on"),
        ({"stop": {"wen": "never"}}, "stop.wen", "when"),
        ({"peers": {"maxtokens": "9"}}, "peers.maxtokens", "max_tokens"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
    folder: Path, changes: dict[str, Any], key: str, nearest: str
) -> None:
    error = refuse(folder, **changes)
    assert error.message.startswith(f"the panel: unknown key '{key}'")
    assert error.hint == f"Did you mean '{nearest}'?"


def test_a_bound_on_peers_that_is_sure_to_refuse_is_refused_at_once(folder: Path) -> None:
    error = refuse(folder, peers={"max_tokens": "64"})
    assert "'Ada' may say 256 tokens" in error.message
    assert "more than 64" in error.message
    assert "head_tail" in error.hint
    assert parse(folder, peers={"max_tokens": "64", "over": "head_tail"}).peers == Peers(64, "head_tail")
    assert parse(folder, peers={"max_tokens": "256"}).peers == Peers(256, "refuse")


# ── anything at all ─────────────────────────────────────────────────────────────────────────────────────────

LEAF = st.none() | st.text(max_size=6) | st.sampled_from(["1", "0", "-1", "true", "card", "toy.yaml", "never", "nan"])
ANY = (
    LEAF
    | st.lists(LEAF, max_size=2)
    | st.dictionaries(st.sampled_from(["name", "model", "on", "when"]), LEAF, max_size=2)
)
KEYS = ("rounds", "seats", "sampling", "thinking", "prompts", "peers", "ballot", "engine", "stop", "moderator", "seed")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the folder is read only
@given(st.dictionaries(st.sampled_from(KEYS), ANY | st.lists(st.just(ADA) | ANY, max_size=3), max_size=5))
def test_no_data_makes_the_reader_raise_anything_else(folder: Path, data: dict[str, Any]) -> None:
    panel = given_or_refused(parse, folder, **data)
    if panel is not None:
        assert 1 <= len(panel.seats) <= 64
        assert panel.rounds >= 1
