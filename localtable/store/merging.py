"""Several stores of one run's shards → one store, in one transaction: the target holds the whole of it or no run.

A debate has the same number in every shard, so debates keep theirs. Turns and sessions are numbered anew; texts and
generations are found by their hashes, and each is kept once. Rows stream from source to target.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from localtable.errors import ConfigError
from localtable.store.file import create, translated
from localtable.store.reading import hold_still
from localtable.store.store import Store

Rekey = Callable[[str, bytes, bytes, int | None], bytes]
"""A generation's key out of its stored parts."""

WHOLE = ("questions", "variants", "conditions")
"""Tables that are the same in every shard."""
COPIED = (
    *("sessions", "debates", "texts", "generations", "turns", "steps", "ballots", "ballot_orders", "timeline"),
    *("probes", "probe_steps", "influences", "summaries", "summary_steps"),
)
"""Tables that every shard adds to, what is referred to first."""


def shards_of(store: Store) -> set[int]:
    """Which shards of the suite a store holds: its run's own, and in a merged store those of its debates."""
    shard, of = next(store.query("SELECT shard, num_shards FROM run"))
    rows = store.query("SELECT DISTINCT (question - 1) % ? + 1 FROM debates", of)
    return {shard, *(row[0] for row in rows)}


def missing_shards(sources: Sequence[Store]) -> list[int]:
    """Shards that none of the stores holds, those aside that have no question."""
    of, questions = next(sources[0].query("SELECT num_shards, (SELECT count(*) FROM questions) FROM run"))
    there = set().union(*map(shards_of, sources))
    return [shard for shard in range(1, min(of, questions) + 1) if shard not in there]


def require_apart(sources: Sequence[Store]) -> None:
    """Refuse stores that hold the same debates.

    Raises:
        ConfigError: A debate is in two of them; says which.
    """
    taken: dict[int, Path] = {}
    for store in sources:
        for shard in sorted(shards_of(store)):
            if shard in taken:
                raise ConfigError(
                    f"{_first_debate(store, shard)} is in {taken[shard]} and in {store.path}",
                    hint="Name each shard once.",
                )
            taken[shard] = store.path


def _first_debate(store: Store, shard: int) -> str:
    (of,) = next(store.query("SELECT num_shards FROM run"))
    row = next(
        store.query(
            "SELECT questions.name, conditions.name, repeat FROM debates"
            " JOIN questions ON questions.id = debates.question JOIN conditions ON conditions.id = condition"
            " WHERE (debates.question - 1) % ? + 1 = ? ORDER BY debates.id LIMIT 1",
            *(of, shard),
        ),
        None,
    )
    if row is None:
        return f"shard {shard} of {of}"
    return f"the debate on {row[0]!r} ({row[1]}, repeat {row[2]}), shard {shard} of {of},"


def merge(sources: Sequence[Store], target: Path, rekey: Rekey) -> None:
    """Put all that the sources hold into a new store.

    A store of every shard is that of a run that never was divided. Where shards are missing, the number of shards
    stays and the run's own shard is the first of those that are there: `shards_of` finds the others.

    Args:
        sources: Of one run, open for reading and apart.
        target: The new store's path, which holds no run; the caller has its lock.
        rekey: Makes a key where two shards were given different answers to an equal request.

    Raises:
        ConfigError: The place can't be written, or something else is there.
        PrerequisiteError: The disk is full; the target holds no run.
        StoreError: A source is damaged.
    """
    whole = not missing_shards(sources)
    with closing(create(target)) as connection, translated(target):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # A debate's partner may come behind it.
            connection.execute("PRAGMA defer_foreign_keys = ON")
            for source in sources:
                hold_still(source)
                _Copy(connection, source, rekey).all(first=source is sources[0])
            _insert_run(connection, sources, whole=whole)
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")


def _insert_run(connection: sqlite3.Connection, sources: Sequence[Store], *, whole: bool) -> None:
    columns = _columns(connection, "run")
    row = dict(zip(columns, next(sources[0].query(f"SELECT {', '.join(columns)} FROM run")), strict=True))
    row["uuid"] = uuid.uuid4().hex
    row["created"] = min(source.run().created for source in sources)
    row["shard"] = 1 if whole else min(set().union(*map(shards_of, sources)))
    row["num_shards"] = 1 if whole else row["num_shards"]
    _insert(connection, "run", columns, [tuple(row.values())])


class _Copy:
    """One source on its way into the target."""

    def __init__(self, connection: sqlite3.Connection, source: Store, rekey: Rekey) -> None:
        self._connection = connection
        self._source = source
        self._rekey = rekey
        (self._session,) = connection.execute("SELECT coalesce(max(id), 0) FROM sessions").fetchone()
        (self._turn,) = connection.execute("SELECT coalesce(max(id), 0) FROM turns").fetchone()
        (self._probe,) = connection.execute("SELECT coalesce(max(id), 0) FROM probes").fetchone()
        (self._uuid,) = next(source.query("SELECT uuid FROM run"))
        self._moved: dict[bytes, bytes] = {}
        """Keys whose answers differ from the ones that are there: rare, so memory may hold them."""

    def all(self, *, first: bool) -> None:
        for table in WHOLE if first else ():
            self._rows(table, {})
        session = "session + :session"
        self._rows("sessions", {"id": "id + :session"})
        self._rows("debates", {"session": session})
        self._texts()
        self._generations()
        said = {
            name: f"(SELECT sha256 FROM texts WHERE texts.id = {name})"
            for name in ("prompt_shared", "prompt_own", "statement", "reasoning")
        }
        place = "(SELECT id FROM texts WHERE sha256 = ?)"
        self._rows("turns", {"id": "id + :turn", "session": session, **said}, dict.fromkeys(said, place))
        self._steps("steps", "turn")
        self._rows("ballots", {"turn": "turn + :turn"})
        self._rows("ballot_orders", {"turn": "turn + :turn"})
        self._rows("timeline", {"session": session})
        self._rows("probes", {"id": "id + :probe", "turn": "turn + :turn", "session": session})
        self._steps("probe_steps", "probe")
        self._rows("influences", {"turn": "turn + :turn"})
        self._rows("summaries", {"session": session})
        self._steps("summary_steps", "debate", moved=False)

    def _select(self, table: str, columns: Sequence[str], changed: dict[str, str]) -> Iterator[tuple[Any, ...]]:
        read = ", ".join(changed.get(name, name) for name in columns)
        for name, number in ((":session", self._session), (":turn", self._turn), (":probe", self._probe)):
            read = read.replace(name, str(number))
        return self._source.query(f"SELECT {read} FROM {table} ORDER BY 1")

    def _rows(self, table: str, changed: dict[str, str], places: dict[str, str] | None = None) -> None:
        columns = _columns(self._connection, table)
        _insert(self._connection, table, columns, self._select(table, columns, changed), places or {})

    def _texts(self) -> None:
        columns = [name for name in _columns(self._connection, "texts") if name != "id"]
        rows = self._source.query(f"SELECT {', '.join(columns)} FROM texts ORDER BY id")
        _insert(self._connection, "texts", columns, rows, or_ignore=True)

    def _generations(self) -> None:
        columns = [name for name in _columns(self._connection, "generations") if name != "id"]
        read = ", ".join({"session": f"session + {self._session}"}.get(name, name) for name in columns)
        for row in self._source.query(f"SELECT {read} FROM generations ORDER BY id"):
            if _insert(self._connection, "generations", columns, [row], or_ignore=True):
                continue
            values = dict(zip(columns, row, strict=True))
            there = self._connection.execute(f"SELECT {_ANSWER} FROM generations WHERE key = ?", (values["key"],))
            if there.fetchone() == tuple(values[name] for name in _ANSWERS):
                continue
            # Engines whose numerics depend on the batch can answer an equal request differently. Both answers decided
            # something, so both are kept; the second one's key says which run gave it.
            values["identity"] = f"{values['identity']}|{self._uuid}"
            parts = (values[name] for name in ("identity", "request_sha256", "prompt_sha256", "seed"))
            self._moved[row[columns.index("key")]] = values["key"] = self._rekey(*parts)
            _insert(self._connection, "generations", columns, [tuple(values.values())])

    def _steps(self, table: str, of: str, *, moved: bool = True) -> None:
        columns = _columns(self._connection, table)
        place = columns.index("generation")
        # A debate keeps its number.
        changed = {of: f"{of} + :{of}"} if moved else {}
        changed["generation"] = "(SELECT key FROM generations WHERE id = generation)"

        def keyed() -> Iterator[tuple[Any, ...]]:
            for row in self._select(table, columns, changed):
                yield (*row[:place], self._moved.get(row[place], row[place]), *row[place + 1 :])

        found = {"generation": "(SELECT id FROM generations WHERE key = ?)"}
        _insert(self._connection, table, columns, keyed(), found)


_ANSWERS = ("token_ids", "finish_reason", "stop_token_id", "logprobs")
_ANSWER = ", ".join(_ANSWERS)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    places: dict[str, str] | None = None,
    *,
    or_ignore: bool = False,
) -> int:
    """Insert rows and say how many there were that are new; `places` says what stands for a column's value."""
    into = "INSERT OR IGNORE" if or_ignore else "INSERT"
    values = ", ".join((places or {}).get(name, "?") for name in columns)
    return connection.executemany(f"{into} INTO {table} ({', '.join(columns)}) VALUES ({values})", rows).rowcount
