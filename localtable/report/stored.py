"""A run in its store, as reports read it that may be asked for while somebody writes there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtable.analysis.run_facts import RunFacts
    from localtable.analysis.table import RunTable
    from localtable.protocol import Condition
    from localtable.store import Store


@contextmanager
def held_run(path: Path) -> Iterator[tuple[Store, dict[int, Condition]]]:
    """A store as of one moment, and all conditions of its run by number."""
    from localtable.runner.inputs import conditions_of
    from localtable.store import Store
    from localtable.store.reading import hold_still

    with Store.open(path, write=False) as store:
        hold_still(store)
        yield store, conditions_of(store.run(), str(path))


def read_run(path: Path, wanted: Sequence[str] = ()) -> tuple[RunTable, RunFacts]:
    """A store's conditions as arrays, and what is known of its run.

    Args:
        path: Of the store.
        wanted: Conditions by name; all if none is named.

    Raises:
        ConfigError: The run has no such condition.
    """
    from localtable.analysis.run_facts import read_facts
    from localtable.analysis.table import load_table
    from localtable.runner.inputs import choose_conditions

    with held_run(path) as (store, conditions):
        chosen = choose_conditions(conditions, wanted) if wanted else conditions
        return load_table(store, chosen), read_facts(store, conditions)
