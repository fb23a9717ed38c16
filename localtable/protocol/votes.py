"""Votes → tally, agreement and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.types import Letter, Question, Stop, Verdict, VerdictKind

SHARE_TOLERANCE = 5e-4
"""What rounding to three places takes from a share; one vote of 64 is 0.0156."""


def tally(question: Question, votes: Sequence[Letter]) -> dict[Letter, int]:
    """Votes by option, every option listed, in the question's own order."""
    return {letter: sum(vote == letter for vote in votes) for letter in question.letters}


def leading(counts: Mapping[Letter, int]) -> tuple[Letter, ...]:
    """The options with the most votes."""
    most = max(counts.values())
    return tuple(letter for letter, count in counts.items() if count == most)


def agreed(counts: Mapping[Letter, int], stop: Stop) -> bool:
    """Whether the leading option's share of the votes reaches the panel's."""
    # Two thirds are written as 0.667 or 0.6667 and meant as two of three seats, and as forty of sixty.
    return max(counts.values()) / sum(counts.values()) >= stop.agreement_share - SHARE_TOLERANCE


def verdict(counts: Mapping[Letter, int], rounds: int, stop: Stop) -> Verdict:
    """What the last round's votes come to.

    A shared first place is a tie; a majority is more than half of the votes.
    """
    options = leading(counts)
    votes, of = counts[options[0]], sum(counts.values())
    return Verdict(_kind(len(options), votes, of), options, votes, of, agreed(counts, stop), rounds)


def _kind(num_leading: int, votes: int, of: int) -> VerdictKind:
    if num_leading > 1:
        return "tie"
    if votes == of:
        return "unanimous"
    return "majority" if 2 * votes > of else "plurality"
