"""What `verify` reports: a stored fact beside what it should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LONGEST = 100
"""Characters of a value that a line shows; `--json` has all of it."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One stored fact that does not follow from the others."""

    where: str
    """The place in the store: a debate with its question, condition and repeat, and the turn in it."""
    what: str
    """The fact."""
    stored: Any
    derived: Any
    by: str
    """What it was derived from, with its verb: `the votes say`."""

    def line(self) -> str:
        """`debate 17 (q, debate, 0): verdict says …, the votes say …`."""
        return f"{self.where}: {self.what} says {_shown(self.stored)}, {self.by} {_shown(self.derived)}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: _plain(getattr(self, name)) for name in ("where", "what", "stored", "derived")}


def compare(where: str, what: str, stored: Any, derived: Any, by: str) -> Iterator[Disagreement]:
    """A disagreement where the two differ, else nothing."""
    if stored != derived:
        yield Disagreement(where, what, stored, derived, by)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False, default=str)
    text = " ".join(text.split()) or '""'
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
