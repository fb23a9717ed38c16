"""What vLLM's scheduler hands to the model, step by step: the rows that go on and the prompt tokens.

Nothing that `step` returns says so of requests that are not finished. The scheduler is a name inside vLLM, the same in
0.24 and 0.32; where it is missing, no samples are taken.
"""

from __future__ import annotations

from typing import Any

from localtable.engines.step_meter import StepMeter, StepSample


class VllmSteps:
    """Watches the scheduler of one engine, which runs in this process."""

    def __init__(self, engine: Any) -> None:
        """Begin to watch `engine`, an LLMEngine."""
        self._meter = StepMeter()
        self._rows = self._prompt = 0
        """Scheduled since the last step was counted."""
        scheduler: Any = getattr(getattr(engine.engine_core, "engine_core", None), "scheduler", None)
        if hasattr(scheduler, "schedule"):
            self._schedule = scheduler.schedule
            scheduler.schedule = self._watched

    def _watched(self, *arguments: Any, **options: Any) -> Any:
        output = self._schedule(*arguments, **options)
        for tokens in output.num_scheduled_tokens.values():
            # A prompt's last part can be one token, too, and costs what a row's next one does.
            if tokens == 1:
                self._rows += 1
            else:
                self._prompt += tokens
        return output

    def stepped(self, seconds: float) -> None:
        """A step has taken so long. One that computed nothing counts for nothing."""
        if self._rows or self._prompt:
            self._meter.add(seconds, self._rows, self._prompt)
            self._rows = self._prompt = 0

    def take(self) -> tuple[StepSample, ...]:
        """As `StepMeter.take`."""
        return self._meter.take()
