"""How long an engine's steps take, and what was done in them: what a scheduler learns an engine's speed from."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_S = 0.2
"""Of a sample at least. On a GPU that is some ten steps, so that it matters little which of two steps waited for the
other; on a CPU it is one step or a few, so that few samples mix prompts with decoding."""


@dataclass(frozen=True, slots=True)
class StepSample:
    """Some steps of an engine in a row, in sums."""

    seconds: float
    decode_steps: int
    """Steps in which at least one request went on from what it had said."""
    decode_rows: int
    """Such requests, over all steps."""
    prompt_tokens: int
    """That were computed, those from a cache left out."""


class StepMeter:
    """Adds up steps until they are worth a sample."""

    def __init__(self) -> None:
        self._samples: list[StepSample] = []
        self._seconds = 0.0
        self._steps = self._rows = self._prompt = 0

    def add(self, seconds: float, decode_rows: int, prompt_tokens: int) -> None:
        """One step.

        Args:
            seconds: That it took.
            decode_rows: Requests that got a further token in it.
            prompt_tokens: Of prompts that were computed in it.
        """
        self._seconds += seconds
        self._steps += decode_rows > 0
        self._rows += decode_rows
        self._prompt += prompt_tokens
        if self._seconds >= SAMPLE_S:
            self._samples.append(StepSample(self._seconds, self._steps, self._rows, self._prompt))
            self._seconds, self._steps, self._rows, self._prompt = 0.0, 0, 0, 0

    def take(self) -> tuple[StepSample, ...]:
        """The samples that have come about since this was asked last."""
        samples, self._samples = tuple(self._samples), []
        return samples
