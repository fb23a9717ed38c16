"""Sweeps: what many variants of a panel come to as one run, and that nothing of it is done twice or lost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_question, refused
from store_builders import alter, copy_store, exported, hold_suite, resume
from sweep_builders import hold_sweep, load, panels, write_sweep

from localtable.config import load_suites, load_sweep
from localtable.errors import PlacementError
from localtable.prompts.wording import PRESETS
from localtable.runner import RunOptions, SuiteOptions, begin_suite, begin_sweep, open_suite, plan_sweep
from localtable.runner.inputs import choose_conditions, conditions_of
from localtable.runner.totals import run_totals
from localtable.runner.verify import Disagreement, Replay, verify_store
from localtable.runner.verify.whole import read_inputs
from localtable.store import Store
from localtable.types import Question, variant_name

GIB = 2**30
KEYS = "SELECT hex(key) FROM generations ORDER BY 1"


def rows(path: Path, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with Store.open(path, write=False) as store:
        return list(store.query(sql, *arguments))


def disagreements(path: Path) -> list[Disagreement]:
    with Store.open(path, write=False) as store:
        return list(verify_store(store, replay=Replay(*read_inputs(store), path.parent / "home")))


def whats(path: Path) -> list[str]:
    with Store.open(path, write=False) as store:
        return [disagreement.what for disagreement in verify_store(store)]


def suite_of(file: Path) -> list[Question]:
    return list(load_suites(load_sweep(file).suites))


def in_all_ways(folder: Path, **changes: Any) -> Path:
    """Everything that a sweep can vary, with controls of every variant."""
    (folder / "mine.yaml").write_text(wording_text().replace("discuss a question", "ponder a question"))
    liar = {"confederate": {"vote": "wrong", "statement": "It is {option}."}}
    factors = {
        "prompts": {"usual": "argue", "mine": "mine.yaml"},
        "rounds": ["2", "3"],
        "company": {"models": {}, "one scripted": {"seats": {"Eve": liar, "*": {"persona": "You trust."}}}},
        "seed": ["0", "1"],
    }
    exclude = [{"rounds": "3", "seed": "1"}, {"prompts": "mine", "rounds": "3"}]
    keys = {"factors": factors, "exclude": exclude, "controls": ["noise-peers", "homogeneous"], "controls_for": "all"}
    return write_sweep(folder, **{**keys, **changes})


def wording_text() -> str:
    return (PRESETS / "argue.yaml").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return copy_store(hold_sweep(folder / "run.db", in_all_ways(folder)), folder / "copy.db")


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    """One to change."""
    return copy_store(whole, tmp_path / "store.db")


# ── one run ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_variant_is_held_as_a_suite_of_its_panel_would_be(tmp_path: Path) -> None:
    file = in_all_ways(tmp_path)
    path = hold_sweep(tmp_path / "run.db", file)
    found: dict[str, list[dict[str, Any]]] = {}
    for data in exported(path):
        found.setdefault(data["condition"], []).append(data)
    keys = set[tuple[str]]()
    for number, (name, panel) in enumerate(panels(file).items()):
        controls = ("noise-peers", "homogeneous")
        plain = hold_suite(tmp_path / f"{number}.db", panel, suite_of(file), controls=controls)
        keys |= set(rows(plain, KEYS))
        for data in exported(plain):
            condition = name if data["condition"] == "debate" else f"{name}/{data['condition']}"
            same = found[condition].pop(0)
            assert same["manifest"].pop("sweep")["variant"] == name
            for one in (same, data):
                del one["manifest"]["engines"]  # they hold the longest turn of any variant
            assert {**same, "condition": ""} == {**data, "condition": ""}
    assert not any(found.values())
    assert rows(path, KEYS) == sorted(keys), "and what they have in common was generated once"


def test_first_rounds_that_no_factor_changes_are_generated_once(tmp_path: Path) -> None:
    factors = {"visibility.order": ["fixed", "shuffled"], "visibility.tally": ["hidden", "shown"], "rounds": ["2", "3"]}
    file = write_sweep(tmp_path, factors=factors, num_questions=6)
    path = hold_sweep(tmp_path / "run.db", file)
    alone = hold_suite(tmp_path / "alone.db", next(iter(panels(file).values())), suite_of(file))
    first = (
        "SELECT count(DISTINCT generation), count(DISTINCT debate) FROM steps JOIN turns ON turns.id = turn"
        " WHERE round = 1"
    )
    ((generated, debates),) = rows(path, first)
    ((generated_alone, debates_alone),) = rows(alone, first)
    assert (debates, debates_alone) == (8 * 6, 6)
    assert generated == generated_alone
    assert rows(path, "SELECT sum(NOT reused), sum(reused) FROM turns WHERE round = 1") == [(2 * 6, 2 * 6 * 7)]


@pytest.mark.parametrize(("num_models", "fit", "rounds"), [(3, 1, 3), (2, 1, 2), (3, 2, 2), (4, 1, 2)])
def test_all_variants_take_as_many_activations_as_one(tmp_path: Path, num_models: int, fit: int, rounds: int) -> None:
    factors = {
        "visibility.order": ["fixed", "shuffled"],
        "seats.*.persona": {"none": None, "doubt": "You doubt."},
        "seed": ["0", "1", "2"],
    }
    cache = {"kv_cache_memory_bytes": "1GiB"}
    file = write_sweep(
        tmp_path,
        seats=[f"Seat {n}" for n in range(num_models)],
        num_models=num_models,
        num_questions=5,
        factors=factors,
        panel_keys={"engine": cache, "rounds": str(rounds)},
    )
    path = hold_sweep(tmp_path / "run.db", file, device_memory_bytes=fit * GIB + GIB // 2)
    with Store.open(path, write=False) as store:
        totals = run_totals(store)
    assert totals["debates"] == {"open": 0, "finished": 12 * 5, "failed": 0}
    assert sum(totals["activations"].values()) == num_models + (rounds - 1) * (num_models - fit)


def test_where_rounds_are_swept_the_most_of_them_decide_how_many_activations_there_are(tmp_path: Path) -> None:
    file = write_sweep(
        tmp_path,
        seats=("Ada", "Bob", "Cy"),
        num_models=3,
        num_questions=8,
        factors={"rounds": ["2", "3"], "visibility.names": ["seats", "neutral"]},
        panel_keys={"engine": {"kv_cache_memory_bytes": "1GiB"}},
    )
    path = hold_sweep(tmp_path / "run.db", file, device_memory_bytes=GIB + GIB // 2)
    with Store.open(path, write=False) as store:
        assert sum(run_totals(store)["activations"].values()) == 3 + 2 * 2


def test_panels_of_other_models_share_one_run(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, panel=None, factors={"panel": ["panel.yaml", "other.yaml"], "rounds": ["1", "2"]})
    seats = [{"name": "Ada", "model": "small.yaml"}, {"name": "Cy", "model": "third.yaml"}]
    (tmp_path / "third.yaml").write_text((tmp_path / "small.yaml").read_text().replace("id: small", "id: third"))
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({"name": "other", "seats": seats}))
    path = hold_sweep(tmp_path / "run.db", file)
    with Store.open(path, write=False) as store:
        assert list(store.run().cards) == ["small", "large", "third"]
        assert set(run_totals(store)["activations"]) == {"small", "large", "third"}
    assert disagreements(path) == []
    # Ada of either panel is asked the same in round 1.
    assert rows(path, "SELECT DISTINCT reused FROM turns WHERE round = 1 AND seat = 'Cy' ORDER BY 1") == [(0,), (1,)]


# ── what the store says of it ───────────────────────────────────────────────────────────────────────────────


def test_a_store_knows_its_sweep_its_variants_and_whose_each_condition_is(whole: Path) -> None:
    with Store.open(whole, write=False) as opened:
        run = opened.run()
        conditions = conditions_of(run, "the run")
    assert run.sweep is not None
    assert run.sweep["name"] == "trial"
    assert run.sweep["factors"]["prompts"] == {"usual": "argue", "mine": "mine.yaml"}, "as it was written"
    assert [variant.name for variant in run.variants] == [variant_name(variant.levels) for variant in run.variants]
    assert len(run.variants) == 2 * 2 * 2 * 2 - 2 * 2 - 2
    first = run.variants[0]
    assert run.panel == first.panel
    assert {variant.prompts_name for variant in run.variants} == {"argue"}
    assert len({variant.prompts_sha256 for variant in run.variants}) == 2
    assert {condition.control for condition in conditions.values()} == {"debate", "noise-peers", "homogeneous"}
    assert {condition.debate for condition in conditions.values()} == {variant.name for variant in run.variants}
    assert conditions[1].name == conditions[1].debate == first.name
    assert conditions[3].name == f"{first.name}/homogeneous:small"
    assert conditions[3].levels == first.levels
    there = rows(whole, "SELECT conditions.name, variants.name FROM conditions JOIN variants ON variants.id = variant")
    assert dict(there) == {condition.name: condition.debate for condition in conditions.values()}


def test_conditions_are_chosen_by_variant_by_control_and_all_debates_by_one_word(whole: Path) -> None:
    with Store.open(whole, write=False) as opened:
        run = opened.run()
    conditions = conditions_of(run, "the run")
    first = run.variants[0].name
    assert [c.name for c in choose_conditions(conditions, [first]).values()] == [first]
    debates = choose_conditions(conditions, ["debate"])
    assert [c.name for c in debates.values()] == [variant.name for variant in run.variants]
    noise = choose_conditions(conditions, ["noise-peers"])
    assert [c.name for c in noise.values()] == [f"{variant.name}/noise-peers" for variant in run.variants]
    assert refused(choose_conditions, conditions, ["noise-peer"]).hint == "Did you mean 'noise-peers'?"


def test_a_manifest_has_its_variant_s_levels_and_wording(whole: Path) -> None:
    found = {data["condition"]: data["manifest"] for data in exported(whole)}
    for condition, manifest in found.items():
        swept = manifest["sweep"]
        assert swept["name"] == "trial"
        assert swept["variant"] == condition.partition("/")[0] == variant_name(swept["levels"])
        assert manifest["seeds"] == {"run": int(swept["levels"]["seed"])}
    hashes = {(m["sweep"]["levels"]["prompts"], m["prompts"]["sha256"]) for m in found.values()}
    assert len(hashes) == len({level for level, _ in hashes}) == 2


def test_noise_comes_from_the_same_variant(whole: Path) -> None:
    pairs = rows(
        whole,
        "SELECT mine.name, other.name FROM debates JOIN conditions AS mine ON mine.id = debates.condition"
        " JOIN debates AS partner ON partner.id = debates.partner"
        " JOIN conditions AS other ON other.id = partner.condition",
    )
    assert pairs
    assert all(mine == f"{other}/noise-peers" for mine, other in pairs)


def test_totals_name_the_levels_of_each_condition(whole: Path) -> None:
    with Store.open(whole, write=False) as opened:
        found = run_totals(opened)["conditions"]
    for name, entry in found.items():
        assert variant_name(entry["levels"]) == name.partition("/")[0]


# ── verification ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_sweep_has_no_disagreement(whole: Path) -> None:
    assert disagreements(whole) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE variants SET prompts_sha256 = 'x' WHERE id = 2", ["prompts_sha256"]),
        ("UPDATE variants SET prompts = replace(prompts, 'You', 'Thou') WHERE id = 3", ["prompts_sha256"]),
        ("UPDATE variants SET prompts_name = 'x' WHERE id = 3", ["prompts_name"]),
        ("UPDATE run SET prompts_name = 'x'", ["prompts_name", "prompts_name"]),
        ("UPDATE run SET panel = json_set(panel, '$.seed', 5)", ["panel"]),
        ("UPDATE conditions SET variant = 2 WHERE id = 1", ["variants"]),
        ("UPDATE conditions SET variant = NULL WHERE id = 1", ["variants"]),
        ("UPDATE run SET sweep = json_remove(sweep, '$.factors.seed.\"1\"')", ["level of seed"] * 4),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_changed_fact_of_a_sweep_is_reported(store: Path, sql: str, expected: list[str]) -> None:
    alter(store, sql)
    assert whats(store) == expected


def test_a_partner_of_another_variant_is_reported(store: Path) -> None:
    alter(
        store,
        "UPDATE debates SET partner = (SELECT other.id FROM debates AS other JOIN debates AS mine"
        " ON mine.id = debates.partner WHERE other.question = mine.question AND other.condition = 5)"
        " WHERE id = (SELECT min(id) FROM debates WHERE partner IS NOT NULL)",
    )
    assert "partner" in whats(store)


# ── stopping and going on ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stops", [(0,), (1, 7), (40, 3, 90), (200,)], ids=str)
def test_a_sweep_that_was_stopped_anywhere_comes_to_what_an_unbroken_one_does(
    tmp_path: Path, whole: Path, stops: tuple[int, ...]
) -> None:
    file, path = in_all_ways(tmp_path, panel_keys={"engine": {"max_num_seqs": "2"}}), tmp_path / "run.db"
    for stop in stops:
        hold_sweep(path, file, stop_after=stop)
    (open_debates,) = rows(path, "SELECT count(*) FROM debates WHERE state = 'open'")[0]
    assert open_debates > 0
    resume(path)
    assert rows(path, "SELECT 1 FROM turns GROUP BY debate, round, seat HAVING count(*) > 1") == []
    assert disagreements(path) == []
    for data, same in zip(exported(path), exported(whole), strict=True):
        for one in (data, same):
            del one["panel"]["engine"], one["panel"]["prompts"]
        del data["manifest"]["engines"], same["manifest"]["engines"]
        assert data == same
    assert len(rows(path, "SELECT 1 FROM generations")) == len(rows(whole, "SELECT 1 FROM generations"))


def test_a_sweep_that_is_held_again_does_nothing(tmp_path: Path) -> None:
    file = write_sweep(tmp_path)
    path = hold_sweep(tmp_path / "run.db", file)
    before = path.read_bytes()
    hold_sweep(path, file)
    assert path.read_bytes() == before


def test_a_wording_that_has_changed_since_is_refused_whichever_variant_has_it(tmp_path: Path) -> None:
    path = hold_sweep(tmp_path / "run.db", in_all_ways(tmp_path), stop_after=3)
    (tmp_path / "mine.yaml").write_text(wording_text().replace("discuss a question", "mull over a question"))
    error = refused(resume, path)
    assert f"the prompts '{tmp_path / 'mine.yaml'}' are not what this run was begun with" in error.message
    assert "variants.prompts" in error.hint


OTHER = {
    "levels": ({"factors": {"visibility.order": ["fixed", "shuffled"], "rounds": ["2", "4"]}}, "the sweep differs"),
    "controls": ({"controls": ["solo-revise"]}, "the controls differ"),
    "controls of all": ({"controls_for": "all"}, "the sweep differs (controls_for: 'baseline' there, 'all' here)"),
    "repeats": ({"repeats": "2"}, "the number of repeats differs"),
    "questions": ({"num_questions": 3}, "the questions differ"),
    "panel": ({"panel_keys": {"seed": "4"}}, "the panel differs (seed: 0 there, 4 here); the variants differ"),
    "combinations": (
        {"exclude": [{"rounds": "3", "visibility.order": "shuffled"}]},
        "the variants differ (order=shuffled,rounds=3: ",
    ),
    "primary": (
        {"primary": [{"metric": "x", "factor": "rounds", "levels": ["2", "3"]}]},
        "the sweep differs (primary: ",
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_sweep_in_the_same_store_is_refused_with_what_differs(tmp_path: Path, name: str) -> None:
    changes, said = OTHER[name]
    path = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path), stop_after=5)
    before = path.read_bytes()
    error = refused(hold_sweep, path, write_sweep(tmp_path, **changes))
    assert f"run.db holds another run: {said}" in error.message
    assert path.read_bytes() == before


def test_a_suite_and_a_sweep_are_different_runs(tmp_path: Path) -> None:
    file = write_sweep(tmp_path)
    panel, questions = next(iter(panels(file).values())), suite_of(file)
    options = RunOptions(home=tmp_path / "home", engine="scripted")
    swept = hold_sweep(tmp_path / "swept.db", file)
    error = refused(begin_suite, swept, panel, questions, options, SuiteOptions())
    assert "the sweep differs" in error.message
    plain = hold_suite(tmp_path / "plain.db", panel, questions)
    assert "the sweep differs" in refused(hold_sweep, plain, file).message


# ── what can't be swept together ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({"rounds": ["2", "02"]}, "the levels '2' and '02' of 'rounds' give the same panel"),
        (
            {"mood": {"none": {}, "empty": {"seats": {"*": {"persona": " "}}}}},
            "the levels 'none' and 'empty' of 'mood'",
        ),
        ({"prompts": {"a": "argue", "b": "same.yaml"}}, "the levels 'a' and 'b' of 'prompts' give the same panel"),
        ({"name": ["one", "two"]}, "the levels 'one' and 'two' of 'name' give the same panel"),
        (
            {"rounds": ["2", "3"], "more": {"no": {}, "yes": {"rounds": "3"}}},
            "the levels '2' and '3' of 'rounds', and 'yes' and 'no' of 'more' give the same panel",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_variants_that_are_the_same_are_refused_and_named(tmp_path: Path, factors: Any, said: str) -> None:
    (tmp_path / "same.yaml").write_text(wording_text())
    error = refused(plan_sweep, load(write_sweep(tmp_path, factors=factors)))
    assert said in error.message


def test_a_control_that_means_nothing_for_a_variant_is_refused_with_its_name(tmp_path: Path) -> None:
    factors = {"rounds": ["2", "1"]}
    for_one = plan_sweep(load(write_sweep(tmp_path, factors=factors, controls=["solo-revise"])))
    assert [condition.name for condition in for_one.conditions.values()] == [
        *("rounds=2", "rounds=2/solo-revise", "rounds=1")
    ]
    file = write_sweep(tmp_path, factors=factors, controls=["solo-revise"], controls_for="all")
    assert refused(plan_sweep, load(file)).message.startswith("the variant 'rounds=1': the control 'solo-revise' ")
    assert "unknown control 'solo'" in refused(plan_sweep, load(write_sweep(tmp_path, controls=["solo"]))).message


def test_a_wording_that_can_not_speak_to_a_variant_is_refused_with_its_name(tmp_path: Path) -> None:
    factors = {"seats.Ada.role": {"none": None, "judge": "judge"}}
    error = refused(plan_sweep, load(write_sweep(tmp_path, factors=factors)))
    assert error.message.startswith("the variant 'role=judge': 'Ada' has the role 'judge', for which the prompts")
    assert (
        "unknown prompts 'argu'"
        in refused(plan_sweep, load(write_sweep(tmp_path, factors={"prompts": ["argue", "argu"]}))).message
    )


def test_a_confederate_of_any_variant_needs_a_vote_on_every_question(tmp_path: Path) -> None:
    vote = {"by_question": {"q0": "Yes"}}
    eve = {"confederate": {"vote": vote, "statement": "Yes."}}
    file = write_sweep(tmp_path, factors={"company": {"none": {}, "eve": {"seats": {"Eve": eve}}}})
    assert "has no vote on the question 'q1'" in refused(hold_sweep, tmp_path / "run.db", file).message


def test_a_shard_of_a_sweep_has_no_noise(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, controls=["noise-peers"])
    assert (
        "a shard can't have the control 'noise-peers'"
        in refused(hold_sweep, tmp_path / "run.db", file, shard=(1, 2)).message
    )


def test_the_longest_turn_of_any_variant_has_to_fit(tmp_path: Path) -> None:
    factors = {"sampling.max_tokens": ["16", "4000"]}
    file = write_sweep(tmp_path, factors=factors, panel_keys={"engine": {"max_model_len": "4000"}})
    with pytest.raises(PlacementError, match="has a context of 4,000"):
        hold_sweep(tmp_path / "run.db", file)


def test_engine_arguments_are_every_variant_s(tmp_path: Path) -> None:
    path = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path), engine_arguments={"max_num_seqs": "3"})
    engines = rows(path, "SELECT DISTINCT panel ->> '$.engine.max_num_seqs' FROM variants")
    assert engines == [("3",)]
    ((facts,),) = rows(path, "SELECT facts FROM sessions")
    assert {info["max_num_seqs"] for info in json.loads(facts)["engines"].values()} == {3}


def test_the_number_of_turns_counts_models_seats_in_every_condition(tmp_path: Path) -> None:
    liar = {"confederate": {"vote": "wrong", "statement": "It is {option}."}}
    factors = {"company": {"none": {}, "one": {"seats": {"Eve": liar}}}, "rounds": ["2", "3"]}
    plan = plan_sweep(load(write_sweep(tmp_path, factors=factors, controls=["first-round"], repeats="2")))
    assert plan.num_controls == 1
    assert plan.num_turns(10) == 10 * 2 * (2 + 3 + 2 + 3 + 1)
    assert Counter(condition.control for condition in plan.conditions.values()) == {"debate": 4, "first-round": 1}


def test_a_debate_that_fails_under_one_variant_fails_under_no_other(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(yaml.safe_dump({"turns": [{"question": "q1", "round": 3, "fail": "always"}]}))
    path = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path), engine_arguments={"script": str(script)})
    failed = rows(
        path,
        "SELECT conditions.name FROM debates JOIN conditions ON conditions.id = condition WHERE state = 'failed'",
    )
    assert [name for (name,) in failed] == ["order=fixed,rounds=3", "order=shuffled,rounds=3"]
    assert whats(path) == []


def test_an_equal_answer_of_a_plain_suite_is_taken_over(tmp_path: Path) -> None:
    file = write_sweep(tmp_path)
    plain = hold_suite(tmp_path / "plain.db", next(iter(panels(file).values())), suite_of(file))
    options = RunOptions(home=tmp_path / "home", engine="scripted")
    path = tmp_path / "run.db"
    begin_sweep(path, load(file), suite_of(file), options)
    with open_suite(path, options, reuse=[plain]) as opened:
        list(opened.run())
    assert rows(path, "SELECT count(*) FROM generations WHERE origin IS NOT NULL") == rows(
        plain, "SELECT count(*) FROM generations"
    )


def test_a_question_without_a_partner_is_left_out_of_each_variant_s_noise(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, controls=["noise-peers"], controls_for="all")
    sweep = load(file)
    questions = [*suite_of(file), make_question("One", "Two", "Three", "Four", id="alone")]
    options = RunOptions(home=tmp_path / "home", engine="scripted")
    begin_sweep(tmp_path / "run.db", replace(sweep), questions, options)
    left_out = rows(tmp_path / "run.db", "SELECT name, left_out FROM conditions WHERE left_out")
    assert left_out == [(f"{variant.name}/noise-peers", 1) for variant in sweep.variants]
