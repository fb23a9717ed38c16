"""What the parts of `gpu_check.py` share: models that are here, engines that are loaded, memory that is taken."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

from bench_suite import Setting

from localtable.config import load_suite
from localtable.engines.base import Completion, EngineSpec, Failure, Request
from localtable.places import packaged
from localtable.prompts import HfTokenizer, load_wording
from localtable.runner.models import build_models, longest_turns
from localtable.runner.placements import build_placements, seat_models
from localtable.scheduler.devices import Device, Machine, find_machine
from localtable.scheduler.messages import Changed, Died, EngineHandle, Events, FromWorker, Ready
from localtable.scheduler.seating import Seated
from localtable.scheduler.worker import ForkServer, modules_to_preload
from localtable.types import Card, Panel, Question, Sampling, Seat
from localtable.weights import ModelFiles

GIB = 2**30
FIRST_ID, NUM_IDS = 300, 20_000
"""Ids that made-up prompts are of: every tokenizer has them, and none of them steers."""
SEATS = ("Ada", "Bob", "Cy", "Dee")
LOG_FIGURES = {
    "weights": re.compile(r"Model loading took ([\d.]+) GiB"),
    "graphs": re.compile(r"Graph capturing finished in [\d.]+ secs, took ([\d.]+) GiB"),
    "asleep": re.compile(r"([\d.]+) GiB memory is still in use"),
}
"""What vLLM 0.24 to 0.32 say of their memory in the worker's log (gpu_model_runner.py, gpu_worker.py)."""
FREED_WITHIN_S, FREED_ALL_BUT = 30.0, GIB // 4
"""When memory that a closed engine has given back counts as free."""
M = TypeVar("M", bound=FromWorker)


class GoneError(Exception):
    """An engine that did not do what it was asked for."""


@dataclass(frozen=True)
class ModelHere:
    """A model in a folder."""

    card: Card
    folder: Path
    made_up: bool

    @property
    def files(self) -> dict[str, ModelFiles]:
        """As a run would find it, without the sums that nothing here needs."""
        return {self.card.id: ModelFiles(self.folder, "", "", ())}


@dataclass
class Loaded:
    """An engine that is ready."""

    handle: EngineHandle
    ready: Ready
    log: Path
    used_before: int
    """Bytes of the device that were taken before it began to load."""
    wall_s: float

    @property
    def said(self) -> dict[str, int]:
        """Bytes that vLLM's own log names; the last of each."""
        return log_figures(self.log.read_text(errors="replace"))


def log_figures(text: str) -> dict[str, int]:
    found = {name: pattern.findall(text) for name, pattern in LOG_FIGURES.items()}
    return {name: int(float(values[-1]) * GIB) for name, values in found.items() if values}


@dataclass
class Bench:
    """The device, the models, and what is loaded now."""

    machine: Machine
    home: Path
    """For logs and caches of this check alone."""
    main: ModelHere
    second: ModelHere
    contract: ModelHere
    """What the engine contract is tried on: real weights where they are here."""
    kv_bytes: int
    rows: int
    tokens: int
    """Of a statement."""
    debates: int
    pairs: int
    asleep: dict[str, int] = field(default_factory=dict)
    """Bytes that the main engine kept asleep, by level."""
    load_s: float | None = None
    """The shortest load so far: what another one takes at least."""
    found: dict[str, Any] = field(default_factory=dict)
    """What the part that runs has found, should it not come to its end."""
    _server: ForkServer | None = None
    _loaded: dict[str, Loaded] = field(default_factory=dict)

    @property
    def device(self) -> Device:
        return self.machine.devices[0]

    @property
    def on_gpu(self) -> bool:
        return self.device.kind == "cuda"

    # ── engines ───────────────────────────────────────────────────────────────────────────────────────────

    def start(self, spec: EngineSpec) -> Loaded:
        """Load an engine; any other of the same id must have been closed.

        Raises:
            GoneError: It did not load.
        """
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        if self._server is None:
            os.environ["PYTHONPATH"] = str(Path(__file__).parent)
            modules = (*modules_to_preload("vllm", self.device.kind), "cold_cache")
            self._server = ForkServer(modules, self.device.torch_name, self.home, logs / "server.log")
        used, began = self.used(), time.monotonic()
        log = logs / f"{spec.model_id}-{time.monotonic_ns()}.log"
        handle = self._server.start(spec, log)
        # Known before it is ready, so that it is ended too where time runs out while it loads.
        self._loaded[spec.model_id] = entry = Loaded(handle, None, log, used, 0.0)  # type: ignore[arg-type]
        entry.ready = heard(handle, Ready)
        entry.wall_s = time.monotonic() - began
        self.load_s = min(self.load_s or entry.wall_s, entry.wall_s)
        return entry

    def loaded(self, model: ModelHere, spec: EngineSpec) -> Loaded:
        """The engine of a model, loaded now if it isn't."""
        return self._loaded.get(model.card.id) or self.start(spec)

    def close(self, model_id: str) -> float:
        """End an engine; seconds until what it held is seen to be free."""
        entry = self._loaded.pop(model_id, None)
        if entry is None:
            return 0.0
        began = time.monotonic()
        entry.handle.close()
        while self.on_gpu and self.used() > entry.used_before + FREED_ALL_BUT:
            if time.monotonic() - began > FREED_WITHIN_S:
                raise GoneError(
                    f"{(self.used() - entry.used_before) / GIB:.2f} GiB of {model_id} were still held "
                    f"{FREED_WITHIN_S:.0f} s after it was closed"
                )
            time.sleep(0.05)
        return time.monotonic() - began

    def close_all(self) -> None:
        """End all engines, whatever state they are in."""
        for model_id in list(self._loaded):
            self._loaded.pop(model_id).handle.close()

    def end(self) -> None:
        """End everything."""
        self.close_all()
        if self._server is not None:
            self._server.close()
            self._server = None

    # ── memory ────────────────────────────────────────────────────────────────────────────────────────────

    def used(self) -> int:
        """Bytes that are taken: of the GPU by anyone, or on a CPU by the engines' own processes."""
        if self.on_gpu:
            device = find_machine().devices[0]
            return device.total_bytes - device.free_bytes
        return sum(_own_memory(getattr(entry.handle, "pid", None)) for entry in self._loaded.values())

    # ── what is debated ───────────────────────────────────────────────────────────────────────────────────

    def questions(self, number: int) -> list[Question]:
        """The example suite's, over and over."""
        return example_questions(number)

    def setting(self, model: ModelHere) -> tuple[Setting, Seated]:
        """A panel of four seats on one model, as a suite would load it, and what was predicted of it."""
        length = Sampling(max_tokens=self.tokens, min_tokens=self.tokens)
        seats = tuple(Seat(name, model.card, length) for name in SEATS)
        return seat_panel(
            Panel("gpu-check", seats, rounds=2, engine=self.engine()), model, self.questions(self.debates), self.machine
        )

    def engine(self, **more: str) -> dict[str, str]:
        return {"kv_cache_memory_bytes": str(self.kv_bytes), "max_num_seqs": str(self.rows), **more}


def seat_panel(panel: Panel, model: ModelHere, questions: list[Question], machine: Machine) -> tuple[Setting, Seated]:
    """A panel on one model, ready to be loaded."""
    card = model.card
    models = build_models(panel, {card.id: HfTokenizer(model.folder)}, load_wording(panel.prompts), real_templates=True)
    seated = seat_models("vllm", models, longest_turns([models], questions), machine, suite=True)
    placements = build_placements(models, seated, model.files, machine)
    return Setting(questions, panel, models[card.id], placements[card.id].spec), seated[card.id]


def example_questions(number: int) -> list[Question]:
    own = list(load_suite(packaged("examples") / "suites/everyday.jsonl"))
    return [replace(own[i % len(own)], id=f"{own[i % len(own)].id}-{i}") for i in range(number)]


def heard(handle: EngineHandle, kind: type[M]) -> M:
    """The next message of one kind.

    Raises:
        GoneError: The engine died instead.
    """
    while True:
        wait([handle], 1.0)  # type: ignore[list-item]  # anything with a fileno will do
        for message in handle.poll():
            if isinstance(message, kind):
                return message
            if isinstance(message, Died):
                raise GoneError(f"{handle.spec.model_id}: {message.error}")


def change(loaded: Loaded, level: int | None) -> float:
    """Put an engine to sleep at a level, or wake it (None); seconds, as its user waits for them."""
    began = time.monotonic()
    if level is None:
        loaded.handle.wake()
    else:
        loaded.handle.sleep(1 if level == 1 else 2)
    heard(loaded.handle, Changed)
    return time.monotonic() - began


def together(work: Mapping[str, tuple[EngineHandle, Sequence[Request]]]) -> dict[str, tuple[float, list[Completion]]]:
    """Several engines at once: for each the seconds until its last request was done, and what came.

    Raises:
        GoneError: One died, or refused a request.
    """
    began = time.monotonic()
    done: dict[str, list[Completion]] = {name: [] for name in work}
    seconds: dict[str, float] = {}
    for handle, requests in work.values():
        handle.submit(requests)
    while len(seconds) < len(work):
        wait([work[name][0] for name in work if name not in seconds], 1.0)  # type: ignore[misc]
        for name, (handle, requests) in work.items():
            for message in handle.poll():
                done[name] += _completions(message, handle)
            if name not in seconds and len(done[name]) == len(requests):
                seconds[name] = time.monotonic() - began
    return {name: (seconds[name], done[name]) for name in work}


def _completions(message: FromWorker, handle: EngineHandle) -> list[Completion]:
    if isinstance(message, Died):
        raise GoneError(f"{handle.spec.model_id}: {message.error}")
    events = message.events if isinstance(message, Events) else []
    for event in events:
        if isinstance(event, Failure):
            raise GoneError(f"{handle.spec.model_id} refused a request: {event.message}")
    return [event for event in events if isinstance(event, Completion)]


def prompts(number: int, length: int, tokens: int, *, salt: int = 0, greedy: bool = False) -> list[Request]:
    """Requests of made-up prompts, each with another beginning, so that none finds another's cache."""
    sampling = Sampling(temperature=0.0 if greedy else 0.7, max_tokens=tokens, min_tokens=tokens)
    return [
        Request(
            f"p{salt}-{i}",
            tuple(FIRST_ID + (7919 * (salt + 1) + 31 * i + j * (i + 3)) % NUM_IDS for j in range(length)),
            sampling,
            seed=i,
        )
        for i in range(number)
    ]


def rate(seconds: float, done: Sequence[Completion]) -> float:
    return sum(completion.completion_tokens for completion in done) / seconds


def _own_memory(pid: int | None) -> int:
    import psutil

    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return 0


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result
