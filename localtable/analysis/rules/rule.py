"""What a decision rule is: what it reads, its parameters with their bounds, formula and source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from localtable.analysis.rules.profile import Outcome, Profile
from localtable.errors import ConfigError

Reads = Literal["votes", "votes of all rounds", "rankings", "distributions"]
NEED_DISTRIBUTIONS: frozenset[Reads] = frozenset({"rankings", "distributions"})


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a number within bounds."""

    name: str
    meaning: str
    default: float | None
    """None: what `meaning` says."""
    low: float
    high: float
    above_low: bool = False
    """`low` itself is out of bounds."""
    whole: bool = False

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        least = f"above {self.low:g}" if self.above_low else f"from {self.low:g}"
        return f"{'a whole number ' if self.whole else ''}{least} to {self.high:g}"

    def read(self, value: Any, rule: str) -> float:
        """A value, as text or as a number.

        Raises:
            ConfigError: It is no number, or out of bounds.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        above = number > self.low if self.above_low else number >= self.low
        if not (above and number <= self.high and (not self.whole or number.is_integer())):
            raise ConfigError(
                f"{rule}: {self.name} is {value!r}, and has to be {self.bounds}",
                hint=f"{self.name} is {self.meaning}; for example {rule}:{self.name}={self.example}.",
            )
        return int(number) if self.whole else number

    @property
    def example(self) -> str:
        """A value within the bounds, as text."""
        return f"{self.high if self.default is None else self.default:.3g}"


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter that is a name, and has to be given."""

    name: str
    meaning: str

    @property
    def bounds(self) -> str:
        """What is allowed."""
        return "a name, has to be given"

    def read(self, value: Any, rule: str) -> str:
        """A name.

        Raises:
            ConfigError: It is empty.
        """
        text = str(value).strip()
        if not text:
            raise ConfigError(f"{rule}: {self.name} is empty", hint=f"{self.name} is {self.meaning}.")
        return text


@dataclass(frozen=True, slots=True)
class Rule:
    """A decision rule."""

    name: str
    reads: Reads
    decide: Callable[..., Outcome]
    """Given a profile, and the parameters by keyword."""
    formula: str
    margin: str
    """What the margin of victory is."""
    source: str
    parameters: tuple[Number | Name, ...] = ()


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """A rule with the values of its parameters."""

    rule: Rule
    values: Mapping[str, Any]
    text: str
    """As on the command line: parameters that have their defaults are left out."""

    def decide(self, profile: Profile) -> Outcome:
        """The rule's outcome.

        Args:
            profile: With distributions, where the rule reads them.

        Raises:
            ConfigError: A seat that a parameter names does not sit there.
        """
        return self.rule.decide(profile, **self.values)
