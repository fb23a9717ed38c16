"""What happened in a debate, computed from its written transcript: votes, changes, strongest arguments, turning points.

Pure, and fit for any transcript: runs, imports that don't say everything, debates that were interrupted.
docs/summary.md says how each figure is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localtable.moderator.arguments import Argument, How, find_arguments
from localtable.moderator.changes import Change, MeasuredInfluence, find_changes, find_turning_points
from localtable.moderator.record import read_record
from localtable.types import Letter, TurningPoint

__all__ = ["Argument", "Change", "Facts", "How", "MeasuredInfluence", "TurningPoint", "find_facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a summary may claim of a debate."""

    votes: Mapping[int, Mapping[str, Letter]]
    """By round and seat, in the panel's order; rounds of which no vote is known are left out."""
    changes: tuple[Change, ...]
    """Round by round, in the panel's order."""
    arguments: tuple[Argument, ...]
    """At most one for an option, in the options' order."""
    turning_points: tuple[TurningPoint, ...]


def find_facts(transcript: Mapping[str, Any]) -> Facts:
    """The facts of a debate.

    Args:
        transcript: As JSON data, as docs/contracts.md has it. `turning_points` and `summary` in it are not read.
    """
    record = read_record(transcript)
    changes = find_changes(record)
    votes = {
        number: {seat: turn["ballot"]["vote"] for seat, turn in turns.items()} for number, turns in record.turns.items()
    }
    return Facts(votes, changes, find_arguments(record, changes), find_turning_points(record, changes))
