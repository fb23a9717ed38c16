"""What waits for an engine: steps of turns that are under way, later rounds, first rounds, in this order.

A ballot goes first, while the blocks of its statement are there; then debates that have begun, so that few are open at
a time; then new ones, question by question. Of a debate that waits, memory holds its number and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from localtable.engines.base import Request
from localtable.store import Store

PAGE = 256
"""Debates that are read ahead from the store."""


class Waiting:
    """What waits for one model."""

    def __init__(self, store: Store, conditions: Collection[int]) -> None:
        """Everything that the store has open waits.

        Args:
            store: Holds the debates.
            conditions: Numbers of those in which the model has a seat.
        """
        self.ready: deque[Request] = deque()
        """Requests of turns that are under way."""
        self._later: deque[int] = deque()
        self._first = _Cursor(store, conditions)

    def __bool__(self) -> bool:
        return bool(self.ready or self._later or self._first)

    def put(self, number: int) -> None:
        """A debate has opened a further round."""
        self._later.append(number)

    def put_back(self, number: int) -> None:
        """Not all of a debate's turns found room."""
        self._later.appendleft(number)

    def next_debate(self) -> int | None:
        """The debate whose turns come next."""
        return self._later.popleft() if self._later else self._first.pop()


class _Cursor:
    """The store's open debates in the suite's order, each once."""

    def __init__(self, store: Store, conditions: Collection[int]) -> None:
        self._store = store
        self._conditions = frozenset(conditions)
        self._page: deque[int] = deque()
        self._last = 0
        self._over = False

    def __bool__(self) -> bool:
        while not self._page and not self._over:
            found = self._store.open_debates(self._last, PAGE)
            self._over = not found
            if found:
                self._last = found[-1][0]
                self._page.extend(number for number, condition in found if condition in self._conditions)
        return bool(self._page)

    def pop(self) -> int | None:
        return self._page.popleft() if self else None
