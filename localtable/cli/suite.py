"""`localtable suite`: many debates as one run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import engine_options, override, read_panel
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, run_options, say, watching_options, work
from localtable.errors import ConfigError
from localtable.protocol.conditions import CONTROLS

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.types import Question

LISTED = 10
"""Broken lines that are listed one by one."""


@click.command()
@click.argument("suites", nargs=-1, required=True, type=File, metavar="SUITE…")
@click.option("-p", "--panel", "panel_file", metavar="FILE", help="Who sits at the table; the demo panel by default.")
@click.option("-m", "--model", "models", multiple=True, help="A seat for this model, in place of a panel; repeat it.")
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
@click.option("--rounds", type=click.IntRange(1, 100), help="In place of the panel's own.")
@click.option("--prompts", metavar="PRESET|FILE", help="In place of the panel's own.")
@engine_options
@click.option("--fetch", is_flag=True, help="Fetch weights that are missing first.")
@watching_options
def suite(
    suites: tuple[Path, ...],
    panel_file: str | None,
    models: tuple[str, ...],
    store: Path,
    controls: tuple[str, ...],
    repeats: int,
    limit: int | None,
    shard: str | None,
    skip_invalid: bool,
    rounds: int | None,
    prompts: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    device_memory: str | None,
    fetch: bool,
    reuse: tuple[Path, ...],
    summary: Path | None,
    strict: bool,
    quiet: bool,
) -> int:
    """Hold a debate on every question of SUITE…, JSONL files with a question a line.

    The store keeps the inputs, every finished turn and all that decided it. Whatever ends this command, the same
    command or `localtable resume DB` goes on where it stopped.
    """
    from rich.console import Console

    from localtable.config import load_suites
    from localtable.runner import SuiteOptions, begin_suite
    from localtable.types import Stop
    from localtable.whole_file import require_writable

    panel = override(read_panel(panel_file, models, Stop("never")), rounds=rounds, seed=seed, prompts=prompts)
    slice_ = _shard(shard)
    if summary is not None:
        require_writable(summary)
    console = Console(stderr=True)
    with stop_on_signal() as should_stop:
        if fetch and engine != "scripted":
            from localtable.cli.models import fetch_cards

            fetch_cards(panel.cards, console)
        options = run_options(engine, engine_args, device_memory, should_stop)
        invalid: list[ConfigError] = []
        questions: Iterator[Question] = load_suites(suites, invalid.append if skip_invalid else None)
        try:
            begin_suite(store, panel, islice(questions, limit), options, SuiteOptions(controls, repeats, slice_))
        finally:
            _list(invalid, console)
        return work(store, options, reuse, summary, console, strict=strict, quiet=quiet)


def _list(invalid: list[ConfigError], console: Console) -> None:
    """Say which lines were left out, quiet or not: nothing is dropped in silence."""
    for error in invalid[:LISTED]:
        say(console, f"left out: {error.message}")
    if invalid:
        say(console, f"{len(invalid)} broken line{'s' * (len(invalid) > 1)} left out")


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return (1, 1)
    number, slash, count = text.partition("/")
    if not slash or not number.isdecimal() or not count.isdecimal() or not 1 <= int(number) <= int(count):
        raise ConfigError(f"--shard {text!r} is no slice", hint="Give I/N with I from 1 to N, such as 2/8.")
    return (int(number), int(count))
