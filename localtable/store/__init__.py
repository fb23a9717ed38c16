"""One run on disk: its inputs, every finished turn, every token that decided something."""

from localtable.store.file import IN_MEMORY, holds_run, locked
from localtable.store.rows import Counts, DebateRow, Generation, Key, Run, TurnRecord
from localtable.store.store import Store

__all__ = [
    "IN_MEMORY",
    "Counts",
    "DebateRow",
    "Generation",
    "Key",
    "Run",
    "Store",
    "TurnRecord",
    "holds_run",
    "locked",
]
