"""Many debates as one run: begun in a store, worked on by one process at a time, gone on with after whatever ended it.

The store has the inputs before anything heavy starts, and every finished turn from then on. To go on is the same as to
begin: the loop holds what the store has open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localtable.engines.registry import ENDPOINT, Choice, choose, choose_for
from localtable.errors import ConfigError, EngineImportError
from localtable.prompts import check_wording, load_wording
from localtable.protocol import DEBATE, Condition, build_conditions, cards_of
from localtable.runner.confederates import with_votes
from localtable.runner.events import Listener, Note
from localtable.runner.inputs import (
    as_written_now,
    conditions_of,
    describe_run,
    find_run_weights,
    find_weights,
    require_same,
    with_engine_arguments,
)
from localtable.runner.loop import Outcome
from localtable.runner.session import Inputs, RunOptions, Session, open_session
from localtable.runner.transcripts import to_transcript
from localtable.runner.wordings import current_wordings
from localtable.store import IN_MEMORY, Noise, Run, Store, holds_run, locked
from localtable.store.summaries import not_summarized
from localtable.types import Panel, Question, Transcript
from localtable.weights import ModelFiles

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
    conditions = dict(enumerate(build_conditions(panel, suite.controls), start=1))
    require_whole(conditions, suite.shard)
    wording = load_wording(panel.prompts)
    for condition in conditions.values():
        check_wording(wording, condition.panel)

    def describe(engine: str, files: Mapping[str, ModelFiles]) -> Run:
        return describe_run(
            engine,
            panel,
            files,
            wording,
            controls=suite.controls,
            repeats=suite.repeats,
            shard=suite.shard,
        )

    begin_run(path, conditions, questions, options, describe)


def require_whole(conditions: Mapping[int, Condition], shard: tuple[int, int]) -> None:
    """Refuse a shard of a run that only the whole suite can have.

    Raises:
        ConfigError: Noise comes from another question, which may be in another shard.
    """
    if shard != (1, 1) and any(condition.noise for condition in conditions.values()):
        raise ConfigError(
            f"a shard can't have the control {NOISE!r}: the question whose turns are the noise may be in another shard",
            hint="Leave the control out, or run the suite whole.",
        )


def begin_run(
    path: Path,
    conditions: Mapping[int, Condition],
    questions: Iterable[Question],
    options: RunOptions,
    describe: Callable[[str, Mapping[str, ModelFiles]], Run],
) -> None:
    """Put a run's inputs into its store; one that holds the same run already is left as it is.

    Args:
        path: Of the store.
        conditions: By number, the baseline's debate first.
        questions: Read once.
        options: What the command says.
        describe: Makes the run's inputs out of the engine's kind and the weights by card id.

    Raises:
        ConfigError: As `begin_suite`, and so the others.
    """
    # A folder, or another program's file, is refused before a lock is put beside it.
    begun = holds_run(path)
    cards = cards_of(conditions.values())
    engine = _engine_of(path) if begun and options.engine == "auto" else choose_for(options.engine, cards).kind
    files = {} if engine == "scripted" else find_weights(cards, options.home, say=_say(options))
    run = describe(engine, files)
    names = [condition.name for condition in conditions.values()]
    questions = with_votes(questions, [c.panel for c in conditions.values() if c.control == DEBATE])
    with locked(path):
        if not holds_run(path):
            variants = {c.name: c.debate for c in conditions.values()} if run.variants else None
            noise = [Noise(c.name, c.debate, c.panel.seed) for c in conditions.values() if c.noise]
            Store.create(path, run, questions, names, variants=variants, noise=noise).close()
            return
        # Through a store of its own, so that the questions are compared as they would be stored.
        with Store.create(IN_MEMORY, run, questions, names[:1]) as given, Store.open(path, write=False) as there:
            stored, now = as_written_now(there.run(), str(path)), given.run()
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
        self.conditions = conditions_of(run, where)
        wordings = current_wordings(run, self.conditions)
        chosen = Choice(run.engine, options.engine_reason or "the run's own")
        if run.engine != ENDPOINT:
            choose(run.engine)
        if run.engine != ENDPOINT and options.engine not in ("auto", run.engine):
            raise ConfigError(
                f"{where} was begun with the engine {run.engine!r}, not {options.engine!r}",
                hint="Leave --engine out, or begin a new store.",
            )
        cards = cards_of(self.conditions.values())
        files = find_run_weights(run, cards, options.home, where, otherwise="begin a new store", say=_say(options))
        self.inputs = Inputs(self.conditions, chosen, files, wordings)
        self.options = options
        self._session: Session[Outcome] | None = None

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
        # A debate that was only summed up now has ended in an earlier session, perhaps on another machine.
        ended = self.store.debate(outcome.number).session
        session = next(session for session in self.store.sessions() if session["id"] == ended)
        return to_transcript(self.store.run(), condition, outcome.debate, session, outcome.summary)

    def run(self, tell: Listener | None = None) -> Iterator[Outcome]:
        """Hold what is open; yields each debate when it is over and committed.

        Args:
            tell: Is told what happens, in place of the options' own.

        Raises:
            LocaltableError: As `Loop.run` and `open_session`.
        """
        options = self.options if tell is None else replace(self.options, tell=tell)
        moderated = [number for number, condition in self.conditions.items() if condition.moderator is not None]
        if self.store.num_open() == 0 and not not_summarized(self.store, moderated):
            return
        try:
            yield from self._run(options)
        except EngineImportError as error:
            if options.engine != "auto" or self.inputs.chosen.kind != "vllm" or self.store.counts().turns:
                raise EngineImportError(
                    error.message, hint="Mend the installation, or begin a new store with --engine transformers."
                ) from None
            # As with a single debate; once there are turns, another engine's would be of another kind.
            self.inputs = replace(self.inputs, chosen=Choice("transformers", error.message))
            self.store.change_engine(self.inputs.chosen.kind)
            yield from self._run(options)

    def _run(self, options: RunOptions) -> Iterator[Outcome]:
        with open_session(self.store, self.inputs, options, suite=True, reuse=self._reuse) as session:
            self._session = session
            yield from session.run()


def _say(options: RunOptions) -> Any:
    return lambda text: options.tell(Note(text))
