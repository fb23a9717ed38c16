"""`localtable resume`: going on with a run that was stopped."""

from __future__ import annotations

from pathlib import Path

import click

from localtable.cli.options import engine_options
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, run_options, watching_options, work
from localtable.errors import ConfigError


@click.command()
@click.argument("store", type=File, metavar="DB")
@engine_options
@watching_options
def resume(
    store: Path,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    device_memory: str | None,
    reuse: tuple[Path, ...],
    summary: Path | None,
    strict: bool,
    quiet: bool,
) -> int:
    """Go on with a run exactly where it stopped.

    Panel, questions and seeds are the run's own; its wording and weights must still be here as they were.
    """
    from rich.console import Console

    from localtable.whole_file import require_writable

    for name, given in (("--seed", seed is not None), ("--engine-arg", bool(engine_args))):
        if given:
            raise ConfigError(
                f"{name} is the run's own and can't be changed on the way", hint="Leave it out, or begin a new store."
            )
    if summary is not None:
        require_writable(summary)
    with stop_on_signal() as should_stop:
        options = run_options(engine, engine_args, device_memory, should_stop)
        return work(store, options, reuse, summary, Console(stderr=True), strict=strict, quiet=quiet)
