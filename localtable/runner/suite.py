"""Many debates as one run: begun in a store, worked on by one process at a time, gone on with after whatever ended it.

The store has the inputs before anything heavy starts, and every finished turn from then on. To go on is the same as to
begin: the loop holds what the store has open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localtable.engines.registry import Choice, choose
from localtable.errors import ConfigError, EngineImportError
from localtable.prompts import load_wording
from localtable.runner.events import Listener, Note
from localtable.runner.inputs import (
    conditions_of,
    describe_run,
    find_run_weights,
    find_weights,
    panel_of,
    require_same,
    with_engine_arguments,
    wording_of,
)
from localtable.runner.loop import Outcome
from localtable.runner.session import RunOptions, Session, open_session
from localtable.runner.transcripts import to_transcript
from localtable.store import IN_MEMORY, Store, holds_run, locked
from localtable.types import Panel, Question, Transcript

NOISE = "noise-peers"


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What makes up a run beside panel and questions."""

    controls: tuple[str, ...] = ()
    repeats: int = 1
    shard: tuple[int, int] = (1, 1)
    """Which of how many slices of the suite this store holds; 1-based."""


def begin_suite(
    path: Path, panel: Panel, questions: Iterable[Question], options: RunOptions, suite: SuiteOptions
) -> None:
    """Put a run's inputs into its store; one that holds the same run already is left as it is.

    Args:
        path: Of the store.
        panel: Who sits at the table.
        questions: Read once.
        options: What the command says.
        suite: What makes up the run.

    Raises:
        ConfigError: The store holds another run; the questions or the controls are wrong.
        PrerequisiteError: Weights or packages are missing.
        StoreError: Another process works on it, or it is damaged.
    """
    panel = with_engine_arguments(panel, options.engine_arguments)
    if NOISE in suite.controls and suite.shard != (1, 1):
        raise ConfigError(
            f"a shard can't have the control {NOISE!r}: the question whose turns are the noise may be in another shard",
            hint="Leave the control out, or run the suite whole.",
        )
    # A folder, or another program's file, is refused before a lock is put beside it.
    begun = holds_run(path)
    engine = _engine_of(path) if begun and options.engine == "auto" else choose(options.engine).kind
    files = {} if engine == "scripted" else find_weights(panel, options.home, say=_say(options))
    run = describe_run(
        engine,
        panel,
        files,
        load_wording(panel.prompts),
        controls=suite.controls,
        repeats=suite.repeats,
        shard=suite.shard,
    )
    names = [condition.name for condition in conditions_of(run, panel).values()]
    noise = NOISE if NOISE in suite.controls else None
    with locked(path):
        if not holds_run(path):
            Store.create(path, run, questions, names, noise=noise, seed=panel.seed).close()
            return
        # Through a store of its own, so that the questions are compared as they would be stored.
        with Store.create(IN_MEMORY, run, questions, names[:1]) as given, Store.open(path, write=False) as there:
            stored, now = there.run(), given.run()
        require_same(stored, now, str(path))


def _engine_of(path: Path) -> str:
    with Store.open(path, write=False) as store:
        return store.run().engine


@contextmanager
def open_suite(path: Path, options: RunOptions, *, reuse: Sequence[Path] = ()) -> Iterator[SuiteRun]:
    """Go on with a store's run, from wherever it is.

    Args:
        path: Of the store.
        options: What the command says; the engine is the run's.
        reuse: Stores of other runs, whose answers are taken over.

    Raises:
        ConfigError: No store, or its wording or weights are no longer what they were.
        PrerequisiteError: Weights or packages are missing.
        StoreError: Another process works on it, or it is damaged.
    """
    with ExitStack() as stack:
        if not holds_run(path):
            Store.open(path, write=False)  # says what is there instead
        stack.enter_context(locked(path))
        store = stack.enter_context(Store.open(path, write=True))
        others = [stack.enter_context(Store.open(other, write=False)) for other in reuse]
        yield SuiteRun(store, options, others)


class SuiteRun:
    """A store's run, locked by this process."""

    def __init__(self, store: Store, options: RunOptions, reuse: Sequence[Store]) -> None:
        """Made by `open_suite`; reads the inputs and holds them against what is here now."""
        self.store = store
        self._reuse = reuse
        run = store.run()
        where = str(store.path)
        self.panel = panel_of(run, where)
        self.conditions = conditions_of(run, self.panel)
        self._wording = wording_of(run, self.panel)
        self._chosen = Choice(run.engine, options.engine_reason or "the run's own")
        choose(run.engine)
        if options.engine not in ("auto", run.engine):
            raise ConfigError(
                f"{where} was begun with the engine {run.engine!r}, not {options.engine!r}",
                hint="Leave --engine out, or begin a new store.",
            )
        self._files = find_run_weights(
            run, self.panel, options.home, where, otherwise="begin a new store", say=_say(options)
        )
        self._options = options
        self._session: Session | None = None

    @property
    def num_turns(self) -> int:
        """How many turns the whole run has, if no debate stops early."""
        panels = {number: condition.panel for number, condition in self.conditions.items()}
        rows = self.store.query("SELECT condition, count(*) FROM debates GROUP BY condition")
        return sum(count * panels[number].rounds * len(panels[number].seats) for number, count in rows)

    def transcript(self, outcome: Outcome) -> Transcript:
        """The transcript of a debate that `run` has just given."""
        assert self._session is not None, "only `run` gives outcomes"
        self._session.note(ended=False)
        condition = next(found for found in self.conditions.values() if found.name == outcome.condition)
        return to_transcript(self.store.run(), condition, outcome.debate, self.store.sessions()[-1])

    def run(self, tell: Listener | None = None) -> Iterator[Outcome]:
        """Hold what is open; yields each debate when it is over and committed.

        Args:
            tell: Is told what happens, in place of the options' own.

        Raises:
            LocaltableError: As `Loop.run` and `open_session`.
        """
        options = self._options if tell is None else replace(self._options, tell=tell)
        if self.store.num_open() == 0:
            return
        try:
            yield from self._run(options)
        except EngineImportError as error:
            if options.engine != "auto" or self._chosen.kind != "vllm" or self.store.counts().turns:
                raise EngineImportError(
                    error.message, hint="Mend the installation, or begin a new store with --engine transformers."
                ) from None
            # As with a single debate; once there are turns, another engine's would be of another kind.
            self._chosen = Choice("transformers", error.message)
            self.store.change_engine(self._chosen.kind)
            yield from self._run(options)

    def _run(self, options: RunOptions) -> Iterator[Outcome]:
        with open_session(
            self.store,
            self.panel,
            self.conditions,
            self._chosen,
            self._files,
            self._wording,
            options,
            suite=True,
            reuse=self._reuse,
        ) as session:
            self._session = session
            yield from session.run()


def _say(options: RunOptions) -> Any:
    return lambda text: options.tell(Note(text))
