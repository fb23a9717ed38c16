"""Where the figures of a store go that a command is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from localtable.errors import ConfigError

STDOUT = "-"


def require_apart(out: Path, store: Path, option: str) -> None:
    """Refuse to write into a store what is read from it, however either is spelt.

    Raises:
        ConfigError: The file is the store's own.
    """
    place, taken = out.resolve(), store.resolve()
    if place in (taken, *(taken.with_name(f"{taken.name}{suffix}") for suffix in ("-wal", "-shm", ".lock"))):
        raise ConfigError(f"{out} is the store itself, or belongs to it", hint=f"Name another {option}.")


def json_output(text: str | None, store: Path) -> Path | None:
    """The file of `--json`; None for stdout, and where nobody asked for one.

    Raises:
        ConfigError: It can't be written, or is the store's own.
    """
    from localtable.loading import path_from
    from localtable.whole_file import require_writable

    if text in (None, STDOUT):
        return None
    assert text is not None
    out = path_from(text, Path.cwd())
    require_apart(out, store, "--json")
    require_writable(out)
    return out


def write_json(out: Path | None, data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write figures to a file, whole or not at all, or to stdout."""
    from localtable.whole_file import write_text

    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    if out is None:
        click.echo(text)
    else:
        write_text(out, f"{text}\n")
