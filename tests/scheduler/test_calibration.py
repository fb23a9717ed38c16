"""What engines took, remembered: found again, merged, and never in the way."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields, replace
from pathlib import Path

import pytest
from builders import make_card
from hypothesis import given
from hypothesis import strategies as st

from localtable.engines.base import EngineInfo
from localtable.scheduler.calibration import FOLDER, Calibration
from localtable.scheduler.devices import GIB, Device
from localtable.scheduler.memory import EngineSettings, Observation, kv_shape, observe
from localtable.scheduler.simulate.instance import Speed

CARD = make_card()
SETTINGS = EngineSettings(4096, 8)
DEVICE = Device("cuda", "a GPU", 24 * GIB, 20 * GIB)
SEEN = Observation(
    weights_bytes=10,
    kv_block_bytes=20,
    kv_block_tokens=16,
    activations_bytes=30,
    first_load_s=4.5,
    speed=Speed(0.05, 0.005, 0.001),
)


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    return Calibration(tmp_path)


def file_of(tmp_path: Path) -> Path:
    (path,) = (tmp_path / FOLDER).glob("*.json")
    return path


def test_what_was_seen_is_found_again(calibration: Calibration) -> None:
    assert calibration.find(CARD, SETTINGS, DEVICE) is None
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    assert calibration.find(CARD, SETTINGS, DEVICE) == SEEN


def test_newer_figures_replace_older_ones_and_the_others_stay(calibration: Calibration, tmp_path: Path) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    faster = Speed(0.04, 0.006, 0.001)
    calibration.remember(CARD, SETTINGS, DEVICE, Observation(weights_bytes=11, wake_1_s=0.2, speed=faster))
    assert calibration.find(CARD, SETTINGS, DEVICE) == replace(SEEN, weights_bytes=11, wake_1_s=0.2, speed=faster)
    file_of(tmp_path)


def test_another_context_shares_what_does_not_depend_on_it(calibration: Calibration) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    found = calibration.find(CARD, replace(SETTINGS, max_model_len=2048, max_num_seqs=64), DEVICE)
    assert found == replace(SEEN, activations_bytes=None, kv_block_bytes=None, kv_block_tokens=None)


@pytest.mark.parametrize(
    ("card", "settings", "device"),
    [
        (make_card("toy-2"), SETTINGS, DEVICE),
        (replace(CARD, parameters=5), SETTINGS, DEVICE),
        (CARD, replace(SETTINGS, dtype="float16"), DEVICE),
        (CARD, replace(SETTINGS, tensor_parallel_size=2), DEVICE),
        (CARD, replace(SETTINGS, enforce_eager=True), DEVICE),
        (CARD, SETTINGS, replace(DEVICE, name="another GPU")),
        (CARD, SETTINGS, replace(DEVICE, total_bytes=48 * GIB)),
        (CARD, SETTINGS, replace(DEVICE, cores=8)),
    ],
)
def test_another_engine_is_another_matter(
    calibration: Calibration, card: object, settings: EngineSettings, device: Device
) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    assert calibration.find(card, settings, device) is None  # type: ignore[arg-type]


def test_how_full_a_device_is_and_which_number_it_has_change_nothing(calibration: Calibration) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    other = replace(DEVICE, free_bytes=1, index=3, total_bytes=DEVICE.total_bytes - 2**20)
    assert calibration.find(CARD, SETTINGS, other) == SEEN


def damaged(calibration: Calibration) -> Observation | None:
    with pytest.warns(UserWarning, match="is damaged and ignored"):
        return calibration.find(CARD, SETTINGS, DEVICE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        "{}",
        '{"format": "2"}',
        '{"format": 2}',
        '{"format": 2, "key": null, "observation": {}}',
        '{"format": 2, "key": {}, "observation": {}}',
        "[" * 10_000,
        "\x00\xff",
    ],
)
def test_a_damaged_file_is_warned_of_ignored_and_written_anew(
    calibration: Calibration, tmp_path: Path, text: str
) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    file_of(tmp_path).write_text(text, "latin-1")
    assert damaged(calibration) is None
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    assert calibration.find(CARD, SETTINGS, DEVICE) == SEEN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights_bytes", -1),
        ("weights_bytes", 1.5),
        ("weights_bytes", "10"),
        ("weights_bytes", True),
        ("weights_bytes", 2**60),
        ("first_load_s", -0.1),
        ("first_load_s", 1e300),
        ("first_load_s", float("nan")),
        ("speed", {"step_s": 0.1, "row_s": -0.1, "prefill_s": 0.1}),
        ("speed", {"step_s": 0.1, "row_s": 0.1, "prefill_s": "0.1"}),
        ("speed", {"step_s": 0.1, "row_s": 0.1}),
        ("speed", {"step_s": 0.1, "row_s": 0.1, "prefill_s": 0.1, "rows": 1}),
        ("speed", [1.0]),
        ("speed", 1.0),
        ("decode_tokens_per_s", 1.0),
    ],
)
def test_a_figure_that_can_not_be_is_not_planned_with(
    calibration: Calibration, tmp_path: Path, name: str, value: object
) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    path = file_of(tmp_path)
    data = json.loads(path.read_text())
    data["observation"][name] = value
    path.write_text(json.dumps(data))
    assert damaged(calibration) is None


def test_a_folder_that_can_not_be_written_costs_the_memory_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file in its place")
    with pytest.warns(UserWarning, match="could not be remembered"):
        Calibration(tmp_path).remember(CARD, SETTINGS, DEVICE, SEEN)
    assert Calibration(tmp_path).find(CARD, SETTINGS, DEVICE) is None


def test_nothing_partial_is_left_behind(calibration: Calibration, tmp_path: Path) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    assert list((tmp_path / FOLDER).iterdir()) == [file_of(tmp_path)]


@pytest.mark.parametrize("version", [1, 3])
def test_a_file_of_another_version_is_left_aside_without_a_word(
    calibration: Calibration, tmp_path: Path, version: int
) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    file_of(tmp_path).write_text(json.dumps({"format": version, "observation": {"decode_tokens_per_s": {"1": 20.0}}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calibration.find(CARD, SETTINGS, DEVICE) is None


@given(st.binary(max_size=60))
def test_no_file_breaks_a_plan(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    home = tmp_path_factory.mktemp("home")
    calibration = Calibration(home)
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    file_of(home).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert calibration.find(CARD, SETTINGS, DEVICE) is None


def test_every_figure_comes_back(calibration: Calibration) -> None:
    values = {field.name: 3 if "bytes" in field.name else 2 for field in fields(Observation)}
    whole = Observation(**values | {"speed": Speed(0.1, 0.2, 0.3)})  # type: ignore[arg-type]
    calibration.remember(CARD, SETTINGS, DEVICE, whole)
    assert calibration.find(CARD, SETTINGS, DEVICE) == whole


def test_what_an_engine_says_of_itself_becomes_an_observation() -> None:
    info = EngineInfo("vllm", "cuda:0", "bfloat16", 4096, 8, 100, 16, 1000, 100_099, {}, {}, activation_bytes=7)
    seen = Observation(weights_bytes=1000, kv_block_bytes=1000, kv_block_tokens=16, activations_bytes=7)
    assert observe(info) == seen
    silent = EngineInfo("scripted", "cpu", "float32", 4096, 8, None, None, None, None, {}, {})
    assert observe(silent) == Observation()


def test_a_file_is_read_once_and_again_after_something_was_remembered(calibration: Calibration, tmp_path: Path) -> None:
    Calibration(tmp_path).remember(CARD, SETTINGS, DEVICE, SEEN)
    assert calibration.find(CARD, SETTINGS, DEVICE) == SEEN
    file_of(tmp_path).write_text("no longer what it was")
    assert calibration.find(CARD, SETTINGS, DEVICE) == SEEN
    calibration.remember(make_card("toy-2"), SETTINGS, DEVICE, SEEN)
    assert calibration.find(CARD, SETTINGS, DEVICE) == SEEN, "of another model"
    newer = Observation(weights_bytes=11)
    calibration.remember(CARD, SETTINGS, DEVICE, newer)
    assert calibration.find(CARD, SETTINGS, DEVICE) == newer


def test_a_damaged_file_is_warned_of_once(calibration: Calibration, tmp_path: Path) -> None:
    calibration.remember(CARD, SETTINGS, DEVICE, SEEN)
    file_of(tmp_path).write_text("{")
    assert damaged(calibration) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calibration.find(CARD, SETTINGS, DEVICE) is None


def test_blocks_that_are_others_than_computed_are_planned_with() -> None:
    shape = kv_shape(CARD, SETTINGS)
    rounded = Observation(kv_block_bytes=shape.block_bytes + shape.block_bytes // 100, kv_block_tokens=16)
    assert kv_shape(CARD, SETTINGS, rounded) == shape
    other = kv_shape(CARD, SETTINGS, Observation(kv_block_bytes=4 * shape.block_bytes, kv_block_tokens=32))
    assert (other.block_bytes, other.block_tokens) == (4 * shape.block_bytes, 32)
