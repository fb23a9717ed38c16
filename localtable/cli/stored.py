"""A run in its store, as commands read it that may be used while somebody writes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
