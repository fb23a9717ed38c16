"""Regex constraints as outlines enforces them: one vocabulary per engine, one index per regex, one guide per request.

outlines' own logits processor drives all rows of a batch with one index and one lifetime; a batch here mixes
constrained and free rows, so its parts (`outlines_core`) are used one by one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from localtable.engines.base import Constraint

if TYPE_CHECKING:
    from outlines_core import Guide, Index, Vocabulary

MAX_INDICES = 256
"""A ballot's regex differs by its number of options only, so a run uses a few dozen; each is a few kilobytes."""


class Guides:
    """Compiles regexes over one vocabulary and hands out guides."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._indices: OrderedDict[str, Index] = OrderedDict()

    @property
    def end_id(self) -> int:
        """The id that a guide allows where the text may end."""
        return int(self._vocabulary.get_eos_token_id())

    def start(self, constraint: Constraint) -> Guide:
        """A guide at the start of the constraint's regex.

        Raises:
            ValueError: The regex does not compile, the vocabulary can write no text that it matches, or it allows
                other ids first than the constraint says, so that their probabilities would make no distribution.
        """
        guide = self._open(constraint.regex)
        if not constraint.token_ids:
            return guide
        allowed = guide.get_tokens()
        if set(allowed) != set(constraint.token_ids) or len(allowed) != len(constraint.token_ids):
            raise ValueError(
                f"the regex {constraint.regex!r} allows the ids {_shown(allowed)} first, "
                f"the constraint says {_shown(constraint.token_ids)}"
            )
        return guide

    def _open(self, regex: str) -> Guide:
        from outlines_core import Guide, Index

        index = self._indices.get(regex)
        if index is None:
            try:
                index = Index(regex, self._vocabulary)
            except ValueError as error:
                raise ValueError(f"the regex {regex!r} can't be followed: {error}") from None
            self._indices[regex] = index
            if len(self._indices) > MAX_INDICES:
                self._indices.popitem(last=False)
        else:
            self._indices.move_to_end(regex)
        return Guide(index)


def _shown(token_ids: Sequence[int], most: int = 12) -> str:
    first = ", ".join(str(i) for i in sorted(token_ids)[:most])
    return f"{{{first}}}" if len(token_ids) <= most else f"{{{first}, … {len(token_ids)} in all}}"
