"""A turn's ballot, asked once more: as the seat has read the round, and with a neutral turn in one peer's place.

`direct` asks before the statement, so that nothing but what was read can matter. `total` has the statement generated
anew as well, thinking included, and asks behind it. Behind the seat's own old statement nothing would be measured: the
statement carries what the peer did, and the ballot follows the statement.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from localtable.engines.base import Request
from localtable.protocol import Debate, Draft
from localtable.runner.turns import TurnAtWork
from localtable.seeds import derive
from localtable.store.influences import ProbeName
from localtable.types import BallotTime, InfluenceKind, Letter, ShownTurn, Step, VoteCounts


@dataclass(slots=True)
class Probe(TurnAtWork):
    """A ballot at work, and on the way to it a statement where one is wanted."""

    turn_id: int = 0
    """The turn's number in the store."""
    kind: InfluenceKind = "direct"
    replaced: str | None = None
    """The peer in whose place a neutral turn is shown."""
    sample: int = 0
    state: str = "open"

    @property
    def name(self) -> ProbeName:
        return (self.kind, self.replaced, self.sample)

    @property
    def group(self) -> Hashable:
        # Seats of a model read the same up to their own part, the neutral turn included.
        return (self.debate_id, self.round_number, self.kind, self.replaced)

    @property
    def member(self) -> Hashable:
        return (self.place, self.sample)

    def next_request(self) -> Request | None:
        """As a turn's, until there is a ballot."""
        if self.draft.vote is not None:
            self.step = None
            return None
        return TurnAtWork.next_request(self)  # a class with slots is made anew, which super() doesn't know

    def reserved_tokens(self) -> int:
        """As a turn's; a ballot before the statement takes no more than its label."""
        return 1 if self.kind == "direct" else TurnAtWork.reserved_tokens(self)

    def _request_id(self) -> str:
        return f"{TurnAtWork._request_id(self)}/{self.kind}/{self.sample}/{self.replaced or ''}"


def open_probes(
    turn: TurnAtWork, turn_id: int, kinds: Mapping[InfluenceKind, int], stored: Container[ProbeName]
) -> list[Probe]:
    """The probes of a turn that are not stored yet, nothing asked of them.

    Args:
        turn: As it began, with what it has read.
        turn_id: Its number in the store.
        kinds: What is measured, and of how many samples each is the mean.
        stored: The names of those that are.
    """
    names: Iterator[ProbeName] = (
        (kind, replaced, sample)
        for kind, samples in kinds.items()
        for replaced in (None, *turn.peers)
        for sample in range(samples)
    )
    return [probe_of(turn, turn_id, name) for name in names if name not in stored]


def in_batches(probes: Sequence[Probe]) -> list[Probe]:
    """Probes of one round of a debate in the order in which they share most: those together that show the same.

    The neutral turns that stand furthest behind come first, since what stands before them is as everybody shown.
    """

    def place(probe: Probe) -> tuple[str, int, int, int]:
        order = [seat.name for seat in probe.debate.panel.seats]
        shown = [other.seat for other in probe.shown]
        behind = -shown.index(probe.names[probe.replaced]) if probe.replaced is not None else -len(order)
        return (probe.kind, behind, probe.place, probe.sample)

    return sorted(probes, key=place)


def probe_of(turn: TurnAtWork, turn_id: int, name: ProbeName) -> Probe:
    """A probe that nothing has been asked of yet.

    Args:
        turn: As it began, with what it has read.
        turn_id: Its number in the store.
        name: Which probe.
    """
    kind, replaced, sample = name
    panel = turn.debate.panel
    at: BallotTime = "before" if kind == "direct" else "after"
    rule = replace(panel.ballot, at=at, label_mass=False, free_reply=False)
    seed = seed_of_probes(panel.seed, kind, sample)
    shown, tally = (turn.shown, turn.tally) if replaced is None else _without(turn, replaced)
    return Probe(
        turn.debate_id,
        replace(turn.debate, panel=replace(panel, ballot=rule, seed=seed)),
        turn.round_number,
        turn.seat,
        turn.model,
        turn.place,
        turn.peers,
        turn.names,
        Draft(turn.seat.name, turn.round_number, previous_vote=None, num_peers=0),
        shown,
        tally,
        turn_id=turn_id,
        kind=kind,
        replaced=replaced,
        sample=sample,
    )


def seed_of_probes(run_seed: int, kind: InfluenceKind, sample: int) -> int:
    """What stands for the run's seed in all requests of a probe.

    The ballot before is asked by the turn's own seed, so that where the panel asks for it too it is the same request.
    Samples draw from seeds of their own: the statement that was said would be a biased one where turns are chosen for
    having moved. With everybody shown and with a peer replaced they are the same seeds (common random numbers).
    """
    return run_seed if kind == "direct" else derive("influence", run_seed, sample)


def ballot_step(kind: InfluenceKind) -> Step:
    """The step whose answer is a probe's."""
    return "before" if kind == "direct" else "ballot"


def _without(turn: TurnAtWork, peer: str) -> tuple[tuple[ShownTurn, ...], VoteCounts]:
    """What was read, with a neutral turn in a peer's place and without its vote in the tally."""
    called, neutral = turn.names[peer], turn.model.renderer.neutral
    shown = tuple(neutral(other) if other.seat == called else other for other in turn.shown)
    vote = _vote_text(turn.debate, turn.round_number, peer)
    return shown, tuple((option, count - (option == vote)) for option, count in turn.tally)


def _vote_text(debate: Debate, round_number: int, peer: str) -> str:
    question = debate.partner.question if debate.noise and debate.partner is not None else debate.question
    return question.text_of(debate.peer_turn(peer, round_number).ballot.vote)


def option_of(debate: Debate, round_number: int, peer: str) -> Letter:
    """What a peer had voted for in what is read in a round.

    Where that was the debate on another question, it is the option with the same text, and if there is none, the one
    at the same place: letters mean nothing across questions, so that it is one at random.
    """
    question, text = debate.question, _vote_text(debate, round_number, peer)
    if text in question.options:
        return question.letters[question.options.index(text)]
    return debate.peer_turn(peer, round_number).ballot.vote
