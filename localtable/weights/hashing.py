"""SHA-256 sums of files, and the one sum that stands for a whole model.

What a debate ran on is named by content: two folders with the same files have the same `weights_hash`, wherever the
files came from. Transcripts and request keys carry it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileSum:
    """One file of a model."""

    name: str
    size_bytes: int
    sha256: str
    """64 hexadecimal digits."""


def sha256_of(path: Path, *, advance: Callable[[int], None] | None = None) -> str:
    """The file's SHA-256; `advance` hears how many bytes each step read."""
    digest = hashlib.sha256()
    feed(digest, path, 0, None, advance)
    return digest.hexdigest()


def feed(
    digest: hashlib._Hash,
    path: Path,
    start: int,
    end: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Feed the bytes from `start` up to `end` (the file's end by default) to a sum under way."""
    with path.open("rb") as file:
        file.seek(start)
        left = end - start if end is not None else None
        while chunk := file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
            digest.update(chunk)
            if left is not None:
                left -= len(chunk)
            if advance is not None:
                advance(len(chunk))


def weights_hash(files: Iterable[FileSum]) -> str:
    """`sha256:` and the sum over the sorted lines `<sha256>  <name>`, as `sha256sum * | sort | sha256sum` prints it."""
    lines = sorted(f"{file.sha256}  {file.name}\n" for file in files)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
