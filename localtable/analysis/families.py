"""What figures there are and by what they can be broken down: names alone, which a command line can load in no time."""

from __future__ import annotations

from typing import Literal, get_args

Family = Literal[
    "validity",
    "outcome",
    "dynamics",
    "social",
    "influence",
    "agreement",
    "calibration",
    "bias",
    "rules",
    "efficiency",
]
FAMILIES: tuple[Family, ...] = get_args(Family)

Dimension = Literal["tag", "model", "seat", "round", "agreement"]
"""By what figures can be broken down: a question's tags, who speaks, the round, how the first votes stood."""
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
