"""Where each model's response begins, and what is in it: a name, a vote or an answer, a text.

A response begins with a line that can be a model's name above a line `Vote: …` (`Answer: …` where nothing could be
voted for). A text may have two such lines of its own; how many models there are says whether one has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from localtable.errors import ConfigError
from localtable.roundtable.lines import Line, text_of

Label = Literal["Vote", "Answer"]

MAX_NAME = 80
"""Characters."""
MAX_CHANGED = 1000
"""Characters of a line that says what a model changed its mind from; a longer one is text."""
MAX_RESPONSES = 512
"""More than twice as many models as the service has."""

_LABEL = re.compile(r"^(Vote|Answer) ?: ?(.*)$", re.IGNORECASE)
_NO_NAME = re.compile(r"[.!?;:,…]$|^(?:Result|Vote|Answer|Counterpoint) ?:", re.IGNORECASE)
_CHANGED = re.compile(
    r"(?:^| ?[(\[·•—–-]) ?changed (?:(?:its|their) )?(?:mind|vote)(?:[:,;]? (?:from|was) ([^()\[\]]+))?[)\]]?$",
    re.IGNORECASE,
)
"""Behind the name, or on a line of its own below it."""
_PERSUADED = re.compile(r"^(?:Persuaded|Convinced|Influenced) by ?: ?(.+)$", re.IGNORECASE)
_PREVIOUS = re.compile(r"^(?:Previous vote|Previously|Changed from) ?: ?(.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Two lines with which a response may begin."""

    index: int
    """Of the name's line, from 0."""
    label_index: int
    label: Label
    name: str
    changed: bool
    """The page says that the model changed its mind."""
    previous: str | None
    """What it had voted for before, where the page says so."""
    said: str
    """Behind the label."""
    marked: bool

    @property
    def line(self) -> int:
        """The name's, as people count."""
        return self.index + 1


@dataclass(frozen=True, slots=True)
class Response:
    """What one model answered."""

    line: int
    """Where it begins."""
    name: str
    changed: bool
    previous: str | None
    persuaded_by: str | None
    said_line: int
    said: str
    """Its vote as the page has it, or its answer in a sentence."""
    statement: str


def find_beginnings(lines: Sequence[Line], start: int) -> list[Beginning]:
    """Every place from a line on where a response may begin."""
    there = [index for index in range(start, len(lines)) if not lines[index].empty]
    found = []
    for place, (above, label_index) in enumerate(pairwise(there)):
        label = _LABEL.match(lines[label_index].plain)
        if label is None or lines[label_index].bullet:
            continue
        changed = _CHANGED.search(lines[above].plain) if len(lines[above].plain) <= MAX_CHANGED else None
        alone = changed is not None and changed.start() == 0 and place > 0
        line = lines[there[place - 1] if alone else above]
        name = line.plain if alone or changed is None else line.plain[: changed.start()]
        if name and _can_be_name(line):
            kind: Label = "Vote" if label[1].casefold() == "vote" else "Answer"
            previous = None if changed is None else changed[1]
            index = line.number - 1
            found.append(
                Beginning(index, label_index, kind, name, changed is not None, previous, label[2], line.marked)
            )
    return found


def _can_be_name(line: Line) -> bool:
    return not line.bullet and len(line.plain) <= MAX_NAME and _NO_NAME.search(line.plain) is None


def choose_beginnings(
    found: Sequence[Beginning], lines: Sequence[Line], most: int | None, votes: Mapping[str, int], where: str
) -> list[Beginning]:
    """Those of the beginnings that are no part of what a model says.

    Args:
        found: All that may be one, in order.
        lines: The page.
        most: How many there can be; None where the page does not say.
        votes: How many voted for each option, where the page lists it.
        where: What the page is called in an error.

    Raises:
        ConfigError: More than there are models, and nothing tells which of them are none.
    """
    if any(beginning.marked for beginning in found):  # a Markdown page: names are headings
        found = [beginning for beginning in found if beginning.marked]
    if most is None or len(found) <= most:
        if len(found) > MAX_RESPONSES:
            raise ConfigError(
                f"{where}: {len(found):,} responses; at most {MAX_RESPONSES} are read", hint="Copy one page."
            )
        return list(found)
    named = _named_elsewhere(found[: MAX_RESPONSES + 1], lines)
    chosen = [beginning for beginning in found if beginning.name in named]
    if not _fits(chosen, most, votes):
        chosen = _by_votes(found, named, votes)
    if not _fits(chosen, most, votes):
        shown = ", ".join(str(beginning.line) for beginning in found[:10]) + (", …" if len(found) > 10 else "")
        raise ConfigError(
            f"{where}: {len(found)} places read like the beginning of a response (lines {shown}), and the page says"
            f" that there are {most}",
            hint="Put a > before the lines 'Vote: …' that are part of what a model says.",
        )
    return chosen


def _fits(chosen: Sequence[Beginning], most: int, votes: Mapping[str, int]) -> bool:
    """Whether these are as many as the page counts, and vote as it lists."""
    counts = Counter(beginning.said for beginning in chosen)
    return len(chosen) == most and (not votes or counts == {text: count for text, count in votes.items() if count})


def _named_elsewhere(found: Sequence[Beginning], lines: Sequence[Line]) -> set[str]:
    """Names that the page has outside the lines that begin with them: models speak of one another."""
    own = {beginning.index for beginning in found}
    text = "\n".join(line.plain for index, line in enumerate(lines) if index not in own)
    return {name for name in {beginning.name for beginning in found} if name in text}


def _by_votes(found: Sequence[Beginning], named: set[str], votes: Mapping[str, int]) -> list[Beginning]:
    """As many for each option as the page lists; where more are there, those whose names stand elsewhere, too."""
    counts = Counter(beginning.said for beginning in found)
    return [
        beginning
        for beginning in found
        if counts[beginning.said] <= votes.get(beginning.said, 0)
        or (votes.get(beginning.said, 0) and beginning.name in named)
    ]


def read_responses(chosen: Sequence[Beginning], lines: Sequence[Line], end: int) -> list[Response]:
    """What stands between one beginning and the next.

    Args:
        chosen: In the page's order.
        lines: The page.
        end: The first line that is no longer of the last response.
    """
    ends = [beginning.index for beginning in chosen[1:]] + [end]
    return [_response(beginning, lines, stop) for beginning, stop in zip(chosen, ends, strict=True)]


def _response(beginning: Beginning, lines: Sequence[Line], end: int) -> Response:
    start, persuaded_by, previous = beginning.label_index + 1, None, beginning.previous
    while start < end and beginning.changed:  # who changed may say from what, and because of whom
        persuaded, earlier = (pattern.match(lines[start].plain) for pattern in (_PERSUADED, _PREVIOUS))
        if persuaded is None and earlier is None and not lines[start].empty:
            break
        persuaded_by = persuaded[1] if persuaded is not None else persuaded_by
        previous = earlier[1] if earlier is not None else previous
        start += 1
    return Response(
        beginning.line,
        beginning.name,
        beginning.changed,
        previous,
        persuaded_by,
        lines[beginning.label_index].number,
        beginning.said,
        text_of(lines[start:end]),
    )
