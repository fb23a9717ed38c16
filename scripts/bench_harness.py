"""What the harness itself costs: a long suite on the scripted engine, time and memory by turn and debate.

    python scripts/bench_harness.py --debates 10000

Three times are told apart: the scripted engine's own, rendering (prompts to token ids), and everything else, which is
the harness: protocol, ballots, keys, queues, the store with its commits. The scripted engine reads bytes, so the same
prompts are rendered a second time by a real model's tokenizer, in every tenth debate, to say what that takes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from localtable.config import load_card, load_suite
from localtable.places import home
from localtable.prompts import HfTokenizer, Renderer, load_wording
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.scheduler.inline import InlineEngine
from localtable.seeds import derive
from localtable.types import Panel, Question, Sampling, Seat
from localtable.weights import WeightStore

HARNESS_MS, RENDERING_MS, SLOPE_BYTES = 0.5, 1.5, 200.0
EVERY = 10


class Timer:
    """Adds up the CPU time spent in functions, the outermost one only: others on the machine don't count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self._depth += 1
            began = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.process_time() - began

        return timed


def questions(folder: Path, number: int) -> Iterator[Question]:
    """As many as are wanted: the real ones over and over, each time under another id."""
    real = [question for file in sorted(folder.glob("*.jsonl")) for question in load_suite(file)]
    for place, question in zip(range(number), itertools.cycle(real), strict=False):
        yield Question(f"{question.id}#{place}", question.question, question.options, question.context, question.answer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debates", type=int, default=10_000)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="whose tokenizer renders")
    parser.add_argument("--questions", default="../shared/data/bbh", help="a folder of suites")
    arguments = parser.parse_args()

    card = load_card(arguments.model)
    files = WeightStore(home() / "weights").find(card)
    assert files is not None, f"fetch {card.id} first"
    real = Renderer(card, HfTokenizer(files.folder), load_wording("argue"))
    engine, rendering, again = Timer(), Timer(), Timer()

    def twice(name: str) -> None:
        plain = getattr(Renderer, name)
        timed, by_real = rendering.around(plain), again.around(plain)

        def both(self: Renderer, *given: Any, **keywords: Any) -> Any:
            # Whole debates, since a round's seats share what they read and a tokenizer keeps it.
            if derive(given[0].id) % EVERY == 0:
                by_real(real, *given, **keywords)
            return timed(self, *given, **keywords)

        setattr(Renderer, name, both)

    for name in ("statement", "ballot_after", "persuaded"):
        twice(name)
    for name in ("poll", "submit"):
        setattr(InlineEngine, name, engine.around(getattr(InlineEngine, name)))

    seats = tuple(Seat(name, card, Sampling(max_tokens=256)) for name in ("Ada", "Bob", "Cy", "Dee"))
    panel = Panel("bench", seats)
    options = RunOptions(home=Path(tempfile.mkdtemp()), engine="scripted")
    process = psutil.Process()
    memory: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        began = time.perf_counter()
        begin_suite(path, panel, questions(Path(arguments.questions), arguments.debates), options, SuiteOptions())
        print(
            f"begun in {time.perf_counter() - began:.1f} s, {path.stat().st_size / arguments.debates:,.0f} bytes each"
        )
        for timer in (engine, rendering, again):
            timer.seconds = 0.0
        began, cpu = time.perf_counter(), time.process_time()
        with open_suite(path, options) as run:
            for number, _ in enumerate(run.run(), start=1):
                if number % max(arguments.debates // 20, 1) == 0:
                    memory.append((number, process.memory_info().rss))
            seconds, wall = time.process_time() - cpu, time.perf_counter() - began
            turns = run.store.counts().turns
        size = sum(file.stat().st_size for file in Path(folder).glob("run.db*"))
    harness = (seconds - engine.seconds - rendering.seconds - again.seconds) / turns * 1e3
    by_real = again.seconds * EVERY / turns * 1e3
    slope, _ = statistics.linear_regression(*zip(*memory[len(memory) // 4 :], strict=True))
    print(
        f"{arguments.debates:,} debates, {turns:,} turns: {wall:.1f} s, {seconds:.1f} s of CPU, {os.cpu_count()} cores"
    )
    print(f"  scripted engine     {engine.seconds / turns * 1e3:.3f} ms a turn")
    print(f"  rendering to bytes  {rendering.seconds / turns * 1e3:.3f} ms a turn")
    print(f"  rendering by {card.id}: {by_real:.3f} ms a turn (at most {RENDERING_MS})")
    print(f"  harness             {harness:.3f} ms a turn (at most {HARNESS_MS})")
    print(f"  memory              {slope:,.0f} bytes a debate (at most {SLOPE_BYTES:.0f})")
    print(f"  resident            {memory[-1][1] / 2**20:,.0f} MiB")
    print(f"  store               {size / arguments.debates:,.0f} bytes a debate")
    return int(harness > HARNESS_MS or by_real > RENDERING_MS or slope > SLOPE_BYTES)


if __name__ == "__main__":
    sys.exit(main())
