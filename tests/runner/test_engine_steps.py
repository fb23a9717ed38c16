"""What a real engine's steps come to in a run: in its totals, in what is known of the machine, and at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localtable.config import parse_panel, parse_question
from localtable.runner import RunOptions, SuiteOptions, begin_suite, learning, open_suite
from localtable.runner.totals import run_totals
from localtable.scheduler.messages import Close
from localtable.scheduler.worker import EngineProcess
from localtable.types import Stop


def test_a_run_s_steps_are_kept_and_learned_from_and_its_end_asks_no_engine_to_end(
    tmp_path: Path, smollm2_folder: Path, real_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    send = EngineProcess._send
    monkeypatch.setattr(EngineProcess, "_send", lambda handle, message: (said.append(message), send(handle, message)))
    monkeypatch.setattr(learning, "LEAST_S", 0.0)
    home = tmp_path / "home"  # which knows nothing of this machine
    home.mkdir()
    (home / "vllm").symlink_to(real_home / "vllm", target_is_directory=True)
    seat = {"name": "Ada", "model": str(smollm2_folder)}
    data = {"name": "solo", "rounds": 1, "seats": [seat], "sampling": {"max_tokens": 32, "min_tokens": 32}}
    panel = parse_panel(data, "the panel", Path.cwd(), default_stop=Stop())
    questions = [parse_question({"question": f"Is it {n}?", "options": ["Yes", "No"]}, "a question") for n in range(6)]
    options = RunOptions(home=home, engine="transformers")
    begin_suite(tmp_path / "run.db", panel, questions, options, SuiteOptions())
    with open_suite(tmp_path / "run.db", options) as run:
        assert [outcome.error for outcome in run.run()] == [None] * 6
        (steps,) = run_totals(run.store)["steps"].values()
        prompts, cached = next(run.store.query("SELECT sum(prompt_tokens), sum(cached_tokens) FROM generations"))
    # Ballots that come last may be no sample any more.
    assert 0.6 * (prompts - cached) < steps["prompt_tokens"] <= prompts - cached
    assert 0.6 * 6 * 31 < steps["decode_rows"] <= 6 * 31
    assert 0 < steps["prompt_seconds"] < steps["seconds"]
    (file,) = (home / "calibration").glob("*.json")
    assert set(json.loads(file.read_text())["observation"]["speed"]) == {"step_s", "row_s", "prefill_s"}
    assert not any(isinstance(message, Close) for message in said), "it is killed: two seconds less"
