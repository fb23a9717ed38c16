"""A debate as Markdown, in the order that readers of hosted debates know: result, options, responses, summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from localtable.report.view import DebateView, TurnView
from localtable.report.words import argument_line, one_line, printable, written_by


def to_markdown(data: Mapping[str, Any]) -> str:
    """The whole debate as one page; what models and files said can't make markup of its own.

    Args:
        data: A transcript that `transcript.check` lets pass.
    """
    return "\n\n".join(_parts(DebateView(data))) + "\n"


def _parts(view: DebateView) -> Iterator[str]:
    yield f"# {_inert(view.question.question)}"
    yield f"*Debate · {view.seats_line} · panel {_inert(view.data['panel']['name'])}*"
    if view.question.context:
        yield _quoted(view.question.context)
    yield f"**Result: {_inert(view.result)}**"
    if view.agreement is not None:
        yield f"{view.agreement}."
    if (said := view.data.get("source_result")) is not None:
        yield f"The page that this was imported from says: {_inert(said)}"
    if view.last is not None and view.options:
        yield "## Options"
        yield "\n".join(f"- {_inert(o.text)} ({o.votes} {'vote' if o.votes == 1 else 'votes'})" for o in view.options)
    if view.last is not None:
        yield "## Model responses"
        yield from (_turn(turn) for turn in view.last.turns)
    yield from _summary(view)
    if view.facts.changes:
        yield "## Changed minds"
        yield "\n".join(f"- {_inert(view.change_line(change))}" for change in view.facts.changes)
    for round_ in view.rounds:
        if round_.turns and round_ is not view.last:
            yield f"## Round {round_.number}"
            yield from (_turn(turn) for turn in round_.turns)


def _summary(view: DebateView) -> Iterator[str]:
    """What it came to in words; parts that hold nothing are left out."""
    summary = view.summary
    if summary.text:
        yield "## Final summary"
        yield _inert(" ".join(sentence.sentence for sentence in summary.text))
    arguments = [argument_line(view.question, argument) for argument in summary.arguments]
    points = [point.sentence for point in summary.turning_points]
    for title, lines in (("Strongest arguments", arguments), ("Key turning points", points)):
        if lines:
            yield f"## {title}"
            yield "\n".join(f"- {_inert(line)}" for line in lines)
    if by := written_by(summary):
        yield f"*{_inert(by)}.*"


def _turn(turn: TurnView) -> str:
    changed = " (changed mind)" if turn.changed else ""
    voted = f"Vote: **{_inert('not known' if turn.vote is None else turn.vote.text)}**"
    if turn.answer is not None:
        voted = f"Answer: **{_inert(turn.answer)}**"
    confidence = f" ({turn.sure})" if turn.sure else ""
    cut = "\n\n*Cut at its token bound.*" if turn.data.get("truncated") else ""
    return (
        f"### {_inert(turn.seat.name)}{changed}\n\n"
        f"*{_inert(turn.seat.model)}* · {voted}{confidence}\n\n"
        f"{_quoted(turn.statement) or '*(nothing said)*'}{cut}"
    )


def _inert(text: str) -> str:
    """One line of text that renders as itself, whatever it holds."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#+|~!$])", r"\\\1", one_line(printable(text))).replace("&", "&amp;")
    # At the beginning of a line these would make a list, a rule, or the heading or a table of what stands above.
    return re.sub(r"^(\d*)([-=.):])", r"\1\\\2", escaped)


def _quoted(text: str) -> str:
    lines = [_inert(line) for line in printable(text).strip().split("\n")]
    # A backslash at its end keeps a line apart from the next one, where the text had them apart.
    breaks = ["\\" if line and after else "" for line, after in zip(lines, [*lines[1:], ""], strict=True)]
    return "\n".join(f"> {line}{end}".rstrip() for line, end in zip(lines, breaks, strict=True)) if any(lines) else ""
