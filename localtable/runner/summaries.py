"""Debates that have ended, summed up by a model that need not have been at the table: its own pass over a store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from localtable.engines.base import Request
from localtable.engines.registry import choose
from localtable.errors import LocaltableError, PlacementError
from localtable.prompts import load_wording
from localtable.protocol import DEBATE, Condition, cards_of
from localtable.runner.events import Listener, Note
from localtable.runner.inputs import conditions_of, describe_run, find_weights
from localtable.runner.models import Model
from localtable.runner.session import Engines, Inputs, RunOptions, open_work
from localtable.runner.summarizing import SummaryAtWork, begin_summary, told
from localtable.runner.transcripts import stored_debate
from localtable.runner.turn_loop import TurnLoop
from localtable.scheduler.pool import EnginePool, Outlook
from localtable.store import IN_MEMORY, Key, Store, holds_run, locked
from localtable.store.summaries import not_summarized, put_summary
from localtable.transcript import summary_to_json
from localtable.types import Card, Panel, Question, Sampling, Seat, Summary

Told = tuple[int, Mapping[str, Any]]
"""A debate's number in its store, and its transcript as JSON data."""


class Written(NamedTuple):
    """A summary that is finished and committed, or why there is none."""

    debate: int
    summary: Summary | None


class SummaryLoop(TurnLoop[SummaryAtWork, SummaryAtWork]):
    """Takes summaries through a pool of one engine."""

    def __init__(
        self,
        store: Store,
        debates: Iterable[Told],
        model: Model,
        pool: EnginePool,
        *,
        key_of: Callable[[str, Request], Key],
        tell: Listener,
        should_stop: Callable[[], bool],
    ) -> None:
        """Nothing is begun yet.

        Args:
            store: Takes the summaries; open for writing, with a session.
            debates: Read one by one.
            model: Who sums them up.
            pool: An engine for it.
            key_of: The key of a request to a model.
            tell: Is told what happens.
            should_stop: Asked between events.
        """
        super().__init__(store, pool, key_of=key_of, tell=tell, should_stop=should_stop)
        self._debates = iter(debates)
        self._model = model
        self._ahead: deque[Told] = deque()
        self._done: list[Written] = []

    def run(self) -> Iterator[Written]:
        """Sum up; yields each summary when it is committed.

        Raises:
            InterruptedRun: `should_stop` said so; what is finished is committed.
            EngineLoadError, EngineError: The engine could not be loaded, or kept alive.
        """
        for _ in self._work_behind_a_run():
            done, self._done = self._done, []
            yield from done

    def outlook(self, model_id: str, awake: Set[str]) -> Outlook:
        return Outlook(int(self._has_new(model_id)), 0, left=self._has_new(model_id))

    def _has_new(self, model_id: str) -> bool:
        if not self._ahead:
            self._ahead.extend(told for told in [next(self._debates, None)] if told is not None)
        return bool(self._ahead)

    def _next_turns(self, model_id: str, num_rows: int) -> list[tuple[SummaryAtWork, Request, SummaryAtWork]] | None:
        if not self._has_new(model_id):
            return None
        task = begin_summary(*self._ahead.popleft(), self._model)
        try:
            request = task.next_request()
        except PlacementError as error:
            self._fail(task, error)
            return []
        assert request is not None
        return [(task, request, task)]

    def _finish_turn(self, turn: SummaryAtWork, owner: SummaryAtWork) -> None:
        summary = turn.finish()
        put_summary(self._store, turn.debate_id, summary_to_json(summary), turn.steps)
        self._release(turn)
        self._end(turn, summary)

    def _fail(self, owner: SummaryAtWork, error: LocaltableError) -> None:
        """It is not stored, so that it is asked for again next time."""
        self._drop(owner)
        self._tell(Note(f"not summed up: {error.message}"))
        self._end(owner, None)

    def _end(self, task: SummaryAtWork, summary: Summary | None) -> None:
        task.state = "closed"
        self._done.append(Written(task.debate_id, summary))


def summarize_store(path: Path, moderator: Card, options: RunOptions) -> Iterator[Written]:
    """Sum up every finished debate of a store that this model has not summed up yet; controls aside.

    Args:
        path: Of the store.
        moderator: Who sums up.
        options: What the command says.

    Raises:
        ConfigError: There is no store.
        PrerequisiteError: The moderator's weights are missing.
        StoreError: Another process works on it, or it is damaged.
    """
    if not holds_run(path):
        Store.open(path, write=False)  # says what is there instead, before a lock is put beside it
    with locked(path), Store.open(path, write=True) as store:
        conditions = conditions_of(store.run(), str(path))
        debates = [number for number, condition in conditions.items() if condition.control == DEBATE]
        numbers = not_summarized(store, debates, moderator.id)
        if not numbers:
            return

        def ended() -> Iterator[Told]:
            for number in numbers:
                row = store.debate(number)
                condition = conditions[row.condition]
                yield number, told(condition, stored_debate(store, row, condition))

        yield from _sum_up(store, ended(), moderator, options)


def summarize_transcript(transcript: Mapping[str, Any], moderator: Card, options: RunOptions) -> Summary | None:
    """Sum up one debate; None where the moderator could not, and a note said why.

    Args:
        transcript: As JSON data.
        moderator: Who sums up.
        options: What the command says.

    Raises:
        PrerequisiteError: The moderator's weights are missing.
    """
    condition = _table_of(moderator)
    engine = choose(options.engine).kind
    run = describe_run(engine, condition.panel, {}, load_wording(condition.panel.prompts))
    asked = Question("q", "?", ("Yes", "No"))  # an engine's labels are probed for some question
    with Store.create(IN_MEMORY, run, [asked], [DEBATE]) as store:
        (written,) = _sum_up(store, [(1, transcript)], moderator, options)
    return written.summary


def _table_of(moderator: Card) -> Condition:
    """A table at which the moderator sits alone: its engine is found its place as any seat's."""
    return Condition(DEBATE, Panel("moderator", (Seat("moderator", moderator, Sampling()),), 1, moderator=moderator))


def _sum_up(store: Store, debates: Iterable[Told], moderator: Card, options: RunOptions) -> Iterator[Written]:
    condition, chosen = _table_of(moderator), choose(options.engine)
    cards = cards_of([condition])
    say: Callable[[str], None] = lambda text: options.tell(Note(text))  # noqa: E731
    files = {} if chosen.kind == "scripted" else find_weights(cards, options.home, say=say)
    panel = replace(condition.panel, engine=dict(options.engine_arguments))
    inputs = Inputs({1: replace(condition, panel=panel)}, chosen, files, {1: load_wording(panel.prompts)})

    def begin(engines: Engines) -> SummaryLoop:
        return SummaryLoop(
            store,
            debates,
            engines.moderators[1],
            engines.pool,
            key_of=engines.key_of,
            tell=engines.tell,
            should_stop=options.should_stop,
        )

    with open_work(store, inputs, options, begin, suite=True, kind="summary") as session:
        yield from session.run()
