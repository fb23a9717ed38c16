"""Downloads that are cut, killed, lied to or refused."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from localtable.errors import PrerequisiteError
from localtable.weights.download import Link, download
from localtable.weights.source import SourceUnavailableError
from tests.weights.conftest import Loopback

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(server: Loopback, target: Path, sha256: str | None = SHA256) -> int:
    """Download `/big`; gives the bytes that the progress heard of."""
    heard: list[int] = []
    with httpx.Client(timeout=5) as client:
        link = Link(f"{server.base}/big", "big", sha256)
        download(client, link, target, advance=heard.append, is_unwanted=lambda: False)
    return sum(heard)


def test_whole_file_arrives_and_progress_adds_up(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    assert fetch(server, tmp_path / "big") == len(CONTENT)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [tmp_path / "big"]


def test_cut_connections_are_continued_where_they_broke(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    server.cut_after["/big"] = [1_000_000, 700_000]
    assert fetch(server, tmp_path / "big") == len(CONTENT)
    assert (tmp_path / "big").read_bytes() == CONTENT
    asked = server.downloads("/big")
    assert asked[0] is None
    starts = [int(given.removeprefix("bytes=").removesuffix("-")) for given in asked[1:] if given]
    assert len(starts) == 2
    assert 0 < starts[0] <= 1_000_000 < starts[1] <= 1_700_000


def test_server_without_ranges_sends_all_again(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    server.knows_ranges = False
    (tmp_path / "big.part").write_bytes(CONTENT[:1_234_567])
    assert fetch(server, tmp_path / "big") == len(CONTENT)
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_part_longer_than_the_file_is_thrown_away(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    (tmp_path / "big.part").write_bytes(b"x" * (len(CONTENT) + 5))
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_complete_part_needs_no_request(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "big.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "big")
    assert server.asked == []
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_wrong_bytes_are_an_error_and_never_kept(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(PrerequisiteError, match=SHA256) as caught:
        fetch(server, tmp_path / "big")
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []
    server.files["/big"] = CONTENT
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_stale_part_of_another_file_is_caught_by_the_sum(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    (tmp_path / "big.part").write_bytes(b"y" * 1000)
    with pytest.raises(PrerequisiteError):
        fetch(server, tmp_path / "big")
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404])
def test_refusal_is_no_reason_to_try_again(server: Loopback, tmp_path: Path, status: int) -> None:
    server.status["/big"] = (status, {})
    started = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=str(status)):
        fetch(server, tmp_path / "big")
    assert time.monotonic() - started < 1


def test_server_that_always_breaks_off_is_given_up(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    server.status["/big"] = (503, {})
    with pytest.raises(SourceUnavailableError, match="503"):
        fetch(server, tmp_path / "big")


def test_download_nobody_waits_for_stops(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    link = Link(f"{server.base}/big", "big", SHA256)
    with httpx.Client() as client, pytest.raises(SourceUnavailableError, match="no longer wanted"):
        download(client, link, tmp_path / "big", advance=lambda _: None, is_unwanted=lambda: True)


KILLED = """
import sys, httpx
from pathlib import Path
from localtable.weights.download import Link, download
with httpx.Client(timeout=5) as client:
    link = Link(sys.argv[1], "big", sys.argv[2])
    download(client, link, Path(sys.argv[3]), advance=lambda n: print(n, flush=True), is_unwanted=lambda: False)
"""


def test_killed_process_leaves_a_part_that_is_continued(server: Loopback, tmp_path: Path) -> None:
    server.files["/big"] = CONTENT
    server.pause_s = 0.1
    target = tmp_path / "big"
    command = [sys.executable, "-c", KILLED, f"{server.base}/big", SHA256, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        done = 0
        for line in process.stdout:
            done += int(line)
            if done > 1_000_000:
                break
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    left = target.with_name("big.part").stat().st_size
    assert 1_000_000 < left < len(CONTENT)
    server.pause_s = 0.0
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.downloads("/big")[-1] == f"bytes={left}-"
