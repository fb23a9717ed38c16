"""Cards: what a model is; written by hand, or derived from a model's own config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, given_or_refused, make_card, refused
from hypothesis import given
from hypothesis import strategies as st

from localtable.config import card_from_hf_config, load_card, packaged_card_ids, parse_card
from localtable.errors import ConfigError
from localtable.places import home
from localtable.types import Card, FileSource, HubSource, WheelPart, WheelSource

SHA = "0" * 64


def refuse(**changes: Any) -> ConfigError:
    return refused(make_card, **changes)


# ── written by hand ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("card_id", packaged_card_ids())
def test_every_packaged_card_is_whole_and_under_its_own_name(card_id: str) -> None:
    card = load_card(card_id)
    assert card.id == card_id
    assert card.sources
    assert card.parameters > 0


def test_the_demo_models_have_a_hub_and_a_wheel_source() -> None:
    for card_id in ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"):
        kinds = {type(source) for source in load_card(card_id).sources}
        assert {HubSource, WheelSource} <= kinds


@pytest.mark.parametrize("parameters", [200_000_000_000, 671_000_000_000, 10**400])
def test_a_card_of_200_billion_parameters_or_more_is_refused(parameters: int) -> None:
    error = refuse(parameters=str(parameters))
    assert "B parameters; localtable seats models under 200B" in error.message
    if parameters < 10**12:
        assert f"{parameters // 10**9}B parameters" in error.message


def test_a_card_just_under_200_billion_parameters_is_fine() -> None:
    assert make_card(parameters="199999999999").parameters == 199_999_999_999


def test_a_mixture_of_experts_counts_by_its_total() -> None:
    refuse(parameters="235000000000", active_parameters="22000000000")
    assert make_card(active_parameters="1000").active_parameters == 1000
    assert make_card().active_parameters == make_card().parameters


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": "0"}, "parameters: input should be greater than 0"),
        ({"parameters": "many"}, "parameters: input should be a valid integer"),
        ({"active_parameters": "2000000"}, "active_parameters 2000000 is above parameters 1000000"),
        ({"context_length": "-1"}, "context_length: input should be greater than 0"),
        ({"id": "Not An Id"}, "id: string should match pattern"),
        ({"id": "../../etc/passwd"}, "id: string should match pattern"),
        ({"architecture": {}}, "the key 'architecture.model_type' is missing"),
        ({"sources": []}, "sources: list should have at least 1 item, not 0"),
        ({"sources": [{}]}, "sources.0: a source is one of hub, wheel and file, this one has none"),
        ({"sources": [{"hub": "a/b", "file": "x"}]}, "sources.0: a source is one of hub, wheel and file"),
        ({"sources": [{"hub": "no-slash"}]}, "sources.0.hub: string should match pattern"),
        ({"sources": [{"hub": "a/b", "sha256": "123"}]}, "sources.0.sha256: string should match pattern"),
        ({"sources": [{"wheel": []}]}, "sources.0: a wheel source needs its parts, filename, bytes and sha256"),
        ({"reasoning": {"start": "", "end": "</think>"}}, "reasoning.start: string should have at least 1 character"),
        ({"parametres": "1"}, "unknown key 'parametres'"),
    ],
)
def test_a_card_out_of_bounds_is_refused_with_place_and_value(changes: dict[str, Any], said: str) -> None:
    assert said in refuse(**changes).message


def test_sources_keep_their_order_and_figures(tmp_path: Path) -> None:
    part = {"package": "pkg", "version": "1.0", "member": "pkg/*.gguf"}
    sources = [
        {"hub": "org/name", "revision": "abc"},
        {"wheel": [part], "filename": "m.gguf", "bytes": "12", "sha256": SHA},
        {"file": "sub/m"},
    ]
    card = parse_card({**CARD, "sources": sources}, "the card", tmp_path)
    assert card.sources == (
        HubSource("org/name", "abc"),
        WheelSource((WheelPart("pkg", "1.0", "pkg/*.gguf"),), "m.gguf", 12, SHA),
        FileSource(str(tmp_path / "sub/m")),
    )


def test_the_values_of_a_thinking_switch_are_what_a_template_can_test() -> None:
    reasoning = {"start": "<think>", "end": "</think>", "switch": "thinking", "on": "true", "off": "false"}
    card = make_card(reasoning=reasoning)
    assert card.reasoning is not None
    assert (card.reasoning.on, card.reasoning.off) == (True, False)


# ── found by name ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_user_s_own_card_is_found_by_id_and_listed() -> None:
    (home() / "cards").mkdir(parents=True)
    (home() / "cards/mine.yaml").write_text(yaml.safe_dump({**CARD, "id": "mine"}))
    assert load_card("mine").id == "mine"
    assert "mine" in packaged_card_ids()


def test_a_model_of_the_hub_that_was_added_is_found_by_its_hub_name() -> None:
    (home() / "cards").mkdir(parents=True)
    (home() / "cards/my-model-0123abcd.yaml").write_text(yaml.safe_dump({**CARD, "id": "my-model-0123abcd"}))
    assert load_card("hub:Org/My_Model@0123abcdef".replace("_", "-")).id == "my-model-0123abcd"


def test_a_card_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(dict(CARD)))
    assert load_card("toy.yaml", tmp_path).id == "toy"
    assert load_card(str(tmp_path / "toy.yaml")).id == "toy"
    monkeypatch.chdir(tmp_path)
    assert load_card("./toy.yaml").id == "toy"


# ── derived from a model's folder ───────────────────────────────────────────────────────────────────────────

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 128,
    "torch_dtype": "float16",
    "rope_scaling": None,
    "some_list": [[1, 2], {"deep": True}],
}


def tensor(*shape: int, dtype: str = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]}


def folder_of(
    tmp_path: Path, config: Any = CONFIG, tensors: dict[str, Any] | None = None, name: str = "My Model"
) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    write_safetensors(
        folder / "model.safetensors", tensors or {"a.weight": tensor(32, 8), "b": tensor(8), "c": tensor()}
    )
    return folder


def write_safetensors(path: Path, header: Any) -> None:
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)


def derive(tmp_path: Path, **changes: Any) -> Card:
    return card_from_hf_config(folder_of(tmp_path, {**CONFIG, **changes}))


def test_a_card_is_derived_from_a_plain_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    card = load_card(str(folder))
    assert card.id == "my-model"
    assert card.name == "My Model"
    assert card.parameters == 32 * 8 + 8 + 1
    assert card.context_length == 128
    assert card.dtype == "float16"
    assert card.sources == (FileSource(str(folder)),)
    assert (card.architecture.head_dim, card.architecture.num_key_value_heads) == (2, 2)


def test_parameters_are_counted_over_all_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, tensors={"__metadata__": {"format": "pt"}, "a": tensor(10)})
    write_safetensors(folder / "model-2.safetensors", {"b": tensor(5, 2)})
    assert card_from_hf_config(folder).parameters == 20


def test_the_language_part_of_a_multimodal_model_is_what_counts(tmp_path: Path) -> None:
    text = {**CONFIG, "hidden_size": 64, "num_attention_heads": 8, "tie_word_embeddings": False}
    card = card_from_hf_config(folder_of(tmp_path, {"text_config": text, "tie_word_embeddings": True}))
    assert card.architecture.hidden_size == 64
    assert card.architecture.tie_word_embeddings is True


def test_packed_weights_are_counted_by_what_they_hold(tmp_path: Path) -> None:
    tensors = {
        "q.qweight": tensor(10, 100, dtype="I32"),
        "q.g_idx": tensor(80, dtype="I32"),
        "x_blocks": tensor(50, dtype="U8"),
    }
    plain = card_from_hf_config(folder_of(tmp_path, tensors=tensors, name="plain"))
    assert plain.parameters == 1000 + 80 + 50
    config = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}
    packed = card_from_hf_config(folder_of(tmp_path, config, tensors, name="packed"))
    assert packed.parameters == 8000 + 80 + 100
    assert packed.quantization == "gptq"


def test_a_folder_of_200_billion_parameters_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, tensors={"a": tensor(200_000, 1_000_000)})
    assert "200B parameters; localtable seats models under 200B" in refused(card_from_hf_config, folder).message


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {**CONFIG, "auto_map": {"AutoModel": "modeling.Mine"}})
    assert "auto_map" in refused(card_from_hf_config, folder).message


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    assert "holds no config.json" in refused(load_card, str(tmp_path)).message


def test_a_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    error = refused(card_from_hf_config, folder)
    assert "holds no *.safetensors" in error.message
    assert "never as pickles" in error.hint


@pytest.mark.parametrize("key", ["hidden_size", "model_type", "max_position_embeddings"])
def test_a_figure_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    config = {name: value for name, value in CONFIG.items() if name != key}
    error = refused(card_from_hf_config, folder_of(tmp_path, config))
    assert f"the key {key!r} is missing" in error.message
    assert "by hand" in error.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"num_attention_heads": 0},
        {"num_attention_heads": "four"},
        {"num_attention_heads": 1000},
        {"hidden_size": None},
        {"hidden_size": -8},
        {"hidden_size": [8]},
        {"quantization_config": ["gptq"]},
        {"tie_word_embeddings": "maybe"},
    ],
)
def test_a_figure_that_is_no_figure_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    refused(derive, tmp_path, **changes)


def test_figures_that_may_be_missing_may_be_null(tmp_path: Path) -> None:
    card = derive(tmp_path, text_config=None, quantization_config=None, head_dim=None, num_key_value_heads=None)
    assert (card.architecture.num_key_value_heads, card.architecture.head_dim) == (4, 2)
    assert card.quantization is None


@pytest.mark.parametrize("config", ["[]", "", "{", '"text"', "null", '{"a": ' * 3000])
def test_a_config_that_is_broken_is_refused(tmp_path: Path, config: str) -> None:
    refused(card_from_hf_config, folder_of(tmp_path, config))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        (10**18).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{",
        (11).to_bytes(8, "little") + b'{"a": null}',
        (22).to_bytes(8, "little") + b'{"a": {"shape": ["x"]}}',
        (6000).to_bytes(8, "little") + b"[" * 6000,
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = folder_of(tmp_path)
    (folder / "model.safetensors").write_bytes(content)
    assert "is no safetensors file" in refused(card_from_hf_config, folder).message


SHAPES = st.lists(st.integers() | st.none() | st.text(max_size=2), max_size=3)
HEADERS = st.dictionaries(st.sampled_from(["a", "__metadata__"]), st.none() | st.integers() | st.text(max_size=3))


@given(HEADERS | SHAPES.map(lambda shape: {"a": {"dtype": "F16", "shape": shape}}))
def test_no_header_makes_the_counting_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_safetensors(folder / "model.safetensors", header)
    given_or_refused(card_from_hf_config, folder)
