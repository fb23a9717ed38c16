"""`localtable resume`: going on with a run that was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from localtable.cli.options import engine_options, run_options
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, refuse_changes, require_summary, watching_options, work


@click.command()
@click.argument("store", type=File, metavar="DB")
@click.option("--retry-failed", is_flag=True, help="Try the debates again that have failed.")
@engine_options
@watching_options
def resume(
    store: Path,
    retry_failed: bool,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    reuse: tuple[Path, ...],
    summary: Path | None,
    strict: bool,
    quiet: bool,
) -> int:
    """Go on with a run exactly where it stopped.

    Panel, questions and seeds are the run's own; its wording and weights must still be here as they were. What has
    failed stays failed, unless it is to be tried again.
    """
    from rich.console import Console

    refuse_changes(seed, engine_args)
    require_summary(summary, store, *reuse)
    options = run_options(engine, engine_args, gpus, device_memory)
    with stop_on_signal() as should_stop:
        options = replace(options, should_stop=should_stop)
        console = Console(stderr=True)
        return work(store, options, reuse, summary, console, strict=strict, quiet=quiet, retry_failed=retry_failed)
