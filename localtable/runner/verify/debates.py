"""Debates: rounds out of turns, the verdict out of the last round, the state out of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localtable.protocol import Condition, Debate
from localtable.runner.keys import draws_always
from localtable.runner.verify.ballots import STEP_OF, LabelBook, check_ballots, vote_of
from localtable.runner.verify.confederates import check_confederate
from localtable.runner.verify.disagreement import Disagreement, compare
from localtable.runner.verify.influence import Measured, check_measured, read_measured
from localtable.runner.verify.replay import Replay
from localtable.runner.verify.rows import UNREADABLE, StoredTurn, all_debates, read_turns
from localtable.runner.verify.turns import Place, check_turn
from localtable.seeds import request_seed
from localtable.store import Store
from localtable.types import Ballot, Confederate, Letter, Question, Seat, Turn, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """A debate's own row."""

    id: int
    question: int
    condition: int
    repeat: int
    partner: int | None
    state: str
    reason: str | None
    session: int | None
    verdict: tuple[Any, ...]
    """kind, leading, votes, of, agreement, rounds; all None where there is none."""


def check_debates(
    store: Store, conditions: Mapping[int, Condition], book: LabelBook, *, engine: str, replay: Replay | None
) -> Iterator[Disagreement]:
    """Every debate with its turns, one after another."""
    for values in all_debates(store):
        number, asked, condition, repeat, partner, state, reason, session, *verdict = values
        row = Row(number, asked, condition, repeat, partner, state, reason, session, tuple(verdict))
        if row.condition not in conditions:
            yield Disagreement(f"debate {row.id}", "condition", row.condition, sorted(conditions), "the run has")
            continue
        where = f"debate {row.id}"
        if next(store.query("SELECT 1 FROM questions WHERE id = ?", row.question), None) is None:
            continue  # reported as a reference to nowhere
        try:
            question = store.question(row.question)
            where = f"debate {row.id} ({question.id}, {conditions[row.condition].name}, {row.repeat})"
            checked = _Checked(store, row, where, question, conditions, book, engine)
            yield from checked.check(replay)
        except UNREADABLE as error:
            yield Disagreement(where, "what is stored", f"{error}", "values of their kind", "this program writes")


class _Checked:
    """One debate under examination."""

    def __init__(
        self,
        store: Store,
        row: Row,
        where: str,
        question: Question,
        conditions: Mapping[int, Condition],
        book: LabelBook,
        engine: str,
    ) -> None:
        self._store, self._row, self._where, self._book = store, row, where, book
        self._conditions, self._engine = conditions, engine
        condition = conditions[row.condition]
        self._debate = Debate(question, condition.panel, row.repeat, noise=condition.noise)
        self._turns = read_turns(store, row.id)
        self._measured = read_measured(store, row.id)

    def check(self, replay: Replay | None) -> Iterator[Disagreement]:
        seats = {seat.name: seat for seat in self._debate.panel.seats}
        for turn in self._turns:
            if turn.seat not in seats:
                yield Disagreement(
                    self._where, f"seat in round {turn.round_number}", turn.seat, [*seats], "the panel has"
                )
        by_round: dict[int, dict[str, StoredTurn]] = {}
        for turn in self._turns:
            if turn.seat in seats:
                by_round.setdefault(turn.round_number, {})[turn.seat] = turn
        yield from self._check_rounds(by_round, replay)

    def _check_rounds(
        self, by_round: Mapping[int, Mapping[str, StoredTurn]], replay: Replay | None
    ) -> Iterator[Disagreement]:
        debate = self._debate
        left = dict(by_round)
        partner = self._partner() if replay is not None or self._measured else None
        while (number := debate.open_round) is not None and number in left:
            turns = left.pop(number)
            votes = {seat: self._vote(turn, number) for seat, turn in turns.items()}
            for turn in turns.values():
                yield from self._check_turn(turn, debate, votes[turn.seat])
                if partner is None and debate.noise and number > 1:
                    continue  # what was read can't be known
                yield from self._check_read(turn, replace(debate, partner=partner), votes[turn.seat], replay)
            if len(turns) < len(debate.panel.seats):
                break
            debate = debate.close_round({seat: _as_turn(turn, votes[seat]) for seat, turn in turns.items()})
        if left:
            done = debate.open_round is None
            yield Disagreement(
                self._where,
                "rounds that have turns",
                sorted(by_round),
                list(range(1, (len(debate.rounds) if done else debate.open_round or 0) + 1)),
                "the rule that ends it leaves" if done else "complete rounds leave",
            )
            return
        yield from self._check_end(debate)

    def _vote(self, turn: StoredTurn, number: int) -> Letter:
        """The vote that counts; A where there is no ballot, which is reported as such."""
        debate = self._debate
        counted = next((ballot for ballot in turn.ballots if ballot.counts), None)
        step = STEP_OF[counted.at if counted else "after"]
        seed = request_seed(debate.panel.seed, debate.repeat, debate.question.id, turn.seat, number, step)
        labels = self._book.labels(turn.session, turn.model, debate.question)
        vote = vote_of(turn, debate.question, debate.panel.ballot, seed, labels)
        return vote if vote in debate.question.letters else debate.question.letters[0]

    def _check_turn(self, turn: StoredTurn, debate: Debate, vote: Letter) -> Iterator[Disagreement]:
        where = self._where_of(turn)
        seat = next(seat for seat in debate.panel.seats if seat.name == turn.seat)
        if isinstance(seat, Confederate):
            yield from check_confederate(turn, debate, seat, where)
            return
        place = self._place(turn, debate, seat, vote)
        yield from check_turn(turn, place)
        yield from check_ballots(turn, place, self._book.labels(turn.session, turn.model, debate.question))

    def _check_read(
        self, turn: StoredTurn, debate: Debate, vote: Letter, replay: Replay | None
    ) -> Iterator[Disagreement]:
        """What follows from what a seat had read."""
        seat = next(seat for seat in debate.panel.seats if seat.name == turn.seat)
        measured = self._measured.get(turn.id, Measured())
        if isinstance(seat, Confederate):
            yield from compare(self._where_of(turn), "probes", len(measured.probes), 0, "a confederate has")
            return
        place = self._place(turn, debate, seat, vote)
        yield from check_measured(measured, turn, place, self._book)
        if replay is not None:
            yield from replay.check(turn, debate, self._row.condition, place.where)
            yield from replay.check_probes(turn, measured.probes, debate, self._row.condition, place.where)

    def _where_of(self, turn: StoredTurn) -> str:
        return f"{self._where}, round {turn.round_number}, {turn.seat}"

    def _place(self, turn: StoredTurn, debate: Debate, seat: Seat, vote: Letter) -> Place:
        number = turn.round_number
        where, before = self._where_of(turn), debate.previous_vote(turn.seat, number)
        return Place(where, debate, seat, number, vote, before, draws_always(self._engine, seat.card))

    def _check_end(self, debate: Debate) -> Iterator[Disagreement]:
        row, over = self._row, debate.open_round is None
        state = "finished" if over else "failed" if row.state == "failed" else "open"
        if row.state != state:
            # What was stored with a wrong state is wrong with it, and needn't be reported, too.
            yield Disagreement(self._where, "state", row.state, state, "the turns say")
            return
        yield from compare(self._where, "a reason", row.reason is not None, state == "failed", "its state says")
        yield from compare(self._where, "a session", row.session is not None, state != "open", "its state says")
        stored = None
        if any(value is not None for value in row.verdict):
            kind, leading, *rest = row.verdict
            stored = (kind, tuple(json.loads(leading)), *rest)
        derived = _verdict_columns(debate.verdict) if over else None
        yield from compare(self._where, "verdict", _said(stored), _said(derived), "the votes say")

    def _partner(self) -> Debate | None:
        """The debate whose turns are this one's noise."""
        if next(self._store.query("SELECT 1 FROM debates WHERE id = ?", self._row.partner), None) is None:
            return None
        assert self._row.partner is not None
        row = self._store.debate(self._row.partner)
        condition = self._conditions[row.condition]
        debate = Debate(self._store.question(row.question), condition.panel, row.repeat, noise=condition.noise)
        by_round: dict[int, dict[str, Turn]] = {}
        for turn in read_turns(self._store, row.id):
            counted = next(ballot for ballot in turn.ballots if ballot.counts)
            by_round.setdefault(turn.round_number, {})[turn.seat] = _as_turn(turn, counted.vote)
        while debate.open_round is not None and len(by_round.get(debate.open_round, {})) == len(debate.panel.seats):
            debate = debate.close_round(by_round[debate.open_round])
        return debate


def _as_turn(turn: StoredTurn, vote: Letter) -> Turn:
    """What the next round needs of a turn."""
    counted = next((ballot.distribution for ballot in turn.ballots if ballot.counts), None)
    ballot = Ballot(vote, counted or None)
    return Turn(turn.seat, turn.position, turn.statement, ballot, False, None, False, None, None)


def _verdict_columns(verdict: Verdict | None) -> tuple[Any, ...] | None:
    if verdict is None:
        return None
    return (verdict.kind, verdict.options, verdict.votes, verdict.of, int(verdict.agreement), verdict.rounds)


def _said(columns: tuple[Any, ...] | None) -> dict[str, Any] | None:
    if columns is None:
        return None
    names = ("kind", "options", "votes", "of", "agreement", "rounds")
    return dict(zip(names, columns, strict=True))
