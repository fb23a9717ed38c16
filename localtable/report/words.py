"""The words of a result: result line, votes, changed minds. Terminal, Markdown and pages say the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from localtable.types import Panel, Participant, Question, Round, Seat, Transcript, Turn, Verdict

_KINDS = {"unanimous": "Unanimous", "majority": "Majority", "plurality": "Plurality", "tie": "Tie"}


def result_line(question: Question, verdict: Verdict) -> str:
    """`Unanimous — Yes (6/6 votes)`; a tie names every leading option."""
    names = ", ".join(one_line(question.text_of(letter)) for letter in verdict.options)
    each = " each" if len(verdict.options) > 1 else ""
    return f"{_KINDS[verdict.kind]} — {names} ({verdict.votes}/{verdict.of} votes{each})"


def agreement_line(verdict: Verdict) -> str:
    """Whether the panel agreed, and after how many rounds."""
    rounds = f"{verdict.rounds} round{'s' if verdict.rounds != 1 else ''}"
    return f"Agreement after {rounds}" if verdict.agreement else f"No agreement after {rounds}"


def changed_turns(transcript: Transcript) -> list[tuple[Round, Turn, Turn]]:
    """Every change of mind: the round, the turn before and the turn that changed."""
    changes = []
    for before, after in zip(transcript.rounds, transcript.rounds[1:], strict=False):
        previous = {turn.seat: turn for turn in before.turns}
        changes += [(after, previous[turn.seat], turn) for turn in after.turns if turn.changed_mind]
    return changes


def change_line(question: Question, number: int, before: Turn, after: Turn) -> str:
    """`Ada: Yes → No in round 2, persuaded by Bob`."""
    old, new = (one_line(question.text_of(turn.ballot.vote)) for turn in (before, after))
    by = f"persuaded by {after.ballot.persuaded_by}" if after.ballot.persuaded_by else "by its own reasoning"
    return f"{after.seat}: {old} → {new} in round {number}, {by}"


def model_name(seat: Participant) -> str:
    """The name of the model that sits there; of a confederate, what it is."""
    if isinstance(seat, Seat):
        return seat.card.name
    return "scripted confederate" if seat.counts else "scripted confederate, no vote"


def seats_line(panel: Panel) -> str:
    """`6 seats, 2 of them scripted confederates`."""
    scripted = len(panel.confederates)
    kind = "a scripted confederate" if scripted == 1 else "scripted confederates"
    return f"{len(panel.seats)} seats" + (f", {scripted} of them {kind}" if scripted else "")


def cost_text(cost: Mapping[str, Any]) -> str:
    """What endpoints cost, in the currency of their cards' prices."""
    total = cost["total"]
    return "cost not known" if total is None else f"cost {total:,.4f} at the cards' prices"


def one_line(text: str) -> str:
    """A text whose line ends are spaces: an option of two lines can't pass for two lines of ours."""
    return " ".join(text.split())


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
