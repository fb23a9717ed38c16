"""What the store remembers of a source once it was fetched: where its files lie and what their sums are.

A record is what makes looking up cheap: sizes and times of change are compared, nothing big is read.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localtable.weights.folder import model_file_names
from localtable.weights.hashing import FileSum, weights_hash

VERSION = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file that isn't the store's own, as it was when it was summed."""

    path: str
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        found = path.stat()
        return cls(str(path), found.st_size, found.st_mtime_ns)

    def holds(self) -> bool:
        """Whether size and time of change are still the same."""
        try:
            return Stamp.of(Path(self.path)) == self
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Record:
    """A fetched source."""

    source: str
    """In words."""
    folder: str
    """Relative to the store where the files are the store's own, else absolute."""
    files: tuple[FileSum, ...]
    stamps: tuple[Stamp, ...] = ()
    """Of every file that the store doesn't own: those in a user's folder, or the GGUF that was converted."""
    commit: str | None = None
    """The hub's commit."""

    @property
    def weights_hash(self) -> str:
        """The sum that stands for all files."""
        return weights_hash(self.files)

    @property
    def is_owned(self) -> bool:
        """Whether the files are the store's own."""
        return not Path(self.folder).is_absolute()

    def path(self, root: Path) -> Path:
        """The folder with the files."""
        return root / self.folder

    def is_intact(self, root: Path) -> bool:
        """Whether all files are there as they were, by size and time; sums are `verify`'s."""
        folder = self.path(root)
        try:
            if model_file_names(folder) != [file.name for file in self.files]:
                return False
            sizes = [(folder / file.name).stat().st_size for file in self.files]
        except OSError:
            return False
        # A GGUF may go once it is converted; it may not change.
        unchanged = all(stamp.holds() or (self.is_owned and not Path(stamp.path).exists()) for stamp in self.stamps)
        return unchanged and sizes == [file.size_bytes for file in self.files]


def read_record(path: Path) -> Record | None:
    """The record in `path`; None where there is none, or one that this version can't read."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("version") != VERSION:
            return None
        data["files"] = tuple(FileSum(**file) for file in data["files"])
        data["stamps"] = tuple(Stamp(**stamp) for stamp in data["stamps"])
        return Record(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"version": VERSION, **asdict(record)}, indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)
