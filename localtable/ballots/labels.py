"""Vote type → what one decode step may produce: labels, their token ids, the forced text before them, the regex.

A ballot is JSON whose fixed part is put into the prompt, so that only the choice is decoded. Where exactly the fixed
part ends is each tokenizer's own matter (`":"` and `A`, or `"A`?), so it is probed, never assumed, and what was found
is kept with the labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from localtable.errors import TemplateError

VOTE_KEY = "vote"
PERSUADED_KEY = "persuaded_by"

LABELS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") + tuple(
    letter * 2 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
"""What labels are taken from, in order: a panel can have 64 seats, more than there are letters."""

_FORMS = ('{{"{key}":"{label}"}}', '{{"{key}": "{label}"}}', '{{ "{key}": "{label}" }}')
"""Ways to write a ballot; the first whose labels are tokens of their own in this tokenizer is taken."""


class LabelTokenizer(Protocol):
    """What probing needs of a tokenizer."""

    def encode_plain(self, text: str, *, first: bool = False) -> list[int]:
        """Ids of a text behind others."""

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

    @property
    def allowed_ids(self) -> tuple[int, ...]:
        return tuple(i for ids in self.token_ids for i in ids)

    def label_of(self, token_id: int) -> str:
        return next(label for label, ids in zip(self.labels, self.token_ids, strict=True) if token_id in ids)


def probe_labels(tokenizer: LabelTokenizer, key: str, count: int) -> LabelSet:
    """Find out how this tokenizer writes a ballot of `count` labels.

    Args:
        tokenizer: Whose ids are wanted.
        key: The ballot's JSON key.
        count: How many labels: 2 to 26 options, or up to 64 peers.

    Raises:
        TemplateError: The tokenizer has fewer single-token labels than are needed.
    """
    candidates = [label for label in LABELS if tokenizer.ids_of_piece(label)]
    labels = tuple(candidates[:count])
    if len(labels) < count:
        raise TemplateError(
            f"the tokenizer has {len(labels)} labels of one token; a ballot of {count} choices is needed",
            hint="Take fewer seats or options for this model.",
        )
    token_ids = tuple(tokenizer.ids_of_piece(label) for label in labels)
    # In an alternation the leftmost match wins, so a longer label must stand before its own beginning.
    regex = "(" + "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True)) + ")"
    for form in _FORMS:
        prefix, canonical = _probe_form(tokenizer, lambda label, form=form: form.format(key=key, label=label), labels)
        if canonical:
            return LabelSet(key, labels, prefix, token_ids, regex, True, form)
    opening = _FORMS[0].format(key=key, label="\0").split("\0")[0]
    return LabelSet(key, labels, tuple(tokenizer.encode_plain(opening)), token_ids, regex, False, _FORMS[0])


def _probe_form(
    tokenizer: LabelTokenizer, write: Callable[[str], str], labels: Sequence[str]
) -> tuple[tuple[int, ...], bool]:
    """The longest common token prefix of the ballots of all labels, and whether a label's own token follows it."""
    ballots = [tokenizer.encode_plain(write(label)) for label in labels]
    prefix: list[int] = []
    for column in zip(*ballots, strict=False):
        if len(set(column)) > 1:
            break
        prefix.append(column[0])
    followed = all(
        len(ballot) > len(prefix) and ballot[len(prefix)] in tokenizer.ids_of_piece(label)
        for ballot, label in zip(ballots, labels, strict=True)
    )
    return tuple(prefix), followed and len(labels) > 1
