"""Which files of a folder or of a repository on the hub hold the rows that are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from localtable.errors import ConfigError
from localtable.loading import path_from

KINDS = ((".parquet",), (".jsonl", ".ndjson"), (".csv",), (".json",))
"""By suffix. A folder is read for the first kind that it holds: JSON beside Parquet is about the data, not data."""

SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind)
SPLITS = frozenset({"train", "test", "validation", "val", "dev"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that rows are read from."""

    path: Path
    name: str
    """Within its folder or repository: what is written down about it."""
    label: str
    """How messages name it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a suite's rows come from."""

    files: tuple[SourceFile, ...]
    config: str | None = None
    split: str | None = None
    repo: str | None = None
    revision: str | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Every split that the names of the files speak of."""
        return tuple(sorted(SPLITS & {word for file in self.files for word in _words(file.name)}))


def select(names: Sequence[str], where: str, *, config: str | None, split: str | None) -> list[str]:
    """The names, sorted, of the files that hold a configuration's and a split's rows.

    Args:
        names: Paths within a folder or a repository, with `/`.
        where: What holds them, for messages.
        config: A folder or the beginning of a file's name; None for all of them.
        split: A folder or a word of a file's name; None for all of them.

    Raises:
        ConfigError: There is no such file.
    """
    shown = [name for name in sorted(names) if not any(part.startswith(".") for part in PurePosixPath(name).parts)]
    for kind in KINDS:
        found = [name for name in shown if PurePosixPath(name).suffix.lower() in kind]
        if found:
            break
    else:
        raise ConfigError(f"{where} holds no {', '.join(SUFFIXES)} file", hint="Name the files themselves.")
    fitting = [
        name
        for name in found
        if (config is None or _is_of_config(name, config)) and (split is None or split.casefold() in _words(name))
    ]
    if not fitting:
        asked = " and ".join(f"{key} {value!r}" for key, value in (("config", config), ("split", split)) if value)
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise ConfigError(
            f"{where} holds no file of {asked}; it holds {', '.join(found[:8])}{more}",
            hint="Choose by --config and --split, which are words of the files' names.",
        )
    return fitting


def _is_of_config(name: str, config: str) -> bool:
    path = PurePosixPath(name)
    return config in path.parts[:-1] or path.stem == config or path.stem.startswith((f"{config}-", f"{config}_"))


def _words(name: str) -> set[str]:
    path = PurePosixPath(name)
    return {word.casefold() for word in (*path.parts[:-1], *re.split(r"[-_.]", path.stem))}


def local_source(texts: Sequence[str], *, config: str | None, split: str | None) -> Source:
    """Files and folders as the user named them, each folder's files in the order of their names.

    Raises:
        ConfigError: Something is missing, is of no known kind, or doesn't hold what is asked for.
    """
    files: dict[Path, SourceFile] = {}
    for text in texts:
        path = path_from(text, Path.cwd())
        if not path.exists():
            raise ConfigError(
                f"{path} does not exist", hint="Check the path; the word `hub` alone downloads the dataset."
            )
        root, names = (path, _names_in(path)) if path.is_dir() else (path.parent, [_checked_name(path)])
        for name in select(names, str(path), config=config, split=split):
            files.setdefault(root / name, SourceFile(root / name, name, str(root / name)))
    return Source(tuple(files.values()), config, split)


def _names_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def _checked_name(path: Path) -> str:
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"{path} has the suffix {path.suffix!r}, which is none that is read", hint=f"Known: {', '.join(SUFFIXES)}."
        )
    return path.name
