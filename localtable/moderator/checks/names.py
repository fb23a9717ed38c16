"""Names: whoever is named must sit at the table, or be somebody of whom the debate itself speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.reading import Mark

_ACTS = (
    words.VOTE
    | words.CHANGE
    | words.PERSUADE
    | words.STAY
    | words.SAY
    | words.WIN
    | words.LEAD
    | words.CREDIT
    | {"made", "makes"}
)


def check_names(marks: Sequence[Mark], ground: Ground) -> Iterator[Problem]:
    """Names in a sentence that belong to nobody, and seats beside a model that is not theirs."""
    for place, mark in enumerate(marks):
        if mark.kind == "word" and mark.text[:1].isupper() and _is_strange(marks, place, ground):
            yield Problem("name", f"there is no {mark.text} in this debate")
        if mark.kind == "seat" and place + 2 < len(marks) and marks[place + 1].word == "(":
            model = marks[place + 2]
            if model.kind == "seat" and len(model.seats | mark.seats) > max(len(model.seats), len(mark.seats)):
                yield Problem("name", f"{mark.text} does not sit on {model.text}")


def _is_strange(marks: Sequence[Mark], place: int, ground: Ground) -> bool:
    """Whether a word with a capital is a name of nobody.

    What does something, or owns something, must be a seat; anything else may be a name that somebody has spoken of.
    """
    mark = marks[place]
    word = mark.word
    if word in words.ORDINARY or "_" in word or len(word) == 1:
        return False
    acts = _acts(marks[place + 1 : place + 6])
    before = marks[place - 1].word if place else ""
    object_of = before == "by" and place > 1 and marks[place - 2].word in _ACTS
    if word in ground.words and (mark.text.endswith("s") or not (acts or object_of)):
        return False
    begins = place == 0 or before in (".", "!", "?", ":", ";", "“")
    if begins and not (acts or mark.possessive):
        return (
            marks[place + 1].word in ("and", ",") and _is_in_a_list(marks, place) if place + 1 < len(marks) else False
        )
    return word not in ground.words or acts or object_of


def _acts(behind: Sequence[Mark]) -> bool:
    """Whether what stands behind a word is a verb of which it is the subject."""
    passed = words.LINKS | {"(", ")", ","}
    for mark in behind:
        if mark.kind in ("seat", "option", "number", "of", "quote"):
            return False
        if mark.kind == "word" and mark.word not in passed and not mark.word.endswith("ly"):
            return mark.word in _ACTS or mark.word.endswith("ed")
    return False


def _is_in_a_list(marks: Sequence[Mark], place: int) -> bool:
    """Whether a first word stands in a list of seats: `Zoe and Ada voted`."""
    behind = marks[place + 2 : place + 4]
    return (
        bool(behind) and behind[0].kind == "seat" and len(behind) > 1 and behind[1].word in _ACTS | {"and", ",", "both"}
    )
