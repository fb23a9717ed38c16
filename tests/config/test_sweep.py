"""Sweeps as files: factors and levels become panels, and every way to write one wrongly is one plain message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, refused
from sweep_builders import load, panels, write_sweep

from localtable.config import load_sweep
from localtable.config.sweep import MAX_COMBINATIONS, MAX_VARIANTS
from localtable.types import Confederate, Panel, PrimaryContrast, Seat, Stop


def swept(folder: Path, factors: Mapping[str, Any], **changes: Any) -> dict[str, Panel]:
    return panels(write_sweep(folder, factors=factors, **changes))


# ── levels ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_combination_of_levels_is_a_variant_and_the_first_levels_are_the_baseline(tmp_path: Path) -> None:
    sweep = load(write_sweep(tmp_path, factors={"rounds": ["2", "3"], "seed": ["0", "1", "2"]}))
    assert [variant.name for variant in sweep.variants] == [
        *("rounds=2,seed=0", "rounds=2,seed=1", "rounds=2,seed=2"),
        *("rounds=3,seed=0", "rounds=3,seed=1", "rounds=3,seed=2"),
    ]
    assert [(v.panel.rounds, v.panel.seed) for v in sweep.variants] == [(r, s) for r in (2, 3) for s in (0, 1, 2)]
    assert sweep.variants[4].levels == {"rounds": "3", "seed": "1"}
    assert {variant.panel.stop for variant in sweep.variants} == {Stop("never")}


def test_a_key_of_the_panel_has_its_values_by_themselves_or_under_names(tmp_path: Path) -> None:
    factors = {
        "visibility.names": ["seats", "neutral"],
        "sampling": {"cold": {"temperature": "0"}, "hot": {"temperature": "1.2"}},
    }
    found = swept(tmp_path, factors, panel_keys={"sampling": {"max_tokens": "64"}})
    assert list(found)[:2] == ["names=seats,sampling=cold", "names=seats,sampling=hot"]
    hot = found["names=neutral,sampling=hot"]
    assert hot.visibility.names == "neutral"
    (sampling,) = {seat.sampling for seat in hot.model_seats}
    assert (sampling.temperature, sampling.max_tokens) == (1.2, 64), "what a level doesn't name stays as it is"


def test_any_other_name_has_patches_of_the_panel_for_levels(tmp_path: Path) -> None:
    levels = {
        "none": {},
        "doubt": {"seats": {"*": {"persona": "You doubt."}, "Ada": {"persona": "You trust."}}, "rounds": "4"},
    }
    found = swept(tmp_path, {"mood": levels})
    assert [seat.persona for seat in found["mood=none"].model_seats] == [None, None]
    assert [seat.persona for seat in found["mood=doubt"].model_seats] == ["You trust.", "You doubt."]
    assert found["mood=doubt"].rounds == 4


def test_a_seat_can_be_swept_by_its_name_whatever_dots_are_in_it(tmp_path: Path) -> None:
    factors = {"seats.Dr. Who.sampling.temperature": ["0.1", "0.9"], "seats.*.thinking.on": ["false", "true"]}
    found = swept(tmp_path, factors, seats=("Dr. Who", "Bob"), panel_keys={"sampling": {"max_tokens": "50"}})
    who, bob = found["temperature=0.9,on=true"].model_seats
    assert (who.sampling.temperature, who.sampling.max_tokens) == (0.9, 50), "it keeps what the panel says"
    assert (bob.sampling.temperature, bob.sampling.max_tokens) == (0.7, 50)
    assert who.thinking.on
    assert bob.thinking.on


def test_seats_can_come_go_and_become_confederates(tmp_path: Path) -> None:
    liar = {"confederate": {"vote": "wrong", "statement": "It is {option}."}}
    levels = {
        "none": {},
        "one more": {"seats": {"Eve": liar}},
        "one turned": {"seats": {"Bob": {"model": None, **liar}}},
        "alone": {"seats": {"Bob": None}},
        "others": {"seats": [{"name": "Zoe", "model": "large.yaml"}]},
    }
    found = swept(tmp_path, {"majority": levels})
    names = {name: [seat.name for seat in panel.seats] for name, panel in found.items()}
    assert names["majority=one more"] == ["Ada", "Bob", "Eve"]
    assert names["majority=alone"] == ["Ada"]
    assert names["majority=others"] == ["Zoe"]
    assert [type(seat) for seat in found["majority=one turned"].seats] == [Seat, Confederate]


def test_panels_can_be_swept_by_file_and_in_place(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "own.yaml").write_text(yaml.safe_dump({**CARD, "id": "own"}))
    seats = [{"name": "Eve", "model": "own.yaml"}]
    (tmp_path / "more" / "eve.yaml").write_text(yaml.safe_dump({"name": "eve", "seats": seats}))
    inline = {"name": "inline", "seats": [{"name": "Zoe", "model": "large.yaml"}]}
    factors = {"panel": {"two": "panel.yaml", "eve": "more/eve.yaml", "zoe": inline}, "rounds": ["1", "2"]}
    found = swept(tmp_path, factors, panel=None)
    assert {name: [seat.name for seat in panel.seats] for name, panel in found.items() if panel.rounds == 1} == {
        "panel=two,rounds=1": ["Ada", "Bob"],
        "panel=eve,rounds=1": ["Eve"],
        "panel=zoe,rounds=1": ["Zoe"],
    }
    assert [card.id for card in found["panel=eve,rounds=2"].cards] == ["own"], "read from its own folder"
    short = swept(tmp_path, {"panel": ["panel.yaml", "more/eve.yaml"]}, panel=None)
    assert list(short) == ["panel=panel", "panel=eve"]


def test_paths_in_a_sweep_are_read_from_its_folder(tmp_path: Path) -> None:
    work = tmp_path / "sweeps"
    work.mkdir()
    (tmp_path / "mine.yaml").write_text("name: mine")
    path = write_sweep(work, factors={"prompts": {"usual": "argue", "mine": "../mine.yaml"}}, questions=["../q.jsonl"])
    assert panels(path)["prompts=mine"].prompts == str(tmp_path / "mine.yaml")
    assert load_sweep(path).suites == (tmp_path / "q.jsonl",)


def test_a_moderator_s_path_is_read_from_the_folder_of_the_panel_or_the_level_that_names_it(tmp_path: Path) -> None:
    more = tmp_path / "panels"
    more.mkdir()
    for path in (tmp_path / "judge.yaml", more / "third.yaml", more / "own.yaml"):
        path.write_text(yaml.safe_dump({**CARD, "id": path.stem}))
    panel = {"name": "p", "moderator": "third.yaml", "seats": [{"name": "Eve", "model": "own.yaml"}]}
    (more / "p.yaml").write_text(yaml.safe_dump(panel))
    levels = {
        "its own": {},
        "another": {"moderator": "judge.yaml"},
        "of the table": {"moderator": "panels/own.yaml"},
        "an id": {"moderator": "qwen2.5-coder-1.5b-instruct"},
        "nobody": {"moderator": None},
    }
    found = swept(tmp_path, {"who": levels}, panel="panels/p.yaml")
    assert [held.moderator and held.moderator.id for held in found.values()] == [
        *("third", "judge", "own", "qwen2.5-coder-1.5b-instruct", None)
    ]


def test_names_that_end_alike_are_told_apart(tmp_path: Path) -> None:
    factors = {"sampling.max_tokens": ["8", "16"], "thinking.max_tokens": ["8", "16"], "rounds": ["1", "2"]}
    assert next(iter(swept(tmp_path, factors))) == "sampling.max_tokens=8,thinking.max_tokens=8,rounds=1"


def test_the_rest_of_the_file_is_read(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        controls=["solo-revise"],
        controls_for="all",
        repeats="3",
        limit="2",
        primary=[{"metric": "majority_accuracy", "factor": "rounds", "levels": ["3", "2"]}],
    )
    sweep, suites, limit = load_sweep(path)
    assert (sweep.name, sweep.controls, sweep.controls_for, sweep.repeats) == ("trial", ("solo-revise",), "all", 3)
    assert sweep.primary == (PrimaryContrast("majority_accuracy", "rounds", ("3", "2")),)
    assert sweep.factors["rounds"] == {"2": "2", "3": "3"}
    assert (suites, limit) == ((tmp_path / "suite.jsonl",), 2)


def test_a_seed_takes_the_place_of_the_panel_s(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, panel_keys={"seed": "3"})
    assert {v.panel.seed for v in load_sweep(path).sweep.variants} == {3}
    assert {v.panel.seed for v in load_sweep(path, seed=8).sweep.variants} == {8}
    path = write_sweep(tmp_path, factors={"seed": ["0", "1"]})
    assert "the sweep has the factor 'seed'" in refused(load_sweep, path, seed=8).message


# ── combinations that are left out ──────────────────────────────────────────────────────────────────────────


def test_combinations_can_be_left_out_by_one_level_or_several(tmp_path: Path) -> None:
    factors = {"visibility.names": ["seats", "neutral"], "rounds": ["1", "2", "3"]}
    exclude = [{"rounds": ["1", "3"], "visibility.names": "seats"}, {"rounds": "2", "visibility.names": "neutral"}]
    assert list(swept(tmp_path, factors, exclude=exclude)) == [
        "names=seats,rounds=2",
        "names=neutral,rounds=1",
        "names=neutral,rounds=3",
    ]


THREE = {"rounds": ["1", "2", "3"], "seed": ["0", "1"]}


@pytest.mark.parametrize(
    ("exclude", "said", "hint"),
    [
        ([{"round": "1"}], "exclude, entry 1: the sweep has no factor 'round'", "Did you mean 'rounds'?"),
        ([{"rounds": "4"}], "exclude, entry 1: the factor 'rounds' has no level '4'", "Known levels: 1, 2, 3."),
        ([{"rounds": []}], "exclude, entry 1: 'rounds' names no level", "a list of them"),
        ([{"rounds": {"1": "2"}}], "exclude, entry 1: 'rounds' names no level", "a list of them"),
        ([{}], "exclude.0: dictionary should have at least 1 item", "Give at least 1."),
        ([{"rounds": "1", "seed": "0"}] * 2, "exclude, entry 2 leaves out nothing", "Take it away."),
        ([{"rounds": ["1", "2", "3"]}], "`exclude` leaves no combination", "Leave less out."),
        ([{"rounds": "1"}], "`exclude` leaves nothing of the level '1' of 'rounds'", "take the level away"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_leaves_out_nothing_or_too_much_is_refused(tmp_path: Path, exclude: Any, said: str, hint: str) -> None:
    error = refused(load, write_sweep(tmp_path, factors=THREE, exclude=exclude))
    assert error.message.startswith(f"{tmp_path / 'sweep.yaml'}: ")
    assert said in error.message
    assert hint in error.hint


def test_more_combinations_than_can_be_looked_at_are_refused_at_once(tmp_path: Path) -> None:
    levels = [str(n) for n in range(1, 101)]
    factors = {"rounds": levels, "seed": levels, "sampling.top_k": levels, "sampling.max_tokens": levels}
    error = refused(load, write_sweep(tmp_path, factors=factors))
    assert f"4 factors make 100,000,000 combinations of levels; {MAX_COMBINATIONS:,} can be looked at" in error.message


def test_more_variants_than_a_run_holds_are_refused_before_they_are_built(tmp_path: Path) -> None:
    levels = [str(n) for n in range(1, 41)]
    error = refused(load, write_sweep(tmp_path, factors={"rounds": levels, "seed": levels}))
    assert f"the sweep has 1,600 variants; a run holds {MAX_VARIANTS:,} at most" in error.message


# ── factors that are none ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("factors", "said", "hint"),
    [
        ({"visibility.nams": ["a", "b"]}, "unknown factor 'visibility.nams'", "Did you mean 'visibility.names'?"),
        ({"visibility.nams": {"a": {}, "b": {}}}, "unknown factor 'visibility.nams'", "'visibility.names'?"),
        ({"round": ["1", "2"]}, "unknown factor 'round'", "Did you mean 'rounds'?"),
        ({"seats.Ada.person": ["a", "b"]}, "unknown factor 'seats.Ada.person'", "levels that are patches"),
        ({"rounds": ["2"]}, "the factor 'rounds' has 1 level; two or more make a comparison", "say it in the panel"),
        ({"rounds": []}, "the factor 'rounds' has no levels", "Add a level"),
        ({"mood": {"none": {}}}, "the factor 'mood' has 1 level", "Add a level"),
        ({"rounds": "2"}, "the factor 'rounds' has neither a list of values nor named levels", "[VALUE, …]"),
        ({"rounds": ["2", "2"]}, "the level '2' of 'rounds' stands twice", "Leave one out"),
        ({"rounds": ["2", ["3"]]}, "a level of 'rounds' is no single value", "Name the levels"),
        ({"rounds": ["2", None]}, "a level of 'rounds' is no single value", "Name the levels"),
        ({"seats.*.persona": ["a=b", "c"]}, "the level of 'seats.*.persona', 'a=b' can't be part", "Name it"),
        ({"seats.*.persona": ["You doubt.", "x" * 41]}, "can't be part of a condition's name", "Name it"),
        ({"prompts": ["argue", "../mine.yaml"]}, "the level of 'prompts', '../mine.yaml' can't be part", "Name it"),
        ({"mood,": {"a": {}, "b": {}}}, "the factor 'mood,' can't be part of a condition's name", "dotted key"),
        ({"mood": {"none": {}, "bad": "sad"}}, "the level 'bad' of 'mood' is no patch of the panel", "Write keys"),
        (
            {"peers": {"none": {}, "one": {"seats": {"Bob": {"persona": "x"}}}}},
            "the level 'one' of 'peers': unknown key 'peers.seats'",
            "'peers' is a key of the panel, and its levels are that key's values",
        ),
        ({"engine.kv_cache_dtype": ["auto", "fp8"]}, "'engine.kv_cache_dtype' can't be swept: an engine is", "compare"),
        ({"engine": {"a": {}, "b": {}}}, "the factor 'engine' can't be swept: an engine is loaded once", "compare"),
        ({"fast": {"no": {}, "yes": {"engine": {"x": "1"}}}}, "the level 'yes' of 'fast' says how engines are", "hold"),
        ({}, "factors: dictionary should have at least 1 item", "Give at least 1."),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_factor_that_is_none_is_refused(tmp_path: Path, factors: Any, said: str, hint: str) -> None:
    error = refused(load, write_sweep(tmp_path, factors=factors))
    assert error.message.startswith(f"{tmp_path / 'sweep.yaml'}: ")
    assert said in error.message
    assert hint in error.hint


# ── levels that make no panel ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({"rounds": ["2", "0"]}, "the level '0' of 'rounds': rounds: input should be greater than or equal to 1"),
        ({"visibility.names": ["seats", "secret"]}, "the level 'secret' of 'visibility.names': visibility.names: "),
        ({"mood": {"no": {}, "yes": {"rond": "2"}}}, "the level 'yes' of 'mood': unknown key 'rond'"),
        (
            {"mood": {"no": {}, "yes": {"seats": {"Eva": {"persona": "x"}}}}},
            "the level 'yes' of 'mood': the panel has no seat 'Eva'",
        ),
        ({"mood": {"no": {}, "yes": {"seats": {"Ada": "x"}}}}, "of 'mood': the patch of the seat 'Ada' is no mapping"),
        ({"mood": {"no": {}, "yes": {"seats": {"*": None}}}}, "of 'mood': the patch of the seat '*' is no mapping"),
        ({"mood": {"no": {}, "yes": {"seats": "x"}}}, "the level 'yes' of 'mood': seats: "),
        ({"seats.Ada.model": {"old": "small.yaml", "new": "none.yaml"}}, "the level 'new' of 'seats.Ada.model': "),
        (
            {"seats.Ada.model": ["small.yaml", "smolm2"]},
            "the level 'smolm2' of 'seats.Ada.model': unknown model 'smolm2'",
        ),
        ({"rounds": ["2", "3"], "seed": ["0", "-1"]}, "the level '-1' of 'seed': seed: "),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_level_that_is_no_valid_panel_is_named_with_its_factor_and_the_reason(
    tmp_path: Path, factors: Any, said: str
) -> None:
    error = refused(load, write_sweep(tmp_path, factors=factors))
    assert said in error.message


def test_a_combination_that_is_no_valid_panel_is_named_where_each_level_is_one(tmp_path: Path) -> None:
    factors = {"sampling.max_tokens": ["64", "128"], "peers.max_tokens": ["200", "100"]}
    error = refused(load, write_sweep(tmp_path, factors=factors, panel_keys={"sampling": {"max_tokens": "64"}}))
    named = "with sampling.max_tokens = 128, peers.max_tokens = 100: 'Ada' may say 128 tokens"
    assert named in error.message
    assert "`exclude`" in error.hint
    exclude = [{"sampling.max_tokens": "128", "peers.max_tokens": "100"}]
    assert len(swept(tmp_path, factors, exclude=exclude)) == 3


def test_a_level_that_is_valid_only_beside_another_factor_s_is_held_there(tmp_path: Path) -> None:
    factors = {"ballot.orders": ["1", "2"], "ballot.pool": ["arithmetic", "geometric"]}
    exclude = [{"ballot.orders": "1", "ballot.pool": "geometric"}]
    assert list(swept(tmp_path, factors, exclude=exclude)) == [
        "orders=1,pool=arithmetic",
        "orders=2,pool=arithmetic",
        "orders=2,pool=geometric",
    ]
    error = refused(load, write_sweep(tmp_path, factors=factors))
    assert "the level 'geometric' of 'ballot.pool': ballot: a pool makes one distribution out of" in error.message


def test_a_panel_that_is_none_itself_is_not_blamed_on_a_level(tmp_path: Path) -> None:
    error = refused(load, write_sweep(tmp_path, panel_keys={"peers": {"over": "cut"}}))
    assert "sweep.yaml: the panel: peers.over: " in error.message


# ── the rest of the file ────────────────────────────────────────────────────────────────────────────────────

PRIMARY = {"metric": "majority_accuracy", "factor": "rounds", "levels": ["2", "3"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"primary": [{**PRIMARY, "factor": "round"}]}, "primary, majority_accuracy: the sweep has no factor 'round'"),
        ({"primary": [{**PRIMARY, "levels": ["2", "4"]}]}, "the factor 'rounds' has no level '4'"),
        ({"primary": [{**PRIMARY, "levels": ["2", "2"]}]}, "'2' is compared with itself"),
        ({"primary": [{**PRIMARY, "levels": ["2"]}]}, "primary.0.levels: list should have at least 2 items"),
        ({"primary": [{**PRIMARY, "metric": "Accuracy!"}]}, "primary.0.metric: "),
        ({"panel": None}, "nothing says who sits at the table"),
        ({"factors": {"panel": ["panel.yaml", "panel.yaml"]}}, "the level 'panel' of 'panel' stands twice"),
        (
            {"factors": {"panel": {"a": "panel.yaml", "b": "panel.yaml"}}},
            "both the key and the factor `panel` say who sits at the table",
        ),
        (
            {"panel": None, "factors": {"panel": {"a": "panel.yaml", "b": ["x"]}}},
            "the level 'b' of 'panel' is no panel",
        ),
        ({"panel": "none.yaml"}, "none.yaml does not exist"),
        ({"controls_for": "some"}, "controls_for: "),
        ({"questions": []}, "questions: list should have at least 1 item"),
        ({"limit": "0"}, "limit: "),
        ({"factor": {}}, "unknown key 'factor'"),
        ({"name": None}, "the key 'name' is missing"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_anything_else_that_is_wrong_is_refused(tmp_path: Path, changes: Any, said: str) -> None:
    assert said in refused(load, write_sweep(tmp_path, **changes)).message


def test_panels_that_load_engines_differently_are_refused(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, panel=None, factors={"panel": ["panel.yaml", "other.yaml"]})
    data = yaml.safe_load((tmp_path / "panel.yaml").read_text())
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**data, "engine": {"kv_cache_dtype": "fp8"}}))
    assert "'panel=panel' and 'panel=other' differ in `engine`" in refused(load, path).message


def test_two_models_under_one_id_are_refused_across_panels(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, panel=None, factors={"panel": ["panel.yaml", "more/other.yaml"]})
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "small.yaml").write_text(yaml.safe_dump({**CARD, "id": "small", "license": "MIT"}))
    seats = [{"name": "Ada", "model": "small.yaml"}]
    (tmp_path / "more" / "other.yaml").write_text(yaml.safe_dump({"name": "other", "seats": seats}))
    assert "two different models are called 'small'" in refused(load, path).message
