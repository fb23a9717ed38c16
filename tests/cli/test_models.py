"""`localtable models`: results on stdout, progress on stderr, exit codes as the contract says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from localtable.cli.main import run
from localtable.config import load_card
from localtable.config.card import parse_card
from localtable.config.writing import dump_card
from localtable.loading import parse_yaml
from localtable.types import HubSource, Reasoning, Sampling

DEMO = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder as a user may have one."""
    folder = tmp_path / "My Model"
    folder.mkdir()
    config = {
        "model_type": "llama",
        "num_hidden_layers": 1,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "vocab_size": 10,
        "max_position_embeddings": 64,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"model.embed_tokens.weight": np.zeros((10, 8), np.float32)}, folder / "model.safetensors")
    return folder


def out_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(["models", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_list_shows_the_demo_models_and_imports_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = out_of(capsys, "list")
    assert err == ""
    for model in DEMO:
        (line,) = [line for line in out.splitlines() if line.startswith(model)]
        assert line.endswith("not fetched")
        assert "Apache-2.0" in line
    heavy = "{'torch', 'transformers', 'huggingface_hub', 'httpx', 'gguf', 'numpy'}"
    script = (
        "import sys; from localtable.cli.main import run; run(['models', 'list']); "
        f"sys.exit(bool({heavy} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_list_as_json_has_one_object_per_model(capsys: pytest.CaptureFixture[str]) -> None:
    models = {model["id"]: model for model in json.loads(out_of(capsys, "list", "--json")[0])}
    assert set(DEMO) <= set(models)
    assert models[DEMO[0]]["parameters"] == 134_515_008
    assert models[DEMO[0]]["fetched"] is False
    assert models[DEMO[0]]["sources"][0] == "hub HuggingFaceTB/SmolLM2-135M-Instruct"


def test_demo_cards_match_the_published_configurations() -> None:
    for model, layers, hidden, parameters, context in [
        (DEMO[0], 30, 576, 134_515_008, 8192),
        (DEMO[1], 24, 896, 494_032_768, 32768),
        (DEMO[2], 28, 1536, 1_543_714_304, 32768),
    ]:
        card = load_card(model)
        architecture = card.architecture
        assert (architecture.num_hidden_layers, architecture.hidden_size) == (layers, hidden)
        assert (card.parameters, card.context_length) == (parameters, context)
        assert isinstance(card.sources[0], HubSource)
        assert architecture.num_attention_heads * architecture.head_dim == hidden


def test_own_folder_goes_through_its_whole_life(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    out, _ = out_of(capsys, "add", str(folder))
    assert out.startswith("my-model  ")
    assert "not fetched" in out_of(capsys, "show", "my-model")[0]
    out, err = out_of(capsys, "fetch", "my-model")
    model_id, where, weights_hash = out.strip().split("  ")
    assert (model_id, where) == ("my-model", str(folder))
    assert weights_hash.startswith("sha256:")
    assert "reading" in err
    assert weights_hash in out_of(capsys, "show", "my-model")[0]
    assert json.loads(out_of(capsys, "show", "my-model", "--json")[0])["weights_hash"] == weights_hash
    assert out_of(capsys, "verify", "my-model")[0] == "my-model: as recorded\n"
    (folder / "tokenizer.json").write_text("[]")
    out, err = out_of(capsys, "verify", "my-model", code=1)
    assert "tokenizer.json has the SHA-256" in out
    assert "1 file(s) are not what was recorded" in err
    assert out_of(capsys, "remove", "my-model")[0] == "my-model: 0 kB freed\n"
    assert folder.is_dir()
    assert "not fetched" in out_of(capsys, "show", "my-model")[0]


def test_adding_twice_is_fine_and_adding_another_under_the_same_id_is_not(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    out_of(capsys, "add", str(folder), "--id", "mine")
    out_of(capsys, "add", str(folder), "--id", "mine")
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps(config))
    _, err = out_of(capsys, "add", str(folder), "--id", "mine", code=2)
    assert "another card is called 'mine'" in err
    assert load_card("mine").context_length == 64


def test_panel_names_what_to_fetch(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    panel = tmp_path / "panel.yaml"
    panel.write_text(f"name: p\nseats:\n  - {{name: A, model: {json.dumps(str(folder))}}}\n")
    out, _ = out_of(capsys, "fetch", "--panel", str(panel))
    assert str(folder) in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fetch"], 2, "no model is named"),
        (["fetch", "smolm2-135m-instruct"], 2, "Did you mean 'smollm2-135m-instruct'?"),
        (["verify", "smollm2-135m-instruct"], 3, "is not here"),
        (["show", "nothing-of-the-kind"], 2, "unknown model"),
        (["add", "/no/such/folder"], 2, "holds no config.json"),
        (["add", "hub:Qwen"], 2, "is no hub:ORG/NAME"),
        (["add", "hub:Qwen/Qwen3-8B"], 3, "HF_HUB_OFFLINE"),
    ],
)
def test_what_can_not_be_done_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    out, err = out_of(capsys, *arguments, code=code)
    assert said in err
    assert out == ""


def test_card_as_text_reads_back_as_the_same_card(tmp_path: Path) -> None:
    from dataclasses import replace

    for model in DEMO:
        card = load_card(model)
        full = replace(
            card,
            license_url="https://example.org/licence",
            active_parameters=card.parameters - 1,
            quantization="awq",
            reasoning=Reasoning("<think>", "</think>", "enable_thinking", True, False),
            sampling=Sampling(temperature=0.6, top_k=20),
            name="Ünïcode: a “name” # with: signs",
        )
        for one in (card, full):
            assert parse_card(parse_yaml(dump_card(one), "it"), "it", tmp_path) == one
