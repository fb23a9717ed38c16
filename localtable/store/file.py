"""The store's file: made, opened, migrated, locked; what SQLite says becomes an error for a person.

One writer at a time, held by a lock that the kernel drops with its process, so that `kill -9` leaves nothing behind.
Write-ahead logging with synchronous=NORMAL: a commit survives the death of the process; a power cut can cost the last
commits and never the consistency (docs/store.md).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from localtable.errors import ConfigError, LocaltableError, PrerequisiteError, StoreError

APPLICATION_ID = 0x6C746462  # "ltdb", in the header of every store: other SQLite files are told apart by it
MIGRATIONS = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
VERSION = len(MIGRATIONS)
IN_MEMORY = Path(":memory:")
SQLITE_MAGIC = b"SQLite format 3\0"
BUSY_TIMEOUT_S = 30.0
RECOVER = "Go back to a copy; `sqlite3 FILE .recover` saves what can be read."


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open a store that is there, migrated to this program's version where it may be written.

    Raises:
        ConfigError: No such file, no store, a newer version, or read-only where it is to be written.
        StoreError: The file is damaged.
    """
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", hint="`localtable suite … --store FILE` makes a store.")
    with translated(path), _open_for(path, write=write) as connection:
        if _is_blank(connection):
            _refuse_blank(path)
        version = _version(connection, path)
        if version < VERSION and not write:
            raise ConfigError(
                f"{path} is a store of version {version}, older than this program's {VERSION}",
                hint=f"`localtable resume {path}` brings it up to date.",
            )
        if write:
            _set_up(connection)
            _migrate(connection, version)
        if connection.execute("SELECT count(*) FROM run").fetchone()[0] == 0:
            _refuse_blank(path)
    return connection


def _refuse_blank(path: Path) -> NoReturn:
    raise ConfigError(f"{path} holds no run", hint="`localtable suite … --store FILE` begins one.")


def create(path: Path) -> sqlite3.Connection:
    """A store without a run; one that a killed process left without its run is taken up.

    Raises:
        ConfigError: The place can't be written, or something else is there.
    """
    with translated(path), _open_for(path, write=True) as connection:
        if path == IN_MEMORY or _is_blank(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        version = _version(connection, path)
        _set_up(connection)
        _migrate(connection, version)
    return connection


@contextmanager
def _open_for(path: Path, *, write: bool) -> Iterator[sqlite3.Connection]:
    """A connection that stays open, unless what is done with it at first fails."""
    connection = _open(path, write=write)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def holds_run(path: Path) -> bool:
    """Whether a run has been begun there.

    Raises:
        ConfigError: Something else is there.
        StoreError: The file is damaged.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return False
    if not path.is_file():
        raise ConfigError(f"{path} is no regular file", hint="Name a file.")
    with translated(path):
        connection = _open(path, write=False)
        try:
            if _is_blank(connection):
                return False
            return _version(connection, path) > 0 and bool(connection.execute("SELECT count(*) FROM run").fetchone()[0])
        finally:
            connection.close()


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes; what can't be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:
        return False


def _is_blank(connection: sqlite3.Connection) -> bool:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and connection.execute("PRAGMA application_id").fetchone()[0] in (0, APPLICATION_ID)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ConfigError(f"{path} is an SQLite file of another program", hint="Name a store of localtable.")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ConfigError(
            f"{path} is a store of version {version}; this program reads up to {VERSION}",
            hint="Update localtable.",
        )
    return version


def _open(path: Path, *, write: bool) -> sqlite3.Connection:
    if path == IN_MEMORY:
        return sqlite3.connect(":memory:", isolation_level=None)
    address = path.resolve().as_uri()
    if write:
        # A file that may not be written opens all the same and fails at its first write: better said at once.
        if path.exists() and not os.access(path, os.W_OK):
            raise ConfigError(f"{path} is read-only", hint="Copy it to a place that can be written.")
        return sqlite3.connect(f"{address}?mode=rwc", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        # In a folder that can't be written SQLite has no place for the index of the log; without a log it needs none.
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection.close()
        connection = sqlite3.connect(f"{address}?immutable=1", uri=True, isolation_level=None)
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for number, file in enumerate(MIGRATIONS[version:], start=version + 1):
        # One transaction for the statements and the number: a kill leaves the old version or the new one.
        connection.executescript(f"BEGIN;\n{file.read_text('utf-8')}\nPRAGMA user_version = {number};\nCOMMIT;")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the store's lock for writing.

    Raises:
        StoreError: Another process holds it; says which.
        ConfigError: The lock's file can't be made.
    """
    if path == IN_MEMORY:
        yield
        return
    import fcntl

    # Beside the store, not on it: closing any descriptor of the store would drop SQLite's own locks.
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(f"{lock} can't be written: {error.strerror}", hint="Name another place.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 100, 0).decode("ascii", "replace").strip() or "unknown"
            raise StoreError(
                f"{path} is being written by process {holder}", hint="Wait for it to end, or stop it with Ctrl-C."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class translated:
    """SQLite's errors become this program's.

    Named as the function that it is used as; with a generator it would cost as much as a small statement.
    """

    path: Path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, sqlite3.Error):
            _raise(error, self.path)
        if isinstance(error, UnicodeDecodeError):
            # SQLite quotes what it stumbled over, and the quotation is no text either.
            raise StoreError(f"{self.path} is damaged: what SQLite says of it can't be read", hint=RECOVER) from error


def _raise(error: sqlite3.Error, path: Path) -> NoReturn:
    name = getattr(error, "sqlite_errorname", "") or ""
    raised: LocaltableError
    if name.startswith("SQLITE_NOTADB"):
        raised = ConfigError(f"{path} is no store: {error}", hint="Name a file that `localtable suite` has made.")
    elif name.startswith("SQLITE_READONLY"):
        raised = ConfigError(f"{path} is read-only", hint="Copy it to a place that can be written.")
    elif name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        raised = ConfigError(f"{path} can't be opened: {error}", hint="Check the path and its permissions.")
    elif name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM")):
        raised = PrerequisiteError(
            f"{path} can't be written any more: {error}",
            hint=f"What was committed is kept. Make room, then `localtable resume {path}`.",
        )
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raised = StoreError(f"{path} is locked by another program: {error}", hint="Close what has it open.")
    elif name.startswith("SQLITE_CORRUPT"):
        raised = StoreError(f"{path} is damaged: {error}", hint=RECOVER)
    else:
        raised = StoreError(
            f"{path} can't be used as a store: {error}",
            hint="If nobody has changed it by hand, this is a defect of localtable: please report it.",
        )
    raise raised from error
