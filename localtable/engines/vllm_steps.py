"""What vLLM's model has computed, step by step: the rows that went on and the prompt tokens.

Nothing that `step` returns says so of requests that are not finished; its scheduler is told of each batch that has come
back. On CUDA one batch is scheduled while the one before it computes, so what counts is the batch that was waited for.
The scheduler is a name inside vLLM, the same in 0.24 and 0.32; where it is missing, no samples are taken.
"""

from __future__ import annotations

from typing import Any

from localtable.engines.step_meter import StepMeter, StepSample

IDLE_STEP_S = 0.001
"""A step shorter than this ran no model: vLLM returns at once while a grammar compiles."""


class VllmSteps:
    """Watches the scheduler of one engine, which runs in this process."""

    def __init__(self, engine: Any) -> None:
        """Begin to watch `engine`, an LLMEngine."""
        self._meter = StepMeter()
        self._rows = self._prompt = 0
        """Computed since the last step was counted."""
        self._waited = 0.0
        """Seconds of steps since then from which no batch came back."""
        scheduler: Any = getattr(getattr(engine.engine_core, "engine_core", None), "scheduler", None)
        if hasattr(scheduler, "update_from_output"):
            self._update = scheduler.update_from_output
            scheduler.update_from_output = self._watched

    def _watched(self, scheduled: Any, *arguments: Any, **options: Any) -> Any:
        guessed = scheduled.scheduled_spec_decode_tokens
        for request_id, tokens in scheduled.num_scheduled_tokens.items():
            # A prompt's last part can be one token, too, and costs what a row's next one does.
            if tokens - len(guessed.get(request_id, ())) == 1:
                self._rows += 1
            else:
                self._prompt += tokens
        return self._update(scheduled, *arguments, **options)

    def stepped(self, seconds: float) -> None:
        """A step has taken so long; one that only looked whether a grammar is compiled counts for nothing."""
        if self._rows or self._prompt:
            self._meter.add(self._waited + seconds, self._rows, self._prompt)
            self._waited, self._rows, self._prompt = 0.0, 0, 0
        elif seconds >= IDLE_STEP_S:
            self._waited += seconds

    def take(self) -> tuple[StepSample, ...]:
        """As `StepMeter.take`."""
        return self._meter.take()
