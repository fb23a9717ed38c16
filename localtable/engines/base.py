"""The engine contract: a batch of token prompts in, events out, more requests at any time.

An engine is one loaded model. It knows tokens and nothing of debates: what to say, which seat says it and what an
answer means is decided before and after it. `tests/engines/test_contract.py` holds every engine to what stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from localtable.engines.step_meter import StepSample
from localtable.errors import EngineError
from localtable.types import FinishReason, Sampling

SleepLevel = Literal[1, 2]
"""What sleeps keeps its process and gives back the device's memory: at level 1 the weights go to host memory, at level
2 they are dropped and read again; the cache is lost at both (vLLM's meaning)."""


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What an engine needs that can't constrain one token: how a whole reply is asked for, and how it is read."""

    key: str
    """Of the JSON object that is asked for; its value is a label."""
    texts: tuple[str, ...]
    """What stands behind each label in the prompt, place by place."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a completion may be: one label of several, or a text of a form.

    `regex` is what outlines enforces. Of labels, `token_ids` are all ids that it allows as the first token, since one
    label can have several (`A` and `<0x41>`); their log-probabilities come back with the completion. A text has none:
    it may begin with nearly anything, and nothing of it is measured.
    """

    regex: str
    token_ids: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    """What each id stands for, place by place: an option's letter, a seat's name. Engines don't need it to
    generate; scripts and logs name labels by it."""
    reply: ReplyForm | None = None
    """For the endpoint engine alone."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which part of which debate a request serves: for logs, and for the scripted engine's script."""

    question_id: str
    repeat: int
    seat: str
    round_number: int
    step: str
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete."""

    request_id: str
    """Unique among the requests that an engine has not given back yet."""
    prompt_token_ids: tuple[int, ...]
    sampling: Sampling
    seed: int
    stop_token_ids: tuple[int, ...] = ()
    """Generation ends at any of these; the one met is not part of the completion."""
    constraint: Constraint | None = None
    logprob_token_ids: tuple[int, ...] = ()
    """Ids whose unconstrained log-probabilities at the first generated place are wanted."""
    stream: bool = False
    """Whether new tokens are wanted as they come."""
    origin: Origin | None = None
    said: tuple[int, ...] = ()
    """What an engine had generated of it when it was preempted: it goes on from there, and `sampling`'s lengths count
    these, too. Later tokens are drawn from `seeds.resumed_seed`."""

    @property
    def resumable(self) -> bool:
        """Whether it can go on from what it has said; where the first token is measured, it begins anew."""
        return self.constraint is None and not self.logprob_token_ids


@dataclass(frozen=True, slots=True)
class Tokens:
    """New tokens of a request that streams; together they are the completion's, a stop id never among them."""

    request_id: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """A request that has finished."""

    request_id: str
    token_ids: tuple[int, ...]
    """What was generated, without the stop id."""
    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    """Prompt tokens whose keys and values the engine still had."""
    completion_tokens: int
    """Decode steps spent: the stop id counts."""
    stop_token_id: int | None = None
    logprobs: Mapping[int, float] = field(default_factory=dict)
    """Natural log-probabilities at the first generated place, by token id, at temperature 1 and before penalties:
    of the constraint's ids renormalised over them, or of `logprob_token_ids` over the whole vocabulary. The endpoint
    engine gives a constrained request's whole reply, and of the constraint's ids those that its server lists, over the
    whole vocabulary; nothing where it lists none."""


Away = Literal["shut", "busy"]
"""How a server turns a request away: it lets this user in no more, whatever is asked, or it has no time, or nobody is
there."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the engine could not complete, while the engine itself lives on."""

    request_id: str
    message: str
    retryable: bool
    away: Away | None = None
    """Where it may be no fault of the request's; of engines that are servers alone."""


@dataclass(frozen=True, slots=True)
class Preempted:
    """A request that was taken back before its end, to be run again later."""

    request_id: str
    said: tuple[int, ...]
    """What has been generated of it; for its next `Request.said`."""


Event = Tokens | Completion | Failure | Preempted


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """All that it takes to load a model into an engine; crosses into the worker process as it is."""

    kind: str
    """scripted, transformers, vllm or endpoint."""
    model_id: str
    folder: Path | None
    """Holds config.json, tokenizer and *.safetensors; None for the scripted and the endpoint engine."""
    dtype: str
    max_model_len: int
    """Longest prompt and completion together, in tokens."""
    max_num_seqs: int
    kv_cache_bytes: int
    seed: int = 0
    device: str = "cpu"
    """cpu, mps, or cuda:N."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The user's own engine arguments, passed on as they are."""
    device_bytes: int | None = None
    """What it may take on each of its devices, its process's own context aside; None where nobody planned."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a loaded engine says of itself; admission, planning and the manifest need it."""

    kind: str
    device: str
    dtype: str
    max_model_len: int
    max_num_seqs: int
    num_kv_blocks: int | None
    """None where the engine has no paged cache."""
    block_size: int | None
    """Tokens."""
    weights_bytes: int | None
    kv_cache_bytes: int | None
    versions: Mapping[str, str]
    arguments: Mapping[str, Any]
    """What the engine was really started with."""
    supports_sleep: bool = False
    activation_bytes: int | None = None
    """The most that its first step took beside weights and cache, on its first device; None where it can't be seen."""
    graph_bytes: int | None = None
    """What CUDA graphs take there, likewise."""


class Engine(ABC):
    """One loaded model.

    Invariants: every request comes back exactly once, as a `Completion` or a `Failure`, unless it is aborted or
    preempted; such a one comes back no more; sampling, seed and constraint are each request's own; a request that can't
    be served (longer than `max_model_len`, an id outside the vocabulary, a regex that allows nothing) is a `Failure`
    and harms no other; an empty batch is legal; `close` may be called twice.
    """

    interrupt: Callable[[], bool] = staticmethod(lambda: False)
    """Whoever drives the engine may set this. It is asked between two decode steps; where it says yes, `step` comes
    back, even with nothing, so that what has just arrived joins the next decode step."""

    @abstractmethod
    def submit(self, requests: Sequence[Request]) -> None:
        """Take a batch, at any time, others running or not."""

    @abstractmethod
    def step(self) -> list[Event]:
        """Work on what was submitted until something has happened, and say what.

        Returns:
            At least one event while a request is unfinished; nothing, at once, when none is.
        """

    @abstractmethod
    def abort(self, request_ids: Iterable[str]) -> None:
        """Forget these requests; unknown and finished ids are ignored."""

    @abstractmethod
    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        """Take these requests back, with what they have said; unknown and finished ids are ignored."""

    @abstractmethod
    def info(self) -> EngineInfo:
        """What was loaded, with which settings."""

    def samples(self) -> tuple[StepSample, ...]:
        """What its steps took and what was done in them, since this was asked last; nothing where it can't be seen."""
        return ()

    def sleep(self, level: SleepLevel) -> None:
        """Give back the device's memory until `wake`, with nothing unfinished; only where `info` says `supports_sleep`.

        Raises:
            EngineError: The engine can't sleep, or has requests.
        """
        raise EngineError(f"{type(self).__name__} can't sleep", hint="Close it and load it anew.")

    def wake(self) -> None:
        """Take back what `sleep` gave; prefixes have to be computed again.

        Raises:
            EngineError: The engine can't sleep.
        """
        raise EngineError(f"{type(self).__name__} can't sleep", hint="Close it and load it anew.")

    @abstractmethod
    def close(self) -> None:
        """Free the device. The engine is of no use afterwards."""


def generate(engine: Engine, requests: Sequence[Request]) -> list[Completion | Failure]:
    """Complete a batch and give it back in its order: for scripts and tests."""
    engine.submit(requests)
    done: dict[str, Completion | Failure] = {}
    while len(done) < len(requests):
        events = engine.step()
        done |= {event.request_id: event for event in events if isinstance(event, Completion | Failure)}
    return [done[request.request_id] for request in requests]
