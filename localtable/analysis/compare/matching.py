"""Which questions of two panels are the same: by id, else by their text and options; options by their text.

Letters may differ, and so may case and spaces where nothing else does. Options that an import's page does not list are
no difference.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from localtable.analysis.compare.panels import Asked, Panel


@dataclass(frozen=True, slots=True)
class Matched:
    """One question that both have been asked."""

    first: Asked
    second: Asked
    options: tuple[str, ...]
    """By their text, of both sides."""
    first_places: tuple[int, ...]
    """Of each option of the first side: its place in `options`."""
    second_places: tuple[int, ...]

    @property
    def answer(self) -> int | None:
        """The right option's place in `options`, where one side knows it; None also where the two disagree."""
        known = {
            places[asked.answer]
            for asked, places in ((self.first, self.first_places), (self.second, self.second_places))
            if asked.answer is not None
        }
        return known.pop() if len(known) == 1 else None

    @property
    def answers_differ(self) -> bool:
        """Both sides have an answer, and not the same one."""
        return self.answer is None and None not in (self.first.answer, self.second.answer)


@dataclass(frozen=True, slots=True)
class Matching:
    """What two panels have in common."""

    matched: tuple[Matched, ...]
    """In the first one's order."""
    only_first: int
    only_second: int
    other_options: tuple[str, ...]
    """Ids that both have with other options: not the same question."""


def match(first: Panel, second: Panel) -> Matching:
    """Find the questions that both panels were asked."""
    by_id = {asked.id: asked for asked in second.debates}
    by_text: dict[str, list[Asked]] = {}
    for asked in second.debates:
        by_text.setdefault(_text(asked.text), []).append(asked)
    matched, other_options, taken = list[Matched](), list[str](), set[Asked]()
    for asked in first.debates:
        same_id = [by_id[asked.id]] if asked.id in by_id else []
        pairs = (_pair(asked, other) for other in (*same_id, *by_text.get(_text(asked.text), ())) if other not in taken)
        found = next((pair for pair in pairs if pair is not None), None)
        if found is not None:
            matched.append(found)
            taken.add(found.second)
        elif same_id:
            other_options.append(asked.id)
    num_matched = len(matched)
    only_first, only_second = len(first.debates) - num_matched, len(second.debates) - num_matched
    return Matching(tuple(matched), only_first, only_second, tuple(other_options))


def _text(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def _pair(first: Asked, second: Asked) -> Matched | None:
    """Both as one question; None where their options are others."""
    for spelt in (_spaced, _text):  # case is a difference where it is the only one between two options
        ours, theirs = ([spelt(option) for option in asked.options] for asked in (first, second))
        if len(set(ours)) < len(ours) or len(set(theirs)) < len(theirs):
            return None
        if _may_be_same(first, second, set(ours), set(theirs)):
            # The longer list is the whole one, where the other's page lists none.
            whole, texts = (first, ours) if len(ours) >= len(theirs) else (second, theirs)
            both = dict(zip(texts, whole.options, strict=True))
            for text, option in (*zip(ours, first.options, strict=True), *zip(theirs, second.options, strict=True)):
                both.setdefault(text, option)
            places = {text: place for place, text in enumerate(both)}
            return Matched(
                first,
                second,
                tuple(both.values()),
                tuple(places[text] for text in ours),
                tuple(places[text] for text in theirs),
            )
    return None


def _spaced(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _may_be_same(first: Asked, second: Asked, ours: set[str], theirs: set[str]) -> bool:
    return (
        ours == theirs
        or (not first.options_listed and ours <= theirs)
        or (not second.options_listed and theirs <= ours)
        or not (first.options_listed or second.options_listed)
    )
