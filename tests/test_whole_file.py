"""Files on disk: whole or as they were, and places that can't be written told apart beforehand."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest
from builders import refused

from localtable.errors import ConfigError, PrerequisiteError
from localtable.whole_file import require_writable, write_text


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_text(path, "one\n")
    write_text(path, "zwei ü\n")
    assert path.read_bytes() == "zwei ü\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_text(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(PrerequisiteError) as caught:
            write_text(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 3
    assert "can't be written: File too large" in caught.value.message
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing/out.json", "x" * 300])
def test_a_place_that_can_not_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(PrerequisiteError, match="can't be written"):
        write_text(tmp_path / name, "x")
    assert list(tmp_path.iterdir()) == []


def test_whether_a_file_can_be_written_is_found_out_without_writing_it(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    for path in (old, tmp_path / "new.json"):
        require_writable(path)
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


def test_what_can_not_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {
        tmp_path: "is a folder",
        tmp_path / "missing/out.json": "the folder",
        tmp_path / ("x" * 300): "File name too long",
        Path("/dev/null"): "is no regular file",
        Path("/proc/out.json"): "can't be written",
    }
    for path, said in cases.items():
        assert said in refused(require_writable, path).message


def test_a_device_is_never_replaced_by_a_file() -> None:
    with pytest.raises(ConfigError):
        require_writable(Path("/dev/null"))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
