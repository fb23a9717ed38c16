"""The scripted engine: plays turns from a file or from a seeded rule, and fails where the script says so.

No model and no weights, yet a whole debate with everything around it: for trying panels and reports in a second, for
tests, and for measuring what the harness itself costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

import localtable
from localtable.engines.admission import refusal, require_unique
from localtable.engines.base import (
    Completion,
    Engine,
    EngineInfo,
    EngineSpec,
    Event,
    Failure,
    Preempted,
    Request,
    SleepLevel,
    Tokens,
)
from localtable.engines.guides import Guides
from localtable.engines.script import Script, ScriptedTurn, load_script
from localtable.engines.scripted_answers import answer
from localtable.errors import ConfigError, EngineError, EngineLoadError
from localtable.loading import validate
from localtable.scripted_vocabulary import END_OF_TURN, VOCAB_SIZE

if TYPE_CHECKING:
    from outlines_core import Vocabulary

DELAY_SLICE_S = 0.1
"""How long a scripted delay may keep a signal waiting."""


class Arguments(BaseModel):
    """The engine arguments that a user may give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    script: Path | None = None
    """A YAML or JSON file; without one every request follows the rule."""
    process: bool = False
    """Whether it runs in a worker of its own as other engines do, so that it can die as they do."""


def has_process(spec: EngineSpec) -> bool:
    """Whether this scripted engine runs in a worker; one whose arguments are wrong doesn't, and says so as it loads."""
    try:
        return _arguments(spec).process
    except ConfigError:
        return False


def _arguments(spec: EngineSpec) -> Arguments:
    return validate(Arguments, dict(spec.arguments), "arguments of the scripted engine")


@dataclass(slots=True)
class _Playing:
    """A request, and once its turn has come, what is left of its answer."""

    request: Request
    completion: Completion | None = None
    chunks: Iterator[tuple[int, ...]] | None = None
    num_given: int = 0
    """Tokens that were streamed."""
    began: float = 0.0
    takes_s: float = 0.0
    """How long what is left of it takes."""

    @property
    def due(self) -> float:
        """When it may come to its end."""
        return self.began + self.takes_s

    def said(self) -> tuple[int, ...]:
        """What it has said by now, at an even pace."""
        said = self.request.said
        if self.completion is None or not self.request.resumable:
            return said
        left = self.completion.token_ids[len(said) :]
        share = min((time.monotonic() - self.began) / self.takes_s, 1.0) if self.takes_s else 0.0
        return said + left[: max(self.num_given, min(int(share * len(left)), len(left) - 1))]


class ScriptedEngine(Engine):
    """Answers without a model.

    A step completes every running request that does not stream, and gives a word of each that does.
    """

    def __init__(self, spec: EngineSpec) -> None:
        """Read the script.

        Raises:
            ConfigError: An unknown engine argument, or a script that can't be read.
            EngineLoadError: The script says that loading fails.
        """
        arguments = _arguments(spec)
        self._spec = spec
        script = load_script(arguments.script) if arguments.script else Script()
        self._script = script.of_model(spec.model_id)
        time.sleep(self._script.load_s)
        if self._script.load_fails is not None:
            raise EngineLoadError(
                f"{spec.model_id}: {self._script.load_fails}",
                hint=f"{arguments.script} scripts this under load_fails.",
            )
        self._guides = Guides(_byte_vocabulary())
        self._unfinished: dict[str, _Playing] = {}
        self._failed_once: set[tuple[int, str, int, str, int]] = set()
        self._dead: str | None = None
        self._asleep = False

    def submit(self, requests: Sequence[Request]) -> None:
        self._require_alive()
        if self._asleep:
            raise EngineError(f"{self._spec.model_id} is asleep", hint="Wake it first.")
        require_unique(requests, self._unfinished.keys())
        self._unfinished |= {request.request_id: _Playing(request) for request in requests}

    def _delay(self) -> None:
        # In slices: a signal that arrives just before a sleep begins is handled only when that sleep ends.
        until = time.monotonic() + self._script.delay_s
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, DELAY_SLICE_S))

    def step(self) -> list[Event]:
        self._require_alive()
        if not self._unfinished:
            return []
        self._delay()
        events: list[Event] = []
        while not events:
            working = list(islice(self._unfinished.values(), self._spec.max_num_seqs))
            for playing in working:
                events += self._advance(playing)
            if not events:
                time.sleep(min(DELAY_SLICE_S, max(min(p.due for p in working) - time.monotonic(), 0.0)))
                if self.interrupt():
                    return []
        for event in events:
            if not isinstance(event, Tokens):
                del self._unfinished[event.request_id]
        return events

    def abort(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            self._unfinished.pop(request_id, None)

    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        wanted = [request_id for request_id in request_ids if request_id in self._unfinished]
        return [Preempted(request_id, self._unfinished.pop(request_id).said()) for request_id in wanted]

    def info(self) -> EngineInfo:
        return EngineInfo(
            kind="scripted",
            device="cpu",
            dtype=self._spec.dtype,
            max_model_len=self._spec.max_model_len,
            max_num_seqs=self._spec.max_num_seqs,
            num_kv_blocks=None,
            block_size=None,
            weights_bytes=None,
            kv_cache_bytes=None,
            versions={"localtable": localtable.__version__},
            arguments=dict(self._spec.arguments),
            supports_sleep=True,
        )

    def sleep(self, level: SleepLevel) -> None:
        self._require_alive()
        if self._unfinished:
            raise EngineError(
                f"{self._spec.model_id} can't sleep with {len(self._unfinished)} unfinished requests",
                hint="Wait for them, or abort them.",
            )
        self._asleep = True

    def wake(self) -> None:
        self._require_alive()
        self._asleep = False

    def close(self) -> None:
        self._unfinished.clear()
        self._dead = self._dead or "it is closed"

    def _require_alive(self) -> None:
        if self._dead is not None:
            raise EngineError(
                f"the scripted engine of {self._spec.model_id} is gone: {self._dead}", hint="Load it anew."
            )

    def _advance(self, playing: _Playing) -> list[Event]:
        """Begin or go on with one request."""
        if playing.completion is None:
            begun = self._begin(playing.request)
            if isinstance(begun, Failure):
                return [begun]
            playing.completion, playing.began = begun, time.monotonic()
            playing.takes_s = self._takes_s(playing.request, begun)
        if time.monotonic() < playing.due:
            return []
        if not playing.request.stream:
            return [playing.completion]
        if playing.chunks is None:
            playing.chunks = _words(playing.completion.token_ids[len(playing.request.said) :])
        chunk = next(playing.chunks, None)
        playing.num_given += len(chunk or ())
        return [Tokens(playing.request.request_id, chunk)] if chunk is not None else [playing.completion]

    def _begin(self, request: Request) -> Completion | Failure:
        message = refusal(request, max_model_len=self._spec.max_model_len, vocab_size=VOCAB_SIZE)
        if message is not None:
            return Failure(request.request_id, message, retryable=False)
        turn = self._script.find(request)
        if turn is not None and turn.fail is not None and self._fails(request, turn):
            return Failure(request.request_id, f"the script fails this turn ({turn.fail})", retryable=True)
        try:
            return answer(request, turn, self._guides)
        except ValueError as error:
            return Failure(request.request_id, str(error), retryable=False)

    def _takes_s(self, request: Request, completion: Completion) -> float:
        turn = self._script.find(request)
        if turn is None or request.origin is None or request.origin.step != "statement" or not completion.token_ids:
            return 0.0
        return turn.takes_s * (1 - len(request.said) / len(completion.token_ids))

    def _fails(self, request: Request, turn: ScriptedTurn) -> bool:
        origin = request.origin
        assert origin is not None, "only a request with an origin finds a turn"
        if turn.fail == "crash":
            self._dead = f"the script crashes it at {origin.seat}, round {origin.round_number}"
            self._require_alive()
        if turn.fail == "always":
            return True
        # A turn fails as a whole, at the first of its requests, whatever the step.
        key = (id(turn), origin.question_id, origin.repeat, origin.seat, origin.round_number)
        if key in self._failed_once:
            return False
        self._failed_once.add(key)
        return True


def _words(token_ids: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Cut before every space."""
    start = 0
    for place in range(1, len(token_ids) + 1):
        if place == len(token_ids) or token_ids[place] == ord(" "):
            yield token_ids[start:place]
            start = place


def _byte_vocabulary() -> Vocabulary:
    from outlines_core import Vocabulary

    return Vocabulary(END_OF_TURN, {bytes((byte,)): [byte] for byte in range(256)})
