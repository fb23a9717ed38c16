"""Where the parts of a page begin and end.

Three rules tell a heading from the same words in a text. Of what stands above the responses the last one before them
counts, of what stands below them the last one on the page; and responses end at the first part below them behind as
many beginnings as there are models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from localtable.errors import ConfigError
from localtable.roundtable.lines import Line
from localtable.roundtable.responses import Beginning, Label, find_beginnings

Kind = Literal["debate", "poll", "open debate", "open poll"]
Part = Literal["result", "options", "summary", "arguments", "turning points"]

RESPONSES = "model responses"
_HEADINGS: Mapping[str, Part] = {
    "options": "options",
    "final summary": "summary",
    "strongest arguments": "arguments",
    "key turning points": "turning points",
}
_ABOVE: tuple[Part, ...] = ("result", "options")
"""Parts that stand above the responses where the page has its usual order; the others stand below them."""
_TITLE = re.compile(
    r"^(?:AI Roundtable)? ?[·•|:–—-]? ?((?:Open )?(?:Debate|Poll)) ?[·•|,:–—-] ?([0-9]{1,6}) models?$", re.IGNORECASE
)
_LOADING = re.compile(r"^Loading\b.{0,40}(?:\.\.\.|…)$", re.IGNORECASE)
EXAMPLES = "Result: …, Options, Model Responses, Vote: …, Final Summary"


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of parts, as indices of lines."""

    kind: Kind | None
    num_models: int | None
    """Of the title."""
    title: int | None
    label: Label
    """What stands below each model's name."""
    first: int
    """Where the question begins."""
    question_end: int
    responses: int
    """Their heading."""
    responses_end: int
    beginnings: Sequence[Beginning]
    """All that may be one, behind the heading."""
    parts: Mapping[str, range]
    """From the heading's line on."""


def find_layout(lines: Sequence[Line], where: str) -> Layout:
    """Find the parts of a page.

    Raises:
        ConfigError: There are no responses; the message says what there is.
    """
    responses, beginnings = _find_responses(lines, where)
    label = beginnings[0].label
    beginnings = [beginning for beginning in beginnings if beginning.label == label]
    title = next((index for index in range(responses) if _TITLE.match(lines[index].plain)), None)
    kind, num_models = _read_title(None if title is None else lines[title])
    first = _first(lines, responses, title)
    # Below them `Answer:` is a model's, above them the panel's.
    above = _starts(lines, range(first, responses), ("Result",) if label == "Vote" else ("Result", "Answer"))
    behind = beginnings[min(num_models or len(beginnings), len(beginnings)) - 1].label_index + 1
    below = _starts(lines, range(behind, len(lines)), ("Result",))
    below = {part: index for part, index in below.items() if part not in _ABOVE or part not in above}
    above = {part: index for part, index in above.items() if part not in below}
    return Layout(
        kind=kind,
        num_models=num_models,
        title=title,
        label=label,
        first=first,
        question_end=min(above.values(), default=responses),
        responses=responses,
        responses_end=min(below.values(), default=len(lines)),
        beginnings=beginnings,
        parts={**_ranges(above, responses), **_ranges(below, len(lines))},
    )


def _find_responses(lines: Sequence[Line], where: str) -> tuple[int, list[Beginning]]:
    """The heading of the responses, and all places behind it where one may begin."""
    headings = [index for index, line in enumerate(lines) if _heading(line) == RESPONSES]
    if not headings:
        raise _no_page(lines, where)
    found = find_beginnings(lines, headings[0] + 1)
    if not found:
        number = lines[headings[0]].number
        raise ConfigError(
            f"{where}, line {number}: no model's response stands below 'Model Responses' (a name, and below it"
            " 'Vote: …' or 'Answer: …'): the page may be cut off",
            hint="Copy the whole page, and let it load first.",
        )
    # A question may have such a line, too: the heading is the one right above a response.
    indices = {beginning.index for beginning in found}
    heading = next((index for index in headings if _next(lines, index) in indices), headings[0])
    return heading, [beginning for beginning in found if beginning.index > heading]


def _no_page(lines: Sequence[Line], where: str) -> ConfigError:
    known = [line for line in lines if _heading(line) in _HEADINGS or _TITLE.match(line.plain)]
    if known:
        return ConfigError(
            f"{where}, line {known[-1].number}: the last part of the page that is read as one; there is no line"
            " 'Model Responses', so the page may be cut off",
            hint="Copy the whole page, and let it load first.",
        )
    there = next((line for line in lines if not line.empty), None)
    if there is None:
        return ConfigError(f"{where} is empty", hint="Copy the page's text into it.")
    shown = there.plain if len(there.plain) <= 60 else f"{there.plain[:59]}…"
    return ConfigError(
        f"{where}, line {there.number}: {shown!r}: neither here nor below is anything of a roundtable's page",
        hint=f"Copy the page with its own English headings: {EXAMPLES}.",
    )


def _next(lines: Sequence[Line], index: int) -> int | None:
    return next((i for i in range(index + 1, len(lines)) if not lines[i].empty), None)


def _heading(line: Line) -> str:
    return line.plain.rstrip(": ").casefold()


def _read_title(line: Line | None) -> tuple[Kind | None, int | None]:
    found = None if line is None else _TITLE.match(line.plain)
    if found is None:
        return None, None
    return cast("Kind", found[1].casefold()), int(found[2]) or None


def _first(lines: Sequence[Line], stop: int, title: int | None) -> int:
    """Where the question begins: behind the title, or behind what a page says while it loads."""
    if title is not None:
        return title + 1
    loading = [index for index in range(stop) if _LOADING.match(lines[index].plain)]
    return loading[-1] + 1 if loading else 0


def _starts(lines: Sequence[Line], where: Iterable[int], results: Sequence[str]) -> dict[str, int]:
    """The last line of each part's kind of beginning; `results` are the words that a result line begins with."""
    result = re.compile(rf"^(?:{'|'.join(results)}) ?:", re.IGNORECASE)
    found: dict[str, int] = {}
    for index in where:
        line = lines[index]
        part = "result" if result.match(line.plain) and not line.bullet else _HEADINGS.get(_heading(line))
        if part is not None:
            found[part] = index
    return found


def _ranges(starts: Mapping[str, int], end: int) -> dict[str, range]:
    """Each part up to the next one."""
    ordered = sorted(starts.items(), key=lambda start: start[1])
    bounds = [*(index for _, index in ordered), end]
    return {part: range(start, stop) for (part, start), stop in zip(ordered, bounds[1:], strict=True)}
