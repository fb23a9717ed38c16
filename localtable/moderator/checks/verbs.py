"""Which words of a sentence claim something, and what kind of claim that is.

A word can be a verb in one place and a noun in another; what stands around it says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.reading import Mark

VerbKind = Literal["vote", "stay", "change", "persuade", "credit", "shift", "win", "lead", "lose", "tie", "surer"]


class Verb(NamedTuple):
    """A word that claims something."""

    place: int
    kind: VerbKind


def find_verbs(marks: Sequence[Mark]) -> list[Verb]:
    """The verbs of a sentence that claim something of their own."""
    verbs: list[Verb] = []
    for place in range(len(marks)):
        kind = _kind(marks, place) or ("change" if _leaves(marks, place, verbs) else None)
        if kind is not None:
            verbs.append(Verb(place, kind))
    verbs = [verb for n, verb in enumerate(verbs) if not (n and _completes(marks, verbs[n - 1], verb))]
    return [verb for n, verb in enumerate(verbs) if not (n + 1 < len(verbs) and _begins(marks, verb, verbs[n + 1]))]


def _leaves(marks: Sequence[Mark], place: int, verbs: Sequence[Verb]) -> bool:
    """`from No`, behind whatever verb or noun: somebody who leaves an option."""
    behind = marks[place + 1 : place + 2]
    if marks[place].word != "from" or not behind or behind[0].kind != "option":
        return False
    known = verbs and verbs[-1].kind in ("change", "persuade", "credit", "shift") and place - verbs[-1].place < 8
    return not known and any(mark.kind == "seat" for mark in marks[:place])


def _completes(marks: Sequence[Mark], before: Verb, verb: Verb) -> bool:
    """Whether a verb only says to what somebody was persuaded: `persuaded Ada to vote for No`, `made Ada switch`."""
    links = marks[verb.place - 1]
    made = marks[before.place].word in ("made", "makes") and links.kind == "seat"
    return (
        before.kind == "persuade" and (links.word in ("to", "into") or made) and verb.kind in ("vote", "change", "stay")
    )


def _begins(marks: Sequence[Mark], verb: Verb, behind: Verb) -> bool:
    """Whether a verb only says when: `began by voting for No`, `opened with a vote for No`."""
    said = marks[verb.place + 1 : behind.place]
    return marks[verb.place].word in words.BOUNDS and not any(mark.kind in ("option", "seat") for mark in said)


def _kind(marks: Sequence[Mark], place: int) -> VerbKind | None:
    """What a word claims, where it claims anything."""
    word = marks[place].word
    before = marks[place - 1] if place else Mark("mark", "")
    behind = marks[place + 1] if place + 1 < len(marks) else Mark("mark", "")
    if not word:
        return None
    if word == "influence" and behind.word == "of":
        return "credit"
    if (word in words.OWN and _belongs(marks, place)) or (word in words.TAKE and _takes(marks, place)):
        return "vote"
    agreed = word in words.AGREE and behind.word in ("on", "upon")
    if agreed and any(mark.kind == "option" for mark in marks[place + 2 : place + 3]):
        return "vote"  # agreed on No
    if word == "lead" and before.word == "the":
        return "lead"
    if word in words.VOTES and before.word in words.PRONOUNS and place > 1 and marks[place - 2].word in _HAVE_VOTES:
        return None
    if _is_noun(word, before, behind) or (word in ("favour", "favor") and behind.word == "of"):
        return None
    kind = _kind_of_persuasion(marks, place, behind)
    if kind is not None or word in words.PERSUADE | words.CREDIT:
        return kind
    return _kind_of_vote(marks, place, behind)


def _kind_of_persuasion(marks: Sequence[Mark], place: int, behind: Mark) -> VerbKind | None:
    word = marks[place].word
    if word in words.PERSUADE:
        return None if word == "convinced" and behind.word == "of" else "persuade"
    if word in words.CREDIT:
        near = [mark for mark in marks[place + 1 : place + 3] if mark.word not in ("to", "of")]
        return "credit" if near and near[0].kind == "seat" else None
    if word in words.MOVE_OTHERS:
        if any(mark.word in words.POINTS for mark in marks[place + 1 : place + 4]):
            return "shift"
        return "persuade" if _moves_a_seat(marks, place) else None
    return None


def _kind_of_vote(marks: Sequence[Mark], place: int, behind: Mark) -> VerbKind | None:
    word = marks[place].word
    if word in words.COPULA:
        return "vote" if _is_vote(marks, place) else None
    if word in words.LOSE and behind.kind == "seat":
        return "change"
    if _says_a_vote(marks, place, behind):
        return "vote"
    if word in ("gave", "gives", "giving") and behind.word != "up":
        return None
    kind = next((kind for kind, group in _KINDS if word in group), None)
    if kind == "stay" and any(mark.word in words.VOTES for mark in marks[place + 1 : place + 5]):
        return kind
    if kind == "stay" or word in words.BOUNDS or (kind == "change" and word not in words.OWN_CHANGE):
        return kind if any(mark.kind == "option" for mark in marks[place + 1 :]) else None
    return kind


_KINDS: tuple[tuple[VerbKind, frozenset[str]], ...] = (
    ("surer", words.SURER),
    ("vote", words.VOTE),
    ("stay", words.STAY),
    ("change", words.CHANGE),
    ("tie", words.TIE),
    ("win", words.WIN),
    ("lead", words.LEAD),
    ("lose", words.LOSE),
)


def _says_a_vote(marks: Sequence[Mark], place: int, behind: Mark) -> bool:
    """`went for No`, `two votes went to No`, `came down on No`, `gave its vote to No`."""
    match marks[place].word:
        case "came" | "comes":
            return behind.word == "down"
        case "went" | "goes" | "going":
            return behind.word == "for" or any(m.word in words.VOTES for m in marks[max(place - 4, 0) : place])
        case "gave" | "gives" | "giving":
            return behind.word != "up" and any(m.word in words.VOTES for m in marks[place + 1 : place + 4])
        case _:
            return False


def _takes(marks: Sequence[Mark], place: int) -> bool:
    """An option that attracted seats."""
    behind = [mark for mark in marks[place + 1 : place + 4] if mark.word not in ("only", "just", "both", "the")]
    return (
        bool(behind) and behind[0].kind == "seat" and any(m.kind == "option" for m in marks[max(place - 2, 0) : place])
    )


def _belongs(marks: Sequence[Mark], place: int) -> bool:
    """`the vote of Ada`, beside an option."""
    behind = marks[place + 1 : place + 3]
    of_seat = len(behind) == 2 and behind[0].word == "of" and behind[1].kind == "seat"
    counted = marks[place].word in words.VOTES | {"support", "backing"}
    return of_seat and any(mark.kind == "option" for mark in (marks if counted else marks[place:]))


def _is_vote(marks: Sequence[Mark], place: int) -> bool:
    """`Ada was for No`, `Ada's vote was No`, `No was the choice of Ada`."""
    if any(mark.word in ("→", "➔") for mark in marks):
        return False
    passed = ("for", "in", "favour", "favor", "of", "the", "option", "still", "also")
    behind = [mark for mark in marks[place + 1 : place + 6] if mark.word not in passed]
    before = marks[max(place - 5, 0) : place]
    if behind and behind[0].kind == "option":
        return any(mark.kind == "seat" for mark in before)
    if behind and behind[0].kind == "seat" and any(mark.word in words.SEATS for mark in before):
        return bool(before) and before[-1].kind == "option"  # the only seat for No was Ada
    chosen = any(mark.kind == "option" for mark in before[-2:]) and marks[place].word != ":"
    return chosen and bool(behind) and any(mark.word in words.OWN | {"favourite", "first"} for mark in behind[:2])


_HAVE_VOTES = words.STAY | words.CHANGE | words.VOTE | words.MOVE_OTHERS
_NOUNS = (
    words.VOTES
    | words.CHANGES
    | frozenset(["support", "back", "lead", "hold", "stand", "influence", "move", "shift", "pick"])
)
_BEFORE_VERBS = frozenset(
    ["to", "who", "not", "never", "did", "didn't", "didn’t", "also", "then", "finally", "would", "do", "does"]
)


def _is_noun(word: str, before: Mark, behind: Mark) -> bool:
    """Whether a word that can be a verb is a noun here: `its vote`, `two votes`, `no change`.

    A change from something to something claims the same as the verb.
    """
    if word not in _NOUNS or (word in words.CHANGES and behind.word in ("from", "to")):
        return False
    if word in words.VOTES and behind.word in ("for", "of") and before.kind not in ("number", "of"):
        return False
    if before.kind == "seat" or word == "changed":
        return before.possessive
    is_subject = before.word in words.MANY_SEATS | words.PANEL | words.EVERYBODY | words.NOBODY | {"who"}
    return not (is_subject or before.word in _BEFORE_VERBS or before.word.endswith("ly"))


def _moves_a_seat(marks: Sequence[Mark], place: int) -> bool:
    """`moved Ada`, `changed Ada's mind`, `was moved by Ada`."""
    behind = [mark for mark in marks[place + 1 : place + 4] if mark.word not in ("the", "even", "both")]
    if behind and behind[0].kind == "seat":
        return True
    passive = place > 0 and marks[place].word not in ("made", "got", "caused", "led", "brought")
    passive = passive and marks[place - 1].word in words.COPULA | {"been", ","}
    by = [at for at in range(place + 1, min(place + 9, len(marks) - 1)) if marks[at].word == "by"]
    return passive and any(marks[at + 1].kind == "seat" for at in by)
