"""One open store as SQL sees it: rows of queries, and writes that gather in one transaction until `commit`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from localtable.errors import StoreError
from localtable.store.conversion import now
from localtable.store.file import translated


class Connection:
    """What the files of this room read and write a store through; the rooms above use `query` and `commit` of it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._in_transaction = False
        self._began = ""

    def close(self) -> None:
        """Drop what is not committed and close the file; may be called twice."""
        if self._in_transaction:
            with translated(self.path):
                self._give_up()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────

    def query(self, sql: str, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a query."""
        with translated(self.path):
            yield from self._connection.execute(sql, arguments)

    def row(self, sql: str, *arguments: Any) -> tuple[Any, ...]:
        """The first row of a query that has one.

        Raises:
            StoreError: It has none.
        """
        with translated(self.path):
            row: tuple[Any, ...] | None = self._connection.execute(sql, arguments).fetchone()
        if row is None:
            raise StoreError(
                f"{self.path} lacks a row that others refer to: {sql} {arguments}",
                hint=f"`localtable verify {self.path}` says what else is wrong.",
            )
        return row

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> str:
        """Begin a transaction where none is open.

        Returns:
            When it began: the time of everything in it.
        """
        with translated(self.path):
            self._begin()
        return self._began

    def write(self, sql: str, arguments: Sequence[Any]) -> sqlite3.Cursor:
        """Change rows, or add one; its cursor says the number of a row that was added."""
        return self._written(self._connection.execute, sql, arguments)

    def write_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add several rows."""
        self._written(self._connection.executemany, sql, rows)

    def _written(self, execute: Callable[[str, Any], sqlite3.Cursor], sql: str, arguments: Any) -> sqlite3.Cursor:
        with translated(self.path):
            self._begin()
            try:
                return execute(sql, arguments)
            except sqlite3.Error:
                self._give_up()
                raise

    def commit(self) -> None:
        """Make what was written since the last time durable."""
        if self._in_transaction:
            with translated(self.path):
                try:
                    self._connection.execute("COMMIT")
                except sqlite3.Error:
                    self._give_up()
                    raise
            self._in_transaction = False

    @contextmanager
    def _whole_transaction(self) -> Iterator[None]:
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    def _begin(self) -> None:
        if not self._in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
            self._in_transaction = True
            self._began = now()

    def _give_up(self) -> None:
        """Drop what is not committed: SQLite has done so already on a full disk."""
        self._in_transaction = False
        if self._connection.in_transaction:
            self._connection.rollback()
