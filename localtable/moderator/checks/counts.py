"""Numbers: every one of them must be a vote count, a figure of the debate, or a number that somebody has said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localtable.moderator.checks import lexicon as words
from localtable.moderator.checks.clauses import Clause
from localtable.moderator.checks.ground import POINTS_TOLERANCE, Ground
from localtable.moderator.checks.problem import Problem
from localtable.moderator.checks.reading import Mark
from localtable.moderator.facts import Change
from localtable.types import Letter


def check_counts(marks: Sequence[Mark], clauses: Sequence[Clause], ground: Ground) -> Iterator[Problem]:
    """Numbers of a sentence that are not so."""
    for place, mark in enumerate(marks):
        if mark.kind == "round" and not 1 <= mark.number <= ground.num_rounds:
            yield Problem("count", f"there was no {mark.text}")
        elif mark.kind in ("number", "of", "percent") and not _Counted(marks, place, clauses, ground).is_true():
            yield Problem("count", f"{mark.text} is not right")
        elif mark.word in words.TIMES:
            changes = _Counted(marks, place, clauses, ground).changes(each=any(m.word == "each" for m in marks))
            if changes is not None and changes != words.TIMES[mark.word]:
                yield Problem("count", f"{mark.text} is not right")


class _Counted:
    """One number, and what it counts."""

    def __init__(self, marks: Sequence[Mark], place: int, clauses: Sequence[Clause], ground: Ground) -> None:
        self._marks, self._place, self._ground = marks, place, ground
        self._mark = marks[place]
        self._clause = next(
            (clause for clause in clauses if any(m is self._mark for m in (*clause.left, *clause.right))), None
        )
        self._is_subject = self._clause is not None and any(m is self._mark for m in self._clause.left)
        behind = [m for m in marks[place + 1 : place + 6] if m.word not in _PASSED]
        self._noun = behind[0] if behind else Mark("mark", "")
        self._near = [m.word for m in marks[place + 1 : place + 4]]
        named = [int(m.number) for m in marks if m.kind == "round"]
        rounds = self._clause.rounds if self._clause is not None else tuple(named)
        self._round = rounds[0] if rounds else ground.last

    def is_true(self) -> bool:
        mark, ground, noun = self._mark, self._ground, self._noun.word
        number = mark.number
        if mark.kind == "percent" or any(word in words.POINTS for word in self._near[:2]):
            return any(abs(number - known) <= POINTS_TOLERANCE for known in ground.percentages()) or self._was_said()
        if mark.kind == "of" and not self._of_is_true():
            return False
        if any(word in words.ROUNDS for word in self._near[:2]):
            return number == ground.num_rounds
        if noun in words.CHANGES or (noun in ("times",) and self._clause is not None):
            return number == len(self._changes_meant())
        if noun in words.OPTIONS:
            return number in (len(ground.options), len(ground.leading), len(self._last_votes()))
        if self._counts_changes():
            return number == len({change.seat for change in self._changes_meant()})
        if self._is_judged_by_its_clause():
            return True
        if self._counts_persuaded():
            return number == self._persuaded()
        return self._plain_is_true(noun)

    def _plain_is_true(self, noun: str) -> bool:
        """A number that no clause has accounted for."""
        mark, number = self._mark, self._mark.number
        before = [m.word for m in self._marks[: self._place]]
        tells_changes = "number" in before or (noun in words.PEOPLE and "by" in before)
        if tells_changes and any(word in words.OWN_CHANGE for word in before):
            return number == len({change.seat for change in self._changes_meant()})
        if noun in words.VOTES or mark.kind == "of" or any(word in _TALLIES for word in before[-6:]):
            return self._votes_are_true()
        if noun in words.PEOPLE or self._is_subject:
            options = self._options_meant()
            if options and noun in words.PEOPLE:
                return all(self._ground.votes_for(option, self._round) == number for option in options)
            return number in self._sizes()
        return self._was_said() or self._is_share()

    def changes(self, *, each: bool) -> int | None:
        """How many changes a word like `twice` counts; None where it counts something else."""
        if self._clause is None or self._clause.kind != "change":
            return None
        meant = self._changes_meant()
        return len(meant) // max(len({change.seat for change in meant}), 1) if each else len(meant)

    def _of_is_true(self) -> bool:
        """Of how many: votes, seats, or what two options had."""
        mark, ground = self._mark, self._ground
        if "of" in mark.text or "/" in mark.text:
            return mark.of in (len(ground.counting), len(self._ground.facts.votes.get(self._round, {})))
        counts = sorted(self._last_votes().values(), reverse=True)
        return {mark.number, mark.of} in ({counts[0], sum(counts[1:])}, set([*counts, 0][:2])) if counts else False

    def _last_votes(self) -> dict[Letter, int]:
        counts = {option: self._ground.votes_for(option, self._round) for option in self._ground.options}
        return {option: count for option, count in counts.items() if count}

    def _is_judged_by_its_clause(self) -> bool:
        """A clause of so many seats that voted for an option has been held against the votes."""
        clause = self._clause
        if self._noun.word in ("thirds", "quarters"):
            return True
        return (
            clause is not None
            and self._is_subject
            and clause.subject.who in ("number", "all")
            and clause.kind in ("vote", "stay")
            and bool(clause.options)
            and clause.subject.number in (0, int(self._mark.number))
        )

    def _counts_changes(self) -> bool:
        clause = self._clause
        own = clause is not None and clause.kind == "change" and self._is_subject
        return own and clause is not None and (clause.verb in words.OWN_CHANGE or bool(clause.options))

    def _counts_persuaded(self) -> bool:
        """`Bob convinced two seats`."""
        clause = self._clause
        seats = clause is not None and clause.kind == "persuade" and self._noun.word in words.PEOPLE
        return seats and not self._is_subject

    def _persuaded(self) -> int:
        assert self._clause is not None
        agents = frozenset(seat for seats in self._clause.subject.seats for seat in seats)
        return len({c.seat for c in self._ground.facts.changes if agents & self._ground.persuaders(c)})

    def _changes_meant(self) -> list[Change]:
        clause, ground = self._clause, self._ground
        if clause is None:
            return list(ground.facts.changes)
        rounds: tuple[int | None, ...] = clause.rounds or (None,)
        seats = {seat for mark in (*clause.left, *clause.right) if mark.kind == "seat" for seat in mark.seats}
        return [
            change
            for number in rounds
            for change in ground.changes(round_number=number)
            if not seats or change.seat in seats
        ]

    def _votes_are_true(self) -> bool:
        """So many votes, of the option that is named beside them; without one, any option's, or all there are."""
        number = self._mark.number
        options = self._options_meant()
        if options:
            return all(self._ground.votes_for(option, self._round) == number for option in options)
        counts = list(self._last_votes().values())
        return bool(counts) and number in (max(counts), sum(counts))

    def _options_meant(self) -> list[Letter]:
        """Options whose votes are counted: those right behind the number, or else those before it."""
        behind: list[Letter] = []
        named_before = any(mark.kind == "option" for mark in self._marks[: self._place])
        for mark in self._marks[self._place + 1 :]:
            if mark.kind == "option":
                behind.append(mark.option)
            elif mark.kind in ("number", "of", "seat") or mark.word in _ENDS or (named_before and mark.word == ","):
                break
        if behind:
            return behind[:1]
        before: list[Letter] = []
        for mark in reversed(self._marks[: self._place]):
            if mark.kind == "option":
                before.append(mark.option)
            elif mark.kind in ("number", "of") or (before and mark.word not in ("and", ",", "or")):
                break
        return before if "each" in self._near or "apiece" in self._near else before[:1] if not self._tied() else before

    def _tied(self) -> bool:
        return any(mark.word in words.TIE for mark in self._marks)

    def _sizes(self) -> set[int]:
        """How many seats there are, and of models how many different ones, too."""
        ground = self._ground
        sizes = {len(ground.record.seats), len(ground.counting)}
        return sizes | {len(set(ground.models.values()))} if self._noun.word in ("model", "models") else sizes

    def _was_said(self) -> bool:
        """Whether the number stands in the debate itself."""
        return self._mark.text.casefold() in self._ground.words

    def _is_share(self) -> bool:
        return any(
            abs(100 * self._mark.number - known) <= POINTS_TOLERANCE for known in self._ground.percentages()
        ) and (0 < self._mark.number < 1)


_TALLIES = frozenset({"count", "tally", "total", "number", "votes"})
_ENDS = frozenset({"and", ";", "while", "but", "with", "which"})
_PASSED = frozenset("of the other remaining different final total total single distinct separate in all".split())  # noqa: SIM905
