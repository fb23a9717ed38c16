"""A panel at its table: models read, lengths reckoned with, engines ready to be loaded, a loop over a store's debates.

What takes long starts first: the engine's modules are imported by a process of their own while this one reads
tokenizers and reckons with lengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localtable.engines.base import Request
from localtable.engines.registry import Choice
from localtable.errors import LocaltableError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, Wording
from localtable.protocol import Condition
from localtable.runner.events import EngineChosen, Listener, RunEvent
from localtable.runner.keys import engine_identity, request_key
from localtable.runner.learning import Learning
from localtable.runner.loop import Loop, Outcome
from localtable.runner.manifest import session_facts, with_engines
from localtable.runner.models import Model, build_models, longest_turns
from localtable.runner.placements import build_placements, scripted_placements, seat_models
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import find_machine, free_bytes
from localtable.scheduler.pool import EngineLoaded, EnginePool
from localtable.scheduler.prefetch import Prefetcher
from localtable.scheduler.worker import Workers
from localtable.store import Key, Store
from localtable.types import Panel
from localtable.weights import ModelFiles

NOTE_EVERY_S = 10.0
"""How often a session's timings are written down: what a killed one leaves."""


def _ignore(event: RunEvent) -> None:
    pass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a command says beside question and panel."""

    home: Path
    engine: str = "auto"
    engine_reason: str = ""
    """Why this engine, where that isn't the user's own choice."""
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    device_memory_bytes: int | None = None
    tell: Listener = _ignore
    should_stop: Callable[[], bool] = lambda: False
    stream: bool = False


class Session:
    """A process at work on a run, from its set-up to its end."""

    def __init__(
        self, store: Store, loop: Loop, pool: EnginePool, facts: Mapping[str, Any], learning: Learning
    ) -> None:
        """Made by `open_session`."""
        self.loop = loop
        self._store = store
        self._pool = pool
        self._facts = facts
        self._learning = learning

    def run(self) -> Iterator[Outcome]:
        """Hold the store's open debates; what the session is by then goes into the store, however it ends.

        Raises:
            LocaltableError: As `Loop.run`.
        """
        noted = time.monotonic()
        try:
            for outcome in self.loop.run():
                yield outcome
                if time.monotonic() - noted > NOTE_EVERY_S:
                    noted = time.monotonic()
                    self.note(ended=False)
        except BaseException:
            with suppress(LocaltableError):  # on a full disk not even this can be written, and that has been said
                self.note(ended=True)
            raise
        self.note(ended=True)

    def note(self, *, ended: bool) -> None:
        """Write down where the session's time went, and what its engines said of themselves."""
        self._store.update_session(
            with_engines(self._facts, self.loop.engines, self.loop.load_seconds),
            {name: round(seconds, 3) for name, seconds in self._pool.clock.seconds().items()},
            {model_id: slot.activations for model_id, slot in self._pool.slots.items()},
            ended=ended,
        )
        over = self._pool.timeline.take()
        self._store.add_timeline((i.model_id, i.devices, i.phase, i.began_s, i.ended_s) for i in over)
        self._store.commit()
        self._learning.spent(over)
        if ended:
            self._learning.ended(self._store)


@contextmanager
def open_session(
    store: Store,
    panel: Panel,
    conditions: Mapping[int, Condition],
    chosen: Choice,
    files: Mapping[str, ModelFiles],
    wording: Wording,
    options: RunOptions,
    *,
    suite: bool,
    reuse: Sequence[Store] = (),
) -> Iterator[Session]:
    """Get everything ready for a store's open debates; all engines end at the end.

    Args:
        store: Holds the run, open for writing.
        panel: Who sits at the table.
        conditions: By number, as the store has them.
        chosen: The engine.
        files: Weights by card id; none with the scripted engine.
        wording: Of the prompts.
        options: What the command says.
        suite: Whether engines are to be filled with many debates, or hold the seats of one.
        reuse: Stores of other runs, whose answers are taken over.

    Raises:
        PlacementError: A prompt or a model doesn't fit.
    """
    options.tell(EngineChosen(chosen.kind, chosen.reason))
    machine = find_machine(options.device_memory_bytes)
    device = machine.devices[0]
    with Workers(options.home) as workers, Prefetcher() as prefetch:
        workers.prepare(chosen.kind, device.torch_name)
        models = _read_models(panel, files, wording)
        sitting = {number: models_of(models, condition) for number, condition in conditions.items()}
        needs = longest_turns(sitting.values(), store.questions())
        known = Calibration(options.home)
        seated = seat_models(chosen.kind, models, needs, machine, known, suite=suite)
        if chosen.kind == "scripted":
            placements = scripted_placements(models, needs, machine, suite=suite)
        else:
            placements = build_placements(models, seated, files, machine)
        facts = session_facts(chosen, device, models, store.option_counts())
        identities = {
            card_id: engine_identity(
                placement.spec,
                models[card_id].card,
                files[card_id].weights_hash if card_id in files else None,
                facts["versions"],
            )
            for card_id, placement in placements.items()
        }

        def key_of(model_id: str, request: Request) -> Key:
            return request_key(identities[model_id], request, always_draws=chosen.kind == "scripted")

        pool = EnginePool(
            placements,
            capacities=machine.capacities,
            free_bytes=free_bytes if machine.kind == "cuda" else None,
            start=workers.start,
            prefetch=prefetch,
            take_turns=device.kind == "cpu" and chosen.kind != "scripted",
        )
        store.begin_session(facts)
        session: Session | None = None
        learning = Learning(known, seated, machine)

        def tell(event: RunEvent) -> None:
            # At once, so that a killed session has said which engines its turns are from.
            if isinstance(event, EngineLoaded) and session is not None:
                learning.loaded(event.model_id, event.info, event.seconds)
                session.note(ended=False)
            options.tell(event)

        loop = Loop(
            store,
            conditions,
            sitting,
            pool,
            key_of=key_of,
            reuse=reuse,
            tell=tell,
            should_stop=options.should_stop,
            stream=options.stream,
        )
        session = Session(store, loop, pool, facts, learning)
        yield session


def _read_models(panel: Panel, files: Mapping[str, ModelFiles], wording: Wording) -> dict[str, Model]:
    tokenizers: dict[str, PromptTokenizer] = {
        card.id: HfTokenizer(files[card.id].folder) if files else ByteTokenizer() for card in panel.cards
    }
    return build_models(panel, tokenizers, wording, real_templates=bool(files))


def models_of(models: Mapping[str, Model], condition: Condition) -> dict[str, Model]:
    """The models that sit in a condition, each reckoning with that condition's seats."""
    return {
        card.id: models[card.id]
        if models[card.id].panel == condition.panel
        else replace(models[card.id], panel=condition.panel)
        for card in condition.panel.cards
    }
