"""What is wrong with a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProblemKind = Literal["name", "vote", "count", "direction", "quotation"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One claim that the debate's facts do not bear out."""

    kind: ProblemKind
    what: str
    """In words that a model can read and mend."""
