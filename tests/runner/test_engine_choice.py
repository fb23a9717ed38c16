"""Which engine `auto` takes where vLLM is installed but broken: a real worker, a real model, a vllm that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from localtable.config import parse_panel, parse_question
from localtable.errors import EngineImportError
from localtable.runner import RunOptions, SuiteOptions, begin_suite, hold_debate, open_suite
from localtable.runner.events import EngineChosen
from localtable.types import Stop

BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")\n'


@pytest.fixture
def broken_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installation looks like that got a library of another build."""
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("broken_vllm")
def test_auto_goes_on_with_transformers_and_says_why(smollm2_folder: Path, real_home: Path) -> None:
    panel = parse_panel(
        {
            "name": "solo",
            "rounds": 1,
            "seats": [{"name": "Ada", "model": str(smollm2_folder)}],
            "sampling": {"max_tokens": 4},
        },
        "the panel",
        Path.cwd(),
        default_stop=Stop("unanimous"),
    )
    question = parse_question({"question": "Is it?", "options": ["Yes", "No"]}, "the question")
    told: list[EngineChosen] = []
    options = RunOptions(home=real_home, tell=lambda e: told.append(e) if isinstance(e, EngineChosen) else None)
    transcript = hold_debate(question, panel, options)
    assert [choice.kind for choice in told] == ["vllm", "transformers"]
    assert "torchvision::nms" in told[1].reason
    assert transcript.manifest["engine"] == "transformers"
    assert "torchvision::nms" in transcript.manifest["engine_reason"]


@pytest.mark.usefixtures("broken_vllm")
def test_a_suite_goes_on_with_transformers_too(tmp_path: Path, smollm2_folder: Path, real_home: Path) -> None:
    seat = {"name": "Ada", "model": str(smollm2_folder)}
    data = {"name": "solo", "rounds": 1, "seats": [seat], "sampling": {"max_tokens": 4}}
    panel = parse_panel(data, "the panel", Path.cwd(), default_stop=Stop())
    questions = [parse_question({"question": f"Is it {n}?", "options": ["Yes", "No"]}, "a question") for n in range(2)]
    options = RunOptions(home=real_home)
    store = tmp_path / "run.db"
    begin_suite(store, panel, questions, options, SuiteOptions())
    with open_suite(store, options) as run:
        assert [outcome.error for outcome in run.run()] == [None, None]
        assert run.store.run().engine == "transformers"
        first, last = run.store.sessions()
    assert first["facts"]["engine"] == "vllm"
    assert "torchvision::nms" in last["facts"]["engine_reason"]
    with open_suite(store, options) as again:
        assert list(again.run()) == []


@pytest.mark.usefixtures("broken_vllm")
def test_an_engine_that_was_asked_for_is_not_replaced(smollm2_folder: Path, real_home: Path) -> None:
    panel = parse_panel(
        {"name": "solo", "rounds": 1, "seats": [{"name": "Ada", "model": str(smollm2_folder)}]},
        "the panel",
        Path.cwd(),
        default_stop=Stop("unanimous"),
    )
    question = parse_question({"question": "Is it?", "options": ["Yes", "No"]}, "the question")
    with pytest.raises(EngineImportError) as caught:
        hold_debate(question, panel, RunOptions(home=real_home, engine="vllm"))
    assert caught.value.exit_code == 3
    assert "torchvision::nms" in caught.value.message
