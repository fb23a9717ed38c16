"""Is there room on the disk? Asked before anything is written, and answered with figures."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

from localtable.errors import LocaltableError, PlacementError, PrerequisiteError
from localtable.weights.progress import gigabytes

RESERVE_BYTES = 200_000_000
"""Left free on purpose: a disk filled to the last byte breaks other programs."""


def require_space(folder: Path, needs: Mapping[str, int], *, what: str) -> None:
    """Refuse to start what can't be finished.

    Args:
        folder: Where the bytes will go; it need not exist yet.
        needs: Bytes by what they are for.
        what: What is being fetched, for the message.

    Raises:
        PlacementError: Less is free than is needed.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    needed = sum(needs.values()) + RESERVE_BYTES
    free = shutil.disk_usage(existing).free
    if free < needed:
        listed = ", ".join(f"{gigabytes(size)} for {purpose}" for purpose, size in needs.items() if size)
        raise PlacementError(
            f"{what} needs {gigabytes(needed)} of free disk at {folder} ({listed}, {gigabytes(RESERVE_BYTES)} kept "
            f"free), and {gigabytes(free)} are free",
            hint=f"Free {gigabytes(needed - free)}, or set LOCALTABLE_HOME (for hub downloads HF_HOME) to a folder on "
            "a bigger disk.",
        )


def write_error(error: OSError, *, what: str) -> LocaltableError:
    """The error for a write that failed halfway: a full disk is told apart from the rest."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PlacementError(
            f"the disk is full: {what} stopped at {error.filename or 'a write'}",
            hint="Free some space and run the command again: it goes on where it stopped.",
        )
    return PrerequisiteError(
        f"{what} failed: {error.strerror or error}" + (f" ({error.filename})" if error.filename else ""),
        hint="Check that LOCALTABLE_HOME is a folder that you may write to.",
    )
