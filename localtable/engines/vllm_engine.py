"""vLLM as an engine: one process, one model, driven step by step.

`LLM.generate` waits for a whole batch; debates need requests that come and go, so this drives the engine below it
(`add_request`, `step`), with what vLLM 0.24 and 0.32 share. It runs on CUDA and, eagerly, on a CPU.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localtable.engines import environment
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
from localtable.engines.resuming import rest_of, whole
from localtable.engines.step_meter import StepSample
from localtable.engines.vllm_arguments import (
    MAX_LOGPROBS,
    engine_arguments,
    shown,
    visible_devices,
    weights_bytes,
)
from localtable.engines.vllm_grammar import Grammars
from localtable.engines.vllm_memory import watched_memory
from localtable.engines.vllm_sampling import find_nucleus_faster
from localtable.engines.vllm_startup import skip_needless_work
from localtable.engines.vllm_steps import IDLE_STEP_S, VllmSteps
from localtable.errors import EngineError, EngineLoadError, LocaltableError


@dataclass(slots=True)
class _Open:
    """A request that vLLM has, with what it has given so far."""

    request: Request
    token_ids: list[int] = field(default_factory=list)
    logprobs: dict[int, float] = field(default_factory=dict)


class VllmEngine(Engine):
    """One model in vLLM, in this process (tensor-parallel ranks beyond the first are children of it)."""

    def __init__(self, spec: EngineSpec) -> None:
        """Load the model.

        Raises:
            EngineLoadError: The folder is no model, or vLLM can't load it as asked.
            ConfigError: An engine argument is unknown or may not be changed.
        """
        _require_model(spec)
        environment.prepare(spec.device)
        if spec.device.startswith("cuda"):
            count = int(spec.arguments.get("tensor_parallel_size", 1))
            os.environ["CUDA_VISIBLE_DEVICES"] = visible_devices(
                spec.device, count, os.environ.get("CUDA_VISIBLE_DEVICES")
            )
        self._spec = spec
        self._engine: Any
        with watched_memory() as self._memory:
            self._engine, self._arguments = _load(spec)
        config = self._engine.vllm_config
        self._max_model_len: int = config.model_config.max_model_len
        self._vocab_size: int = config.model_config.get_vocab_size()
        self._grammars = Grammars(config.model_config)
        self._steps = VllmSteps(self._engine)
        self._open: dict[str, _Open] = {}
        self._refused: list[Event] = []
        self._sleep_level: SleepLevel | None = None
        # In the background, so that the first statements don't wait for what the first ballot needs.
        threading.Thread(target=self._grammars.warm, daemon=True, name="localtable-vocabulary").start()

    def submit(self, requests: Sequence[Request]) -> None:
        from vllm.exceptions import VLLMValidationError
        from vllm.inputs.engine import tokens_input

        require_unique(requests, self._open.keys() | {event.request_id for event in self._refused})
        for request in requests:
            try:
                problem = self._problem(request)
                if problem is None:
                    rest = rest_of(request)
                    prompt = tokens_input(list(rest.prompt_token_ids))
                    self._engine.add_request(request.request_id, prompt, _sampling_params(rest))
            except (VLLMValidationError, ValueError, TypeError) as error:  # how vLLM refuses a request
                problem = str(error)
            if problem is None:
                self._open[request.request_id] = _Open(request)
            else:
                self._refused.append(Failure(request.request_id, problem, retryable=False))

    def step(self) -> list[Event]:
        events, self._refused = self._refused, []
        while self._open and not events:
            started = time.perf_counter()
            outputs = self._engine.step()
            seconds = time.perf_counter() - started
            self._steps.stepped(seconds)
            events = [event for output in outputs for event in self._translate(output)]
            if self.interrupt():
                break
            if not events and self._may_be_compiling() and seconds < IDLE_STEP_S:
                time.sleep(IDLE_STEP_S)
        return events

    def abort(self, request_ids: Iterable[str]) -> None:
        unwanted = set(request_ids)
        self._refused = [event for event in self._refused if event.request_id not in unwanted]
        running = [request_id for request_id in unwanted if self._open.pop(request_id, None)]
        if running:
            self._engine.abort_request(running)

    def preempt(self, request_ids: Iterable[str]) -> list[Preempted]:
        wanted = [request_id for request_id in request_ids if request_id in self._open]
        # What a request without a stream has said so far is nowhere but in vLLM's own output processor.
        states = self._engine.output_processor.request_states.values()
        said = {getattr(state, "external_req_id", state.request_id): state.detokenizer for state in states}
        preempted = []
        for request_id in wanted:
            request = self._open[request_id].request
            new = said[request_id].output_token_ids if request.resumable else ()
            preempted.append(Preempted(request_id, request.said + tuple(map(int, new))))
        self.abort(wanted)
        return preempted

    def info(self) -> EngineInfo:
        cache, scheduler = self._engine.vllm_config.cache_config, self._engine.vllm_config.scheduler_config
        return EngineInfo(
            kind="vllm",
            device=self._spec.device,
            dtype=str(self._engine.model_config.dtype).removeprefix("torch."),
            max_model_len=self._max_model_len,
            max_num_seqs=scheduler.max_num_seqs,
            num_kv_blocks=cache.num_gpu_blocks,
            block_size=cache.block_size,
            weights_bytes=weights_bytes(Path(self._arguments["model"])),
            kv_cache_bytes=cache.kv_cache_memory_bytes,
            versions=_versions(),
            arguments=shown(self._arguments),
            supports_sleep=self._supports_sleep,
            activation_bytes=self._memory.activation_bytes,
            graph_bytes=self._memory.graph_bytes,
        )

    def samples(self) -> tuple[StepSample, ...]:
        return self._steps.take()

    @property
    def _supports_sleep(self) -> bool:
        # Without the option vLLM's own sleep() frees nothing and says so in its log alone (cpu_worker.py, 0.32).
        return bool(self._engine.model_config.enable_sleep_mode)

    def sleep(self, level: SleepLevel) -> None:
        if not self._supports_sleep:
            super().sleep(level)
        if self._open:
            # With requests in flight vLLM touches memory that is gone (vLLM issue 28714).
            raise EngineError(
                f"{self._spec.model_id} can't sleep with {len(self._open)} unfinished requests",
                hint="Wait for them, or abort them.",
            )
        self._engine.sleep(level)
        self._sleep_level = level

    def wake(self) -> None:
        if self._sleep_level == 2:
            # In this order: weights that are not read again are noise, and nothing would say so (vLLM issue 29341).
            self._engine.wake_up(["weights"])
            self._engine.collective_rpc("reload_weights")
            self._engine.wake_up(["kv_cache"])
        elif self._sleep_level == 1:
            self._engine.wake_up()
        else:
            super().wake()
        self._sleep_level = None

    def close(self) -> None:
        if self._engine is None:
            return
        self._engine.engine_core.shutdown()
        self._engine = None
        self._open.clear()
        self._refused.clear()
        gc.collect()

    def _may_be_compiling(self) -> bool:
        return any(entry.request.constraint for entry in self._open.values())

    def _problem(self, request: Request) -> str | None:
        """Why this request can't be served, or None: what vLLM would cut silently, or not survive."""
        problem = refusal(request, max_model_len=self._max_model_len, vocab_size=self._vocab_size)
        if problem is not None:
            return problem
        outside = [i for i in request.stop_token_ids if not 0 <= i < self._vocab_size]
        if outside:
            return f"stop_token_ids hold the id {outside[0]}, outside the vocabulary (0 to {self._vocab_size - 1})"
        return self._constraint_problem(request)

    def _constraint_problem(self, request: Request) -> str | None:
        wanted = request.constraint.token_ids if request.constraint else request.logprob_token_ids
        if request.constraint and request.logprob_token_ids:
            return "log-probabilities are wanted constrained and unconstrained; send two requests"
        if len(wanted) > MAX_LOGPROBS:
            return f"{len(wanted)} log-probabilities are wanted; at most {MAX_LOGPROBS} can be had"
        return self._grammars.problem(request.constraint) if request.constraint else None

    def _translate(self, output: Any) -> list[Event]:
        entry = self._open.get(output.request_id)
        if entry is None:
            return []  # aborted while its step was under way
        answer = output.outputs[0]
        new = [int(i) for i in answer.token_ids]
        if not entry.token_ids and answer.logprobs:
            entry.logprobs = {int(i): float(value.logprob) for i, value in answer.logprobs[0].items()}
        entry.token_ids += new
        events: list[Event] = []
        if entry.request.stream:
            text = new[:-1] if answer.finish_reason == "stop" else new
            events += [Tokens(output.request_id, tuple(text))] if text else []
        if output.finished:
            del self._open[output.request_id]
            events.append(_finished(entry, answer.finish_reason, output.num_cached_tokens or 0))
        return events


def _finished(entry: _Open, reason: str | None, cached_tokens: int) -> Completion | Failure:
    request = entry.request
    if reason not in ("stop", "length"):
        return Failure(request.request_id, f"vLLM ended the request with {reason!r}", retryable=True)
    # No stop strings are ever sent, so what stopped is the last id: a stop id or the model's own end.
    stopped = reason == "stop"
    wanted = request.constraint.token_ids if request.constraint else request.logprob_token_ids
    missing = [i for i in wanted if i not in entry.logprobs]
    if missing:
        return Failure(request.request_id, f"vLLM gave no log-probability of the ids {missing}", retryable=False)
    rest = Completion(
        request_id=request.request_id,
        token_ids=tuple(entry.token_ids[:-1] if stopped else entry.token_ids),
        finish_reason="stop" if stopped else "length",
        prompt_tokens=len(request.prompt_token_ids),
        cached_tokens=cached_tokens,
        completion_tokens=len(entry.token_ids),
        stop_token_id=entry.token_ids[-1] if stopped else None,
        logprobs={i: entry.logprobs[i] for i in wanted},
    )
    return whole(request, rest)


def _sampling_params(request: Request) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling, constraint = request.sampling, request.constraint
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        seed=request.seed,
        stop_token_ids=list(request.stop_token_ids),
        detokenize=False,  # text is made once, in the main process
        output_kind=RequestOutputKind.DELTA if request.stream else RequestOutputKind.FINAL_ONLY,
        # Never `logprobs`: where one request of a step names its ids, vLLM's CPU sampler forgets the others' top N.
        logprob_token_ids=list(constraint.token_ids if constraint else request.logprob_token_ids) or None,
        structured_outputs=StructuredOutputsParams(regex=constraint.regex) if constraint else None,
    )


def _require_model(spec: EngineSpec) -> None:
    folder = spec.folder
    needed = {
        "a folder": folder is not None and folder.is_dir(),
        "config.json": folder is not None and (folder / "config.json").is_file(),
        "*.safetensors": folder is not None and any(folder.glob("*.safetensors")),
    }
    for name, there in needed.items():
        if not there:
            raise EngineLoadError(
                f"{spec.model_id} can't be loaded: {folder} has no {name}"
                if name != "a folder"
                else f"{spec.model_id} can't be loaded: {folder} is not a folder",
                hint="`localtable models verify` checks what the store holds.",
            )


def _load(spec: EngineSpec) -> tuple[Any, dict[str, Any]]:
    """The engine and what it was started with."""
    try:
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        skip_needless_work()
        if spec.device == "cpu":
            find_nucleus_faster()
        arguments = engine_arguments(spec)
        return LLMEngine.from_engine_args(EngineArgs(**arguments)), arguments
    except LocaltableError:
        raise
    except Exception as error:  # vLLM promises no error types; whatever it is, the model did not load
        raise EngineLoadError(
            f"vLLM could not load {spec.model_id} from {spec.folder}: {error}",
            hint="The worker's log has the details; `localtable plan` shows what fits.",
        ) from error


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import vllm

    return {"vllm": vllm.__version__} | {name: version(name) for name in ("torch", "transformers", "outlines_core")}
