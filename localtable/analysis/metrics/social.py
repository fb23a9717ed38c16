"""Who follows whom: adoption of what peers voted, by how many of them and by who they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from localtable.analysis.metrics.metric import (
    EVERYTHING,
    By,
    Figure,
    Metric,
    answers,
    labelled,
    later_rounds,
    peers,
    share,
)
from localtable.analysis.sample import Sample

if TYPE_CHECKING:
    from localtable.analysis.statistics.arrays import Flags, Integers, Numbers

NO_MODE = "no seat differed from a single mode of the others"
NEVER_DIFFERED = "no two seats ever differed"


@dataclass(frozen=True)
class Meeting:
    """Asked seats in later rounds, and what everybody had voted the round before; [debates, later rounds, …]."""

    sample: Sample

    @cached_property
    def before(self) -> Integers:
        """[…, seats] of everybody."""
        return self.sample.votes[:, :-1]

    @cached_property
    def after(self) -> Integers:
        """[…, seats] of everybody; −1 where the round was not held."""
        return self.sample.votes[:, 1:]

    @cached_property
    def here(self) -> Flags:
        """[…, seats] asked, and the round was held."""
        found: Flags = (self.after >= 0) & self.sample.asked
        return found

    @cached_property
    def mode(self) -> Integers:
        """[…, seats] the option that most of the others had voted for; −1 where several share that, or all were alone.

        Of all others at the table, scripted ones too, whatever a seat reads of them: under `solo-revise` this is what
        it would have adopted anyway.
        """
        import numpy as np

        others = np.ones(self.before.shape[2], np.bool_)
        all_counts = self.sample.count_votes(others)[:, :-1]  # [debates, later rounds, options]
        found = np.full(self.before.shape, -1, np.int8)
        for seat in range(self.before.shape[2]):
            own = self.before[:, :, seat, None] == np.arange(all_counts.shape[2])
            counts = all_counts - own
            most = counts.max(axis=2)
            alone = (counts == most[..., None]).sum(axis=2) == 1
            found[:, :, seat] = np.where(alone & (most > 0), counts.argmax(axis=2), -1)
        return found

    def differs_from(self, peer: int) -> Flags:
        """[…, seats] asked seats that had voted otherwise than this one."""
        found: Flags = self.here & (self.before != self.before[:, :, peer, None])
        return found

    def adopts(self, peer: int) -> Flags:
        """[…, seats] whose vote is now what this one's was."""
        found: Flags = self.after == self.before[:, :, peer, None]
        return found

    def shares(
        self,
        numerators: Numbers,
        denominators: Numbers,
        by: By = EVERYTHING,
        *,
        low: float = 0.0,
        undefined: str | None = None,
    ) -> Iterator[Figure]:
        """[debates, later rounds, seats] → by round, and over all of them."""
        size = numerators.shape
        for place in range(size[1]):
            here = (numerators[:, place], denominators[:, place])
            yield share(self.sample, *here, labelled((place + 2,), by), low=low, undefined=undefined)
        flat = (size[0], size[1] * size[2])
        above, below = numerators.reshape(flat), denominators.reshape(flat)
        yield share(self.sample, above, below, (by,), low=low, undefined=undefined)


def _modal_adoption(sample: Sample) -> Iterator[Figure]:
    meeting = Meeting(sample)
    apart = meeting.here & (meeting.mode >= 0) & (meeting.mode != meeting.before)
    adopted = meeting.after == meeting.mode
    yield from meeting.shares(adopted, apart, undefined=NO_MODE)
    answer = sample.condition.answer[:, None, None]
    for name, modes in (("right", meeting.mode == answer), ("wrong", (meeting.mode != answer) & (answer >= 0))):
        yield from meeting.shares(adopted, apart & modes, {"mode": name}, undefined=f"{NO_MODE} that was {name}")


def _independence(sample: Sample) -> Iterator[Figure]:
    meeting = Meeting(sample)
    answer = sample.condition.answer[:, None, None]
    alone = meeting.here & (answer >= 0) & (meeting.before == answer) & (meeting.mode >= 0) & (meeting.mode != answer)
    yield from meeting.shares(
        meeting.after == answer, alone, undefined="no seat was right with a wrong mode of the others against it"
    )


class Pairs(NamedTuple):
    """Ordered pairs of a seat and a peer that had voted otherwise, [debates, later rounds, seats] how many."""

    met: Integers
    adopted: Integers
    """The seat now votes as the peer had."""
    kept: Integers
    """The seat votes as it had itself."""


def differing_pairs(meeting: Meeting) -> Pairs:
    """What seats did with peers that differed from them."""
    import numpy as np

    met, adopted, kept = (np.zeros(meeting.before.shape, int) for _ in range(3))
    for peer in range(meeting.before.shape[2]):
        apart = meeting.differs_from(peer)
        met += apart
        adopted += apart & meeting.adopts(peer)
        kept += apart & (meeting.after == meeting.before)
    return Pairs(met, adopted, kept)


def _conformity(sample: Sample) -> Iterator[Figure]:
    meeting = Meeting(sample)
    pairs = differing_pairs(meeting)
    return meeting.shares(pairs.adopted, pairs.met, undefined=NEVER_DIFFERED)


def _obstinacy(sample: Sample) -> Iterator[Figure]:
    meeting = Meeting(sample)
    pairs = differing_pairs(meeting)
    return meeting.shares(pairs.kept, pairs.met, undefined=NEVER_DIFFERED)


def _conformity_gap(sample: Sample) -> Iterator[Figure]:
    meeting = Meeting(sample)
    pairs = differing_pairs(meeting)
    return meeting.shares(pairs.adopted - pairs.kept, pairs.met, low=-1.0, undefined=NEVER_DIFFERED)


def _persuasion(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    meeting, seats = Meeting(sample), sample.condition.seats
    for place in np.flatnonzero(sample.asked).tolist():
        for peer in range(len(seats)):
            if peer == place:
                continue
            apart, adopted = meeting.differs_from(peer)[:, :, place], meeting.adopts(peer)[:, :, place]
            by = {"seat": seats[place].name, "peer": seats[peer].name}
            yield share(sample, adopted, apart, (by,), undefined="the two never differed")


def _confederates(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    meeting = Meeting(sample)
    pairs, moved = np.zeros(meeting.before.shape, int), np.zeros(meeting.before.shape, int)
    for peer, seat in enumerate(sample.condition.seats):
        if not seat.is_model:
            apart = meeting.differs_from(peer)
            pairs += apart
            moved += apart & meeting.adopts(peer)
    yield from meeting.shares(moved, pairs, undefined="no seat ever differed from a confederate")


def _changed(sample: Sample) -> tuple[Flags, Flags]:
    """[debates, later rounds, seats] asked seats that changed their vote, and those that named a peer for it."""
    meeting = Meeting(sample)
    changed = meeting.here & (meeting.after != meeting.before)
    return changed, changed & (sample.condition.ballots.persuaded_by[:, 1:] >= 0)


def _named(sample: Sample) -> Iterator[Figure]:
    changed, named = _changed(sample)
    yield from Meeting(sample).shares(named, changed, undefined="no vote changed")


def _named_adopted(sample: Sample) -> Iterator[Figure]:
    import numpy as np

    meeting = Meeting(sample)
    _, named = _changed(sample)
    peer = sample.condition.ballots.persuaded_by[:, 1:].clip(min=0).astype(np.int64)
    said = np.take_along_axis(meeting.before, peer, axis=2)
    yield from meeting.shares(meeting.after == said, named, undefined="no seat that changed named a peer")


def _some_confederates(sample: Sample) -> str | None:
    if all(seat.is_model for seat in sample.condition.seats):
        return "no seat is played by a script"
    return later_rounds(sample)


_CONFORMITY = "Choi, Zhu & Li 2026, arXiv:2510.07517; docs/analysis.md"
_ADOPTION = "arXiv:2605.00914"

METRICS = (
    Metric(
        "modal_adoption",
        "social",
        "share",
        _modal_adoption,
        "P(a_i,t+1 = m_−i,t | a_it ≠ m_−i,t), m_−i,t the single mode of the others; also by whether it is right",
        _ADOPTION,
        needs=(peers,),
    ),
    Metric(
        "independence_rate",
        "social",
        "share",
        _independence,
        "P(c_t+1 = 1 | c_t = 1, the others' single mode is wrong)",
        "BenchForm, arXiv:2501.13381",
        needs=(answers, peers),
    ),
    Metric(
        "conformity",
        "social",
        "share",
        _conformity,
        "P(a_i,t+1 = a_jt | a_it ≠ a_jt) over ordered pairs of seats",
        _CONFORMITY,
        needs=(peers,),
    ),
    Metric(
        "obstinacy",
        "social",
        "share",
        _obstinacy,
        "P(a_i,t+1 = a_it | a_it ≠ a_jt) over ordered pairs of seats",
        _CONFORMITY,
        needs=(peers,),
    ),
    Metric(
        "conformity_gap",
        "social",
        "difference of shares",
        _conformity_gap,
        "conformity − obstinacy; under names − without them it is the Identity Bias Coefficient (IBC)",
        _CONFORMITY,
        needs=(peers,),
    ),
    Metric(
        "persuasion",
        "social",
        "share",
        _persuasion,
        "P(a_i,t+1 = a_jt | a_it ≠ a_jt) of one seat and one peer, over all later rounds",
        _CONFORMITY,
        needs=(peers,),
        by_seat=False,
    ),
    Metric(
        "confederate_adoption",
        "social",
        "share",
        _confederates,
        "conformity with the seats that a script plays",
        "Asch 1956, Psychological Monographs 70(9)",
        needs=(peers, _some_confederates),
    ),
    Metric(
        "persuaded_by_named",
        "social",
        "share",
        _named,
        "changed votes for which the seat names a peer ÷ changed votes",
        "what the seat says, not what moved it: docs/analysis.md",
        needs=(peers,),
    ),
    Metric(
        "persuaded_by_adopted",
        "social",
        "share",
        _named_adopted,
        "P(a_i,t+1 = a_jt | changed, and j is named)",
        "what the seat says, not what moved it: docs/analysis.md",
        needs=(peers,),
    ),
)
