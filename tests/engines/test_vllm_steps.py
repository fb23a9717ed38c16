"""Which of vLLM's steps a batch is counted in: in order, and where one is scheduled while the one before it computes.

A scheduler of vLLM's shape on a clock of its own stands for the engine: what CUDA's asynchronous scheduling does can't
be had on a CPU. That the real one is read rightly is the contract's matter (`test_contract.py`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from localtable.engines.step_meter import SAMPLE_S
from localtable.engines.vllm_steps import IDLE_STEP_S, VllmSteps

PROMPT_S, STEP_S = 0.001, 0.25


@dataclass
class Engine:
    """Batches of one request: a prompt, then tokens; a request's first token comes with its prompt."""

    asynchronous: bool
    batches: deque[dict[str, int]]
    under_way: deque[dict[str, int]] = field(default_factory=deque)
    guessed: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scheduler = SimpleNamespace(update_from_output=lambda scheduled, output: output)
        self.engine_core = SimpleNamespace(engine_core=SimpleNamespace(scheduler=self.scheduler))

    def step(self) -> float:
        """Seconds that it took; as `EngineCore.step` and `step_with_batch_queue` go."""
        if self.asynchronous:
            if self.batches:
                self.under_way.append(self.batches.popleft())
                if len(self.under_way) < 2 and self.batches:
                    return IDLE_STEP_S / 10
        else:
            self.under_way.append(self.batches.popleft())
        batch = self.under_way.popleft()
        self.scheduler.update_from_output(
            SimpleNamespace(num_scheduled_tokens=batch, scheduled_spec_decode_tokens=self.guessed), "output"
        )
        return sum(STEP_S if tokens == 1 else tokens * PROMPT_S for tokens in batch.values())


def watched(engine: Engine) -> list[Any]:
    steps = VllmSteps(engine)
    while engine.batches or engine.under_way:
        steps.stepped(engine.step())
    return list(steps.take())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_batch_is_counted_in_the_step_that_waited_for_it(asynchronous: bool) -> None:
    samples = watched(Engine(asynchronous, deque([{"a": 500}, {"a": 1}, {"a": 1}, {"b": 300}, {"a": 1, "b": 1}])))
    assert [(s.prompt_tokens, s.decode_steps, s.decode_rows) for s in samples] == [
        (500, 0, 0),
        (0, 1, 1),
        (0, 1, 1),
        (300, 0, 0),
        (0, 1, 2),
    ]
    assert [s.seconds for s in samples] == pytest.approx([0.5, 0.25, 0.25, 0.3, 0.5])


def test_what_was_only_guessed_is_no_prompt() -> None:
    engine = Engine(False, deque([{"a": 4}]), guessed={"a": [1, 2, 3]})
    steps = VllmSteps(engine)
    engine.step()
    steps.stepped(SAMPLE_S)
    (sample,) = steps.take()
    assert (sample.decode_rows, sample.prompt_tokens) == (1, 0)


def test_seconds_without_a_batch_are_the_next_one_s_and_a_look_at_a_grammar_is_nobody_s() -> None:
    engine = Engine(False, deque([{"a": 1}]))
    steps = VllmSteps(engine)
    for _ in range(1000):
        steps.stepped(IDLE_STEP_S / 2)
    steps.stepped(0.1)
    engine.step()
    steps.stepped(0.2)
    (sample,) = steps.take()
    assert sample.seconds == pytest.approx(0.3)


def test_an_engine_without_such_a_scheduler_is_not_watched() -> None:
    steps = VllmSteps(SimpleNamespace(engine_core=SimpleNamespace()))
    steps.stepped(1.0)
    assert steps.take() == ()
