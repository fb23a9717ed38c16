"""Files that are written piece by piece, and are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from localtable.errors import PrerequisiteError


class WholeFile:
    """A file that is there whole, or as it was before.

    Raises:
        PrerequisiteError: On entering, writing and leaving: the place can't be written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link stays a link
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.writing")

    def __enter__(self) -> WholeFile:
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise self._unwritable(error) from None
        return self

    def write(self, content: bytes) -> None:
        """Add to what will be there."""
        try:
            self._file.write(content)
        except OSError as error:
            raise self._unwritable(error) from None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            if kind is None:
                self._partial.replace(self._path)
        except OSError as problem:
            if kind is None:  # an error that is on its way already says more
                raise self._unwritable(problem) from None
        finally:
            self._partial.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> PrerequisiteError:
        return PrerequisiteError(
            f"{self._path} can't be written: {error.strerror}", hint="Name another file, or make room."
        )
