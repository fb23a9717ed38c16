"""`localtable plan`: what a panel needs, in words and as JSON, on machines that are not here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
    ],
)
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert run(["plan", *arguments]) in (2, 3)
    assert said in capsys.readouterr().err
