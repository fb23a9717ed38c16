"""A panel at its table: models read, lengths reckoned with, engines ready to be loaded, a loop over a store's debates.

What takes long starts first: the engine's modules are imported by a process of their own while this one reads
tokenizers and reckons with lengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from localtable.engines.base import EngineInfo, Request
from localtable.engines.endpoint.key import read_key
from localtable.engines.registry import Choice
from localtable.errors import LocaltableError
from localtable.prompts import ByteTokenizer, HfTokenizer, PromptTokenizer, Wording
from localtable.protocol import Condition, cards_of
from localtable.runner.events import EngineChosen, Listener, RunEvent
from localtable.runner.keys import draws_always, engine_identity, request_key
from localtable.runner.learning import Learning
from localtable.runner.loop import Loop, Outcome
from localtable.runner.manifest import session_facts, with_engines
from localtable.runner.models import Model, build_moderators, longest_turns, seat_conditions
from localtable.runner.placements import build_placements, endpoint_placements, scripted_placements, seat_models
from localtable.runner.summarizing import length_for
from localtable.runner.workloads import build_workloads
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import Machine, find_machine, free_bytes
from localtable.scheduler.plan import quickest, telling
from localtable.scheduler.pool import EngineLoaded, EnginePool, Placement
from localtable.scheduler.prefetch import Prefetcher
from localtable.scheduler.seating import Seated
from localtable.scheduler.worker import Workers
from localtable.store import Key, SessionKind, Store
from localtable.types import Card
from localtable.weights import ModelFiles

MAX_REHEARSED = 10_000
"""Questions of which one of the middle length is looked for, where it has to be known how long a run will take."""
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
    """At most this much of each device."""
    gpus: Machine | None = None
    """A described machine, to run as on that one."""
    tell: Listener = _ignore
    should_stop: Callable[[], bool] = lambda: False
    stream: bool = False


Done = TypeVar("Done")
Done_co = TypeVar("Done_co", covariant=True)


class Work(Protocol[Done_co]):
    """What a session works at."""

    engines: dict[str, EngineInfo]
    """What engines said when they were loaded, by model."""
    load_seconds: dict[str, float]

    def run(self) -> Iterator[Done_co]:
        """Do it; yields what is done and committed."""


class Session(Generic[Done]):
    """A process at work on a run, from its set-up to its end."""

    def __init__(
        self, store: Store, work: Work[Done], pool: EnginePool, facts: Mapping[str, Any], learning: Learning
    ) -> None:
        """Made by `open_session` and `open_work`."""
        self.work = work
        self._store = store
        self._pool = pool
        self._facts = facts
        self._learning = learning

    def run(self) -> Iterator[Done]:
        """Do the work; what the session is by then goes into the store, however it ends.

        Raises:
            LocaltableError: As the work itself.
        """
        noted = time.monotonic()
        try:
            for done in self.work.run():
                yield done
                if time.monotonic() - noted > NOTE_EVERY_S:
                    noted = time.monotonic()
                    self.note(ended=False)
        except BaseException:
            with suppress(LocaltableError):  # on a full disk not even this can be written, and that has been said
                self.note(ended=True)
            raise
        self.note(ended=True)

    def note(self, *, ended: bool) -> None:
        """Write down where the session's time went, and what its engines said of themselves and did."""
        step_times = {model_id: slot.step_times for model_id, slot in self._pool.slots.items()}
        speeds = self._learning.ended(step_times) if ended else {}
        self._store.update_session(
            with_engines(self._facts, self.work.engines, self.work.load_seconds, step_times, speeds),
            {name: round(seconds, 3) for name, seconds in self._pool.clock.seconds().items()},
            {model_id: slot.activations for model_id, slot in self._pool.slots.items()},
            ended=ended,
        )
        over = self._pool.timeline.take()
        self._store.add_timeline((i.model_id, i.devices, i.phase, i.began_s, i.ended_s) for i in over)
        self._store.commit()
        self._learning.spent(over)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run is made of, as it is here now."""

    conditions: Mapping[int, Condition]
    """By number, as the store has them."""
    chosen: Choice
    files: Mapping[str, ModelFiles]
    """Weights by card id; none with the scripted engine."""
    wordings: Mapping[int, Wording]
    """By the condition's number."""


@dataclass(frozen=True, slots=True)
class Seating:
    """A run's models on this machine, before anything is loaded."""

    machine: Machine
    known: Calibration
    models: Mapping[str, Model]
    """By card id, each as it sits in the first condition that it sits in."""
    sitting: Mapping[int, Mapping[str, Model]]
    """By the condition's number and the card's id."""
    seated: Mapping[str, Seated]
    """By card id; none with the scripted engine."""
    placements: Mapping[str, Placement]
    """By card id."""
    moderators: Mapping[int, Model]
    """By the condition's number: who sums its debates up."""

    @property
    def only_moderators(self) -> set[str]:
        """Card ids of those that sum up and debate nowhere."""
        return {model.card.id for model in self.moderators.values()} - set(chain.from_iterable(self.sitting.values()))


@dataclass(frozen=True, slots=True)
class Engines:
    """What a session works with."""

    pool: EnginePool
    sitting: Mapping[int, Mapping[str, Model]]
    """By the condition's number and the card's id."""
    moderators: Mapping[int, Model]
    """By the condition's number."""
    key_of: Callable[[str, Request], Key]
    tell: Listener


def seat_run(
    store: Store,
    inputs: Inputs,
    machine: Machine,
    home: Path,
    *,
    suite: bool,
    lengths: Mapping[int, Condition] | None = None,
) -> Seating:
    """Read a run's models and find their places.

    Args:
        store: Holds the questions.
        inputs: The run's.
        machine: What it runs on.
        home: Where it is kept what engines took here.
        suite: Whether engines are to be filled with many debates, or hold the seats of one.
        lengths: Conditions to reckon with, by number, where turns can be longer than in the run's own.

    Raises:
        PlacementError: A prompt or a model doesn't fit.
    """
    tokenizers = read_tokenizers(cards_of(inputs.conditions.values()), inputs.files)
    real = inputs.chosen.kind != "scripted"
    sitting = seat_conditions(inputs.conditions, tokenizers, inputs.wordings, real_templates=real)
    models: dict[str, Model] = {}
    for card_id, model in chain.from_iterable(sits.items() for sits in sitting.values()):
        models.setdefault(card_id, model)
    reckoned = sitting
    if lengths is not None:
        reckoned = {number: models_of(sitting[number], condition) for number, condition in lengths.items()}
    needs = longest_turns(reckoned.values(), store.questions())
    # Where turns can be longer they are measured, and nothing is summed up.
    moderators = {} if lengths is not None else build_moderators(inputs.conditions, models, tokenizers, inputs.wordings)
    for moderator in moderators.values():
        card_id = moderator.card.id
        models.setdefault(card_id, moderator)
        needs[card_id] = max(needs.get(card_id, 0), length_for(moderator))
    known = Calibration(home)
    here = {card_id: model for card_id, model in models.items() if not model.at_endpoint}

    def choose(found: Sequence[dict[str, Seated]]) -> dict[str, Seated]:
        if not suite or lengths is not None:
            return found[0]  # what a single debate or a measurement takes is mostly its loads
        (num_debates,) = store.row("SELECT count(*) FROM debates")
        sits = {n: {i: model for i, model in sitting[n].items() if i in here} for n in inputs.conditions}
        at_work = [{*sits[n], *([moderators[n].card.id] if n in moderators else [])} for n in sits]
        kept = [list(sits)[place] for place in telling(at_work)]
        work = build_workloads(
            inputs.conditions,
            inputs.wordings,
            {n: sits[n] for n in kept},
            moderators,
            list(islice(store.questions(), MAX_REHEARSED)),
            max(num_debates // len(inputs.conditions), 1),
            kind=inputs.chosen.kind,
            machine=machine,
        )
        return quickest(found, list(work.values()), machine)

    seated = seat_models(inputs.chosen.kind, here, needs, machine, known, suite=suite, choose=choose)
    if inputs.chosen.kind == "scripted":
        placements = scripted_placements(here, needs, machine, suite=suite)
    else:
        placements = build_placements(here, seated, inputs.files, machine)
    # In the panel's order, by which the pool decides what is equal otherwise.
    placements |= endpoint_placements(models)
    placements = {card_id: placements[card_id] for card_id in models}
    return Seating(machine, known, models, sitting, seated, placements, moderators)


@contextmanager
def open_session(
    store: Store,
    inputs: Inputs,
    options: RunOptions,
    *,
    suite: bool,
    reuse: Sequence[Store] = (),
) -> Iterator[Session[Outcome]]:
    """Get everything ready for a store's open debates; all engines end at the end.

    Args:
        store: Holds the run, open for writing.
        inputs: The run's.
        options: What the command says.
        suite: Whether engines are to be filled with many debates, or hold the seats of one.
        reuse: Stores of other runs, whose answers are taken over.

    Raises:
        PlacementError: A prompt or a model doesn't fit.
        PrerequisiteError: The machine is smaller than the options say, or an endpoint's key is not set.
    """
    require_keys(cards_of(inputs.conditions.values()))

    def begin(engines: Engines) -> Loop:
        return Loop(
            store,
            inputs.conditions,
            engines.sitting,
            engines.pool,
            key_of=engines.key_of,
            moderators=engines.moderators,
            reuse=reuse,
            tell=engines.tell,
            should_stop=options.should_stop,
            stream=options.stream,
        )

    with open_work(store, inputs, options, begin, suite=suite) as session:
        yield session


@contextmanager
def open_work(
    store: Store,
    inputs: Inputs,
    options: RunOptions,
    begin: Callable[[Engines], Work[Done]],
    *,
    suite: bool,
    kind: SessionKind = "run",
    lengths: Mapping[int, Condition] | None = None,
) -> Iterator[Session[Done]]:
    """Get everything ready for work on a store; all engines end at the end.

    Args:
        store: Holds the run, open for writing.
        inputs: The run's.
        options: What the command says.
        begin: Makes the work out of what it works with.
        suite: As for `open_session`.
        kind: Of the session.
        lengths: As for `seat_run`.

    Raises:
        PlacementError: A prompt or a model doesn't fit.
        PrerequisiteError: The machine is smaller than the options say.
    """
    chosen, files = inputs.chosen, inputs.files
    options.tell(EngineChosen(chosen.kind, chosen.reason))
    machine = find_machine(options.device_memory_bytes, options.gpus)
    device = machine.devices[0]
    with Workers(options.home) as workers, Prefetcher() as prefetch:
        workers.prepare(chosen.kind, device.torch_name)
        seating = seat_run(store, inputs, machine, options.home, suite=suite, lengths=lengths)
        models = seating.models
        facts = session_facts(chosen, device, models, store.option_counts())
        identities = {
            card_id: engine_identity(
                placement.spec,
                models[card_id].card,
                files[card_id].weights_hash if card_id in files else None,
                facts["versions"],
            )
            for card_id, placement in seating.placements.items()
        }

        def key_of(model_id: str, request: Request) -> Key:
            draws = draws_always(chosen.kind, models[model_id].card)
            return request_key(identities[model_id], request, always_draws=draws)

        pool = EnginePool(
            seating.placements,
            capacities=machine.capacities,
            free_bytes=free_bytes if machine.kind == "cuda" else None,
            start=workers.start,
            prefetch=prefetch,
            turns=None if chosen.kind == "scripted" else "machine" if device.kind == "cpu" else "device",
            optional=seating.only_moderators,
        )
        store.begin_session(facts, kind)
        session: Session[Done] | None = None
        learning = Learning(seating.known, seating.seated, machine)

        def tell(event: RunEvent) -> None:
            # At once, so that a killed session has said which engines its turns are from.
            if isinstance(event, EngineLoaded) and session is not None:
                learning.loaded(event.model_id, event.info)
                session.note(ended=False)
            options.tell(event)

        work = begin(Engines(pool, seating.sitting, seating.moderators, key_of, tell))
        session = Session(store, work, pool, facts, learning)
        try:
            yield session
        finally:
            # It knows which engines may be killed: asked to end, each takes two seconds (docs/benchmarks.md).
            pool.close()


def read_tokenizers(cards: Iterable[Card], files: Mapping[str, ModelFiles]) -> dict[str, PromptTokenizer]:
    """The tokenizers of models, by card id.

    Args:
        cards: Of the models.
        files: Weights by card id; none with the scripted engine, and none at an endpoint, where the server has the
            tokenizer: what is said to it is written in bytes.
    """
    return {card.id: HfTokenizer(files[card.id].folder) if card.id in files else ByteTokenizer() for card in cards}


def require_keys(cards: Iterable[Card]) -> None:
    """Refuse to begin where the key of an endpoint is not set.

    Raises:
        PrerequisiteError: Says which variable should have held it.
    """
    for card in cards:
        if card.endpoint is not None:
            read_key(card.endpoint)


def models_of(models: Mapping[str, Model], condition: Condition) -> dict[str, Model]:
    """The models that sit in a condition, each reckoning with that condition's seats."""
    return {
        card.id: models[card.id]
        if models[card.id].panel == condition.panel
        else replace(models[card.id], panel=condition.panel)
        for card in condition.panel.cards
    }
