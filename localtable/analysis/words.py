"""How notes and methods say numbers and lists."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, what: str) -> str:
    """`3 seats`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`; nothing of nothing."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
