"""What waits for an engine, and what of it goes next.

Debates that have begun go first, so that few are open at a time and what they share with their first round may still be
cached; then new ones, question by question. At the end it is the other way round: new debates have the longest way to
go, and begun last they would leave rows empty. Of a debate that waits, memory holds its number and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from localtable.store import Store

PAGE = 256
"""Debates that are read ahead from the store."""
LAST_WAVES = 2
"""When the first rounds that are left fill an engine this often or less, they go before later rounds: their own later
rounds then fill the end. 24 debates of four seats in 64 rows take three waves so, and four otherwise."""


class Waiting:
    """What waits for one model."""

    def __init__(self, store: Store, num_seats: Mapping[int, int]) -> None:
        """Everything that the store has open waits.

        Args:
            store: Holds the debates.
            num_seats: By condition: how many seats the model has in it; conditions without one are left out.
        """
        self._begun: deque[int] = deque()
        self._later: deque[int] = deque()
        self._first = _FirstRounds(store, num_seats)

    def __bool__(self) -> bool:
        return bool(self._begun or self._later or self._first)

    def put(self, number: int) -> None:
        """A debate has opened a further round."""
        self._later.append(number)

    def put_back(self, number: int) -> None:
        """Turns of a debate's round are left: they come next, since they share what the others have read."""
        self._begun.append(number)

    def next_debate(self, num_rows: int) -> int | None:
        """The debate whose turns come next.

        Args:
            num_rows: Turns that the engine works on at once.
        """
        if self._begun:
            return self._begun.popleft()
        if self._later and not 0 < self._first.turns_left <= LAST_WAVES * num_rows:
            return self._later.popleft()
        found = self._first.pop()
        return self._later.popleft() if found is None and self._later else found


class _FirstRounds:
    """The store's open debates in the suite's order, each once."""

    def __init__(self, store: Store, num_seats: Mapping[int, int]) -> None:
        self._store = store
        self._num_seats = num_seats
        self._page: deque[tuple[int, int]] = deque()
        self._last = 0
        self._over = False
        open_debates = store.num_open_by_condition()
        self.turns_left = sum(seats * open_debates.get(number, 0) for number, seats in num_seats.items())
        """Turns of debates that have not been given yet."""

    def __bool__(self) -> bool:
        while not self._page and not self._over:
            found = self._store.open_debates(self._last, PAGE)
            self._over = not found
            if found:
                self._last = found[-1][0]
                self._page.extend(pair for pair in found if pair[1] in self._num_seats)
        return bool(self._page)

    def pop(self) -> int | None:
        if not self:
            self.turns_left = 0  # some may have failed meanwhile
            return None
        number, condition = self._page.popleft()
        self.turns_left -= self._num_seats[condition]
        return number
