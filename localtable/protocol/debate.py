"""A debate as a pure state machine: which round is open, who speaks in which order, whether it is over.

Nothing here does I/O, reads a clock or knows a model. A round closes when all its turns are there; the next one opens
unless the stop rule or the panel's number of rounds ends the debate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from localtable.protocol.conditions import PLAIN_VIEW, View
from localtable.protocol.votes import agreed, tally, verdict
from localtable.seeds import speaking_order
from localtable.types import Letter, Panel, Question, Round, Seat, ShownTurn, Turn, Verdict


@dataclass(frozen=True, slots=True)
class Debate:
    """A question on a panel's table, with the rounds that are complete."""

    question: Question
    panel: Panel
    repeat: int = 0
    rounds: tuple[Round, ...] = ()
    view: View = PLAIN_VIEW
    partner: Debate | None = None
    """Where the view is noise: the debate on another question that peers' turns come from."""

    @property
    def open_round(self) -> int | None:
        """The 1-based number of the round in progress; None when the debate is over."""
        done = len(self.rounds)
        if done == 0:
            return 1
        if done >= self.panel.rounds:
            return None
        stop = self.panel.stop
        if stop.when != "never" and agreed(self.rounds[-1].tally, stop):
            return None
        return done + 1

    @property
    def order(self) -> tuple[Seat, ...]:
        """Seats in the order in which their turns are shown; one order for all rounds and readers."""
        indices = speaking_order(self.panel.seed, self.question.id, self.repeat, len(self.panel.seats))
        return tuple(self.panel.seats[i] for i in indices)

    def readers_peers(self, reader: str) -> tuple[str, ...]:
        """The other seats that a seat reads in later rounds, in the order in which they are shown."""
        names = [seat.name for seat in self.order]
        place, view = names.index(reader), self.view
        if view.reads == "itself":
            return ()
        if view.reads == "neighbours":
            near = {names[place - 1], names[(place + 1) % len(names)]}
            return tuple(name for name in names if name in near and name != reader)
        return tuple(name for name in names if name != reader)

    def shown_to(self, reader: str, round_number: int) -> tuple[ShownTurn, ...]:
        """What a seat reads in a round: nothing in the blind first one, the previous round's turns later."""
        if round_number == 1:
            return ()
        peers = self.readers_peers(reader)
        shown = []
        for turn in self.rounds[round_number - 2].turns:
            if turn.seat == reader:
                shown.append(ShownTurn(reader, self.question.text_of(turn.ballot.vote), turn.statement))
            elif turn.seat in peers:
                shown.append(self._shown_peer(turn, round_number))
        return tuple(shown)

    def _shown_peer(self, turn: Turn, round_number: int) -> ShownTurn:
        question = self.question
        if self.view.noise:
            assert self.partner is not None
            question = self.partner.question
            # A partner that agreed early has no later rounds: what it said last stands for them.
            said = self.partner.rounds[min(round_number - 1, len(self.partner.rounds)) - 1]
            turn = next(other for other in said.turns if other.seat == turn.seat)
        vote = question.text_of(turn.ballot.vote) if self.view.shows != "text" else None
        return ShownTurn(turn.seat, vote, turn.statement if self.view.shows != "votes" else None)

    def previous_vote(self, seat: str, round_number: int) -> Letter | None:
        """A seat's vote of the round before; None in round 1."""
        if round_number == 1:
            return None
        return next(turn.ballot.vote for turn in self.rounds[round_number - 2].turns if turn.seat == seat)

    def close_round(self, turns: Mapping[str, Turn]) -> Debate:
        """The debate with its open round complete.

        Args:
            turns: By seat name, one for every seat.
        """
        number = self.open_round
        assert number is not None and len(turns) == len(self.panel.seats)
        return replace(self, rounds=(*self.rounds, build_round(self, number, list(turns.values()))))

    @property
    def verdict(self) -> Verdict | None:
        """What the last complete round's votes come to; None before there is one."""
        if not self.rounds:
            return None
        return verdict(self.rounds[-1].tally, len(self.rounds), self.panel.stop)


def build_round(debate: Debate, number: int, turns: Sequence[Turn]) -> Round:
    """A round of these turns, whole or not, in speaking order."""
    ordered = tuple(sorted(turns, key=lambda turn: turn.position))
    return Round(number, ordered, tally(debate.question, [turn.ballot.vote for turn in ordered]))
