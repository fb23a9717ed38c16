"""What a test must know of an engine to talk to it, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from localtable import scripted_vocabulary
from localtable.engines.base import Constraint, Engine, EngineInfo, EngineSpec, Event, Preempted, Request, Tokens
from localtable.engines.step_meter import StepSample
from localtable.scheduler.worker import Died, EngineHandle, Events, Ready
from localtable.types import Sampling

MAX_MODEL_LEN = 512
MAX_NUM_SEQS = 64
STEP_TIMEOUT_S = 240


class ProcessEngine(Engine):
    """An engine in a worker process, behind the engine contract again: contract and worker are tried at once."""

    def __init__(self, handle: EngineHandle) -> None:
        self._handle = handle
        self._unfinished: set[str] = set()
        self._early: list[Event] = []
        """What came while something else was waited for."""
        self._samples: tuple[StepSample, ...] = ()
        self._info = self._wait_until_ready()

    def submit(self, requests: Sequence[Request]) -> None:
        if requests:
            self._unfinished.update(request.request_id for request in requests)
            self._handle.submit(requests)

    def step(self) -> list[Event]:
        while self._unfinished:
            received, self._early = self._early or self._receive(), []
            events = [event for event in received if event.request_id in self._unfinished]
            self._unfinished -= {event.request_id for event in events if not isinstance(event, Tokens)}
            if events:
                return events
        return []

    def abort(self, request_ids: Iterable[str]) -> None:
        ids = list(request_ids)
        self._unfinished -= set(ids)
        self._handle.abort(ids)

    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        ids = list(request_ids)
        missing = self._unfinished.intersection(ids)
        self._handle.preempt(ids)
        preempted: list[Preempted] = []
        while missing:
            for event in self._receive():
                if isinstance(event, Preempted):
                    preempted.append(event)
                else:
                    self._early.append(event)
                missing -= {event.request_id} if not isinstance(event, Tokens) else set()
        gone = {event.request_id for event in preempted}
        self._unfinished -= gone
        self._early = [event for event in self._early if event.request_id not in gone]
        return preempted

    def info(self) -> EngineInfo:
        return self._info

    def samples(self) -> tuple[StepSample, ...]:
        samples, self._samples = self._samples, ()
        return samples

    def close(self) -> None:
        self._handle.close()

    def _wait_until_ready(self) -> EngineInfo:
        while True:
            assert wait([self._handle], STEP_TIMEOUT_S), "the worker said nothing"
            for message in self._handle.poll():
                assert isinstance(message, Ready), message
                return message.info

    def _receive(self) -> list[Event]:
        assert wait([self._handle], STEP_TIMEOUT_S), "the worker said nothing"
        events: list[Event] = []
        for message in self._handle.poll():
            if isinstance(message, Died):
                raise message.error
            assert isinstance(message, Events)
            events += message.events
            self._samples += message.samples
        return events


@dataclass
class Subject:
    """An engine under test."""

    kind: str
    engine: Engine
    encode: Callable[[str], tuple[int, ...]]
    decode: Callable[[Sequence[int]], str]
    vocab_size: int
    end_of_turn: int
    spec: EngineSpec
    counter: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def prompt(self, text: str) -> tuple[int, ...]:
        """A user's message and the opened turn of the assistant."""
        if self.kind == "endpoint":
            start, end = scripted_vocabulary.START_OF_TURN, scripted_vocabulary.END_OF_TURN
            opened = (10, start, *self.encode("assistant\n"))
            return (start, *self.encode(f"user\n{text}"), end, *opened)
        if self.kind == "scripted":
            return (scripted_vocabulary.START_OF_TURN, *self.encode(text), scripted_vocabulary.END_OF_TURN)
        return self.encode(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")

    def request(self, text: str | tuple[int, ...], seed: int = 1, **fields: Any) -> Request:
        """A request; what `Sampling` has goes there, the rest to the request."""
        sampling = {name: fields.pop(name) for name in tuple(fields) if name in Sampling.__slots__}
        prompt = text if isinstance(text, tuple) else self.prompt(text)
        fields.setdefault("request_id", f"r{next(self.counter)}")
        return Request(
            prompt_token_ids=prompt,
            sampling=Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 8, **sampling}),
            seed=seed,
            **fields,
        )

    def choice(self, *words: str) -> Constraint:
        """A constraint to one of these words, none of which begins another."""
        first: set[int] = set()
        for word in words:
            for end in range(1, len(word) + 1):
                ids = self.encode(word[:end])
                first.update(ids if len(ids) == 1 else ())
        return Constraint(f"({'|'.join(words)})", tuple(sorted(first)))


def scripted_subject_of(spec: EngineSpec, engine: Engine) -> Subject:
    return _in_bytes("scripted", spec, engine)


def endpoint_subject_of(spec: EngineSpec, engine: Engine) -> Subject:
    return _in_bytes("endpoint", spec, engine)


def _in_bytes(kind: str, spec: EngineSpec, engine: Engine) -> Subject:
    return Subject(
        kind,
        engine,
        scripted_vocabulary.encode,
        scripted_vocabulary.decode,
        scripted_vocabulary.VOCAB_SIZE,
        scripted_vocabulary.END_OF_TURN,
        spec,
    )


def real_subject_of(spec: EngineSpec, engine: Engine) -> Subject:
    from tokenizers import Tokenizer

    assert spec.folder is not None
    tokenizer = Tokenizer.from_file(str(spec.folder / "tokenizer.json"))
    return Subject(
        spec.kind,
        engine,
        lambda text: tuple(tokenizer.encode(text, add_special_tokens=False).ids),
        lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False),
        tokenizer.get_vocab_size(with_added_tokens=True),
        tokenizer.token_to_id("<|im_end|>"),
        spec,
    )


def build_spec(kind: str, folder: Path | None, **fields: Any) -> EngineSpec:
    """SmolLM2's spec: 512 MiB of cache hold 64 short sequences in float32."""
    defaults: dict[str, Any] = {
        "kind": kind,
        "model_id": "under-test",
        "folder": folder,
        "dtype": "bfloat16",
        "max_model_len": MAX_MODEL_LEN,
        "max_num_seqs": MAX_NUM_SEQS,
        "kv_cache_bytes": 512 * 2**20,
    }
    return EngineSpec(**defaults | fields)
