"""A debate as a pure state machine: which round is open, who speaks in which order, whether it is over.

Nothing here does I/O, reads a clock or knows a model. A round closes when all its turns are there; the next one opens
unless the stop rule or the panel's number of rounds ends the debate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from localtable.protocol.reading_order import balanced, shuffled
from localtable.protocol.votes import agreed, tally, verdict
from localtable.seeds import derive, speaking_order
from localtable.types import (
    Letter,
    Panel,
    Participant,
    Question,
    Round,
    ShownTurn,
    Turn,
    Verdict,
    Visibility,
    VoteCounts,
)


@dataclass(frozen=True, slots=True)
class Debate:
    """A question on a panel's table, with the rounds that are complete."""

    question: Question
    panel: Panel
    repeat: int = 0
    rounds: tuple[Round, ...] = ()
    noise: bool = False
    """What peers say comes from the debate on another question."""
    partner: Debate | None = None
    """That debate."""

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
    def order(self) -> tuple[Participant, ...]:
        """Seats in the order in which they speak; one order for all rounds, and for all readers unless the panel says
        otherwise.
        """
        return tuple(self.panel.seats[i] for i in self._order_indices)

    @property
    def _order_indices(self) -> tuple[int, ...]:
        return speaking_order(self.panel.seed, self.question.id, self.repeat, len(self.panel.seats))

    # ── what a seat reads ─────────────────────────────────────────────────────────────────────────────────

    def readers_peers(self, reader: str, round_number: int) -> tuple[str, ...]:
        """The other seats of which a seat reads something in a later round, in the order in which they are shown."""
        peers = peers_read(self.panel, reader)
        return tuple(name for name in self._reading_order(reader, round_number) if name in peers)

    def _reading_order(self, reader: str, round_number: int) -> tuple[str, ...]:
        rule, seed, question = self.panel.visibility.order, self.panel.seed, self.question.id
        if rule == "fixed":
            return tuple(seat.name for seat in self.order)
        names = tuple(seat.name for seat in self.panel.seats)
        if rule == "shuffled":
            return shuffled(names, seed, self.repeat, question, reader, round_number)
        # A square for each round of each question. Which row a reader gets moves on from one to the next: its own turn
        # stands at one place for all readers of a round, and so at all places over rounds and questions.
        row = names.index(reader) + self._order_indices[0] + round_number
        drawn = derive("mirrored", seed, question)
        return balanced(names, row, mirrored=(drawn + self.repeat + round_number) % 2 == 1)

    def shown_to(self, reader: str, round_number: int) -> tuple[ShownTurn, ...]:
        """What a seat reads in a round: nothing in the blind first one, the previous round's turns later."""
        if round_number == 1:
            return ()
        said = {turn.seat: turn for turn in self.rounds[round_number - 2].turns}
        peers = peers_read(self.panel, reader)
        shown = []
        for name in self._reading_order(reader, round_number):
            if name == reader:
                shown.append(self._shown(self.question, said[name], vote=True, statement=True))
            elif name in peers:
                shown.append(self._shown_peer(name, round_number))
        return tuple(shown)

    def peer_turn(self, peer: str, round_number: int) -> Turn:
        """What stands for a peer where it is read in a later round: its own turn, or the one that is its noise."""
        said = self._noise_of(round_number) if self.noise else self.rounds[round_number - 2]
        return next(turn for turn in said.turns if turn.seat == peer)

    def _shown_peer(self, peer: str, round_number: int) -> ShownTurn:
        question, turn = self.question, self.peer_turn(peer, round_number)
        if self.noise:
            assert self.partner is not None
            question = self.partner.question
        visibility = self.panel.visibility
        return self._shown(question, turn, vote=visibility.votes == "shown", statement=visibility.statements == "shown")

    def _shown(self, question: Question, turn: Turn, *, vote: bool, statement: bool) -> ShownTurn:
        return ShownTurn(
            turn.seat,
            question.text_of(turn.ballot.vote) if vote else None,
            turn.statement if statement else None,
            turn.ballot.confidence if self.panel.visibility.confidence == "shown" else None,
        )

    def _noise_of(self, round_number: int) -> Round:
        """What stands in for the previous round; a partner that agreed early has no later rounds than its last."""
        assert self.partner is not None
        return self.partner.rounds[min(round_number - 1, len(self.partner.rounds)) - 1]

    def tally_shown(self, round_number: int) -> VoteCounts:
        """The votes of the previous round by option, of all seats whether they count or not; empty where hidden."""
        if round_number == 1 or self.panel.visibility.tally == "hidden":
            return ()
        question, said = self.question, self.rounds[round_number - 2]
        if self.noise:
            assert self.partner is not None
            question, said = self.partner.question, self._noise_of(round_number)
        counts = tally(question, [turn.ballot.vote for turn in said.turns])
        return tuple((question.text_of(letter), count) for letter, count in counts.items())

    # ── how it goes on ────────────────────────────────────────────────────────────────────────────────────

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


def peers_read(panel: Panel, reader: str) -> frozenset[str]:
    """The other seats of which a seat reads something in later rounds."""
    return read_under(panel.visibility, [seat.name for seat in panel.seats], reader)


def read_under(visibility: Visibility, names: Sequence[str], reader: str) -> frozenset[str]:
    """Of which others a seat reads something.

    Args:
        visibility: What seats see of each other.
        names: Of all seats, in the panel's order.
        reader: One of them.
    """
    if not visibility.peers_shown:
        return frozenset()
    if visibility.reads == "neighbours":
        place = names.index(reader)
        names = [names[place - 1], names[(place + 1) % len(names)]]
    return frozenset(names) - {reader}


def build_round(debate: Debate, number: int, turns: Sequence[Turn]) -> Round:
    """A round of these turns, whole or not, in speaking order; the tally is of the seats that count."""
    ordered = tuple(sorted(turns, key=lambda turn: turn.position))
    counting = {seat.name for seat in debate.panel.seats if seat.counts}
    votes = [turn.ballot.vote for turn in ordered if turn.seat in counting]
    return Round(number, ordered, tally(debate.question, votes))
