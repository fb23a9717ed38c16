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
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    knows_ranges: bool = True
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    """By path: how many bytes each of the next answers sends before it breaks off."""
    status: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """By path: an error, and its headers."""
    pause_s: float = 0.0
    """Between pieces of 64 kB."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of every request for a file that is there."""
    base: str = ""

    def downloads(self, name: str) -> list[str | None]:
        return [given for path, given in self.asked if path.endswith(name)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Loopback

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, state = self.path.partition("?")[0], self.state
        if path in state.status or path not in state.files:
            status, headers = state.status.get(path, (404, {}))
            self._head(status, 0, headers)
            return
        wanted = self.headers.get("Range")
        if self.command == "GET":
            state.asked.append((path, wanted))
        content = state.files[path]
        start, end = 0, len(content)
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "") if state.knows_ranges else None
        if ranged:
            start, end = int(ranged[1]), min(end, int(ranged[2]) + 1 if ranged[2] else end)
        if start >= len(content) > 0:
            self._head(416, 0, {})
            return
        span = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"} if ranged else {}
        self._head(206 if ranged else 200, end - start, span | state.headers.get(path, {}))
        if self.command == "GET":
            self._send(content[start:end], state.cut_after.get(path))

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, cuts: list[int] | None) -> None:
        limit = cuts.pop(0) if cuts else len(content)
        for at in range(0, min(limit, len(content)), 65536):
            self.wfile.write(content[at : min(at + 65536, limit)])
            time.sleep(self.state.pause_s)
        if limit < len(content):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Loopback()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is part of the tests."""

    running = Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
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
        self.server.headers[f"/simple/{package}/"] = {"Content-Type": "text/html"}
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
