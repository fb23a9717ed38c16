"""Requests to a server as an engine's: a thread for each, events in a queue, nothing on any device.

It is loaded by asking whether somebody is there. It never sleeps, and what is taken back begins anew: a server keeps
nothing that could be gone on from.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import localtable
from localtable.ballots.answers import read_answer
from localtable.ballots.reply import json_pattern
from localtable.engines.admission import require_unique
from localtable.engines.base import (
    Completion,
    Constraint,
    Engine,
    EngineInfo,
    EngineSpec,
    Event,
    Failure,
    Preempted,
    Request,
    Tokens,
)
from localtable.engines.endpoint.body import MAX_ASKED, build_body, decides, next_to_drop, without
from localtable.engines.endpoint.conversation import encode
from localtable.engines.endpoint.key import read_key
from localtable.engines.endpoint.logprobs import label_logprobs
from localtable.engines.endpoint.pacing import MAX_RETRY_AFTER_S, Pacer, backoff_s
from localtable.engines.endpoint.reply import Reply
from localtable.engines.endpoint.wire import Again, Refused, Wire
from localtable.types import Endpoint, FinishReason, Usage

POLL_S = 0.05
"""How long a step waits before it asks whether it is to be interrupted."""
REFUSALS = (400, 404, 405, 415, 422, 501)
"""HTTP's ways to refuse a part of a request."""


class _Unwanted(Exception):
    """Nobody waits for this request any more."""


@dataclass(eq=False, slots=True)
class _Job:
    """A request under way."""

    request: Request
    unwanted: threading.Event = field(default_factory=threading.Event)
    streamed: str = ""
    """What was given as tokens."""
    usage: Usage = field(default_factory=Usage)
    """Of all that was answered for it."""

    def sleep(self, seconds: float) -> None:
        """Wait, and give up at once where nobody wants it any more."""
        if self.unwanted.wait(seconds):
            raise _Unwanted


class EndpointEngine(Engine):
    """A model at an OpenAI-compatible server."""

    def __init__(self, spec: EngineSpec) -> None:
        """Ask whether the server is there.

        Raises:
            PrerequisiteError: The key is not set.
            EngineLoadError: Nobody answers, or the key is refused.
        """
        self._spec = spec
        self._endpoint = endpoint_of(spec)
        self._key = read_key(self._endpoint)
        self._wire = Wire(self._endpoint, self._key)
        self._wire.check()
        self._pacer = Pacer(self._endpoint.requests_per_minute)
        self._room = threading.BoundedSemaphore(self._endpoint.max_concurrent)
        self._events: queue.SimpleQueue[tuple[_Job, Event]] = queue.SimpleQueue()
        self._jobs: dict[str, _Job] = {}
        self._lacks: frozenset[str] = frozenset()
        """What this server has turned out not to take."""

    def submit(self, requests: Sequence[Request]) -> None:
        require_unique(requests, self._jobs.keys())
        for request in requests:
            job = self._jobs[request.request_id] = _Job(request)
            # Daemons: a server that hangs keeps no process from ending.
            threading.Thread(target=self._run, args=(job,), daemon=True, name="localtable-request").start()

    def step(self) -> list[Event]:
        while self._jobs:
            try:
                arrived = [self._events.get(timeout=POLL_S)]
            except queue.Empty:
                if self.interrupt():
                    return []
                continue
            while not self._events.empty():
                arrived.append(self._events.get())
            events = [event for job, event in arrived if self._jobs.get(event.request_id) is job]
            for event in events:
                if not isinstance(event, Tokens):
                    del self._jobs[event.request_id]
            if events:
                return events
        return []

    def abort(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            job = self._jobs.pop(request_id, None)
            if job is not None:
                job.unwanted.set()

    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        wanted = [request_id for request_id in request_ids if request_id in self._jobs]
        self.abort(wanted)
        return [Preempted(request_id, ()) for request_id in wanted]

    def info(self) -> EngineInfo:
        return EngineInfo(
            kind="endpoint",
            device=self._wire.host,
            dtype="unknown",
            max_model_len=self._spec.max_model_len,
            max_num_seqs=self._spec.max_num_seqs,
            num_kv_blocks=None,
            block_size=None,
            weights_bytes=None,
            kv_cache_bytes=None,
            versions={"localtable": localtable.__version__},
            arguments=dict(self._spec.arguments),
        )

    def close(self) -> None:
        self.abort(list(self._jobs))
        self._wire.close()

    # ── a request, in a thread of its own ─────────────────────────────────────────────────────────────────

    def _run(self, job: _Job) -> None:
        request_id = job.request.request_id
        try:
            with self._room:
                event: Event = self._answer(job)
        except _Unwanted:
            return
        except Refused as error:
            event = Failure(request_id, f"{self._wire.host} {error.message}", retryable=False, away=error.away)
        except Again as error:
            # What has streamed can't be taken back: the whole request begins anew.
            event = Failure(
                request_id, f"{self._wire.host} {error.message}", retryable=bool(job.streamed), away=error.away
            )
        except Exception as error:  # noqa: BLE001  a thread's last stop; nobody else would hear of it
            said = self._key.redact(f"{type(error).__name__}: {error}")
            event = Failure(request_id, f"the request to {self._wire.host} failed: {said}", retryable=False)
        self._events.put((job, event))

    def _answer(self, job: _Job) -> Completion:
        request = job.request
        refused = _refusal(request)
        if refused is not None:
            raise Refused(f"was not asked: {refused}")
        if request.constraint is None:
            reply = self._ask(job, build_body(self._endpoint, request))
            text = self._key.redact(reply.text)
            if request.stream:
                self._give(job, text)
            return self._completion(job, text, reply.finish_reason)
        return self._vote(job, request.constraint)

    def _vote(self, job: _Job, constraint: Constraint) -> Completion:
        """A reply that names one of the labels."""
        assert constraint.reply is not None
        labels = [chr(i) for i in constraint.token_ids]
        text = ""
        for asked in range(MAX_ASKED):
            reply = self._ask(job, build_body(self._endpoint, job.request, asked=asked))
            text = self._key.redact(reply.text)
            answer = read_answer(text, constraint.reply.key, labels, constraint.reply.texts)
            # What its bound has cut was not on its last line yet, which is where words say their vote.
            cut = reply.finish_reason == "length" and not json_pattern(constraint.reply.key).search(text)
            if answer is None or (answer.place is None and cut):
                continue
            logprobs: dict[str, float] = {}
            if answer.place is not None:
                logprobs = label_logprobs(reply.logprobs, reply.content, _in_content(answer.place, text, reply), labels)
            done = self._completion(job, text, reply.finish_reason)
            return replace(done, logprobs={ord(label): value for label, value in logprobs.items()})
        raise Refused(
            f"gave {MAX_ASKED} answers to a ballot that name none of its options; the last one: "
            f"{' '.join(text.split())[:120]!r}"
        )

    def _completion(self, job: _Job, text: str, finish_reason: str | None) -> Completion:
        ended: FinishReason = "length" if finish_reason == "length" else "stop"
        return Completion(
            request_id=job.request.request_id,
            token_ids=encode(text),
            finish_reason=ended,
            prompt_tokens=job.usage.prompt_tokens,
            cached_tokens=job.usage.cached_tokens,
            completion_tokens=job.usage.completion_tokens,
        )

    # ── one answer, with what it takes to get it ──────────────────────────────────────────────────────────

    def _ask(self, job: _Job, body: dict[str, Any]) -> Reply:
        """An answer, without those parts of the request that the server refuses."""
        drawn = job.request.constraint is None
        # A ballot may have shown that the server takes no temperature: that is no reason to draw a statement otherwise.
        lacks = frozenset(part for part in self._lacks if not decides(body, part, drawn=drawn))
        while True:
            sent = without(body, lacks)
            try:
                reply = self._ask_patiently(job, sent)
            except Refused as error:
                part = next_to_drop(sent, error.message, drawn=drawn) if error.status in REFUSALS else None
                if part is None:
                    raise
                lacks = lacks | {part}
            else:
                self._lacks = self._lacks | lacks
                job.usage += Usage(reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens)
                return reply

    def _ask_patiently(self, job: _Job, body: Mapping[str, Any]) -> Reply:
        rng = random.Random(job.request.seed)
        failures = 0
        while True:
            self._pacer.wait(job.sleep)
            if job.unwanted.is_set():
                raise _Unwanted
            try:
                reply = self._wire.ask(body, lambda text: self._stream(job, text), job.unwanted.is_set)
            except Again as error:
                failures += 1
                tries = f"{failures} times" if failures > 1 else "once"
                if (error.wait_s or 0.0) > MAX_RETRY_AFTER_S:
                    asks = f"{error.message}; it asks to be left alone for {error.wait_s:,.0f} s"
                    raise Refused(asks, away="shut") from None
                if job.streamed or failures > self._endpoint.retries:
                    raise Again(f"{error.message} ({tries})", away=error.away) from None
                if error.wait_s is not None:
                    self._pacer.pause(error.wait_s)
                job.sleep(max(error.wait_s or 0.0, backoff_s(failures, rng)))
            else:
                if job.unwanted.is_set():
                    raise _Unwanted
                return reply

    def _stream(self, job: _Job, text: str) -> None:
        if job.request.stream:
            self._give(job, self._key.redact_open(text))

    def _give(self, job: _Job, text: str) -> None:
        """Tokens for what is new of a text."""
        if not text.startswith(job.streamed):
            raise Again("changed what it had said")
        if len(text) > len(job.streamed):
            new, job.streamed = text[len(job.streamed) :], text
            self._events.put((job, Tokens(job.request.request_id, encode(new))))


def endpoint_of(spec: EngineSpec) -> Endpoint:
    """What a spec says of its server: the endpoint as data, without its price."""
    return Endpoint(**spec.arguments)


def _refusal(request: Request) -> str | None:
    if request.said:
        return "it can't go on from what was said before"
    if request.logprob_token_ids:
        return "it has no log-probabilities of chosen tokens"
    if request.constraint is not None and request.constraint.reply is None:
        return "it holds to no regex"
    if request.sampling.max_tokens < 1:
        return f"max_tokens is {request.sampling.max_tokens}; at least 1 is needed"
    return None


def _in_content(place: int, text: str, reply: Reply) -> int:
    """A place in a text, which may have thoughts before it, as one in the words alone."""
    return place - (len(text) - len(reply.content))
