"""`localtable suite`: many debates as one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import (
    engine_options,
    moderator_option,
    override,
    panel_options,
    read_panel,
    read_shard,
    run_options,
    with_moderator,
)
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, list_invalid, require_summary, watching_options, work
from localtable.errors import ConfigError
from localtable.protocol.conditions import CONTROLS

if TYPE_CHECKING:
    from localtable.types import Question


@click.command()
@click.argument("suites", nargs=-1, required=True, type=File, metavar="SUITE…")
@panel_options
@moderator_option
@click.option("--store", required=True, type=File, metavar="DB", help="Takes the run; gone on with if it has it.")
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="NAME",
    help=f"A condition beside the debate; repeat it. One of {', '.join(CONTROLS)}.",
)
@click.option("--repeats", type=click.IntRange(1, 1000), default=1, show_default=True, help="Debates of each question.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N questions only.")
@click.option("--shard", metavar="I/N", help="The I-th of N slices of the suite; `merge` puts them together.")
@click.option("--skip-invalid", is_flag=True, help="Leave broken lines out and count them.")
@engine_options
@click.option("--fetch", is_flag=True, help="Fetch weights that are missing first.")
@watching_options
def suite(
    suites: tuple[Path, ...],
    panel_file: str | None,
    models: tuple[str, ...],
    rounds: int | None,
    prompts: str | None,
    moderator: str | None,
    store: Path,
    controls: tuple[str, ...],
    repeats: int,
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
    """Hold a debate on every question of SUITE…, JSONL files with a question a line.

    The demo panel sits there if none is named. The store keeps the inputs, every finished turn and all that decided it.
    Whatever ends this command, the same command or `localtable resume DB` goes on where it stopped.
    """
    from rich.console import Console

    from localtable.config import load_suites
    from localtable.runner import SuiteOptions, begin_suite
    from localtable.types import Stop

    panel = override(read_panel(panel_file, models, Stop("never")), rounds=rounds, seed=seed, prompts=prompts)
    panel = with_moderator(panel, moderator)
    slice_ = read_shard(shard)
    require_summary(summary, store, *reuse)
    console = Console(stderr=True)
    options = run_options(engine, engine_args, gpus, device_memory)
    with stop_on_signal() as should_stop:
        if fetch and engine != "scripted":
            from localtable.cli.models import fetch_cards
            from localtable.protocol import DEBATE, Condition, cards_of

            fetch_cards(cards_of([Condition(DEBATE, panel)]), console)
        options = replace(options, should_stop=should_stop)
        invalid: list[ConfigError] = []
        questions: Iterator[Question] = load_suites(suites, invalid.append if skip_invalid else None)
        try:
            begin_suite(store, panel, islice(questions, limit), options, SuiteOptions(controls, repeats, slice_))
        finally:
            list_invalid(invalid, console)
        return work(store, options, reuse, summary, console, strict=strict, quiet=quiet)
