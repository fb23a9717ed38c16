"""The words of a result: result line, votes, changed minds. Terminal, Markdown and pages say the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from localtable.moderator.words import counted
from localtable.moderator.words import one_line as one_line  # every report's, and the moderator's
from localtable.types import (
    LETTERS,
    SOURCE,
    TEMPLATE,
    ArgumentSentence,
    Participant,
    Question,
    Seat,
    Summary,
    Verdict,
)

_KINDS = {"unanimous": "Unanimous", "majority": "Majority", "plurality": "Plurality", "tie": "Tie"}


def result_line(question: Question, verdict: Verdict) -> str:
    """`Unanimous — Yes (6/6 votes)`; a tie names every leading option."""
    return outcome_line(
        verdict.kind, [question.text_of(letter) for letter in verdict.options], verdict.votes, verdict.of
    )


def verdict_line(transcript: Mapping[str, Any]) -> str:
    """The same of a written transcript that has a verdict."""
    verdict, options = transcript["verdict"], transcript["question"]["options"]
    leading = [options[LETTERS.index(letter)] for letter in verdict["options"]]
    return outcome_line(verdict["kind"], leading, verdict["votes"], verdict["of"])


def outcome_line(kind: str, leading: Sequence[str], votes: int, of: int) -> str:
    """The same of its parts: `leading` are the leading options' texts, `votes` what each has."""
    each = " each" if len(leading) > 1 else ""
    return f"{_KINDS[kind]} — {', '.join(map(one_line, leading))} ({votes}/{of} votes{each})"


def agreement_line(verdict: Verdict) -> str:
    """Whether the panel agreed, and after how many rounds where that is known."""
    when = "" if verdict.rounds is None else f" after {verdict.rounds} round{'s' if verdict.rounds != 1 else ''}"
    return f"Agreement{when}" if verdict.agreement else f"No agreement{when}"


def change_line(seat: str, old: str, new: str, number: int, persuaded_by: str | None, *, asked: bool = True) -> str:
    """`Ada: Yes → No in round 2, persuaded by Bob`; `asked` is False where nobody knows what the seat would say."""
    reason = f", persuaded by {persuaded_by}" if persuaded_by else ", by its own reasoning" if asked else ""
    return f"{seat}: {old} → {new} in round {number}{reason}"


def written_by(summary: Summary) -> str | None:
    """Which model wrote a summary and how many of its sentences did not hold; None where none of ours did."""
    if summary.by == TEMPLATE:
        return None
    if summary.by == SOURCE:
        return "As the imported page has it, not checked"
    dropped = f"; {counted(summary.dropped, 'sentence')} dropped" if summary.dropped else ""
    return f"Written by {summary.by}, each sentence checked{dropped}"


def argument_line(question: Question, argument: ArgumentSentence) -> str:
    """`No: Bob said in round 1 …`."""
    if argument.option is None:
        return argument.sentence
    return f"{one_line(question.text_of(argument.option))}: {argument.sentence}"


def model_name(seat: Participant) -> str:
    """The name of the model that sits there; of a confederate, what it is."""
    if isinstance(seat, Seat):
        return seat.card.name
    return "scripted confederate" if seat.counts else "scripted confederate, no vote"


def seats_line(number: int, scripted: int) -> str:
    """`6 seats, 2 of them scripted confederates`."""
    kind = "a scripted confederate" if scripted == 1 else "scripted confederates"
    seats = f"{number} seat{'' if number == 1 else 's'}"
    return f"{seats}, {scripted} of them {kind}" if scripted else seats


def cost_text(cost: Mapping[str, Any]) -> str:
    """What endpoints cost, in the currency of their cards' prices."""
    total = cost["total"]
    return "cost not known" if total is None else f"cost {total:,.4f} at the cards' prices"


def printable(text: str) -> str:
    """A text with everything that steers a terminal or turns the reading direction written out instead."""
    text = text.replace("\r\n", "\n")
    return "".join(char if char in "\n\t" or _harmless(char) else _written_out(char) for char in text)


def _harmless(char: str) -> bool:
    # Cc: control characters; Cf: direction overrides, zero-width marks; Co, Cs, Cn: what no font can show; Zl, Zp: line
    # ends that are not \n.
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _written_out(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
