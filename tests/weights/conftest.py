"""A loopback server that misbehaves on demand, a package index on it, and tiny models."""

from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localtable.types import Architecture, Card, Source


@dataclass
class Loopback:
    """What the server has, how it behaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    knows_ranges: bool = True
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    """By path: how many bytes each of the next answers sends before it breaks off."""
    status: dict[str, int] = field(default_factory=dict)
    pause_s: float = 0.0
    """Between pieces of 64 kB."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of every request for a file that is there."""
    base: str = ""

    def downloads(self, name: str) -> list[str | None]:
        return [given for path, given in self.asked if path.endswith(name)]


def _handler(state: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in state.status:
                self.send_error(state.status[path])
                return
            if path not in state.files:
                self.send_error(404)
                return
            wanted = self.headers.get("Range")
            state.asked.append((path, wanted))
            content = state.files[path]
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.knows_ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Type", state.types.get(path, "application/octet-stream"))
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self._send(content[start:], state.cut_after.get(path))

        def _send(self, content: bytes, cuts: list[int] | None) -> None:
            limit = cuts.pop(0) if cuts else len(content)
            for at in range(0, min(limit, len(content)), 65536):
                self.wfile.write(content[at : min(at + 65536, limit)])
                time.sleep(state.pause_s)
            if limit < len(content):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Loopback()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is part of the tests."""

    running = Server(("127.0.0.1", 0), _handler(state))
    state.base = f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    running.shutdown()
    running.server_close()


class Index:
    """A package index whose wheels hold what a test puts into them."""

    def __init__(self, server: Loopback) -> None:
        self.server = server

    def add(self, package: str, members: dict[str, bytes], *, version: str = "1.0") -> bytes:
        return self.add_raw(package, _wheel(package, version, members), version=version)

    def add_raw(self, package: str, wheel: bytes, *, version: str = "1.0", suffix: str = "-py3-none-any.whl") -> bytes:
        stem = f"{package.replace('-', '_')}-{version}"
        name = stem + suffix
        self.server.files[f"/files/{name}"] = wheel
        metadata = _metadata(package, version).encode()
        self.server.files[f"/files/{name}.metadata"] = metadata
        page = (
            f'<!DOCTYPE html><html><body><a href="{self.server.base}/files/{name}#sha256={_sum(wheel)}" '
            f'data-core-metadata="sha256={_sum(metadata)}">{name}</a></body></html>'
        )
        self.server.files[f"/simple/{package}/"] = page.encode()
        self.server.types[f"/simple/{package}/"] = "text/html"
        return wheel


@pytest.fixture
def index(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Index:
    """pip, in this process's children, sees this index and no other."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.base}/simple/")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return Index(server)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _metadata(package: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"


def _wheel(package: str, version: str, members: dict[str, bytes]) -> bytes:
    info = f"{package.replace('-', '_')}-{version}.dist-info"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", _metadata(package, version))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return out.getvalue()


def make_card(*sources: Source, card_id: str = "tiny", parameters: int = 100_000) -> Card:
    return Card(
        id=card_id,
        name="Tiny",
        publisher="nobody",
        license="Apache-2.0",
        parameters=parameters,
        active_parameters=parameters,
        context_length=256,
        dtype="bfloat16",
        architecture=Architecture("llama", 2, 64, 128, 4, 2, 16, 300, True),
        sources=sources,
    )


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    """A folder in Hugging Face form, as small as one can be."""
    import json

    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "their-model"
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
