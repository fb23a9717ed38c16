"""The words of a result: result line, votes, changed minds. Terminal, Markdown and pages say the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from localtable.types import LETTERS, Panel, Participant, Question, Round, Seat, Transcript, Turn, Verdict

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
