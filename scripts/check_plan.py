"""A plan beside what happens: real runs on this machine, predicted after one run of another length has calibrated it.

    python scripts/check_plan.py --suite SUITE.jsonl

Four panels: one model; two that fit side by side; three under a memory cap that forces swaps; two of which one sums up.
Each is run once on a few questions, which is what the machine is known by from then on, then planned for more, then run
on those.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from localtable.config import load_suite, parse_panel
from localtable.places import home
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.planning import plan_inputs, tokenizers_here
from localtable.runner.totals import run_totals
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import GIB, find_machine
from localtable.scheduler.plan import Plan, make_plan
from localtable.types import Panel, Question, Stop

SMALL, MIDDLE, LARGE = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"
PANELS = {
    "one model, four seats": ((SMALL,) * 4, 2, None, None),
    "two models side by side": ((SMALL, MIDDLE), 2, None, None),
    "three models, swapping": ((SMALL, MIDDLE, LARGE), 3, 3.9, None),
    "two models, one of which sums up": ((SMALL, MIDDLE), 2, None, MIDDLE),
}
"""Seats' models, rounds, GiB of memory, and the moderator."""
WITHIN = 0.2


def panel_of(models: tuple[str, ...], rounds: int, tokens: int, moderator: str | None) -> Panel:
    seats = [{"name": f"Seat {i}", "model": model} for i, model in enumerate(models, start=1)]
    # Every statement of one length: how long real ones are is no matter of the plan's.
    sampling = {"max_tokens": tokens, "min_tokens": tokens}
    data = {"name": "check", "rounds": rounds, "seats": seats, "sampling": sampling, "moderator": moderator}
    return parse_panel(data, "the panel", Path.cwd(), default_stop=Stop("never"))


def predicted(panel: Panel, questions: list[Question], cap: int | None, base: Path) -> Plan:
    machine = find_machine(cap)
    known = tokenizers_here(panel.cards, base)
    wishes, workloads = plan_inputs(panel, machine, "vllm", questions, len(questions), known)
    return make_plan(wishes, workloads, machine, Calibration(base))


def measured(panel: Panel, questions: list[Question], cap: int | None, base: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of a run, and its totals."""
    options = RunOptions(home=base, engine="vllm", device_memory_bytes=cap)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        begin_suite(path, panel, questions, options, SuiteOptions())
        began = time.monotonic()
        with open_suite(path, options) as run:
            for outcome in run.run():
                if outcome.error is not None:
                    raise outcome.error
            return time.monotonic() - began, run_totals(run.store)


def new_home(folder: Path) -> Path:
    """A home that has the weights, and knows nothing yet of this machine: other runs may have met a busy one."""
    for name in ("weights", "vllm"):
        (folder / name).symlink_to(home() / name, target_is_directory=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--first", type=int, default=4, help="questions of the run that calibrates")
    parser.add_argument("--questions", type=int, default=10, help="of the run that is predicted")
    parser.add_argument("--tokens", type=int, default=24, help="of every statement")
    arguments = parser.parse_args()
    questions = list(islice(load_suite(arguments.suite), arguments.questions))
    with tempfile.TemporaryDirectory() as folder:
        return check(arguments, questions, new_home(Path(folder)))


def check(arguments: argparse.Namespace, questions: list[Question], base: Path) -> int:
    """Print each panel's plan beside its run."""
    worst = 0.0
    for name, (models, rounds, gib, moderator) in PANELS.items():
        cap = int(gib * GIB) if gib else None
        panel = panel_of(models, rounds, arguments.tokens, moderator)
        before = predicted(panel, questions, cap, base)
        measured(panel, questions[: arguments.first], cap, base)
        plan = predicted(panel, questions, cap, base)
        seconds, totals = measured(panel, questions, cap, base)
        ratio = plan.predicted_s / seconds
        worst = max(worst, abs(ratio - 1))
        print(
            f"{name}: predicted {plan.predicted_s:.0f} s, measured {seconds:.0f} s: {ratio:.2f} "
            f"({before.predicted_s:.0f} s before calibration); activations {plan.simulated.activations} planned, "
            f"{totals['activations']} made",
            flush=True,
        )
    print(f"largest error {worst:.0%} (at most {WITHIN:.0%})")
    return int(worst > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
