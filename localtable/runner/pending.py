"""What a run's open debates wait for, counted: which models' turns are missing, in which round, in how many debates.

The scheduler asks it what an engine has before it, and whether the engines that are awake will bring more. However
many debates are open, memory holds one number for each combination that occurs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from localtable.protocol import Condition
from localtable.runner.open_debates import Entry
from localtable.scheduler.pool import Outlook
from localtable.store import Store


class _Group(NamedTuple):
    """Debates of one condition, with the same models' turns missing in the same round."""

    condition: int
    round_number: int
    missing: frozenset[str]


class Pending:
    """Open debates by what they wait for."""

    def __init__(self, store: Store, conditions: Mapping[int, Condition]) -> None:
        """Everything that the store has open.

        Args:
            store: Holds the debates.
            conditions: By number.
        """
        self._numbers = {condition.name: number for number, condition in conditions.items()}
        self._rounds = {number: condition.panel.rounds for number, condition in conditions.items()}
        self._seats = {
            number: Counter(seat.card.id for seat in condition.panel.model_seats)
            for number, condition in conditions.items()
        }
        self._groups: Counter[_Group] = Counter()
        begun = Counter[int]()
        for _, condition, round_number, done in _begun(store):
            begun[condition] += 1
            self._groups[self._group(condition, round_number, done)] += 1
        for condition, number in store.num_open_by_condition().items():
            if number > begun[condition]:
                self._groups[self._group(condition, 1, {})] += number - begun[condition]

    def _group(self, condition: int, round_number: int, done: Mapping[str, int]) -> _Group:
        seats = self._seats[condition]
        missing = frozenset(model_id for model_id, number in seats.items() if done.get(model_id, 0) < number)
        # A store is committed before a debate advances, so that a killed run leaves complete rounds, too.
        return _Group(condition, round_number, missing) if missing else self._group(condition, round_number + 1, {})

    @property
    def conditions(self) -> set[int]:
        """The conditions that have open debates, by number."""
        return {group.condition for group in self._groups}

    def of(self, entry: Entry) -> _Group:
        """Where a debate stands; to be given back to `move` once it stands elsewhere."""
        debate, turns = entry.debate, entry.turns
        missing = frozenset(seat.card.id for seat in debate.panel.model_seats if seat.name not in turns)
        return _Group(self._numbers[entry.condition.name], len(debate.rounds) + 1, missing)

    def move(self, before: _Group, after: _Group | None) -> None:
        """A debate waits for something else now, or for nothing any more."""
        if before == after:
            return
        self._groups[before] -= 1
        if not self._groups[before]:
            del self._groups[before]
        if after is not None:
            self._groups[after] += 1

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        """What a model has before it.

        Args:
            model_id: Of the model.
            awake: Models whose engines can work now.
        """
        waiting = coming = 0
        left = False
        for group, number in self._groups.items():
            seats = self._seats[group.condition][model_id]
            if not seats:
                continue
            goes_on = group.round_number < self._rounds[group.condition]
            left = left or goes_on or model_id in group.missing
            if model_id in group.missing:
                waiting += number * seats
            elif goes_on and group.missing <= awake:
                coming += number * seats
        return Outlook(waiting, coming, left)


def _begun(store: Store) -> Iterable[tuple[int, int, int, dict[str, int]]]:
    """Open debates with turns: number, condition, last round that has any, and how many by model."""
    rows = store.query(
        "SELECT debates.id, condition, round, model, count(*) FROM debates JOIN turns ON turns.debate = debates.id"
        " WHERE state = 'open' AND round = (SELECT max(round) FROM turns AS other WHERE other.debate = debates.id)"
        " GROUP BY debates.id, model ORDER BY debates.id"
    )
    found: tuple[int, int, int, dict[str, int]] | None = None
    for debate, condition, round_number, model_id, number in rows:
        if found is None or found[0] != debate:
            if found is not None:
                yield found
            found = (debate, condition, round_number, {})
        found[3][model_id] = number
    if found is not None:
        yield found
