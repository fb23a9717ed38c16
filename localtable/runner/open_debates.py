"""The debates in progress, as the store has them: loaded when they are needed, dropped when nothing of them is at work.

Everything that is finished lies in the store, so memory holds what engines work on and a bounded number besides,
however many debates a run has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from localtable.protocol import Condition, Debate
from localtable.store import Store
from localtable.types import Turn

MAX_IDLE = 256
"""Debates that are kept although nothing of them is at work: about 10 MB."""


@dataclass(slots=True)
class Entry:
    """A debate in progress."""

    id: int
    debate: Debate
    condition: Condition
    partner: int | None
    state: str = "open"
    turns: dict[str, Turn] = field(default_factory=dict)
    """Finished ones of the open round, by seat."""
    at_work: set[str] = field(default_factory=set)
    """Seats whose turn of the open round is under way."""
    announced: int = 0
    """The last round that watchers were told of."""


class OpenDebates:
    """Debates by their number in the store."""

    def __init__(self, store: Store, conditions: Mapping[int, Condition]) -> None:
        self._store = store
        self._conditions = conditions
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        """The one that was asked for last at the end."""
        self._drop_above = MAX_IDLE

    def get(self, number: int) -> Entry:
        """A debate as far as it is."""
        entry = self._entries.get(number)
        if entry is None:
            entry = self._load(number)
            self._entries[number] = entry
            self._drop_idle()
        self._entries.move_to_end(number)
        return entry

    def forget(self, number: int) -> None:
        """A debate is over."""
        self._entries.pop(number, None)

    def _load(self, number: int) -> Entry:
        row = self._store.debate(number)
        condition = self._conditions[row.condition]
        debate = Debate(self._store.question(row.question), condition.panel, row.repeat, noise=condition.noise)
        debate, turns = replay(debate, self._store.turns(number))
        return Entry(number, debate, condition, row.partner, row.state, turns)

    def _drop_idle(self) -> None:
        # Half of them stay, the latest: one that a caller has just been given, and is about to begin, is among them.
        if len(self._entries) <= self._drop_above:
            return
        idle = [number for number, entry in self._entries.items() if not entry.at_work]
        for number in idle[: -MAX_IDLE // 2]:
            del self._entries[number]
        self._drop_above = len(self._entries) + MAX_IDLE // 2


def replay(debate: Debate, turns: list[tuple[int, Turn]]) -> tuple[Debate, dict[str, Turn]]:
    """A debate with its stored turns, and those of its open round."""
    by_round: dict[int, dict[str, Turn]] = {}
    for number, turn in turns:
        by_round.setdefault(number, {})[turn.seat] = turn
    while debate.open_round is not None and len(by_round.get(debate.open_round, {})) == len(debate.panel.seats):
        debate = debate.close_round(by_round[debate.open_round])
    return debate, by_round.get(debate.open_round or 0, {})
