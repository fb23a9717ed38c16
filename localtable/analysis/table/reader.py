"""SQL rows → the arrays of `arrays.py`: each turn's place is found once, and everything known of it is put there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from localtable.analysis.table.arrays import Ballots, ConditionTable, Influences, Orders, RunTable, SeatColumn, Turns
from localtable.errors import StoreError
from localtable.protocol import Condition
from localtable.store import Store
from localtable.transcript import SUM_TOLERANCE
from localtable.types import LETTERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Small = NDArray[np.int8]
    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

ROWS_AT_ONCE = 16_384
"""Rows of SQLite that are Python values at one time: about 15 MB with ten options."""

# CROSS JOIN fixes the order of the loops: debates outside, and each one's turns by their index.
_DEBATES_TURNS = "FROM debates CROSS JOIN turns ON turns.debate = debates.id"
_TURNS = (
    "SELECT turns.id, debates.id, turns.round - 1, turns.seat, turns.position,"
    " coalesce(unicode(turns.stated) - 65, -1), turns.changed_mind, turns.truncated, turns.reasoning IS NOT NULL,"
    f" turns.reasoning_truncated, turns.statement = ?2, turns.names_letter, turns.peers_cut {_DEBATES_TURNS}"
    " WHERE debates.condition = ?1"
)
_TOKENS = (
    f"SELECT steps.turn, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens) {_DEBATES_TURNS}"
    " CROSS JOIN steps ON steps.turn = turns.id CROSS JOIN generations ON generations.id = steps.generation"
    " WHERE debates.condition = ?1 GROUP BY steps.turn"
)
_BALLOTS = (
    "SELECT ballots.turn, ballots.at = 'before', ballots.counts, unicode(ballots.vote) - 65, ballots.tied <> '[]',"
    " ballots.persuaded_by, ballots.label_mass, ballots.free_reply IS NOT NULL,"
    f" coalesce(unicode(ballots.free_vote) - 65, -1), ballots.distribution {_DEBATES_TURNS}"
    " CROSS JOIN ballots ON ballots.turn = turns.id WHERE debates.condition = ?1"
)
_ORDERS = (
    "SELECT ballot_orders.turn, ballot_orders.number, ballot_orders.listed, ballot_orders.distribution"
    f" {_DEBATES_TURNS} CROSS JOIN ballots ON ballots.turn = turns.id AND ballots.counts = 1"
    " CROSS JOIN ballot_orders ON ballot_orders.turn = ballots.turn AND ballot_orders.at = ballots.at"
    " WHERE debates.condition = ?1"
)
_INFLUENCES = (
    f"SELECT influences.turn, influences.peer, influences.kind = 'total', influences.value {_DEBATES_TURNS}"
    " CROSS JOIN influences ON influences.turn = turns.id WHERE debates.condition = ?1"
)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a condition's turns belong: the same three places for everything that is known of a turn."""

    turn: Integers
    """[turns] numbers in the store, ascending."""
    where: tuple[Integers, Integers, Integers]
    """[turns] debate, round and seat, from 0."""
    shape: tuple[int, int, int]
    num_options: Integers
    """[debates]"""

    def spread(self, values: Any, fill: Any, dtype: Any) -> Any:
        """[turns] → [debates, rounds, seats], with `fill` where there is no turn."""
        import numpy as np

        spread = np.full(self.shape, fill, dtype)
        spread[self.where] = values
        return spread

    def at(self, turns: Any) -> tuple[Integers, Integers, Integers]:
        """The places of some of these turns, by their numbers."""
        import numpy as np

        found = np.searchsorted(self.turn, turns)
        debate, round_, seat = self.where
        return debate[found], round_[found], seat[found]


def load_table(store: Store, conditions: Mapping[int, Condition]) -> RunTable:
    """Read a store into arrays.

    Args:
        store: Held still (`reading.hold_still`) where somebody may be writing it.
        conditions: Some or all of the run's, by the store's numbers (`runner.inputs.conditions_of`): they say who sits
            where.

    Raises:
        StoreError: A row names a seat or an option that its debate doesn't have.
    """
    reader = TableReader(store)
    left_out = {number: count for number, (_, count) in store.conditions().items()}
    return RunTable(
        uuid=store.run().uuid,
        questions=reader.question_ids,
        max_options=reader.max_options,
        conditions=tuple(
            reader.condition(number, condition, left_out[number]) for number, condition in conditions.items()
        ),
    )


class TableReader:
    """Reads one condition after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        ids, answers, num_options, tags = _columns(
            store.query(
                "SELECT name, coalesce(unicode(answer) - 65, -1), num_options, tags FROM questions ORDER BY id"
            ),
            4,
        )
        self.question_ids: tuple[str, ...] = tuple(ids)
        self.max_options: int = max(num_options, default=0)
        self._answers, self._num_options = answers, num_options
        self._tags = [tuple(json.loads(written)) for written in tags]
        # One number for the empty text is cheaper than a look at every statement.
        empty = store.query("SELECT id FROM texts WHERE sha256 = ?", hashlib.sha256(b"").digest())
        self._empty_text = next((row[0] for row in empty), -1)

    def condition(self, number: int, condition: Condition, left_out: int) -> ConditionTable:
        """One condition's arrays.

        Args:
            number: The store's.
            condition: Says who sits where.
            left_out: Questions that it could not ask.

        Raises:
            StoreError: A row names a seat or an option that its debate doesn't have.
        """
        import numpy as np

        seats = tuple(SeatColumn(seat.name, seat.model_id, seat.counts) for seat in condition.panel.seats)
        numbers, question, repeat, finished, failed, held = _columns(
            self._store.query(
                "SELECT id, question - 1, repeat, state = 'finished', state = 'failed', coalesce(rounds, 0)"
                " FROM debates WHERE condition = ? ORDER BY id",
                number,
            ),
            6,
        )
        asked = np.array(question, np.int32)
        num_options = np.array(self._num_options, np.int64)[asked]
        places, turns = self._turns(number, np.array(numbers, np.int64), seats, num_options)
        ballots, before = self._ballots(number, places, seats)
        return ConditionTable(
            name=condition.name,
            control=condition.control,
            debate=condition.debate,
            levels=condition.levels,
            panel=condition.panel,
            seats=seats,
            left_out=left_out,
            max_rounds=condition.panel.rounds,
            question=asked,
            repeat=np.array(repeat, np.int32),
            answer=np.array(self._answers, np.int64)[asked],
            num_options=num_options,
            tags=tuple(self._tags[place] for place in question),
            finished=np.array(finished, np.bool_),
            failed=np.array(failed, np.bool_),
            rounds_held=np.array(held, np.int32),
            turns=turns,
            ballots=ballots,
            before=before,
            orders=self._orders(number, places),
            influences=self._influences(number, places, seats),
        )

    def _turns(
        self, number: int, debates: Integers, seats: Sequence[SeatColumn], num_options: Integers
    ) -> tuple[_Places, Turns]:
        import numpy as np

        columns = _columns(self._store.query(_TURNS, number, self._empty_text), 13)
        turn, debate, round_ = (np.array(column, np.int64) for column in columns[:3])
        seat = np.array(self._seat_places(columns[3], seats), np.int64)
        order = np.argsort(turn)
        rounds = int(round_.max(initial=-1)) + 1
        where = (np.searchsorted(debates, debate)[order], round_[order], seat[order])
        places = _Places(turn[order], where, (len(debates), rounds, len(seats)), num_options)
        small, flags = np.int8, np.bool_
        position, stated, changed, truncated, thought, thinking, empty, letter, cut = (
            np.array(c)[order] for c in columns[4:]
        )
        tokens = self._tokens(number, places)
        return places, Turns(
            present=places.spread(True, False, flags),
            position=places.spread(position, 0, small),
            stated=places.spread(stated, -1, small),
            changed_mind=places.spread(changed, False, flags),
            truncated=places.spread(truncated, False, flags),
            thought=places.spread(thought, False, flags),
            thinking_cut=places.spread(thinking, False, flags),
            empty=places.spread(empty, False, flags),
            names_letter=places.spread(letter, False, flags),
            peers_cut=places.spread(cut, 0, small),
            prompt_tokens=tokens[0],
            cached_tokens=tokens[1],
            completion_tokens=tokens[2],
        )

    def _tokens(self, number: int, places: _Places) -> list[Integers]:
        import numpy as np

        turn, *counts = _columns(self._store.query(_TOKENS, number), 4)
        where = places.at(turn)
        spread = [np.zeros(places.shape, np.int64) for _ in counts]
        for array, column in zip(spread, counts, strict=True):
            array[where] = column
        return spread

    def _ballots(self, number: int, places: _Places, seats: Sequence[SeatColumn]) -> tuple[Ballots, Ballots | None]:
        counting, before = self._blank(places.shape), self._blank(places.shape)
        any_before = False
        for batch in _batches(self._store.query(_BALLOTS, number)):
            any_before |= self._add(batch, places, seats, counting, before)
        return counting, before if any_before else None

    def _blank(self, shape: tuple[int, int, int]) -> Ballots:
        import numpy as np

        return Ballots(
            vote=np.full(shape, -1, np.int8),
            distribution=np.full((*shape, self.max_options), np.nan),
            confidence=np.full(shape, np.nan),
            tied=np.zeros(shape, np.bool_),
            persuaded_by=np.full(shape, -1, np.int8),
            label_mass=np.full(shape, np.nan),
            free_asked=np.zeros(shape, np.bool_),
            free_vote=np.full(shape, -1, np.int8),
        )

    def _add(
        self,
        batch: list[tuple[Any, ...]],
        places: _Places,
        seats: Sequence[SeatColumn],
        counting: Ballots,
        before: Ballots,
    ) -> bool:
        """Put ballots into their places; whether any of them is one before the statement."""
        import numpy as np

        turn, is_before, counts, vote, tied, by, mass, asked, free, written = zip(*batch, strict=True)
        where = places.at(turn)
        votes = np.array(vote, np.int64)
        options = places.num_options[where[0]]
        distribution = self._distributions(written, options)
        if ((votes < 0) | (votes >= options)).any():
            self._damaged("a ballot's vote is no option of its question")
        columns = (
            ("vote", votes),
            ("distribution", distribution),
            ("confidence", distribution[np.arange(len(votes)), votes]),
            ("tied", np.array(tied, np.bool_)),
            ("persuaded_by", np.array(self._seat_places(by, seats), np.int8)),
            ("label_mass", np.array(mass, np.float64)),
            ("free_asked", np.array(asked, np.bool_)),
            ("free_vote", np.array(free, np.int8)),
        )
        early = np.array(is_before, np.bool_)
        for mask, ballots in ((np.array(counts, np.bool_), counting), (early, before)):
            at = tuple(axis[mask] for axis in where)
            for name, values in columns:
                getattr(ballots, name)[at] = values[mask]
        return bool(early.any())

    def _orders(self, number: int, places: _Places) -> Orders | None:
        import numpy as np

        turns, numbers, listed, shares = [], [], [], []
        for batch in _batches(self._store.query(_ORDERS, number)):
            turn, place, letters, written = zip(*batch, strict=True)
            turns.append(np.array(turn, np.int64))
            numbers.append(np.array(place, np.int64))
            options = places.num_options[places.at(turns[-1])[0]]
            listed.append(self._listed(letters, options))
            shares.append(self._distributions(written, options))
        if not turns:
            return None
        ballots, rows = np.unique(np.concatenate(turns), return_inverse=True)
        orders = np.concatenate(numbers)
        shape = (len(ballots), int(orders.max()) + 1, self.max_options)
        slots, distribution = np.full(shape, -1, np.int8), np.full(shape, np.nan)
        slots[rows, orders] = np.concatenate(listed)
        distribution[rows, orders] = np.concatenate(shares)
        return Orders(places.at(ballots), np.bincount(rows), slots, distribution)

    def _influences(self, number: int, places: _Places, seats: Sequence[SeatColumn]) -> Influences | None:
        import numpy as np

        turn, peer, total, value = _columns(self._store.query(_INFLUENCES, number), 4)
        if not turn:
            return None
        peers = np.array(self._seat_places(peer, seats), np.int8)
        return Influences(places.at(turn), peers, np.array(total, np.bool_), np.array(value, np.float64))

    def _listed(self, letters: Sequence[str], num_options: Integers) -> Small:
        """[ballots] letters as listed → [ballots, slots] options."""
        import numpy as np

        rows = {}
        for text, count in set(zip(letters, num_options.tolist(), strict=True)):
            if sorted(text) != list(LETTERS[:count]):
                self._damaged("an order lists other options than its question has")
            rows[text] = [LETTERS.index(letter) for letter in text] + [-1] * (self.max_options - count)
        return np.array([rows[text] for text in letters], np.int8)

    def _distributions(self, written: Sequence[str], num_options: Integers) -> Floats:
        """[ballots] JSON texts → [ballots, options]."""
        import numpy as np

        # One text for all of them: a call of the parser for each costs as much again as its work.
        parsed = json.loads(f"[{','.join(written)}]")
        found = np.zeros((len(parsed), self.max_options))
        for count in np.unique(num_options):
            mine = np.flatnonzero(num_options == count)
            letters = tuple(LETTERS[:count])
            found[mine, :count] = [self._values(parsed[place], letters) for place in mine]
        if (found < 0).any() or (abs(found.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            self._damaged("a ballot's distribution does not sum to 1")
        return found

    def _values(self, distribution: dict[str, float] | None, letters: tuple[str, ...]) -> list[float]:
        if distribution is None:
            return [float("nan")] * len(letters)
        if tuple(distribution) != letters:
            if set(distribution) != set(letters):
                self._damaged("a ballot's distribution has other options than its question")
            return [distribution[letter] for letter in letters]
        return list(distribution.values())

    def _seat_places(self, names: Sequence[str | None], seats: Sequence[SeatColumn]) -> list[int]:
        """Places of seats by their names; −1 for none."""
        places: dict[str | None, int] = {None: -1} | {seat.name: place for place, seat in enumerate(seats)}
        try:
            return [places[name] for name in names]
        except KeyError as missing:
            self._damaged(f"a turn names {missing}, who has no seat in its debate")

    def _damaged(self, what: str) -> NoReturn:
        raise StoreError(
            f"{self._store.path}: {what}", hint=f"`localtable verify {self._store.path}` says what else is wrong."
        )


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _columns(rows: Iterator[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    """Rows → columns, so many also where there is no row."""
    found: list[list[Any]] = [[] for _ in range(count)]
    for batch in _batches(rows):
        for column, values in zip(found, zip(*batch, strict=True), strict=True):
            column.extend(values)
    return list(found)
