"""One run on disk: its inputs, every finished turn, every token that decided something."""

from localtable.store.file import IN_MEMORY, holds_run, locked
from localtable.store.rows import (
    Counts,
    DebateRow,
    Generation,
    InfluenceRecord,
    Key,
    Noise,
    ProbeRecord,
    Run,
    SessionKind,
    TurnRecord,
    VariantRow,
)
from localtable.store.store import Store

__all__ = [
    "IN_MEMORY",
    "Counts",
    "DebateRow",
    "Generation",
    "InfluenceRecord",
    "Key",
    "Noise",
    "ProbeRecord",
    "Run",
    "SessionKind",
    "Store",
    "TurnRecord",
    "VariantRow",
    "holds_run",
    "locked",
]
