"""`localtable plan`: what a panel needs, in words and as JSON, on machines that are not here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from store_builders import one
from sweep_builders import CARDS, write_sweep

from localtable.cli.main import run
from localtable.places import packaged
from localtable.scheduler.devices import GIB

SIX = packaged("examples") / "panels/six-sizes.yaml"


def planned(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["plan", "--json", *arguments]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def words(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["plan", *arguments]) == code
    return capsys.readouterr().out


def test_a_panel_that_fits_is_loaded_once_and_nothing_is_swapped(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "--gpus", "1x80GiB")  # the demo panel
    assert found["fits"]
    assert {engine["swap"] for engine in found["engines"]} == {"none"}
    assert set(found["activations"].values()) == {1}
    for engine in found["engines"]:
        assert set(engine) >= {
            *("model", "devices", "tensor_parallel_size", "max_model_len", "max_num_seqs", "prefix_caching"),
            *("weights_bytes", "kv_cache_bytes", "activation_bytes", "overhead_bytes", "asleep_bytes", "swap"),
        }
    parts = ("weights_bytes", "kv_cache_bytes", "activation_bytes", "overhead_bytes")
    assert sum(engine[part] for engine in found["engines"] for part in parts) <= 80 * GIB
    assert found["lower_bound_s"] <= found["predicted_s"]
    assert found["low_s"] < found["predicted_s"] < found["high_s"]


def test_a_turn_that_is_longer_than_a_fetched_model_s_context_is_a_refusal_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, real_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "suite.jsonl"
    suite.write_text(json.dumps({"question": "word " * 40_000, "options": ["Yes", "No"]}) + "\n")
    asked = (str(suite), "-m", "smollm2-135m-instruct", "--gpus", "24GiB")
    monkeypatch.setenv("LOCALTABLE_HOME", str(real_home))
    found = planned(capsys, *asked, code=3)
    assert not found["fits"]
    assert "has a context of 8,192" in found["reason"]
    assert found["advice"] and found["advice"][0].startswith("Lower sampling.max_tokens")
    assert "can't run on" in words(capsys, *asked, code=3)


@pytest.mark.parametrize("gpus", ["1x80GiB", "2x80GiB", "2xH100-80GB"])
def test_six_models_from_8b_to_120b_swap_a_handful_of_times(capsys: pytest.CaptureFixture[str], gpus: str) -> None:
    few, many = (planned(capsys, "-p", str(SIX), "--gpus", gpus, "--questions", n) for n in ("50", "5000"))
    assert len(few["engines"]) == 6
    assert sum(few["activations"].values()) <= 6 + 5
    assert few["activations"] == many["activations"], "their number does not grow with the questions"
    assert many["predicted_s"] > 20 * few["predicted_s"]
    swaps = {engine["swap"] for engine in few["engines"]}
    assert swaps & {"sleep_1", "sleep_2"}


def test_what_fits_nowhere_is_refused_with_the_smallest_change(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "-p", str(SIX), "--gpus", "1x24GiB", code=3)
    assert not found["fits"]
    assert "needs" in found["reason"]
    assert any("GiB more" in line for line in found["advice"])
    assert any("without" in line for line in found["advice"])
    said = words(capsys, "-p", str(SIX), "--gpus", "1x24GiB", code=3)
    assert "can't run on" in said
    assert "What would make it run" in said


def test_the_change_that_is_named_makes_it_run(capsys: pytest.CaptureFixture[str]) -> None:
    advice = planned(capsys, "-p", str(SIX), "--gpus", "1x24GiB", code=3)["advice"]
    more = next(line for line in advice if line.endswith("GiB more"))
    size = 24 + int(more.split()[0])
    assert planned(capsys, "-p", str(SIX), "--gpus", f"1x{size}GiB")["fits"]


def test_a_model_too_large_for_one_device_goes_over_two(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "-m", "llama-3.3-70b-instruct-fp8", "--gpus", "2x48GiB")
    (engine,) = found["engines"]
    assert engine["tensor_parallel_size"] == 2
    assert engine["devices"] == [0, 1]


def test_words_name_every_model_the_time_and_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    said = words(capsys, "-p", str(SIX), "--gpus", "1x80GiB", "--simulate")
    for model in ("qwen3-8b", "phi-4", "gpt-oss-120b"):
        assert model in said
    assert "activations in all" in said
    assert "Predicted:" in said
    assert "No order of swaps could take less" in said
    assert "load " in said and "generate" in said


def test_a_suite_says_how_many_questions_and_how_long_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    suite = tmp_path / "suite.jsonl"
    suite.write_text(
        "".join(
            json.dumps({"id": f"q{i}", "question": "Why? " * 2000, "options": ["Yes", "No"]}) + "\n" for i in range(3)
        )
    )
    found = planned(capsys, str(suite), "--gpus", "24GiB")
    assert found["workload"]["questions"] == 3
    usual = planned(capsys, "--gpus", "24GiB")
    assert found["engines"][0]["max_model_len"] > usual["engines"][0]["max_model_len"] + 1500


def test_this_machine_is_planned_for_without_a_description(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "-m", "smollm2-135m-instruct", "--device-memory", "2GiB")
    (engine,) = found["engines"]
    assert engine["tensor_parallel_size"] == 1
    assert engine["weights_bytes"] < 0.3 * GIB


# ── sweeps ──────────────────────────────────────────────────────────────────────────────────────────────────

FACTORS = {"visibility.tally": ["hidden", "shown"], "rounds": ["2", "3"]}
APART = {
    "one": {"name": "one", "seats": [{"name": "Ada", "model": "small.yaml"}]},
    "two": {"name": "two", "seats": [{"name": "Ada", "model": "large.yaml"}, {"name": "Bob", "model": "third.yaml"}]},
}
DOUBT = {"plain": {}, "doubt": {"seats": {"Ada": {"persona": "You doubt what you read."}}}}
NOISE = {"controls": ["solo-revise", "self-consistency", "noise-peers"], "controls_for": "all"}


def held(folder: Path, file: Path, fit: int) -> dict[str, Any]:
    """The totals of a sweep on the scripted engine, with room for so many of its models at once."""
    totals = folder / "totals.json"
    room = ("--device-memory", f"{300 * fit + 100}MiB")
    command = ["sweep", str(file), "--store", str(folder / "run.db"), "--engine", "scripted", "--quiet", *room]
    assert run([*command, "--summary", str(totals)]) == 0
    found: dict[str, Any] = json.loads(totals.read_text())
    return found


@pytest.mark.parametrize(
    ("num_models", "fit", "changes"),
    [
        (2, 2, {}),
        (3, 1, {}),
        (3, 2, {"factors": FACTORS, "repeats": "2"}),
        (4, 1, {"factors": FACTORS, "controls": ["solo-revise", "self-consistency"]}),
        (2, 1, {"factors": {"rounds": ["1", "4"]}}),
        (3, 1, {"factors": {"mood": DOUBT, "seed": ["0", "1"]}, **NOISE}),
        (3, 1, {"factors": {"panel": APART, "rounds": ["2", "3"]}, "panel": None}),
    ],
    ids=lambda value: "" if isinstance(value, int) else "+".join(value.get("factors", {"default": 0})),
)
def test_a_sweep_takes_the_activations_and_the_turns_that_were_planned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, num_models: int, fit: int, changes: dict[str, Any]
) -> None:
    engine = {"kv_cache_memory_bytes": "300MiB"}
    for panel in APART.values():
        panel["engine"] = engine
    keys = {"engine": engine}
    file = write_sweep(tmp_path, seats=("Ada", "Bob", "Cy", "Dee"), num_models=num_models, panel_keys=keys, **changes)
    # An engine of these takes 906 MiB there.
    plan = planned(capsys, "--sweep", str(file), "--gpus", f"1x{1000 * fit + 100}MiB")
    totals = held(tmp_path, file, fit)
    assert sum(plan["activations"].values()) == sum(totals["activations"].values())
    assert plan["activations"].keys() == totals["activations"].keys()
    assert plan["workload"]["turns"] == totals["turns"]
    generated = totals["turns"] - totals["reused_turns"]
    if "mood" in changes.get("factors", {}):
        # A script says the same whatever persona it has, so that its peers read the same; a model does not.
        assert plan["workload"]["new_turns"] >= generated
    else:
        assert plan["workload"]["new_turns"] == generated
    assert plan["workload"]["debates"] == one(tmp_path / "run.db", "SELECT count(*) FROM debates")
    assert plan["lower_bound_s"] <= plan["predicted_s"]


@pytest.mark.parametrize(("num_models", "fit"), [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2)])
@pytest.mark.parametrize("moderator", ["small", "third", "fourth"])
def test_what_is_summed_up_takes_the_activations_that_were_planned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, moderator: str, num_models: int, fit: int
) -> None:
    """By a model of the table or by another; statements of one length, so that none has more to say by chance."""
    for card in CARDS:
        (tmp_path / f"{card['id']}.yaml").write_text(json.dumps(card))
    keys = {
        "engine": {"kv_cache_memory_bytes": "300MiB"},
        "moderator": f"{moderator}.yaml",
        "stop": {"when": "never"},
        "sampling": {"max_tokens": "24", "min_tokens": "24"},
    }
    file = write_sweep(tmp_path, num_models=num_models, panel_keys=keys, factors={"rounds": ["1", "2"]})
    plan = planned(capsys, "--sweep", str(file), "--gpus", f"1x{1000 * fit + 100}MiB")
    totals = held(tmp_path, file, fit)
    assert sum(plan["activations"].values()) == sum(totals["activations"].values())
    assert plan["activations"].keys() == totals["activations"].keys()
    assert one(tmp_path / "run.db", "SELECT count(*) FROM summaries") == 8
    assert plan["lower_bound_s"] <= plan["predicted_s"]


def test_who_sums_up_is_said_and_takes_its_room_and_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    panel = ("-m", "smollm2-135m-instruct", "-m", "smollm2-135m-instruct", "--gpus", "24GiB")
    plain = planned(capsys, *panel)
    own = planned(capsys, *panel, "--moderator", "smollm2-135m-instruct")
    other = planned(capsys, *panel, "--moderator", "qwen3-8b")
    assert plain["workload"]["summaries"] is None
    assert own["workload"]["summaries"]["model_id"] == "smollm2-135m-instruct"
    assert [engine["model"] for engine in other["engines"]] == ["smollm2-135m-instruct", "qwen3-8b"]
    assert plain["seconds"]["generate"] < own["seconds"]["generate"] < other["seconds"]["generate"]
    said = words(capsys, *panel, "--moderator", "qwen3-8b")
    assert said.startswith("models: 2 seats on one model, 2 rounds, 200 questions, summed up by qwen3-8b\n")
    assert words(capsys, *panel).startswith("models: 2 seats on one model, 2 rounds, 200 questions\n")


def test_a_sweep_says_how_many_debates_are_summed_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its controls are not."""
    keys = {"moderator": "small.yaml"}
    file = write_sweep(tmp_path, panel_keys=keys, factors={"rounds": ["2", "3"]}, controls=["first-round"])
    said = words(capsys, "--sweep", str(file), "--gpus", "24GiB").splitlines()[0]
    assert said.endswith("as far as that can be known before; 8 debates summed up")


def test_what_a_sweep_shares_takes_no_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = []
    for number, reads in enumerate((["everyone", "itself"], ["everyone", "itself", "neighbours"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        factors = {"visibility.reads": reads, "seed": ["0", "1"]}
        file = write_sweep(folder, seats=("Ada", "Bob", "Cy", "Dee"), num_questions=40, factors=factors)
        found.append(planned(capsys, "--sweep", str(file), "--gpus", "24GiB"))
    # For each of two seeds: one first round of four seats, and a later one for each level.
    assert [plan["workload"]["new_turns"] for plan in found] == [40 * 2 * 4 * rounds for rounds in (3, 4)]
    assert [plan["workload"]["turns"] for plan in found] == [40 * 2 * 4 * rounds for rounds in (4, 6)]
    two, three = (plan["seconds"]["generate"] for plan in found)
    assert three / two == pytest.approx(4 / 3, rel=0.15)


def test_a_sweep_is_said_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = write_sweep(tmp_path, limit="3", factors=FACTORS)
    said = words(capsys, "--sweep", str(file), "--gpus", "24GiB")
    assert said.startswith(
        "sweep trial: 4 variants (visibility.tally 2 x rounds 2); 3 questions: 12 debates, 60 turns at most, equal"
        " ones generated once: 30 to generate, as far as that can be known before\n"
    )
    many = words(capsys, "--sweep", str(file), "--gpus", "24GiB", "--questions", "500")
    assert "500 questions: 2,000 debates, 10,000 turns at most" in many
    large = write_sweep(tmp_path, factors=FACTORS, panel_keys={"engine": {"kv_cache_memory_bytes": "30GiB"}})
    assert words(capsys, "--sweep", str(large), "--gpus", "24GiB", code=3).startswith("The sweep 'trial' can't run on")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "smollm2-135m-instruct"], "says itself who debates on what"),
        (["--rounds", "3"], "says itself who debates on what"),
        (["--moderator", "smollm2-135m-instruct"], "says itself who debates on what"),
        (["suite.jsonl"], "says itself who debates on what"),
    ],
)
def test_a_sweep_takes_no_second_panel(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert run(["plan", "--sweep", str(write_sweep(tmp_path)), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_sweep_that_is_none_is_refused_by_its_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for changes, said in (
        ({"factors": {"round": ["1", "2"]}}, "unknown factor 'round'"),
        ({"primary": [{"metric": "acuracy", "factor": "rounds", "levels": ["2", "3"]}]}, "be compared by 'acuracy'"),
        ({"questions": ["none.jsonl"]}, "none.jsonl"),
    ):
        assert run(["plan", "--sweep", str(write_sweep(tmp_path, **changes))]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gpus", "24"], "unit"),
        (["--gpus", "0x24GiB"], "devices"),
        (["--gpus", "-24GiB"], "size"),
        (["--gpus", "rtx9999"], "no card"),
        (["--gpus", "24GiB", "--device-memory", "48GiB"], "above"),
        (["--device-memory", "0GiB"], "no size"),
        (["-p", "missing.yaml"], "missing.yaml"),
        (["--prompts", "nonsense"], "nonsense"),
        (["--moderator", "nobody"], "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert run(["plan", *arguments]) in (2, 3)
    assert said in capsys.readouterr().err
