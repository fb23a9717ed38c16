"""The hub's client on a loopback hub: what is fetched, what is pinned, how it fails."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localtable.config import load_card
from localtable.types import HubSource
from localtable.weights.hub import reaching
from localtable.weights.source import SourceUnavailableError
from tests.weights.conftest import Loopback

REPO = "someone/Tiny-Model"
SCRIPT = """
import json, sys
from pathlib import Path
from localtable.errors import LocaltableError
from localtable.types import HubSource
from localtable.weights import WeightStore
from tests.weights.conftest import make_card
said = []
try:
    files = WeightStore(Path(sys.argv[1])).fetch(make_card(HubSource("someone/Tiny-Model")), say=said.append)
    answer = {"folder": str(files.folder), "hash": files.weights_hash, "names": [file.name for file in files.files]}
except LocaltableError as error:
    answer = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
print(json.dumps(answer | {"said": said}))
"""


class Hub:
    """One repository with one commit, served as the hub serves it."""

    def __init__(self, server: Loopback, folder: Path, cache: Path) -> None:
        self.server, self.cache = server, cache
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files |= {"pytorch_model.bin": b"pickle", "modeling.py": b"evil", "onnx/model.safetensors": b"other"}
        self.publish("1" * 40)

    def publish(self, commit: str, *, announced: dict[str, str] | None = None) -> None:
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()} | (announced or {})
        siblings, tree = [], []
        for name, content in self.files.items():
            lfs = {"sha256": sums[name], "size": len(content), "pointerSize": 130}
            is_lfs = name.endswith((".safetensors", ".bin"))
            siblings.append(
                {"rfilename": name, "size": len(content), "blobId": sums[name][:40]} | ({"lfs": lfs} if is_lfs else {})
            )
            oid = {"type": "file", "path": name, "size": len(content), "oid": sums[name][:40]}
            tree.append(
                oid | ({"lfs": {"oid": sums[name], "size": len(content), "pointerSize": 130}} if is_lfs else {})
            )
            path = f"/{REPO}/resolve/{commit}/{name}"
            self.server.files[path] = content
            self.server.headers[path] = {"X-Repo-Commit": commit, "ETag": f'"{sums[name]}"'}
        info = {"id": REPO, "sha": commit, "siblings": siblings, "cardData": {"license": "apache-2.0"}}
        for path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/{commit}"):
            self.server.files[path] = json.dumps(info).encode()
        self.server.files[f"/api/models/{REPO}/tree/{commit}"] = json.dumps(tree).encode()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_ENDPOINT": self.server.base, "HF_HOME": str(self.cache), "HF_HUB_DISABLE_XET": "1"}
        return kept | own

    def fetch(self, root: Path) -> dict[str, Any]:
        command = [sys.executable, "-c", SCRIPT, str(root)]
        cwd = Path(__file__).parents[2]
        run = subprocess.run(command, capture_output=True, text=True, env=self.environment(), cwd=cwd, check=False)
        assert run.returncode == 0, run.stderr
        answer: dict[str, Any] = json.loads(run.stdout)
        return answer

    def forget(self) -> None:
        shutil.rmtree(self.cache)


@pytest.fixture
def hub(server: Loopback, hf_folder: Path, tmp_path: Path) -> Hub:
    return Hub(server, hf_folder, tmp_path / "hf")


def test_only_what_is_wanted_is_fetched_into_the_hubs_own_cache(hub: Hub, tmp_path: Path) -> None:
    answer = hub.fetch(tmp_path / "store")
    assert answer["names"] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert Path(answer["folder"]).is_relative_to(hub.cache)
    asked = {path.rsplit("/", 1)[-1] for path, _ in hub.server.asked if "/resolve/" in path}
    assert asked == {"config.json", "model.safetensors", "tokenizer.json"}
    assert not (tmp_path / "store" / "models").exists(), "no second copy"
    hub.server.asked.clear()
    assert hub.fetch(tmp_path / "store") == answer
    assert hub.server.asked == []


def test_first_fetch_pins_the_commit_and_the_sums(hub: Hub, tmp_path: Path) -> None:
    first = hub.fetch(tmp_path / "store")
    config = hub.files["config.json"]
    hub.files["config.json"] = config + b"\n"
    hub.publish("2" * 40)  # main has moved on
    hub.forget()
    again = hub.fetch(tmp_path / "store")
    assert (again["hash"], Path(again["folder"]).name) == (first["hash"], "1" * 40)
    hub.publish("1" * 40)  # someone rewrote history
    hub.forget()
    refused = hub.fetch(tmp_path / "store")
    assert "differs from what was recorded at its first fetch: config.json" in refused["error"]
    assert refused["exit_code"] == 3


def test_file_that_the_hub_did_not_announce_is_removed(hub: Hub, tmp_path: Path) -> None:
    hub.publish("1" * 40, announced={"model.safetensors": "a" * 64})
    answer = hub.fetch(tmp_path / "store")
    assert f"the hub announces {'a' * 64}" in answer["error"]
    assert not list(hub.cache.rglob("model.safetensors"))
    hub.publish("1" * 40)
    shutil.rmtree(hub.cache / "hub" / "models--someone--Tiny-Model" / "trees", ignore_errors=True)
    assert "hash" in hub.fetch(tmp_path / "store")


def test_cache_serves_where_the_hub_does_not(hub: Hub, tmp_path: Path) -> None:
    first = hub.fetch(tmp_path / "store")
    refs = Path(first["folder"]).parents[1] / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text("1" * 40)  # as any other program that fetched `main` leaves it
    hub.server.files = {}
    hub.server.status[f"/api/models/{REPO}"] = (503, {})
    answer = hub.fetch(tmp_path / "another-store")
    assert answer["hash"] == first["hash"]
    assert len(answer["said"]) == 1
    assert answer["said"][0].endswith("the hub's cache on this machine has it")


def test_code_in_a_repository_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files["config.json"] = b'{"auto_map": {"AutoModel": "modeling.Evil"}}'
    hub.publish("1" * 40)
    answer = hub.fetch(tmp_path / "store")
    assert "auto_map" in answer["error"]
    assert answer["exit_code"] == 2


def test_gated_model_names_the_licence_page_and_the_token(hub: Hub, tmp_path: Path) -> None:
    for path in list(hub.server.files):
        if "/resolve/" in path:
            hub.server.status[path] = (403, {"X-Error-Code": "GatedRepo"})
    answer = hub.fetch(tmp_path / "store")
    assert f"{REPO} is gated" in answer["error"]
    assert f"https://huggingface.co/{REPO}" in answer["hint"]
    assert "HF_TOKEN" in answer["hint"]
    assert answer["exit_code"] == 3


def test_card_is_made_without_fetching_weights(hub: Hub, tmp_path: Path) -> None:
    from safetensors.numpy import save

    hub.files["model.safetensors"] = save({"model.embed_tokens.weight": np.zeros((1000, 800), np.float32)})
    hub.publish("1" * 40)
    environment = hub.environment() | {"LOCALTABLE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "localtable.cli.main", "models", "add", f"hub:{REPO}"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    card = load_card(str(tmp_path / "home" / "cards" / "tiny-model.yaml"))
    assert card.parameters == 800_000
    assert (card.publisher, card.license, card.name) == ("someone", "apache-2.0", "Tiny-Model")
    assert card.sources == (HubSource(REPO, "1" * 40),), "the commit that the figures were read at"
    ranges = [given for path, given in hub.server.asked if path.endswith("model.safetensors")]
    assert ranges
    assert all(ranges), "the header only"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GatedRepoError", "is gated"),
        ("RepositoryNotFoundError", "shows no model"),
        ("RevisionNotFoundError", "no such revision"),
        ("HfHubHTTPError", "can't be reached"),
    ],
)
def test_every_refusal_becomes_a_reason(name: str, said: str) -> None:
    import httpx2
    from huggingface_hub import errors

    response = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co/api/models/a/b"))
    error = getattr(errors, name)("refused", response=response)

    def ask() -> None:
        raise error

    with pytest.raises(SourceUnavailableError, match=said):
        reaching("a/b", ask)


def test_hub_that_does_not_answer_is_given_up_in_seconds(hub: Hub, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hub.server.base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        answer = hub.fetch(tmp_path / "store")
    assert "the hub can't be reached" in answer["error"]
    assert time.monotonic() - started < 15
