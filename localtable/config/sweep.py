"""Sweeps: one file of factors and levels → the variants of a panel that are held as one run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from localtable.config.card_lookup import load_card
from localtable.config.factors import PANEL, Factor, known_keys, read_factor, read_panel_data
from localtable.config.panel import parse_panel, refuse_mixed_cards
from localtable.config.patching import patched
from localtable.config.published import Published, Small
from localtable.errors import ConfigError
from localtable.loading import nearest, path_from, read_mapping, validate
from localtable.types import Panel, PrimaryContrast, Stop, Sweep, Variant

MAX_VARIANTS = 1_000
MAX_COMBINATIONS = 1_000_000
"""Of levels, before any is left out."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _File(BaseModel):
    """Strict: an unknown key is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid")


class PrimaryFile(_File):
    """One of `primary`."""

    metric: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    factor: Text
    levels: Annotated[list[Text], Field(min_length=2, max_length=2)]


class SweepFile(_File):
    """The written form of a sweep."""

    name: Text
    panel: Text | dict[str, Any] | None = None
    questions: Annotated[list[Text], Field(min_length=1)]
    limit: Annotated[int, Field(ge=1)] | None = None
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    controls: list[Text] = []
    controls_for: Literal["baseline", "all"] = "baseline"
    factors: Annotated[dict[str, Any], Field(min_length=1)]
    exclude: list[Annotated[dict[str, Any], Field(min_length=1)]] = []
    primary: list[PrimaryFile] = []
    published: Published | None = None
    small: Small | None = None


class LoadedSweep(NamedTuple):
    """A sweep's file."""

    sweep: Sweep
    suites: tuple[Path, ...]
    limit: int | None
    """The first questions only."""


def load_sweep(path: Path, *, seed: int | None = None) -> LoadedSweep:
    """A sweep from a YAML or JSON file; paths in it are read from its folder, those in a panel's file from that one's.

    Args:
        path: Of the file.
        seed: In place of the panel's.

    Raises:
        ConfigError: As `read_mapping`; anything in it that makes no sweep, named with its factor, level and reason.
    """
    return build_sweep(read_sweep(read_mapping(path), str(path)), str(path), path.resolve().parent, seed=seed)


def read_sweep(data: Any, where: str) -> SweepFile:
    """Plain data → the written form of a sweep.

    Raises:
        ConfigError: An unknown key, or a value that can't be what it stands for.
    """
    return validate(SweepFile, data, where)


def build_sweep(read: SweepFile, where: str, base: Path, *, seed: int | None = None) -> LoadedSweep:
    """The written form of a sweep → the sweep.

    Args:
        read: As its file has it.
        where: What to call the file in an error.
        base: Folder that relative paths are read from.
        seed: In place of the panel's.

    Raises:
        ConfigError: As `load_sweep`.
    """
    factors = {name: read_factor(name, data, where, base) for name, data in read.factors.items()}
    if seed is not None and "seed" in factors:
        raise ConfigError("--seed names one seed, and the sweep has the factor 'seed'", hint="Use one of them.")
    panels = _Panels(_base_panel(read, factors, where, base), where, base, seed)
    variants = tuple(panels.variant(factors, levels) for levels in _combinations(factors, read, where))
    _require_one_engine(variants, where)
    sitting = (card for variant in variants for card in (*variant.panel.cards, variant.panel.moderator))
    refuse_mixed_cards(filter(None, sitting), where)
    sweep = Sweep(
        read.name,
        {name: {level: found.written for level, found in factor.levels.items()} for name, factor in factors.items()},
        variants,
        tuple(read.controls),
        read.controls_for,
        read.repeats,
        tuple(_primary(contrast, factors, where) for contrast in read.primary),
    )
    return LoadedSweep(sweep, tuple(path_from(suite, base) for suite in read.questions), read.limit)


def _base_panel(read: SweepFile, factors: Mapping[str, Factor], where: str, base: Path) -> dict[str, Any] | None:
    """The data of the one panel; None where the factor `panel` has them."""
    if (read.panel is None) == (PANEL not in factors):
        both = "both the key and the factor `panel` say" if read.panel is not None else "nothing says"
        raise ConfigError(
            f"{where}: {both} who sits at the table",
            hint="Write `panel: FILE`, or a factor `panel` with a file for each level.",
        )
    return None if read.panel is None else read_panel_data(read.panel, f"{where}: the panel", base)


class _Panels:
    """Makes the panel of each combination."""

    def __init__(self, base_data: Mapping[str, Any] | None, where: str, base: Path, seed: int | None) -> None:
        self._base_data, self._where, self._base, self._seed = base_data, where, base, seed
        # Variants share their cards, and a card's file takes longer to read than a panel.
        self._load = lru_cache(maxsize=None)(load_card)

    def variant(self, factors: Mapping[str, Factor], levels: Mapping[str, str]) -> Variant:
        """One combination of levels.

        Raises:
            ConfigError: It is no valid panel; names the level that is at fault, or else the combination.
        """
        named = ", ".join(f"{factor} = {level}" for factor, level in levels.items())
        try:
            return Variant(levels, self._panel(factors, levels, f"{self._where}: with {named}"))
        except ConfigError as error:
            self._blame(factors, levels)
            raise ConfigError(error.message, hint=f"{error.hint} Or put the combination into `exclude`.") from None

    def _blame(self, factors: Mapping[str, Factor], levels: Mapping[str, str]) -> None:
        """Raise for whatever is no valid panel by itself: the panel without any level, or with one."""
        base = {factor: level for factor, level in levels.items() if factor == PANEL}
        self._panel(factors, base, f"{self._where}: the panel" + "".join(f" {level!r}" for level in base.values()))
        for factor, level in levels.items():
            try:
                self._panel(factors, {**base, factor: level}, f"{self._where}: the level {level!r} of {factor!r}")
            except ConfigError as error:
                if isinstance(factors[factor].levels[level].written, dict) and factor in known_keys():
                    error.hint += f" {factor!r} is a key of the panel, and its levels are that key's values: patches "
                    error.hint += "of other keys are levels of a factor with another name."
                raise

    def _panel(self, factors: Mapping[str, Factor], levels: Mapping[str, str], where: str) -> Panel:
        chosen = [factors[factor].levels[level] for factor, level in levels.items()]
        data = next((level.panel for level in chosen if level.panel is not None), self._base_data)
        assert data is not None
        if self._seed is not None:
            data = {**data, "seed": str(self._seed)}
        try:
            for level in chosen:
                data = patched(data, level.patch, where)
            return parse_panel(data, where, self._base, default_stop=Stop("never"), load=self._load)
        except ConfigError as error:
            # What is wrong with a file that the panel names is said of that file.
            message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
            raise ConfigError(message, hint=error.hint) from None


# ── combinations ────────────────────────────────────────────────────────────────────────────────────────────


def _combinations(factors: Mapping[str, Factor], read: SweepFile, where: str) -> list[dict[str, str]]:
    """The combinations of levels that are held, the first level of each factor first."""
    number = math.prod(len(factor.levels) for factor in factors.values())
    if number > MAX_COMBINATIONS:
        raise ConfigError(
            f"{where}: {len(factors)} factors make {number:,} combinations of levels; {MAX_COMBINATIONS:,} can be "
            "looked at",
            hint="Take fewer levels or factors, or several sweeps.",
        )
    excluded = [_excluded(entry, factors, f"{where}: exclude, entry {n}") for n, entry in enumerate(read.exclude, 1)]
    matched = [0] * len(excluded)
    kept = []
    for combination in product(*(factor.levels for factor in factors.values())):
        levels = dict(zip(factors, combination, strict=True))
        matches = [n for n, entry in enumerate(excluded) if all(levels[name] in entry[name] for name in entry)]
        if matches:
            matched[matches[0]] += 1
        else:
            kept.append(levels)
    for n, count in enumerate(matched, start=1):
        if not count:
            raise ConfigError(
                f"{where}: exclude, entry {n} leaves out nothing that is not left out already", hint="Take it away."
            )
    _require_comparisons(kept, factors, where)
    return kept


def _excluded(entry: Mapping[str, Any], factors: Mapping[str, Factor], where: str) -> dict[str, set[str]]:
    found = {}
    for name, written in entry.items():
        levels = written if isinstance(written, list) else [written]
        if not levels or not all(isinstance(level, str) for level in levels):
            raise ConfigError(f"{where}: {name!r} names no level", hint="Write a level's name, or a list of them.")
        for level in levels:
            _require_level(name, level, factors, where)
        found[name] = set(levels)
    return found


def _require_level(factor: str, level: str, factors: Mapping[str, Factor], where: str) -> None:
    if factor not in factors:
        raise ConfigError(
            f"{where}: the sweep has no factor {factor!r}", hint=nearest(factor, list(factors), kind="factors")
        )
    if level not in factors[factor].levels:
        raise ConfigError(
            f"{where}: the factor {factor!r} has no level {level!r}",
            hint=nearest(level, list(factors[factor].levels), kind="levels"),
        )


def _require_comparisons(kept: Sequence[Mapping[str, str]], factors: Mapping[str, Factor], where: str) -> None:
    if not kept:
        raise ConfigError(f"{where}: `exclude` leaves no combination", hint="Leave less out.")
    if len(kept) > MAX_VARIANTS:
        raise ConfigError(
            f"{where}: the sweep has {len(kept):,} variants; a run holds {MAX_VARIANTS:,} at most",
            hint="Leave combinations out by `exclude`, or take several sweeps.",
        )
    for name, factor in factors.items():
        for level in factor.levels:
            if not any(levels[name] == level for levels in kept):
                raise ConfigError(
                    f"{where}: `exclude` leaves nothing of the level {level!r} of {name!r}",
                    hint="Leave less out, or take the level away.",
                )


def _primary(contrast: PrimaryFile, factors: Mapping[str, Factor], where: str) -> PrimaryContrast:
    first, second = contrast.levels
    for level in contrast.levels:
        _require_level(contrast.factor, level, factors, f"{where}: primary, {contrast.metric}")
    if first == second:
        raise ConfigError(
            f"{where}: primary, {contrast.metric}: {first!r} is compared with itself", hint="Name two levels."
        )
    return PrimaryContrast(contrast.metric, contrast.factor, (first, second))


def _require_one_engine(variants: Sequence[Variant], where: str) -> None:
    """Panels of a sweep share their engines, so all of them say the same of these."""
    first = variants[0]
    for variant in variants[1:]:
        if variant.panel.engine != first.panel.engine:
            raise ConfigError(
                f"{where}: {first.name!r} and {variant.name!r} differ in `engine`, and an engine is loaded once for "
                "all variants of a run",
                hint="Make it the same in all panels, or hold a run for each.",
            )
