"""What could be voted for on a page, and which of it a vote names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localtable.config.question import MAX_OPTIONS
from localtable.errors import ConfigError
from localtable.roundtable.page import Page
from localtable.types import LETTERS, Letter

_LETTERED = re.compile(r"^([A-Z])(?:$|[):.] ?(.*)$)")


@dataclass(frozen=True, slots=True)
class Options:
    """A question's options."""

    texts: tuple[str, ...]
    listed_votes: Mapping[Letter, int] | None
    """How many voted for each, as the page lists them; None where it does not."""

    def letter_of(self, said: str | None) -> Letter | None:
        """The option that a vote names: word for word, whatever its case and a final stop, or by a letter before it.

        Returns:
            None where it names none.
        """
        longest, by_letter = max(map(len, self.texts), default=0), False
        while said is not None:
            for texts, wanted in ((self.texts, said), (tuple(map(str.casefold, self.texts)), said.casefold())):
                if texts.count(wanted) == 1:
                    return LETTERS[texts.index(wanted)]
            lettered = _LETTERED.match(said)
            if lettered is not None and not lettered[2]:
                return lettered[1] if lettered[1] in LETTERS[: len(self.texts)] else None
            if lettered is not None and not by_letter:
                said, by_letter = lettered[2], True
                continue
            bare = said.rstrip(".!")
            # An option may end in such marks itself: they go one by one, but for those that are in none.
            said = None if bare == said else said[:-1][: max(len(bare), longest)]
        return None

    def split(self, text: str) -> tuple[Letter | None, str]:
        """`Yes: because` → the option's letter and what stands behind the colon; None and all of it without one."""
        for option in sorted(self.texts, key=len, reverse=True):
            head, rest = text[: len(option)], text[len(option) :].lstrip()
            if head.casefold() == option.casefold() and rest.startswith(":"):
                return self.letter_of(head), rest[1:].strip()
        return None, text


def read_options(page: Page, where: str) -> Options:
    """The options that a page lists; where it lists none, those that were voted for, in the order of its responses.

    Raises:
        ConfigError: An option stands twice, or there are more than there are letters.
    """
    if page.is_open:
        return Options((), None)
    lines: dict[str, int] = {}
    for option in page.options:
        if option.text in lines:
            raise ConfigError(
                f"{where}, line {option.line}: the option {option.text[:60]!r} stands already in line"
                f" {lines[option.text]}",
                hint="An option is listed once: was the list copied twice?",
            )
        lines[option.text] = option.line
    texts = tuple(lines) or tuple(dict.fromkeys(response.said for response in page.responses if response.said))
    if len(texts) > MAX_OPTIONS:
        line = page.options[MAX_OPTIONS].line if page.options else page.responses[0].line
        raise ConfigError(
            f"{where}, line {line}: {len(texts)} options; there are {MAX_OPTIONS} letters for them",
            hint="A question has at most 26 options.",
        )
    counted = {LETTERS[place]: option.votes for place, option in enumerate(page.options) if option.votes is not None}
    return Options(texts, counted or None)
