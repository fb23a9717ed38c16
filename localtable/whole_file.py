"""Files that are written whole or not at all, and places that are tried before anything heavy begins."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from localtable.errors import ConfigError, PrerequisiteError


class WholeFile:
    """A file that is there whole, or as it was before.

    Raises:
        PrerequisiteError: On entering, writing and leaving: the place can't be written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link stays a link
        self._partial = _partial(self._path)

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


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        PrerequisiteError: The place can't be written, or the disk is full.
    """
    with WholeFile(path) as file:
        file.write(text.encode())


def require_writable(path: Path) -> None:
    """Find out before anything loads whether a result can be written.

    Raises:
        ConfigError: The folder is missing or not writable, or the path is a folder or a device.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder, not a file", hint="Name a file.")
        if path.exists() and not path.is_file():
            # Writing whole or not at all ends in a rename, which would put a file in the device's place.
            raise ConfigError(f"{path} is no regular file", hint="Name a file.")
        path = path.resolve()
        if not path.parent.is_dir():
            raise ConfigError(
                f"{path} can't be written: the folder {path.parent} does not exist", hint="Make it first."
            )
        probe = _partial(path)
        probe.touch()
        probe.unlink()
        if path.exists():
            path.open("a").close()
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", hint="Name another file.") from None


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.writing")
