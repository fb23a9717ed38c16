"""What the debate came to: who won, led, tied, agreed; and what would have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.clauses import Clause
from localtable.moderator.checks.ground import Ground
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.reading import Mark
from localtable.types import Letter


def check_outcome(marks: Sequence[Mark], clauses: Sequence[Clause], ground: Ground) -> Iterator[Problem]:
    """What a sentence says of the outcome, where it is not so."""
    for clause in clauses:
        if clause.would:
            yield from _would(clause, ground)
        elif clause.kind in ("win", "lead"):
            yield from _won(marks, clause, ground)
        elif clause.kind == "lose":
            lost = [option for option in clause.options_before[-1:] if option in ground.leading]
            yield from (Problem("count", f"{ground.options[option]} did not lose") for option in lost)
        elif clause.kind == "tie":
            yield from _tied(clause, ground)
    if not any(clause.would for clause in clauses):
        yield from _kind(marks, ground)
        yield from _result(marks, ground)
        yield from _same(marks, ground)


def _would(clause: Clause, ground: Ground) -> Iterator[Problem]:
    """What would lead without a change."""
    if clause.kind not in ("win", "lead", "tie"):
        return
    options = frozenset(clause.options_before) or frozenset(mark.option for mark in clause.options)
    without = [frozenset(point.verdict_without or ()) for point in ground.facts.turning_points]
    if options and options not in without:
        yield Problem("count", "it is not known that this would have led without a change of a vote")


def _won(marks: Sequence[Mark], clause: Clause, ground: Ground) -> Iterator[Problem]:
    options = _listed(clause.left)
    if clause.verb in ("top", "lead") and not options:
        options = [mark.option for mark in marks if mark.kind == "option"][:1]
    if clause.verb in ("leader", "winner", "winning", "victory", "ahead", "victorious", "leading") and not options:
        options = [mark.option for mark in clause.options[:1]]
    if not options:
        ends = not clause.right or clause.right[0].word in (".", "with", "by", ",", "!", "in", "the", "and", ";")
        if clause.kind == "win" and clause.subject.who == "seats" and ends:
            yield Problem("vote", "options win, seats don't")
        return
    is_leading = set(options) == set(ground.leading) and (len(ground.leading) == 1 or clause.kind == "lead")
    if is_leading == clause.negated:
        names = ", ".join(ground.options[option] for option in options)
        yield Problem("count", f"it is not so that {names} {clause.verb}")


def _listed(left: Sequence[Mark]) -> list[Letter]:
    """The options that are a verb's subject: the last ones before it, as far as they stand in one list."""
    found: list[Letter] = []
    for mark in reversed(left):
        if mark.kind == "option":
            found.append(mark.option)
        elif (found and mark.word not in ("and", ",", "or", "both")) or (mark.kind == "seat" and not found):
            break
    return found[::-1]


def _tied(clause: Clause, ground: Ground) -> Iterator[Problem]:
    is_tie = len(ground.leading) > 1
    denied = clause.negated or any(mark.word in ("no", "without") for mark in clause.left[-3:])
    options = set(_listed(clause.left)) or {mark.option for mark in clause.options}
    if is_tie == denied:
        yield Problem("count", "it was no tie" if denied is False else "it was a tie")
    elif is_tie and options and options != set(ground.leading):
        yield Problem("count", "other options tied")


def _kind(marks: Sequence[Mark], ground: Ground) -> Iterator[Problem]:
    """`unanimous`, `a majority`, `no agreement` …"""
    verdict = ground.verdict
    for place, mark in enumerate(marks):
        before = [other.word for other in marks[max(place - 3, 0) : place]]
        denied = any(word in words.NOT for word in before) or any(m.word in words.NOBODY for m in marks[:place])
        match mark.word:
            case "unanimous" | "unanimously" | "unanimity":
                true = verdict is not None and verdict["kind"] == "unanimous"
            case "plurality":
                true = verdict is not None and verdict["kind"] == "plurality"
            case "majority" if not {"of"} & {other.word for other in marks[place + 1 : place + 2]}:
                true = verdict is not None and verdict["kind"] in ("majority", "unanimous")
            case "agreement" | "consensus":
                true = verdict is not None and (verdict["agreement"] or verdict["kind"] == "unanimous")
            case "split" | "divided":
                true = verdict is not None and verdict["kind"] != "unanimous"
            case _:
                continue
        if true == denied:
            yield Problem("count", f"{'not ' if not true else ''}{mark.text}: that is not what the verdict is")


def _same(marks: Sequence[Mark], ground: Ground) -> Iterator[Problem]:
    """`Ada and Bob ended on the same side`."""
    for place, mark in enumerate(marks):
        seats = [next(iter(other.seats)) for other in marks[:place] if other.kind == "seat" and len(other.seats) == 1]
        behind = marks[place + 1 : place + 3]
        if mark.word in ("sides", "sided") and [m.word for m in behind[:1]] == ["with"] and behind[-1].kind == "seat":
            seats.append(next(iter(behind[-1].seats)))
        elif mark.word != "alike" and (mark.word != "same" or not behind or behind[0].word not in _SIDES):
            continue
        if len(seats) < 2:
            continue
        rounds = [int(other.number) for other in marks if other.kind == "round"] or [ground.last]
        votes = {ground.facts.votes.get(rounds[0], {}).get(seat) for seat in seats}
        if (len(votes) == 1) == any(other.word in words.NOT for other in marks[:place]):
            yield Problem("vote", f"{' and '.join(seats)} did not vote for one option")


_SIDES = words.OWN | words.OPTIONS | {"side", "option", "camp", "conclusion", "way"}


def _result(marks: Sequence[Mark], ground: Ground) -> Iterator[Problem]:
    """`the verdict was Yes`, `the panel's answer: Yes`."""
    for place, mark in enumerate(marks):
        if mark.word not in words.RESULT | {"panel"} or any(other.kind == "seat" for other in marks[:place]):
            continue
        behind = list(marks[place + 1 : place + 7])
        if mark.word == "panel" and not any(
            other.word in ("favoured", "favored", "favour", "favor") for other in behind
        ):
            continue
        told = [
            other
            for other in behind
            if other.word not in ("not", "the", "option", "for", "of", "was", "is", ":", "a", "in")
        ]
        links = {"was", "is", ":", "for", "of", "favour", "favor", "favoured", "favored"}
        if told and any(other.word in links for other in behind[:3]):
            options = _listed(behind[: behind.index(told[0])] + told[:5]) if told[0].kind == "option" else []
            named = {other.option for other in told[:4] if other.kind == "option"} if options else set()
            denied = any(other.word in words.NOT for other in behind[:3])
            if named and (named <= ground.leading) == denied:
                yield Problem("vote", "that is not the verdict")
