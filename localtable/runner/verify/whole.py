"""The whole of `verify`: one walk through a store, in a snapshot, holding one debate at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localtable.errors import ConfigError, StoreError
from localtable.protocol import Condition, cards_of
from localtable.runner.inputs import conditions_of
from localtable.runner.verify.ballots import LabelBook
from localtable.runner.verify.debates import check_debates
from localtable.runner.verify.disagreement import Disagreement
from localtable.runner.verify.inputs import check_file, check_hashes, check_inputs, check_sessions
from localtable.runner.verify.replay import Replay
from localtable.runner.verify.rows import UNREADABLE
from localtable.runner.verify.summaries import check_summaries
from localtable.store import Run, Store
from localtable.store.file import translated
from localtable.store.reading import hold_still


def read_inputs(store: Store) -> tuple[Run, dict[int, Condition]]:
    """The run, and its conditions by number.

    Raises:
        StoreError: They can't be read, so that nothing can be derived from them.
    """
    try:
        run = store.run()
        for found in (run.weights, run.prompts, *(variant.prompts for variant in run.variants)):
            if not isinstance(found, Mapping):
                raise ValueError(f"{found!r} is no mapping")
        return run, conditions_of(run, str(store.path))
    except ConfigError as error:
        problem = error.message
    except UNREADABLE as error:
        problem = str(error)
    raise StoreError(f"the inputs of {store.path} can't be read: {problem}", hint="Go back to a copy of the store.")


def verify_store(store: Store, *, replay: Replay | None = None) -> Iterator[Disagreement]:
    """Everything that disagrees in a store; nothing where all is well.

    Args:
        store: Open for reading; nothing is written.
        replay: Renders prompts once more, where their tokenizers are here.

    Raises:
        StoreError: The inputs can't be read.
    """
    run, conditions = read_inputs(store)
    # One snapshot for all that is read: a run that is being worked on is whole at every commit, and not in between.
    hold_still(store)
    try:
        with translated(store.path):
            yield from check_file(store)
            yield from check_inputs(store, run, conditions)
            yield from check_hashes(store)
            sessions = store.sessions()
            yield from check_sessions(store, sessions, run)
            endpoints = {card.id for card in cards_of(conditions.values()) if card.endpoint is not None}
            book = LabelBook({session["id"]: session["facts"] for session in sessions}, endpoints)
            yield from check_debates(store, conditions, book, engine=run.engine, replay=replay)
            yield from check_summaries(store, conditions)
    except StoreError as error:
        yield Disagreement("the file", "a page", error.message, "what was written", "a whole file has")
    except UNREADABLE as error:
        yield Disagreement("the file", "a value", str(error), "one of its kind", "this program writes")
