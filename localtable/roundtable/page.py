"""The text of a page → its parts, each with the line that it stands on; what is in no part is kept as unread.

Parts are told by their headings, in whatever order they stand. A heading's words inside a text are text: the page has
each part once, and its responses stand together (`layout`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from localtable.errors import ConfigError
from localtable.roundtable.layout import Kind, Layout, find_layout
from localtable.roundtable.lines import Line, paragraphs, read_lines, text_of
from localtable.roundtable.responses import Response, choose_beginnings, read_responses
from localtable.types import LETTERS

_OPTION = re.compile(
    r"^(.+?) ?"
    r"(?:\(([0-9]{1,6}) votes?(?:[,;]? ?[0-9.]{1,6} ?%)?\)|[—–:|·-] ?([0-9]{1,6}) votes?(?: ?\([0-9.]{1,6} ?%\))?)$",
    re.IGNORECASE,
)
"""`Yes (2 votes)`, `Yes (2 votes, 33 %)`, `Yes — 2 votes`."""
_LETTERED = re.compile(r"^([A-Z])[:.)] ?(.+)$")
_AGREEMENT = re.compile(
    r"^(?:no )?(?:agreement|consensus)(?: was)?(?: reached)? after ([0-9]{1,3}) rounds?(?: of \w+)?\.?$", re.IGNORECASE
)
_VOTERS = re.compile(r"\(([0-9]{1,6}) ?/ ?([0-9]{1,6}) votes?\)")


@dataclass(frozen=True, slots=True)
class ListedOption:
    """An option as the page lists it."""

    line: int
    text: str
    votes: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A line, or what belongs together, in single spaces."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    kind: Kind | None
    """None where the page has no title that says it."""
    is_open: bool
    """Nothing could be voted for: models answer in words of their own."""
    num_models: int | None
    question: str
    result: Said | None
    """The page's own result line; of an open question its answer and counterpoint."""
    options: tuple[ListedOption, ...]
    responses: tuple[Response, ...]
    """Of the last round, in the page's order."""
    inside: tuple[int, ...]
    """Lines that read like the beginning of a response and were taken as part of one, since there are more than the
    page has models."""
    agreement: str | None
    """The line that says after how many rounds there was agreement, or none."""
    rounds: int | None
    """How many it says."""
    summary: tuple[str, ...]
    """Its paragraphs."""
    arguments: tuple[Said, ...]
    turning_points: tuple[Said, ...]
    unread: tuple[Said, ...]
    """What stands in no part."""


def parse_page(text: str, where: str) -> Page:
    """Read a page's text.

    Args:
        text: As it was copied.
        where: What the page is called in an error.

    Raises:
        ConfigError: It is empty or no such page, ends before any response, has no question, or leaves open which lines
            begin a response. The message names the line.
    """
    lines = read_lines(text)
    layout = find_layout(lines, where)
    parts = _Parts(lines, layout)
    options = tuple(parts.options())
    result = parts.result()
    most = _most_responses(layout.num_models, options, result)
    beginnings = [found for found in layout.beginnings if found.index < layout.responses_end]
    listed = {option.text: option.votes for option in options if option.votes is not None}
    chosen = choose_beginnings(beginnings, lines, most, listed, where)
    begun = {beginning.index for beginning in chosen}
    parts.leave(layout.responses + 1, chosen[0].index)
    if not (question := text_of(parts.question)):
        raise ConfigError(
            f"{where}, line {lines[layout.first].number}: no question stands above the result, the options or the"
            " responses",
            hint="Copy the whole page, from its title on.",
        )
    return Page(
        kind=layout.kind,
        is_open=layout.label == "Answer",
        num_models=layout.num_models,
        question=question,
        result=result,
        options=options,
        responses=tuple(read_responses(chosen, lines, layout.responses_end)),
        inside=tuple(found.line for found in beginnings if found.index not in begun),
        agreement=parts.agreement,
        rounds=parts.rounds,
        summary=tuple(paragraphs(parts.lines_of("summary"))),
        arguments=tuple(parts.items("arguments")),
        turning_points=tuple(parts.items("turning points")),
        unread=tuple(parts.unread()),
    )


def _most_responses(num_models: int | None, options: Sequence[ListedOption], result: Said | None) -> int | None:
    """How many there can be, by everything on the page that counts them."""
    voters = None if result is None else _VOTERS.search(result.text)
    counts = [num_models or 0, sum(option.votes or 0 for option in options), int(voters[2]) if voters else 0]
    return max(counts) or None


class _Parts:
    """The parts of a page outside its responses; lines that turn out to be in none are left over."""

    def __init__(self, lines: Sequence[Line], layout: Layout) -> None:
        self._lines = lines
        self._layout = layout
        self._left = [line for index, line in enumerate(lines[: layout.first]) if index != layout.title]
        self._agreement = next(filter(_agreement, self._outside()), None)

    def _outside(self) -> Iterator[Line]:
        for part in self._layout.parts.values():
            yield from self._lines[part.start : part.stop]

    @property
    def agreement(self) -> str | None:
        return None if self._agreement is None else self._agreement.plain

    @property
    def rounds(self) -> int | None:
        """How many the agreement's line says."""
        found = None if self._agreement is None else _agreement(self._agreement)
        return None if found is None else int(found[1]) or None

    @property
    def question(self) -> Sequence[Line]:
        return self._lines[self._layout.first : self._layout.question_end]

    def lines_of(self, part: str) -> Sequence[Line]:
        """What stands below a part's heading."""
        found = self._layout.parts.get(part, range(-1, 0))
        inside = self._lines[found.start + 1 : found.stop]
        return [line for line in inside if not line.empty and line is not self._agreement]

    def leave(self, start: int, stop: int) -> None:
        """These lines are in no part."""
        self._left += self._lines[start:stop]

    def unread(self) -> Iterator[Said]:
        for line in sorted(self._left, key=lambda line: line.number):
            if not line.empty:
                yield Said(line.number, line.raw.strip())

    def result(self) -> Said | None:
        if "result" not in self._layout.parts:
            return None
        first, more = self._lines[self._layout.parts["result"].start], self.lines_of("result")
        if self._layout.label == "Answer":  # an answer may have several lines, and a counterpoint
            return Said(first.number, "\n".join(line.plain for line in (first, *more)))
        self._left += more
        return Said(first.number, first.plain.partition(":")[2].strip())

    def options(self) -> list[ListedOption]:
        found = []
        for line in self._list("options"):
            counted = _OPTION.match(line.plain)
            if counted is not None:
                found.append(ListedOption(line.number, counted[1], int(counted[2] or counted[3])))
            else:
                found.append(ListedOption(line.number, line.plain, None))
        lettered = [_LETTERED.match(option.text) for option in found]
        if [match[1] if match else "" for match in lettered] != list(LETTERS[: len(found)]):
            return found
        return [replace(option, text=match[2]) for option, match in zip(found, lettered, strict=True) if match]

    def items(self, part: str) -> Iterator[Said]:
        for line in self._list(part):
            yield Said(line.number, line.plain)

    def _list(self, part: str) -> Iterator[Line]:
        """The items of a list; one whose items are marked is over with the next line that is not."""
        lines = self.lines_of(part)
        start, end = 0, len(lines)
        if any(line.bullet for line in lines):
            start = next(place for place, line in enumerate(lines) if line.bullet)
            end = next((place for place in range(start, end) if not lines[place].bullet), end)
        self._left += [*lines[:start], *lines[end:]]
        yield from lines[start:end]


def _agreement(line: Line) -> re.Match[str] | None:
    return _AGREEMENT.match(line.plain)
