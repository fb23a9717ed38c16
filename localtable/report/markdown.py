"""A debate as Markdown, in the order that readers of hosted debates know: result, options, responses, rounds."""

from __future__ import annotations

import re

from localtable.report.words import (
    agreement_line,
    argument_line,
    change_line,
    changed_turns,
    model_name,
    one_line,
    printable,
    result_line,
    seats_line,
    written_by,
)
from localtable.types import Round, Transcript, Turn


def to_markdown(transcript: Transcript) -> str:
    """The whole debate as one page; what models and files said can't make markup of its own."""
    question, panel = transcript.question, transcript.panel
    parts = [f"# {_inert(question.question)}", f"*Debate · {seats_line(panel)} · panel {_inert(panel.name)}*"]
    if question.context:
        parts.append(_quoted(question.context))
    if transcript.verdict is not None:
        parts.append(f"**Result: {_inert(result_line(question, transcript.verdict))}**")
        parts.append(agreement_line(transcript.verdict) + ".")
    else:
        parts.append("**Result: none, the debate was interrupted.**")
    if transcript.rounds:
        last = transcript.rounds[-1]
        parts += ["## Options", _options(transcript, last), "## Model responses"]
        parts += [_turn(transcript, last, turn) for turn in last.turns]
        parts += _summary(transcript)
    if changes := changed_turns(transcript):
        lines = [f"- {_inert(change_line(question, r.number, before, after))}" for r, before, after in changes]
        parts += ["## Changed minds", "\n".join(lines)]
    for round_ in transcript.rounds[:-1]:
        parts.append(f"## Round {round_.number}")
        parts += [_turn(transcript, round_, turn) for turn in round_.turns]
    return "\n\n".join(parts) + "\n"


def _options(transcript: Transcript, last: Round) -> str:
    question = transcript.question
    return "\n".join(
        f"- {_inert(question.text_of(letter))} ({count} {'vote' if count == 1 else 'votes'})"
        for letter, count in last.tally.items()
    )


def _summary(transcript: Transcript) -> list[str]:
    """What it came to in words; parts that hold nothing are left out."""
    summary = transcript.summary
    if summary is None:
        return []
    parts = []
    if summary.text:
        parts += ["## Final summary", _inert(" ".join(sentence.sentence for sentence in summary.text))]
    if summary.arguments:
        lines = [f"- {_inert(argument_line(transcript.question, argument))}" for argument in summary.arguments]
        parts += ["## Strongest arguments", "\n".join(lines)]
    if summary.turning_points:
        lines = [f"- {_inert(point.sentence)}" for point in summary.turning_points]
        parts += ["## Key turning points", "\n".join(lines)]
    if by := written_by(summary):
        parts.append(f"*{_inert(by)}.*")
    return parts


def _turn(transcript: Transcript, round_: Round, turn: Turn) -> str:
    model = next(model_name(seat) for seat in transcript.panel.seats if seat.name == turn.seat)
    changed = " (changed mind)" if turn.changed_mind else ""
    confidence = "" if turn.ballot.confidence is None else f" ({turn.ballot.confidence:.0%})"
    cut = "\n\n*Cut at its token bound.*" if turn.truncated else ""
    return (
        f"### {_inert(turn.seat)}{changed}\n\n"
        f"*{_inert(model)}* · Vote: **{_inert(transcript.question.text_of(turn.ballot.vote))}**{confidence}\n\n"
        f"{_quoted(turn.statement) or '*(nothing said)*'}{cut}"
    )


def _inert(text: str) -> str:
    """One line of text that renders as itself, whatever it holds."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#+|~!$])", r"\\\1", one_line(printable(text))).replace("&", "&amp;")
    # At the beginning of a line these would make a list, a rule or the heading of what stands above.
    return re.sub(r"^(\d*)([-=.)])", r"\1\\\2", escaped)


def _quoted(text: str) -> str:
    lines = [_inert(line) for line in printable(text).strip().split("\n")]
    # A backslash at its end keeps a line apart from the next one, where the text had them apart.
    breaks = ["\\" if line and after else "" for line, after in zip(lines, [*lines[1:], ""], strict=True)]
    return "\n".join(f"> {line}{end}".rstrip() for line, end in zip(lines, breaks, strict=True)) if any(lines) else ""
