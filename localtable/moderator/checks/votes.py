"""Who voted for what, who kept a vote, who changed it: clauses held against votes and changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.clauses import Clause, Subject
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.reading import Mark
from localtable.types import Letter

TURNED_DOWN = frozenset({"than", "over", "not", "against"})
"""`rather than No`, `not No`: what stands right behind one of these was not chosen."""


def check_votes(clauses: Sequence[Clause], ground: Ground) -> Iterator[Problem]:
    """What these clauses say of votes and changes, where it is not so."""
    for clause in _merged(clauses):
        if clause.would:
            continue
        if _is_nobody_named(clause):
            yield Problem("name", f"it is not said who is meant by {clause.left[-1].text}")
        elif clause.kind == "vote":
            yield from _voted(clause, ground)
        elif clause.kind == "stay":
            yield from _stayed(clause, ground)
        elif clause.kind == "change":
            yield from _changed(clause, ground)


def _is_nobody_named(clause: Clause) -> bool:
    """`He chose No`, in a sentence that has named nobody before."""
    pronoun = bool(clause.left) and clause.left[-1].word in ("he", "she", "they")
    claims = clause.kind in ("vote", "stay", "change", "persuade")
    return pronoun and claims and clause.subject.who == "unknown" and not clause.earlier


def _merged(clauses: Sequence[Clause]) -> list[Clause]:
    """Clauses, two halves of one change put together: `left Yes and joined No`."""
    merged: list[Clause] = []
    for clause in clauses:
        last = merged[-1] if merged else None
        if last is not None and last.goes_on and clause.kind == "change":
            _, after = ends_of(clause)
            half = ends_of(last) if last.kind == "change" else (None, None)
            if half[0] is not None and half[1] is None and after is not None and ends_of(clause)[0] is None:
                rounds = last.rounds or clause.rounds
                merged[-1] = replace(last, right=(*last.right, *clause.right), rounds=rounds, goes_on=clause.goes_on)
                continue
            if last.kind == "vote" and len(last.options) == 1 and after is not None and ends_of(clause)[0] is None:
                # voted for Yes, then changed to No
                clause = replace(clause, right=(Mark("word", "from"), *last.options, *clause.right))
        merged.append(clause)
    return merged


# ── votes ───────────────────────────────────────────────────────────────────────────────────────────────────


def _voted(clause: Clause, ground: Ground) -> Iterator[Problem]:
    subject, chosen = _who_and_what(clause)
    if subject.who == "panel":
        wrong = [] if clause.verb in words.BOUNDS else [o for o, is_chosen in chosen.items() if is_chosen]
        for option in wrong:
            if (ground.leading == {option}) == clause.negated:
                yield Problem("vote", f"{ground.options[option]} is not what the panel voted for")
        return
    for option, is_chosen in chosen.items():
        rounds, all_of_them = _rounds_of(option, clause, ground)

        def holds(
            seat: str, option: Letter = option, rounds: Sequence[int] = rounds, every: bool = all_of_them
        ) -> bool:
            votes = [ground.facts.votes.get(number, {}).get(seat) == option for number in rounds]
            return all(votes) if every else any(votes)

        if subject.fits(holds, ground) == (clause.negated or not is_chosen):
            yield Problem(
                "vote", f"{named(subject)} did not vote so for {ground.options[option]}{in_round(clause.rounds)}"
            )
    if not chosen and clause.verb in words.VOTES | {"voted"} and subject.who == "seats":
        yield from _no_option(clause)


def _who_and_what(clause: Clause) -> tuple[Subject, dict[Letter, bool]]:
    """Who is said to have voted for which options; whether for each, or against it.

    `No was chosen by Ada` and `No was the choice of Ada` say it the other way round.
    """
    behind = _options(clause.right)
    before = dict.fromkeys(clause.options_before, True)
    if clause.verb in words.TAKE:  # No attracted only Ada
        only = any(mark.word in ("only", "just") for mark in clause.right[:2])
        return Subject("seats", clause.seats_behind(), only=only), before
    seats = tuple(mark.seats for mark in clause.right if mark.kind == "seat")
    number = _number_by(clause)
    if seats and clause.right[0].word == "of":  # the vote of Ada
        return Subject("seats", seats), behind or before
    if before and not behind and (clause.passive or clause.verb in words.COPULA) and (seats or number):
        return Subject("seats", seats) if seats else Subject("number", number=number), before
    return clause.subject, behind


def _no_option(clause: Clause) -> Iterator[Problem]:
    """`voted for Perhaps`: a vote for what nobody could vote for."""
    passed = ("the", "option", "in", "favour", "favor", "of", "a")
    behind = [mark for mark in clause.right if mark.word not in passed]
    if len(behind) < 2 or behind[0].word != "for" or behind[1].kind not in ("word", "number", "seat"):
        return
    if behind[1].word not in words.PRONOUNS | words.SOME | words.MANY_SEATS | {"same", "what", "winning"}:
        yield Problem("vote", f"{behind[1].text} is no option")


def _number_by(clause: Clause) -> int:
    places = [place for place, mark in enumerate(clause.right) if mark.word == "by"]
    behind = clause.right[places[0] + 1 :] if places else ()
    return next((int(mark.number) for mark in behind[:3] if mark.kind in ("number", "of")), 0)


def _options(marks: Sequence[Mark]) -> dict[Letter, bool]:
    """The options that are named behind a verb, and whether as what was chosen."""
    found: dict[Letter, bool] = {}
    for place, mark in enumerate(marks):
        if mark.kind == "option":
            before = [other.word for other in marks[max(place - 2, 0) : place]]
            found.setdefault(mark.option, not (set(before[-1:]) & TURNED_DOWN or before == ["instead", "of"]))
    return found


def _rounds_of(option: Letter, clause: Clause, ground: Ground) -> tuple[tuple[int, ...], bool]:
    """The rounds in which an option is said to have been voted for, and whether in all of them or in one.

    Without a round it is the last one, unless a word says otherwise; any, where the sentence goes on to say what became
    of that vote.
    """
    if len(clause.options) > 1:
        beside = _rounds_beside(option, clause)
        if beside:
            return beside, True
    elif clause.rounds:
        return clause.rounds, True
    near = clause.near
    if "throughout" in near or "always" in near or (_EVERY & set(near) and words.ROUNDS & set(near)):
        return tuple(ground.facts.votes), True
    had = clause.verb not in words.VOTES and any(mark.word == "had" for mark in clause.left[-2:])
    if clause.goes_on or had or any(mark.word in ("before", "until") for mark in clause.right):
        return tuple(ground.facts.votes), False
    if any(word in words.FIRST for word in near) or any(mark.word == "before" for mark in clause.left[:1]):
        return (ground.first,), True
    return (ground.last,), True


_EVERY = frozenset({"all", "every", "each", "both"})


def _rounds_beside(option: Letter, clause: Clause) -> tuple[int, ...]:
    """Of several options: the rounds that stand behind this one; else those before all of them."""
    beside, mine = [], False
    for mark in clause.right:
        if mark.kind == "option":
            mine = mark.option == option
        elif mark.kind == "round" and mine:
            beside.append(int(mark.number))
    return tuple(beside) or tuple(int(mark.number) for mark in clause.left if mark.kind == "round")


def _stayed(clause: Clause, ground: Ground) -> Iterator[Problem]:
    options = list(_options(clause.right))
    if not options:
        if clause.subject.fits(lambda seat: not ground.changes(seat), ground) == clause.negated:
            yield Problem("direction", f"{named(clause.subject)} did not keep its vote")
        return
    rounds = clause.rounds or tuple(ground.facts.votes)

    def holds(seat: str) -> bool:
        votes = [ground.facts.votes.get(number, {}).get(seat) for number in rounds]
        return all(vote == options[0] for vote in votes)

    if clause.subject.fits(holds, ground) == clause.negated:
        yield Problem("vote", f"{named(clause.subject)} did not stay with {ground.options[options[0]]}")


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────


def _changed(clause: Clause, ground: Ground) -> Iterator[Problem]:
    before, after = ends_of(clause)
    subject = clause.subject
    if by := clause.seats_by():
        subject = Subject("seats", by)  # a change that was made by Ada
    elif clause.verb in words.LOSE:
        subject = Subject("seats", clause.seats_behind())  # Yes lost Ada to No
    is_own = clause.verb in words.OWN_CHANGE and not any(mark.kind == "seat" for mark in clause.right[:2])
    if before is None and after is None and (not is_own or (clause.negated and subject.who == "unknown")):
        return
    rounds: tuple[int | None, ...] = clause.rounds or (None,)

    def holds(seat: str) -> bool:
        return any(ground.changes(seat, before, after, number) for number in rounds)

    if subject.who == "panel" and before is None and after is None:
        subject = Subject("unknown")
    if clause.negated and before is not None and not subject.fits(lambda seat: ground.voted(seat, before), ground):
        yield Problem("vote", f"{named(subject)} did not vote for {ground.options[before]}")
    if subject.fits(holds, ground) == clause.negated:
        start = "" if before is None else f" from {ground.options[before]}"
        end = "" if after is None else f" to {ground.options[after]}"
        denied = "did change" if clause.negated else "did not change"
        yield Problem("direction", f"{named(subject)} {denied}{start}{end}{in_round(clause.rounds)}")


_FROM = frozenset({"from", "off", "than", "away"})
_TO = frozenset({"to", "for", "into", "towards", "toward", "onto", "with", "in", "on"})


def ends_of(clause: Clause) -> tuple[Letter | None, Letter | None]:
    """From what to what a clause says that a vote changed."""
    if clause.verb in ("→", "➔"):
        before = clause.options_before[-1] if clause.options_before else None
        return before, clause.options[0].option if clause.options else None
    before = after = None
    if clause.verb in words.LOSE and clause.options_before:
        before = clause.options_before[-1]
    for place, mark in enumerate(clause.left):
        if mark.kind == "option" and place and clause.left[place - 1].word == "from":
            before = mark.option  # from Yes, Ada moved to No
    leaving = clause.verb in words.LEAVING or clause.verb == "from"
    for place, mark in enumerate(clause.right):
        if mark.kind != "option":
            continue
        near = [other.word for other in clause.right[max(place - 3, 0) : place] if other.kind != "option"]
        last = next((word for word in reversed(near) if word in _FROM | _TO), "")
        to_follows = place + 1 < len(clause.right) and clause.right[place + 1].word == "to"
        is_left = leaving and last in ("", "on")
        if before is None and (last in _FROM or is_left or (not last and to_follows)):
            before = mark.option
        elif after is None:
            after = mark.option
    return before, after


def named(subject: Subject | None) -> str:
    """A subject in words."""
    if subject is None:
        return "anybody"
    if subject.seats:
        return " and ".join("/".join(sorted(seats)) for seats in subject.seats)
    return str(subject.number) if subject.who == "number" else {"none": "nobody"}.get(subject.who, subject.who)


def in_round(rounds: Sequence[int]) -> str:
    """A round in words, where one is named."""
    return f" in round {rounds[0]}" if rounds else ""
