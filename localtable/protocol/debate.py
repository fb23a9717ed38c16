"""A debate as a pure state machine: which round is open, who speaks in which order, whether it is over.

Nothing here does I/O, reads a clock or knows a model. A round closes when all its turns are there; the next one opens
unless the stop rule or the panel's number of rounds ends the debate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from localtable.protocol.votes import agreed, tally, verdict
from localtable.seeds import speaking_order
from localtable.types import Letter, Panel, Question, Round, Seat, Turn, Verdict


@dataclass(frozen=True, slots=True)
class Debate:
    """A question on a panel's table, with the rounds that are complete."""

    question: Question
    panel: Panel
    repeat: int = 0
    rounds: tuple[Round, ...] = ()

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

    def visible_turns(self, round_number: int) -> tuple[Turn, ...]:
        """What a seat reads in a round: nothing in the blind first one, the previous round's turns later."""
        return () if round_number == 1 else self.rounds[round_number - 2].turns

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
