"""Marks → clauses: each verb that claims something, with its subject, what it is about, its round and its negation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.reading import Mark
from localtable.moderator.checks.verbs import Verb, VerbKind, find_verbs
from localtable.types import Letter

Who = Literal["seats", "all", "none", "number", "panel", "most", "some", "unknown"]
Holds = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Subject:
    """Of whom something is claimed."""

    who: Who
    seats: tuple[frozenset[str], ...] = ()
    """Each a seat, or the seats of one model; with `all` those who are excepted."""
    number: int = 0
    only: bool = False

    def fits(self, holds: Holds, ground: Ground) -> bool:
        """Whether a claim about a single seat is true of this subject."""
        true = [seat for seat in ground.counting if holds(seat)]
        of = len(ground.counting)
        match self.who:
            case "seats":
                named = all(any(map(holds, seats)) for seats in self.seats)
                return named and (not self.only or len(true) == len(self.seats))
            case "all":
                excepted = {seat for seats in self.seats for seat in seats}
                return set(true) == set(ground.counting) - excepted
            case "none":
                return not true
            case "number":
                return len(true) == self.number
            case "most":
                return 2 * len(true) > of
            case "panel":
                return len(true) > 0 and 2 * len(true) >= of
            case _:
                return any(map(holds, ground.record.seats))


@dataclass(frozen=True, slots=True)
class Clause:
    """A verb and what belongs to it."""

    kind: VerbKind
    verb: str
    subject: Subject
    left: tuple[Mark, ...]
    """Everything before the verb that is not an earlier clause's."""
    right: tuple[Mark, ...]
    """Everything behind it, up to the next clause."""
    negated: bool
    would: bool
    """It says what would have been."""
    passive: bool
    rounds: tuple[int, ...]
    near: tuple[str, ...]
    """The words around the verb."""
    earlier: tuple[frozenset[str], ...]
    """Seats that the sentence has named before."""
    goes_on: bool = False
    """The next clause says something else of the same subject."""

    @property
    def options(self) -> tuple[Mark, ...]:
        return tuple(mark for mark in self.right if mark.kind == "option")

    @property
    def options_before(self) -> tuple[Letter, ...]:
        return tuple(mark.option for mark in self.left if mark.kind == "option")

    def says(self, group: frozenset[str]) -> bool:
        """Whether a word of a group stands in it."""
        return self.verb in group or any(mark.word in group for mark in (*self.left, *self.right))

    def seats_behind(self) -> tuple[frozenset[str], ...]:
        """Seats directly behind the verb, as its objects."""
        found: list[frozenset[str]] = []
        for mark in self.right:
            if mark.kind == "seat":
                found.append(mark.seats)
            elif mark.word not in words.LINKS | {","} or (found and mark.word == "to"):
                break
        return tuple(found)

    def seats_by(self) -> tuple[frozenset[str], ...]:
        """Seats behind `by`."""
        places = [place for place, mark in enumerate(self.right) if mark.word == "by"]
        return replace(self, right=self.right[places[0] + 1 :]).seats_behind() if places else ()


def read_clauses(marks: Sequence[Mark], ground: Ground) -> list[Clause]:
    """The clauses of a sentence, in their order."""
    verbs = find_verbs(marks)
    starts = [_start(marks, verb, verbs[n - 1].place + 1 if n else 0) for n, verb in enumerate(verbs)]
    opening, companions = opening_rounds(marks), _companions(marks)
    clauses: list[Clause] = []
    for number, (place, kind) in enumerate(verbs):
        end = starts[number + 1] if number + 1 < len(verbs) else len(marks)
        left, right = tuple(marks[starts[number] if number else 0 : place]), tuple(marks[place + 1 : end])
        own = _subject(marks[starts[number] : place], ground)
        if any(mark.word == "number" for mark in left):
            own = Subject("unknown")  # the number of seats that changed
        rounds = _rounds(left) + _rounds(right)
        if own is None and clauses:
            clauses[-1] = replace(clauses[-1], goes_on=True)
            rounds = rounds or (clauses[-1].rounds if kind == clauses[-1].kind == "change" else ())
        subject = own or (clauses[-1].subject if clauses else _nearest(left))
        if subject.who == "seats" and kind in ("vote", "stay", "change"):
            subject = replace(subject, seats=tuple(dict.fromkeys((*subject.seats, *companions))))
        clauses.append(
            Clause(
                kind,
                marks[place].word,
                subject,
                left,
                right,
                negated=any(mark.word in words.NOT - {"no", "nothing"} for mark in left[-6:]),
                would=_is_supposed(left),
                passive=any(mark.word in words.COPULA | {"been", "got", "are"} for mark in left[-4:]),
                rounds=rounds or opening,
                near=tuple(mark.word for mark in (*left[-7:], marks[place], *right[:7])),
                earlier=tuple(mark.seats for mark in marks[: starts[number]] if mark.kind == "seat"),
            )
        )
    return _with_patients(clauses)


def _is_supposed(left: Sequence[Mark]) -> bool:
    """Whether a verb says what would be: `would have led`, `if Ada kept`, `had it kept`."""
    inverted = len(left) > 1 and left[-2].word == "had" and (left[-1].kind == "seat" or left[-1].word in words.PRONOUNS)
    return inverted or any(mark.word in ("would", "might", "could", "if") for mark in left)


def _rounds(marks: Sequence[Mark]) -> tuple[int, ...]:
    """The rounds of which something is said; `after round 1` says nothing of round 1."""
    return tuple(
        int(mark.number)
        for place, mark in enumerate(marks)
        if mark.kind == "round"
        and not any(m.word in ("after", "before", "until", "following") for m in marks[max(place - 2, 0) : place])
    )


def _companions(marks: Sequence[Mark]) -> tuple[frozenset[str], ...]:
    """Seats of whom the same is said: `like Ada`, `joined Ada in`."""
    return tuple(
        mark.seats
        for before, mark in pairwise(marks)
        if mark.kind == "seat" and before.word in ("like", "alongside", "joined", "joins")
    )


def _with_patients(clauses: list[Clause]) -> list[Clause]:
    """`Persuaded by Bob, Ada …`: who is meant is said by the clause behind it."""
    for number, clause in enumerate(clauses[:-1]):
        if clause.kind in ("persuade", "credit") and clause.subject.who == "unknown":
            clauses[number] = replace(clause, subject=clauses[number + 1].subject)
    return clauses


def _start(marks: Sequence[Mark], verb: Verb, least: int) -> int:
    """Where a verb's subject begins: what stands right before it and can be part of one."""
    place, seats, joined, rounds = verb.place, 0, False, 0
    of_options = verb.kind in ("win", "lead", "lose", "tie") or any(
        mark.word in ("was", "were", "been") for mark in marks[max(verb.place - 3, least) : verb.place]
    )
    while place > least:
        mark = marks[place - 1]
        if mark.kind == "seat":
            if seats and not joined and not _is_set_off(marks, place):
                break
            seats, joined = seats + 1, False
        elif mark.kind == "option" and of_options and not seats:
            joined = True
        elif mark.kind == "round":
            rounds += 1
            if rounds > 1:
                break
        elif mark.word == ",":
            if not _lists_on(marks, place) and not _is_set_off(marks, place):
                break
            joined = True
        elif mark.word in ("and", "or", "nor"):
            if not seats and marks[place].kind != "option":
                break
            joined = True
        elif mark.kind not in ("number", "of") and mark.word not in _IN_SUBJECTS and not mark.word.endswith("ly"):
            break
        place -= 1
    return place


_PARTS = {"half": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4}
"""Shares of the seats, as words."""
_IN_SUBJECTS = (
    words.LINKS | words.PEOPLE | words.OWN | words.EVERYBODY | words.NOBODY | words.PANEL | words.PRONOUNS
) - words.CREDIT | {"(", ")", "round", "rounds", *_PARTS}


def _is_set_off(marks: Sequence[Mark], place: int) -> bool:
    """Whether what follows is said of the name before it: `Ada, who`, `Ada (SmolLM2)`."""
    return place < len(marks) and marks[place].word in ("who", "which", "(", ")")


def _lists_on(marks: Sequence[Mark], place: int) -> bool:
    """Whether a comma goes on with a list that ends in `and`: `Ada, Bob and Cy`."""
    behind = [mark.word for mark in marks[place + 1 : place + 4]]
    return marks[place].kind in ("seat", "option") and any(word in ("and", "or", "nor") for word in behind)


def opening_rounds(marks: Sequence[Mark]) -> tuple[int, ...]:
    """`In round 2, …` holds for the whole sentence."""
    if not marks or (marks[0].word not in ("in", "by", "during", "at") and marks[0].kind != "round"):
        return ()
    return tuple(int(mark.number) for mark in marks[:4] if mark.kind == "round")


def _subject(run: Sequence[Mark], ground: Ground) -> Subject | None:
    """Who a run of marks before a verb is; None where it says nothing of its own."""
    seats = tuple(mark.seats for mark in run if mark.kind == "seat")
    found = [mark.word for mark in run]
    if seats:
        excepted = any(word in ("but", "except") for word in found) and any(w in words.EVERYBODY for w in found)
        return Subject("all" if excepted else "seats", seats, only="only" in found or "alone" in found)
    share = _share_of(run, len(ground.counting))
    if share is not None:
        return Subject("number", number=share)
    counted = next((mark for mark in run if mark.kind in ("number", "of")), None)
    if counted is not None:
        everybody = "all" in found and counted.number == len(ground.counting)
        return Subject("all" if everybody else "number", number=int(counted.number))
    groups: tuple[tuple[Who, frozenset[str]], ...] = (
        ("none", words.NOBODY),
        ("most", words.MOST),
        ("all", words.EVERYBODY),
        ("some", frozenset({"some", "several", "another", "rest", "few"})),
        ("panel", words.PANEL),
        ("all", words.MANY_SEATS),
        ("some", words.SEATS),
    )
    return next((Subject(who) for who, group in groups if any(word in group for word in found)), None)


def _share_of(run: Sequence[Mark], of: int) -> int | None:
    """How many seats `half of them` or `two thirds` are; -1 where that is no whole number."""
    for before, mark in pairwise([Mark("mark", ""), *run]):
        if mark.word in _PARTS:
            times = int(before.number) if before.kind == "number" else 1
            return times * of // _PARTS[mark.word] if times * of % _PARTS[mark.word] == 0 else -1
    return None


def _nearest(left: Sequence[Mark]) -> Subject:
    """The last seat before a verb that has no subject right before it."""
    seats = [mark for mark in left if mark.kind == "seat"]
    named = [mark for mark in seats if not mark.possessive] or seats
    return Subject("seats", (named[-1].seats,)) if named else Subject("unknown")
