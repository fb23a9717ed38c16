"""What must be known of an import: where a page disagrees with itself, and what it leaves open. Nothing is mended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from localtable.protocol.votes import tally
from localtable.roundtable.ballots import Options
from localtable.roundtable.page import Page
from localtable.types import Letter, Question, Verdict

_RESULT = re.compile(r"^(\w+) ?[—–:-]+(?![—–:-]) ?(.+?) ?\(([0-9]{1,6}) ?/ ?([0-9]{1,6}) votes?\)$")
_KINDS = {"unanimous": "unanimous", "supermajority": "majority", "majority": "majority", "plurality": "plurality"}
"""The service's words, and those of ours that they stand for."""
SHOWN = 60
"""Characters of a line that a note repeats."""
MOST = 5
"""Lines that a note names."""


@dataclass(frozen=True)
class Reading:
    """A page as this program understands it."""

    page: Page
    question: Question
    seats: tuple[str, ...]
    """Names, one for each response."""
    options: Options

    @cached_property
    def votes(self) -> tuple[Letter | None, ...]:
        """Of each response; None where it names no option."""
        if self.page.is_open:
            return (None,) * len(self.page.responses)
        return tuple(self.options.letter_of(response.said) for response in self.page.responses)

    @property
    def cast(self) -> list[Letter]:
        """Those that name one."""
        return [vote for vote in self.votes if vote is not None]

    @property
    def rounds(self) -> int | None:
        """How many were held; None where the page does not say."""
        if self.page.kind is not None and self.page.kind.endswith("poll"):
            return 1
        return self.page.rounds

    @property
    def shown_round(self) -> int:
        """The number of the round that is shown: the last one, or the least that it can be."""
        return self.rounds or (2 if any(response.changed for response in self.page.responses) else 1)

    def seat_called(self, name: str | None) -> str | None:
        """The seat of a model; None where there is none of that name, or more than one."""
        found = [seat for seat, r in zip(self.seats, self.page.responses, strict=True) if r.name == name]
        return found[0] if len(found) == 1 else None

    def seat_at_start(self, sentence: str) -> str | None:
        """The seat whose model's name a sentence begins with, the longest such name."""
        names = {response.name for response in self.page.responses}
        found = [name for name in names if re.match(rf"{re.escape(name)}(?![\w.-]*\w)", sentence)]
        return self.seat_called(max(found, key=len)) if found else None


def notes(reading: Reading, found: Verdict | None) -> list[str]:
    """Everything that a reader of the transcript must know, in words.

    Args:
        reading: Of the page.
        found: What its votes come to.
    """
    return [*_about_models(reading), *_about_votes(reading), *_about_result(reading, found), *_about_rest(reading)]


def _about_models(reading: Reading) -> Iterator[str]:
    page = reading.page
    if page.num_models is not None and page.num_models != len(page.responses):
        yield f"the title says {page.num_models} models; there are {len(page.responses)} responses"
    if page.kind is None:
        yield "the page has no title that says how many models answered, and whether they debated"
    if page.kind is not None and page.is_open != page.kind.startswith("open"):
        yield f"the title says {page.kind!r}; responses have {'answers' if page.is_open else 'votes'}"
    if page.inside:
        lines = _first([str(line) for line in page.inside])
        yield f"read like the beginning of a response, and were taken as part of the one above: lines {lines}"
    for seat, response in zip(reading.seats, page.responses, strict=True):
        if seat != response.name:
            yield f"line {response.line}: a second model is called {response.name!r}; its seat is {seat!r}"
        if not response.statement:
            yield f"line {response.line}: {seat} says nothing"
        if response.persuaded_by is not None and reading.seat_called(response.persuaded_by) is None:
            yield f"line {response.line}: {seat} was persuaded by {_short(response.persuaded_by)}, who is no one model"
        if response.previous is not None and reading.options.letter_of(response.previous) is None:
            yield f"line {response.line}: {seat} had voted {_short(response.previous)}, which is none of the options"


def _about_votes(reading: Reading) -> Iterator[str]:
    page = reading.page
    if page.is_open:
        return
    for seat, response, vote in zip(reading.seats, page.responses, reading.votes, strict=True):
        if vote is None:
            yield f"line {response.said_line}: {seat} votes {_short(response.said)}, which is none of the options"
    if not page.options:
        yield "no options are listed: those that were voted for stand for them, and there may have been others"
    counts = tally(reading.question, reading.cast)
    for option, letter in zip(page.options, reading.question.letters, strict=False):
        if option.votes is not None and option.votes != counts[letter]:
            yield (
                f"line {option.line}: the list has {option.votes} votes for {_short(option.text)};"
                f" the responses have {counts[letter]}, which count here"
            )


def _about_result(reading: Reading, found: Verdict | None) -> Iterator[str]:
    page = reading.page
    if page.result is None:
        yield "the page has no result line"
        return
    if page.is_open or found is None:
        return
    said = _RESULT.match(page.result.text)
    if said is None:
        yield f"line {page.result.line}: the result {_short(page.result.text)} is not read as a count of votes"
        return
    letter, votes, of = reading.options.letter_of(said[2]), int(said[3]), int(said[4])
    if letter not in found.options or (votes, of) != (found.votes, found.of):
        leading = ", ".join(reading.question.text_of(option) for option in found.options)
        yield (
            f"line {page.result.line}: the result line has {votes} of {of} votes for {_short(said[2])};"
            f" the responses come to {found.votes} of {found.of} for {leading}"
        )
    if found.kind != _KINDS.get(said[1].casefold(), found.kind):
        yield f"line {page.result.line}: what the page calls {said[1]!r} is a {found.kind} by its votes"


def _about_rest(reading: Reading) -> Iterator[str]:
    page = reading.page
    if reading.rounds is None:
        yield (
            f"the page does not say how many rounds were held; the one that it shows is numbered {reading.shown_round},"
            " the least that it can be"
        )
    if not (page.summary or page.arguments or page.turning_points):
        yield "nothing stands behind the responses, neither a summary nor arguments: the page may be cut off"
    if page.unread:
        lines = _first([f"{said.line} {_short(said.text)}" for said in page.unread])
        yield f"in no part of the page: lines {lines}"


def _first(items: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(items) - MOST:,} more" if len(items) > MOST else ""
    return ", ".join(items[:MOST]) + more


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
