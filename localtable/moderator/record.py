"""A written transcript as facts are looked for in it: turns by round and seat, whose votes count, who read whom.

Every key that an import may leave out may be missing here: a round that a page does not show has no turns, a vote no
distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localtable.protocol import read_under
from localtable.types import LETTERS, Letter, Visibility

Distribution = Mapping[Letter, float]


@dataclass(frozen=True, slots=True)
class Record:
    """What a transcript holds of a debate."""

    letters: tuple[Letter, ...]
    seats: tuple[str, ...]
    """Names, in the panel's order."""
    counting: frozenset[str]
    """Seats whose votes count in the verdict."""
    turns: Mapping[int, Mapping[str, Mapping[str, Any]]]
    """By round and seat, in the panel's order; rounds of which no vote is known are left out."""
    visibility: Visibility
    noise: bool
    """What was read of peers came from the debate on another question."""
    finished: bool

    def vote(self, round_number: int, seat: str) -> Letter | None:
        turn = self.turns.get(round_number, {}).get(seat)
        return None if turn is None else turn["ballot"]["vote"]

    def distribution(self, round_number: int, seat: str) -> Distribution | None:
        turn = self.turns.get(round_number, {}).get(seat)
        return None if turn is None else turn["ballot"].get("distribution")

    def previous(self, round_number: int, seat: str) -> int | None:
        """The last round before this one in which the seat's vote is known."""
        return max(
            (number for number, turns in self.turns.items() if number < round_number and seat in turns), default=None
        )

    def shift(self, round_number: int, seat: str, option: Letter) -> float | None:
        """How much more probable an option has become for a seat since its own previous round."""
        earlier = self.previous(round_number, seat)
        now = self.distribution(round_number, seat)
        before = None if earlier is None else self.distribution(earlier, seat)
        return None if now is None or before is None else now[option] - before[option]

    def readable(self, seat: str) -> frozenset[str]:
        """Whose statements a seat reads in any later round, its own aside."""
        if self.noise or self.visibility.statements == "hidden":
            return frozenset()
        return read_under(self.visibility, self.seats, seat)

    def statements_read(self, round_number: int, seat: str) -> frozenset[str]:
        """Whose statements of the round before a seat has read, its own aside."""
        return frozenset(self.turns.get(round_number - 1, {})) & self.readable(seat)


def read_record(transcript: Mapping[str, Any]) -> Record:
    """What facts are looked for in.

    Args:
        transcript: As docs/contracts.md has it; of a run or an import, finished or not.
    """
    panel = transcript["panel"]
    seats = tuple(seat["name"] for seat in panel["seats"])
    counting = (seat["name"] for seat in panel["seats"] if seat.get("confederate", {"counts": True})["counts"])
    return Record(
        tuple(LETTERS[: len(transcript["question"]["options"])]),
        seats,
        frozenset(counting),
        {number: turns for number, turns in map(_turns(seats), transcript["rounds"]) if turns},
        Visibility(**panel.get("visibility", {})),
        transcript["condition"].rpartition("/")[2] == "noise-peers",
        transcript["verdict"] is not None,
    )


def _turns(seats: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[int, dict[str, Mapping[str, Any]]]]:
    """What finds a round's number and its turns whose vote is known."""

    def of_round(round_: Mapping[str, Any]) -> tuple[int, dict[str, Mapping[str, Any]]]:
        known = {turn["seat"]: turn for turn in round_["turns"] if (turn.get("ballot") or {}).get("vote") is not None}
        return round_["number"], {seat: known[seat] for seat in seats if seat in known}

    return of_round
