"""Sweeps that repeat a paper: as they are for the paper's own models, or small, with other models in their seats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from localtable.config.factors import PANEL, read_panel_data
from localtable.config.patching import patched
from localtable.config.published import Published, Small
from localtable.config.sweep import LoadedSweep, build_sweep, read_sweep
from localtable.errors import ConfigError
from localtable.loading import read_mapping


class Reproduction(NamedTuple):
    """A sweep, and what the paper reports of it."""

    loaded: LoadedSweep
    published: Published
    stand_ins: Mapping[str, str]
    """In a small one: by the card of a paper's model the card that sits in for it."""


def load_reproduction(path: Path, *, small: bool = False, seed: int | None = None) -> Reproduction:
    """A sweep's file with `published`.

    Args:
        path: Of the file.
        small: Whether to lay the file's `small` over the rest.
        seed: In place of the panel's.

    Raises:
        ConfigError: As `load_sweep`; the file has no `published`, or no `small`.
    """
    where, base = str(path), path.resolve().parent
    data = read_mapping(path)
    read = read_sweep(data, where)
    if read.published is None:
        raise ConfigError(
            f"{where} says nothing of a paper", hint="Add `published` (docs/sweeps.md), or use `localtable sweep`."
        )
    stand_ins: Mapping[str, str] = {}
    if small:
        if read.small is None:
            raise ConfigError(f"{where} has no `small`", hint="Add it (docs/sweeps.md), or run the sweep whole.")
        stand_ins = read.small.models
        read = read_sweep(_small(data, read.small, where, base), where)
    assert read.published is not None
    return Reproduction(build_sweep(read, where, base, seed=seed), read.published, stand_ins)


def _small(data: Mapping[str, Any], small: Small, where: str, base: Path) -> dict[str, Any]:
    """The file's data as a small trial has them, all panels in place."""

    def cut(panel: Any) -> dict[str, Any]:
        return patched(read_panel_data(panel, f"{where}: the panel", base), small.panel, f"{where}: small")

    found = {**data, "limit": str(small.limit), "factors": dict(data["factors"])}
    if data.get(PANEL) is not None:
        found[PANEL] = cut(data[PANEL])
    if PANEL in data["factors"]:
        named = data["factors"][PANEL]
        levels = named if isinstance(named, Mapping) else {Path(panel).stem: panel for panel in named}
        found["factors"][PANEL] = {level: cut(panel) for level, panel in levels.items()}
    seated = {key: found[key] for key in (PANEL, "factors") if key in found}
    for card in small.models.keys() - set(_texts(seated)):
        raise ConfigError(
            f"{where}: small: no seat and no level names {card!r}", hint="Name models as the panel and levels do."
        )
    found.update(_stood_in(seated, small.models))
    for key in ("primary", "published"):
        if key in data:
            found[key] = _levels_stood_in(data[key], small.models)
    return found


def _texts(data: Any) -> list[str]:
    if isinstance(data, Mapping):
        return [text for key, value in data.items() for text in (key, *_texts(value))]
    if isinstance(data, list):
        return [text for value in data for text in _texts(value)]
    return [data] if isinstance(data, str) else []


def _stood_in(data: Any, models: Mapping[str, str]) -> Any:
    """Everything that is a card's id is that of its stand-in; levels that come to the same are one."""
    if isinstance(data, Mapping):
        found: dict[str, Any] = {}
        for key, value in data.items():
            found.setdefault(models.get(key, key), _stood_in(value, models))
        return found
    if isinstance(data, list):
        values = [_stood_in(value, models) for value in data]
        return [value for place, value in enumerate(values) if value not in values[:place]]
    return models.get(data, data) if isinstance(data, str) else data


def _levels_stood_in(data: Any, models: Mapping[str, str]) -> Any:
    """What names levels, with those of the stand-ins; of whom a figure was reported stays as it is."""
    if isinstance(data, list):
        return [_levels_stood_in(value, models) for value in data]
    if not isinstance(data, Mapping):
        return data
    return {key: _NAMING.get(key, _levels_stood_in)(value, models) for key, value in data.items()}


def _renamed(levels: Any, models: Mapping[str, str]) -> Any:
    """Levels in a list, or by their factors."""
    if isinstance(levels, Mapping):
        return {factor: models.get(level, level) for factor, level in levels.items()}
    return [models.get(level, level) for level in levels]


def _control_renamed(control: str, models: Mapping[str, str]) -> str:
    """`self-consistency:MODEL` and the like."""
    name, colon, model = control.partition(":")
    return f"{name}{colon}{models.get(model, model)}"


_NAMING: Mapping[str, Callable[[Any, Mapping[str, str]], Any]] = {
    "levels": _renamed,
    "between": _renamed,
    "of": _renamed,
    "control": _control_renamed,
}
"""Keys whose values name levels or conditions."""
