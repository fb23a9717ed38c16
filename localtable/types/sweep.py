"""Variants of a panel that are held as one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from localtable.types.panel import Panel


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination of a sweep's levels, and the panel that it makes."""

    levels: Mapping[str, str]
    """By factor: the name of its level."""
    panel: Panel

    @property
    def name(self) -> str:
        return variant_name(self.levels)


def variant_name(levels: Mapping[str, str]) -> str:
    """`names=neutral,rounds=3`."""
    short = short_factors(levels)
    return ",".join(f"{short[factor]}={level}" for factor, level in levels.items())


def short_factors(factors: Iterable[str]) -> dict[str, str]:
    """By factor what it is called: the last part of its name, where no other has the same."""
    last = {factor: factor.rpartition(".")[2] for factor in factors}
    return {factor: short if list(last.values()).count(short) == 1 else factor for factor, short in last.items()}


@dataclass(frozen=True, slots=True)
class PrimaryContrast:
    """A comparison that a sweep was made for; all others are exploratory."""

    metric: str
    factor: str
    levels: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Many variants of a panel, to be held as one run."""

    name: str
    factors: Mapping[str, Mapping[str, Any]]
    """By factor and level: what the level says of the panel, as it is written."""
    variants: tuple[Variant, ...]
    """The first one is the baseline: the first level of every factor, unless that is left out."""
    controls: tuple[str, ...] = ()
    controls_for: Literal["baseline", "all"] = "baseline"
    """Which variants have the controls."""
    repeats: int = 1
    primary: tuple[PrimaryContrast, ...] = ()


MAX_TURNS_UNASKED = 50_000
"""Of a sweep: more are held only where somebody says so; some seven hours at two turns a second."""
