"""Debates that were held on this machine, each a transcript's file: kept unless somebody says otherwise.

A debate is minutes of work, and often nobody thought of `--json` before it turned out to be worth keeping. A suite
needs none of this: it has its store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localtable.errors import ConfigError
from localtable.loading import nearest
from localtable.places import home
from localtable.transcript import dump
from localtable.whole_file import write_text

SWITCH = "LOCALTABLE_HISTORY"
OFF = ("off", "0", "no", "false")
LAST = "last"


@dataclass(frozen=True, slots=True)
class Kept:
    """A debate that is here."""

    name: str
    """The UTC time at which it was kept: to the second, and how much of that had passed in four hexadecimal digits."""
    path: Path
    size_bytes: int
    """With its page, where one was written."""

    @property
    def page(self) -> Path:
        """Where `localtable open` writes its page."""
        return self.path.with_suffix(".html")


def folder() -> Path:
    """Where they lie."""
    return home() / "history"


def is_on() -> bool:
    """Whether debates are kept: `LOCALTABLE_HISTORY=off` says no."""
    return os.environ.get(SWITCH, "").strip().lower() not in OFF


def keep(data: Mapping[str, Any]) -> Path:
    """Keep a transcript.

    Raises:
        ConfigError: The folder can't be made.
        PrerequisiteError: The place can't be written, or the disk is full.
    """
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{place} can't be made: {error.strerror}", hint=f"{SWITCH}=off keeps nothing; LOCALTABLE_HOME moves it."
        ) from None
    while (path := place / f"{_name(datetime.now(UTC))}.json").exists():
        pass  # 15 microseconds later it is another one
    write_text(path, dump(data))
    return path


def _name(now: datetime) -> str:
    """Names are in the order of time, within a second too: the last one is what `last` means."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 0x10000 // 1_000_000:04x}"


def kept() -> list[Kept]:
    """All of them, the latest first."""
    found = []
    for path in sorted(folder().glob("*.json"), reverse=True):
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # cleared meanwhile
            continue
        with suppress(FileNotFoundError):
            size += path.with_suffix(".html").stat().st_size
        found.append(Kept(path.stem, path, size))
    return found


def find(name: str) -> Kept:
    """One by its name, by an unambiguous beginning of it, or the latest as `last`.

    Raises:
        ConfigError: There is none, or several begin so.
    """
    all_kept = kept()
    if not all_kept:
        raise ConfigError("no debate has been kept yet", hint="`localtable debate` keeps each, unless switched off.")
    if name == LAST:
        return all_kept[0]
    found = [one for one in all_kept if one.name == name] or [one for one in all_kept if one.name.startswith(name)]
    if len(found) == 1 and name:
        return found[0]
    if not found:
        raise ConfigError(
            f"no kept debate is called {name!r}", hint=nearest(name, [one.name for one in all_kept], kind="debates")
        )
    raise ConfigError(f"{len(found)} kept debates begin with {name!r}", hint="`localtable history` has whole names.")


def clear(leave: int) -> list[Kept]:
    """Remove all but the latest ones; gives what was removed.

    Raises:
        ConfigError: One can't be removed.
    """
    removed = kept()[leave:]
    for one in removed:
        try:
            one.page.unlink(missing_ok=True)
            one.path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"{one.path} can't be removed: {error.strerror}", hint="Check its permissions.") from None
    return removed
