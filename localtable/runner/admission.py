"""How many turns an engine works on at once: as many as its cache holds whole, each counted until its last ballot.

An engine that is given more than fits preempts and computes again, and a ballot whose blocks are gone pays for its
whole prompt. What the seats of a question share is counted once: the engine keeps it once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from localtable.engines.base import EngineInfo

AHEAD = 8
"""A request more for every so many rows waits inside the engine, so that a row that ends is filled in the next step."""


@dataclass(slots=True)
class _Group:
    """Turns with a common prefix: those of a debate's round on one model."""

    prompt: Sequence[int]
    shared: int | None = None
    """Blocks that its turns have in common; None while there has been one, which is charged whole."""
    own: dict[Hashable, int] = field(default_factory=dict)
    """By turn: blocks that are its alone."""

    @property
    def blocks(self) -> int:
        return (self.shared or 0) + sum(self.own.values())


class Budget:
    """What one engine holds."""

    def __init__(self, info: EngineInfo) -> None:
        """Nothing is admitted yet.

        Args:
            info: The engine's block count and size; one without a paged cache is bounded by its rows alone.
        """
        self.max_requests = info.max_num_seqs
        self._max_num_seqs = info.max_num_seqs
        if info.num_kv_blocks is not None:
            self.max_requests += info.max_num_seqs // AHEAD
        self._blocks = info.num_kv_blocks
        self._block_size = info.block_size or 1
        self._groups: dict[Hashable, _Group] = {}
        self._charged = 0

    def admit(self, group: Hashable, turn: Hashable, prompt: Sequence[int], reserved_tokens: Callable[[], int]) -> bool:
        """Charge a turn, if it fits beside what is admitted; one alone always does.

        Args:
            group: What it shares its prefix with.
            turn: Names it until `release`.
            prompt: Its first prompt's ids.
            reserved_tokens: What it can take behind that; asked only where it matters.
        """
        if self._blocks is None:
            return True
        total = -(-(len(prompt) + reserved_tokens()) // self._block_size)
        found = self._groups.get(group)
        if found is None:
            added = total
        else:
            common = common_prefix(found.prompt, prompt) // self._block_size
            shared = common if found.shared is None else min(found.shared, common)
            added = total - shared
        if self._groups and self._charged + added > self._blocks:
            return False
        self._charged += added
        if found is None:
            self._groups[group] = _Group(prompt, own={turn: total})
            return True
        if found.shared is None:
            # What the second turn shares with the first one is the group's from now on.
            (first,) = found.own
            found.shared, found.own[first] = shared, found.own[first] - shared
        found.own[turn] = total - shared
        return True

    @property
    def num_rows(self) -> int:
        """How many turns like those at work the engine holds at once."""
        turns = sum(len(group.own) for group in self._groups.values())
        if self._blocks is None or turns == 0:
            return self._max_num_seqs
        return min(self._max_num_seqs, max(self._blocks * turns // self._charged, 1))

    def release(self, group: Hashable, turn: Hashable) -> None:
        """A turn is over; unknown ones are ignored."""
        found = self._groups.get(group)
        if found is None or turn not in found.own:
            return
        self._charged -= found.own.pop(turn)
        if not found.own:
            self._charged -= found.shared or 0
            del self._groups[group]


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two prompts have in common from the start."""
    # Comparing slices is done in C; a search over their length takes ten of them.
    most = min(len(first), len(second))
    return bisect_left(range(1, most + 1), True, key=lambda length: first[:length] != second[:length])
