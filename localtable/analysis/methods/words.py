"""What the paragraphs are written with: what is cited, and how hashes are said."""

from __future__ import annotations

from localtable.analysis.findings import Analysis
from localtable.analysis.references import Reference, references_in

SHORT = 12
"""Characters of a hash that are printed."""
HASHED_BY = "sha256:"
"""How hashes of weights begin."""


class Used:
    """Collects what is cited, in the order in which it is."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.cited: list[Reference] = []

    def cite(self, *texts: str) -> str:
        """` [@a; @b]` for the references that these texts name; nothing where they name none."""
        found = references_in(texts)
        self.cited += [reference for reference in found if reference not in self.cited]
        return f" [{'; '.join(f'@{reference.key}' for reference in found)}]" if found else ""


def hashed(text: str) -> str:
    """`SHA-256 abcdef012345…`."""
    return f"SHA-256 {text.removeprefix(HASHED_BY)[:SHORT]}…"
