"""Vote type → what one decode step may produce: labels, their token ids, the forced text before them, the regex.

A ballot is JSON whose fixed part is put into the prompt, so that only the choice is decoded. Where exactly the fixed
part ends is each tokenizer's own matter (`":"` and `A`, or `"A`?), so it is probed, never assumed, and what was found
is kept with the labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from localtable.errors import TemplateError
from localtable.types import LETTERS

VOTE_KEY = "vote"
PERSUADED_KEY = "persuaded_by"

LABELS = (*LETTERS, *LETTERS.lower(), *"0123456789", *(letter * 2 for letter in LETTERS), *"#$%&*+-=@")
"""What labels are taken from, in order: a panel can have 64 seats, more than there are letters, and the scripted
engine's vocabulary has no token of two."""

_FORMS = ('{{"{key}":"{label}"}}', '{{"{key}": "{label}"}}', '{{ "{key}": "{label}" }}')
"""Ways to write a ballot; the first whose labels are tokens of their own in this tokenizer is taken."""


_CLOSINGS = ("", '"', '"}')
"""What may stand behind a label in one token with it."""


class LabelTokenizer(Protocol):
    """What probing needs of a tokenizer."""

    def encode_plain(self, text: str, *, at: Literal["control"]) -> list[int]:
        """Ids of a text behind a control token."""

    def ids_of_piece(self, label: str) -> tuple[int, ...]:
        """All ids that stand for exactly this text in mid-word."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of one kind of ballot in one tokenizer."""

    key: str
    labels: tuple[str, ...]
    prefix_ids: tuple[int, ...]
    """The ballot's fixed beginning, to be put behind the opened turn."""
    token_ids: tuple[tuple[int, ...], ...]
    """All ids of each label, in the order of `labels`."""
    regex: str
    """What outlines enforces on the one decoded token."""
    canonical: bool
    """Whether the tokenizer, left alone, would cut the ballot right before and right behind the label."""
    form: str
    mass_ids: tuple[int, ...] = ()
    """Ids that a free answer can begin with and be valid: each label's, and those in which it merges with what closes
    it. Every id once."""
    replies: bool = False
    """The model is spoken to at an endpoint: a ballot's ids are the bytes of a whole reply, to be read."""

    @property
    def allowed_ids(self) -> tuple[int, ...]:
        return tuple(i for ids in self.token_ids for i in ids)


def probe_labels(tokenizer: LabelTokenizer, key: str, count: int) -> LabelSet:
    """Find out how this tokenizer writes a ballot of `count` labels.

    Args:
        tokenizer: Whose ids are wanted.
        key: The ballot's JSON key.
        count: How many labels: 2 to 26 options, or up to 64 peers.

    Raises:
        TemplateError: The tokenizer has fewer single-token labels than are needed.
    """
    found = [label for label in LABELS if tokenizer.ids_of_piece(label)]
    labels = tuple(found[:count])
    # Options stand in the prompt under their letters, so none of those can be passed over.
    if len(labels) < count or labels[: len(LETTERS)] != LABELS[: min(count, len(LETTERS))]:
        raise TemplateError(
            f"a ballot of {count} choices is needed; the tokenizer has these labels of one token: {' '.join(found)}",
            hint="Take fewer seats or options for this model.",
        )
    token_ids = tuple(tokenizer.ids_of_piece(label) for label in labels)
    # In an alternation the leftmost match wins, so a longer label must stand before its own beginning.
    mass_ids = _mass_ids(tokenizer, labels)
    regex = "(" + "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True)) + ")"
    for form in _FORMS:
        ballots = [tokenizer.encode_plain(form.format(key=key, label=label), at="control") for label in labels]
        prefix, canonical = _common_prefix(ballots, token_ids)
        if canonical:
            return LabelSet(key, labels, prefix, token_ids, regex, True, form, mass_ids)
    opening = _FORMS[0].format(key=key, label="\0").split("\0")[0]
    prefix_ids = tuple(tokenizer.encode_plain(opening, at="control"))
    return LabelSet(key, labels, prefix_ids, token_ids, regex, False, _FORMS[0], mass_ids)


def _mass_ids(tokenizer: LabelTokenizer, labels: Sequence[str]) -> tuple[int, ...]:
    pieces = (label + closing for label in labels for closing in _CLOSINGS)
    return tuple(dict.fromkeys(i for piece in pieces for i in tokenizer.ids_of_piece(piece)))


def _common_prefix(
    ballots: Sequence[Sequence[int]], token_ids: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], bool]:
    """The longest common token prefix of all labels' ballots, and whether each label's own token follows it."""
    prefix: list[int] = []
    for column in zip(*ballots, strict=False):
        if len(set(column)) > 1:
            break
        prefix.append(column[0])
    place = len(prefix)
    followed = all(len(ballot) > place and ballot[place] in ids for ballot, ids in zip(ballots, token_ids, strict=True))
    return tuple(prefix), followed
