"""`localtable sweep`: many variants of a panel as one run."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import engine_options, read_shard, run_options
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, list_invalid, require_summary, say, watching_options, work
from localtable.types import MAX_TURNS_UNASKED

if TYPE_CHECKING:
    from localtable.errors import ConfigError
    from localtable.runner.sweeps import SweepPlan


@click.command()
@click.argument("file", type=File, metavar="FILE")
@click.option("--store", required=True, type=File, metavar="DB", help="Takes the run; gone on with if it has it.")
@click.option("--questions", multiple=True, type=File, metavar="SUITE", help="In place of the file's; repeatable.")
@click.option("--yes", is_flag=True, help=f"Begin a sweep of more than {MAX_TURNS_UNASKED:,} turns, too.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="The first N questions only; in place of the file's."
)
@click.option("--shard", metavar="I/N", help="The I-th of N slices of the questions; `merge` puts them together.")
@click.option("--skip-invalid", is_flag=True, help="Leave broken lines out and count them.")
@engine_options
@click.option("--fetch", is_flag=True, help="Fetch weights that are missing first.")
@watching_options
def sweep(
    file: Path,
    store: Path,
    questions: tuple[Path, ...],
    yes: bool,
    limit: int | None,
    shard: str | None,
    skip_invalid: bool,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    fetch: bool,
    reuse: tuple[Path, ...],
    summary: Path | None,
    strict: bool,
    quiet: bool,
) -> int:
    """Hold a debate on every question under every combination of the factors of FILE, as one run.

    All variants share engines, and equal first rounds are generated once. What is to be held is said first. Whatever
    ends this command, the same command or `localtable resume DB` goes on where it stopped.
    """
    from rich.console import Console

    from localtable.analysis.factor_contrasts import require_comparable
    from localtable.config import load_suites, load_sweep
    from localtable.protocol import cards_of
    from localtable.runner import begin_sweep, plan_sweep, refuse_large

    loaded = load_sweep(file, seed=seed)
    require_comparable(loaded.sweep.primary, str(file))
    plan, slice_ = plan_sweep(loaded.sweep), read_shard(shard)
    require_summary(summary, store, *reuse)
    console = Console(stderr=True)
    options = run_options(engine, engine_args, gpus, device_memory)
    limit = limit if limit is not None else loaded.limit
    suites = questions or loaded.suites
    invalid: list[ConfigError] = []
    try:
        asked = load_suites(suites, invalid.append if skip_invalid else None)
        num_questions = sum(1 for _ in islice(asked, limit))
    finally:
        list_invalid(invalid, console)
    size = SweepSize(plan, num_questions, slice_)
    if not quiet:
        say(console, size.line())
    if not yes:
        refuse_large(store, loaded.sweep, size.num_turns, MAX_TURNS_UNASKED, otherwise="Add --yes")
    with stop_on_signal() as should_stop:
        if fetch and engine != "scripted":
            from localtable.cli.models import fetch_cards

            fetch_cards(cards_of(plan.conditions.values()), console)
        options = replace(options, should_stop=should_stop)
        # The lines that are left out have been listed above.
        asked = load_suites(suites, (lambda error: None) if skip_invalid else None)
        begin_sweep(store, loaded.sweep, islice(asked, limit), options, shard=slice_)
        return work(store, options, reuse, summary, console, strict=strict, quiet=quiet)


class SweepSize:
    """How much a sweep is."""

    def __init__(self, plan: SweepPlan, num_questions: int, shard: tuple[int, int] = (1, 1)) -> None:
        number, of = shard
        self._plan = plan
        self._num_questions = len(range(number - 1, num_questions, of))
        self.num_debates = self._num_questions * plan.sweep.repeats
        """Of each condition."""
        self.num_turns = plan.num_turns(self.num_debates)

    def line(self) -> str:
        """What is to be held, in one line."""
        sweep, controls = self._plan.sweep, self._plan.num_controls
        factors = " x ".join(f"{name} {len(levels)}" for name, levels in sweep.factors.items())
        conditions = f"{len(sweep.variants):,} variants ({factors})"
        left_out = math.prod(len(levels) for levels in sweep.factors.values()) - len(sweep.variants)
        if left_out:
            conditions += f", {left_out:,} left out"
        if controls:
            conditions += f", and {controls:,} control{'s' * (controls > 1)}"
        repeats = f" x {sweep.repeats} repeats" if sweep.repeats > 1 else ""
        debates = self.num_debates * len(self._plan.conditions)
        return (
            f"sweep {sweep.name}: {conditions}; {self._num_questions:,} questions{repeats}: {debates:,} debates, "
            f"{self.num_turns:,} turns at most, equal ones generated once"
        )
