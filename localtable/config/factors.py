"""The factors of a sweep: what each of their levels says of the panel.

A factor that is a key of the panel (`rounds`, `visibility.names`, `seats.Ada.persona`) has that key's values for its
levels. `panel` has panels. Any other name is the user's own, and its levels are patches of the panel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtable.config.panel import PanelFile, SeatFile
from localtable.config.patching import with_absolute_paths
from localtable.errors import ConfigError
from localtable.loading import dotted_keys, nearest, path_from, read_mapping

PANEL = "panel"
MAX_LEVEL = 40
"""Characters of a level's name; variants are called by the names of all their levels."""
MAX_FACTOR = 80
NAME = re.compile(r"[^\s,=/:]([^,=/:]*[^\s,=/:])?")
"""What joins names of levels to that of a condition is not in them."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a factor."""

    written: Any
    """As the file has it."""
    patch: Mapping[str, Any]
    """Of the panel, with absolute paths."""
    panel: Mapping[str, Any] | None = None
    """A panel to begin with; None: the sweep's own."""


@dataclass(frozen=True, slots=True)
class Factor:
    """What a sweep varies."""

    name: str
    levels: Mapping[str, Level]


def read_factor(name: str, data: Any, where: str, base: Path) -> Factor:
    """One entry of `factors`.

    Args:
        name: Of the factor.
        data: A list of values, or levels by name.
        where: What to call the file in an error.
        base: Folder that relative paths are read from.

    Raises:
        ConfigError: There is no such key of the panel, it can't be swept, or a level can't be what it is.
    """
    _require_name(name, MAX_FACTOR, f"{where}: the factor", "It is a dotted key of the panel, or a name of your own.")
    path = _path_of(name)
    if path is None and name != PANEL and (isinstance(data, list) or "." in name):
        raise ConfigError(
            f"{where}: unknown factor {name!r}: the panel has no such key",
            hint=nearest(name, known_keys(), kind="keys") + " A name of your own has levels that are patches.",
        )
    if path is not None and path[0] == "engine":
        raise ConfigError(
            f"{where}: the factor {name!r} can't be swept: an engine is loaded once for all variants of a run",
            hint="Hold a run for each, and compare the stores.",
        )
    written = _named(name, data, where)
    if len(written) < 2:
        raise ConfigError(
            f"{where}: the factor {name!r} has {len(written) or 'no'} level{'s' * (len(written) != 1)}; two or more "
            "make a comparison",
            hint="Add a level, or say it in the panel.",
        )
    return Factor(name, {level: _level(name, level, value, path, where, base) for level, value in written.items()})


def known_keys() -> list[str]:
    """The keys of a panel that a factor may be, seats apart."""
    return [key for key in dotted_keys(PanelFile) if key.partition(".")[0] not in ("engine", "seats", "name")]


def _path_of(name: str) -> tuple[str, ...] | None:
    """A factor that is a key of the panel, part by part; None for another name."""
    first, dot, rest = name.partition(".")
    if first == "engine" or (name in dotted_keys(PanelFile) and (first != "seats" or not dot)):
        return tuple(name.split("."))
    if first != "seats":
        return None
    # A seat's name may have dots itself; what stands behind it is a key of a seat.
    parts, keys = rest.split("."), dotted_keys(SeatFile)
    for place in range(1, len(parts)):
        if ".".join(parts[place:]) in keys:
            return ("seats", ".".join(parts[:place]), *parts[place:])
    return None


def _named(name: str, data: Any, where: str) -> dict[str, Any]:
    """The levels by their names; values in a list go by themselves, and panels by their files."""
    if isinstance(data, dict):
        levels = {str(level): value for level, value in data.items()}
    elif isinstance(data, list):
        levels = {}
        for value in data:
            level = Path(value).stem if name == PANEL and isinstance(value, str) else value
            if not isinstance(level, str):
                raise ConfigError(
                    f"{where}: a level of {name!r} is no single value, so it has no name of its own",
                    hint=f"Name the levels: `{name}: {{NAME: VALUE, …}}`.",
                )
            if level in levels:
                raise ConfigError(
                    f"{where}: the level {level!r} of {name!r} stands twice", hint="Leave one out, or name the levels."
                )
            levels[level] = value
    else:
        raise ConfigError(
            f"{where}: the factor {name!r} has neither a list of values nor named levels",
            hint=f"Write `{name}: [VALUE, …]` or `{name}: {{NAME: VALUE, …}}`.",
        )
    for level in levels:
        _require_name(level, MAX_LEVEL, f"{where}: the level of {name!r},", f"Name it: `{name}: {{NAME: VALUE, …}}`.")
    return levels


def _require_name(name: str, limit: int, what: str, hint: str) -> None:
    if len(name) > limit or not name.isprintable() or not NAME.fullmatch(name):
        shown = name if len(name) <= limit else f"{name[:limit]}…"
        raise ConfigError(
            f"{what} {shown!r} can't be part of a condition's name, which has up to {limit} characters for it, and "
            "none of , = / :",
            hint=hint,
        )


def _level(factor: str, name: str, value: Any, path: tuple[str, ...] | None, where: str, base: Path) -> Level:
    place = f"{where}: the level {name!r} of {factor!r}"
    if factor == PANEL:
        return Level(value, {}, read_panel_data(value, place, base))
    if path is not None:
        patch: Any = value
        for part in reversed(path):
            patch = {part: patch}
    elif isinstance(value, dict):
        patch = value
    else:
        raise ConfigError(
            f"{place} is no patch of the panel",
            hint=f"Write keys of a panel and their values; {factor!r} itself is none of them: "
            + nearest(factor, known_keys(), kind="keys"),
        )
    if "engine" in patch:
        raise ConfigError(
            f"{place} says how engines are loaded, which is once for all variants of a run",
            hint="Put `engine` into the panel, or hold a run for each.",
        )
    return Level(value, with_absolute_paths(patch, base))


def read_panel_data(value: Any, where: str, base: Path) -> dict[str, Any]:
    """A panel's data out of its file, or as it stands in a sweep, with absolute paths.

    Raises:
        ConfigError: As `read_mapping`; neither a path nor a mapping.
    """
    if isinstance(value, dict):
        return with_absolute_paths(value, base)
    if not isinstance(value, str):
        raise ConfigError(f"{where} is no panel", hint="Write the path of a panel's file, or a panel.")
    path = path_from(value, base)
    return with_absolute_paths(read_mapping(path), path.parent)
