"""The transformers engine: Hugging Face models on any device that torch knows, in batches that queue.

For what vLLM does not run on: laptops, Apple's GPUs, odd architectures. What is submitted while a batch runs forms the
next one, and a batch's completions come together when all of it is done: so the same submissions make the same
batches, and equal seeds equal transcripts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
)
from localtable.engines.decode.batch import Batch
from localtable.engines.decode.kept import KeptRows
from localtable.engines.decode.model import CausalModel, load_model
from localtable.engines.decode.prefill import Limits
from localtable.engines.decode.rows import Row, build_row
from localtable.engines.decode.token_bytes import load_vocabulary
from localtable.engines.guides import Guides
from localtable.engines.resuming import rest_of, whole
from localtable.engines.step_meter import StepMeter, StepSample
from localtable.errors import EngineError, EngineLoadError
from localtable.loading import validate


class Arguments(BaseModel):
    """The engine arguments that a user may give; vLLM's names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enable_prefix_caching: bool = True
    """Whether keys and values are kept for prompts that begin alike; without effect where a model can't."""
    max_num_batched_tokens: Annotated[int, Field(ge=1)] = 2048
    """New tokens of one prefill pass; a longer prompt has a pass of its own."""


class TransformersEngine(Engine):
    """One Hugging Face model, one batch at a time.

    Half of `kv_cache_bytes` is for the batch, half for what is kept of earlier ones.
    """

    def __init__(self, spec: EngineSpec) -> None:
        """Load the model.

        Raises:
            ConfigError: An engine argument that is unknown or has a wrong value.
            EngineLoadError: The model can't be loaded or does not fit.
        """
        self._arguments = validate(Arguments, dict(spec.arguments), "arguments of the transformers engine")
        self._spec = spec
        self._model: CausalModel | None = load_model(spec)
        reuses = self._arguments.enable_prefix_caching and self._model.can_reuse
        self._kept_rows = KeptRows(spec.kv_cache_bytes // 2) if reuses else None
        self._max_columns = _max_columns(spec, self._model, reuses)
        self._guides: Guides | None = None
        self._waiting: dict[str, Request] = {}
        self._batch: Batch | None = None
        self._in_batch: dict[str, Request] = {}
        self._meter = StepMeter()
        self._info = self._describe(self._model)

    def submit(self, requests: Sequence[Request]) -> None:
        self._require_model()
        require_unique(requests, self._waiting.keys() | self._in_batch.keys())
        self._waiting |= {request.request_id: request for request in requests}

    def step(self) -> list[Event]:
        import torch

        events: list[Event] = []
        while not events and (self._batch is not None or self._waiting):
            if self._batch is None:
                events += self._open_batch()
                continue
            try:
                events += [] if self._batch.done else self._step_batch(self._batch)
            except torch.OutOfMemoryError as error:
                raise EngineError(
                    f"{self._spec.model_id} ran out of memory on {self._spec.device}: {str(error).splitlines()[0]}",
                    hint="Lower max_num_seqs, kv_cache_bytes or max_num_batched_tokens.",
                ) from error
            events += self._close_batch()
            if self.interrupt():
                break
        return events

    def abort(self, request_ids: Iterable[str]) -> None:
        ids = set(request_ids)
        for request_id in ids:
            self._waiting.pop(request_id, None)
        if self._batch is not None:
            self._batch.abort(ids)
            for request_id in ids:
                self._in_batch.pop(request_id, None)
            self._close_batch_if_abandoned()

    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        ids = set(request_ids)
        preempted = [Preempted(i, self._waiting[i].said) for i in ids & self._waiting.keys()]
        if self._batch is not None:
            # What is done already comes back as it is: its batch has just lost what it waited for.
            said = {i: new for i, new in self._batch.said().items() if i in ids}
            preempted += [Preempted(i, self._in_batch[i].said + new) for i, new in said.items()]
        self.abort(event.request_id for event in preempted)
        return preempted

    def info(self) -> EngineInfo:
        return self._info

    def samples(self) -> tuple[StepSample, ...]:
        return self._meter.take()

    def close(self) -> None:
        import torch

        self._waiting.clear()
        self._batch, self._in_batch = None, {}
        self._model, self._kept_rows, self._guides = None, None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # ── batches ─────────────────────────────────────────────────────────────────────────────────────────────

    def _require_model(self) -> CausalModel:
        if self._model is None:
            raise EngineError(f"the engine of {self._spec.model_id} is closed", hint="Load it anew.")
        return self._model

    def _step_batch(self, batch: Batch) -> list[Event]:
        began = time.perf_counter()
        events = batch.step()
        self._meter.add(time.perf_counter() - began, batch.decoded_rows, batch.prefilled_tokens)
        return events

    def _open_batch(self) -> list[Event]:
        """Take as many waiting requests as fit, in their order; what can't be served comes back at once."""
        model = self._require_model()
        rows: list[Row] = []
        requests = dict(self._waiting)
        failures: list[Event] = []
        widest = 0
        for request in list(self._waiting.values()):
            row = self._admit(request, model)
            if isinstance(row, Failure):
                failures.append(row)
                del self._waiting[request.request_id]
                continue
            widest = max(widest, row.max_len)
            if rows and ((len(rows) + 1) * widest > self._max_columns or len(rows) >= self._spec.max_num_seqs):
                break
            rows.append(row)
            del self._waiting[request.request_id]
        if rows:
            limits = Limits(self._arguments.max_num_batched_tokens, self._max_columns)
            self._batch = Batch(model, rows, self._kept_rows, limits)
            self._in_batch = {row.request.request_id: requests[row.request.request_id] for row in rows}
        return failures

    def _admit(self, request: Request, model: CausalModel) -> Row | Failure:
        message = refusal(request, max_model_len=self._spec.max_model_len, vocab_size=model.vocab_size)
        if message is None:
            try:
                return build_row(
                    rest_of(request), model.eos_ids, self._get_guides(model) if request.constraint else None
                )
            except ValueError as error:
                message = str(error)
        return Failure(request.request_id, message, retryable=False)

    def _get_guides(self, model: CausalModel) -> Guides:
        """Built at the first constraint: a large vocabulary takes a second, and a solo baseline may never vote."""
        if self._guides is None:
            if not model.eos_ids:
                raise ValueError("the model names no end id in generation_config.json, and a constraint needs one")
            assert self._spec.folder is not None
            self._guides = Guides(
                load_vocabulary(
                    self._spec.folder / "tokenizer.json", end_id=min(model.eos_ids), vocab_size=model.vocab_size
                )
            )
        return self._guides

    def _close_batch(self) -> list[Event]:
        if self._batch is None or not self._batch.done:
            return []
        results: list[Event] = [
            whole(self._in_batch[result.request_id], result) if isinstance(result, Completion) else result
            for result in self._batch.results()
        ]
        self._batch, self._in_batch = None, {}
        return results

    def _close_batch_if_abandoned(self) -> None:
        if not self._in_batch:
            self._batch = None

    def _describe(self, model: CausalModel) -> EngineInfo:
        return EngineInfo(
            kind="transformers",
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            max_model_len=self._spec.max_model_len,
            max_num_seqs=self._spec.max_num_seqs,
            num_kv_blocks=None,
            block_size=None,
            weights_bytes=model.weights_bytes,
            kv_cache_bytes=self._spec.kv_cache_bytes,
            versions={name: version(name) for name in ("torch", "transformers", "outlines_core")}
            | {"localtable": localtable.__version__},
            arguments=self._arguments.model_dump() | {"enable_prefix_caching": self._kept_rows is not None},
        )


def _max_columns(spec: EngineSpec, model: CausalModel, reuses: bool) -> int:
    """How many tokens, padding included, the running batch may hold.

    Raises:
        EngineLoadError: Not even one sequence of `max_model_len` fits.
    """
    shares = 2 if reuses else 1
    if model.kv_bytes_per_token == 0:
        return spec.max_model_len * spec.max_num_seqs
    max_columns = spec.kv_cache_bytes // shares // model.kv_bytes_per_token
    if max_columns < spec.max_model_len:
        needed = spec.max_model_len * model.kv_bytes_per_token * shares
        raise EngineLoadError(
            f"{spec.model_id} needs {needed:,} bytes of KV cache for one sequence of max_model_len "
            f"{spec.max_model_len} running and as much kept; kv_cache_bytes is {spec.kv_cache_bytes:,}",
            hint="Raise the memory for it, or lower max_model_len.",
        )
    return max_columns
