"""What `suite` and `resume` share: options, and the work on a store with its screen and its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.cli.options import parse_engine_args
from localtable.errors import InterruptedRun, LocaltableError

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.runner import RunOptions

File = click.Path(path_type=Path, allow_dash=False)


def watching_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `suite` and `resume` share beside the engine's options."""
    for option in reversed(
        (
            click.option("--reuse", multiple=True, type=File, metavar="DB", help="Take equal turns from this run."),
            click.option("--summary", type=File, metavar="FILE", help="Write the run's totals as JSON."),
            click.option("--strict", is_flag=True, help="Exit with 1 if a debate failed."),
            click.option("--quiet", is_flag=True, help="Print the end's summary only."),
        )
    ):
        command = option(command)
    return command


def run_options(
    engine: str, engine_args: tuple[str, ...], device_memory: str | None, should_stop: Callable[[], bool]
) -> RunOptions:
    """What the engine's options come to."""
    from localtable.engines.registry import choose
    from localtable.places import home
    from localtable.runner import RunOptions
    from localtable.scheduler.devices import parse_size

    choose(engine)
    return RunOptions(
        home=home(),
        engine=engine,
        engine_arguments=parse_engine_args(engine_args),
        device_memory_bytes=parse_size(device_memory) if device_memory else None,
        should_stop=should_stop,
    )


def work(
    path: Path,
    options: RunOptions,
    reuse: tuple[Path, ...],
    summary: Path | None,
    console: Console,
    *,
    strict: bool,
    quiet: bool,
) -> int:
    """Hold what is open, show how it goes, and say what came of it, however it ends."""
    from localtable.cli.progress import watch
    from localtable.report.suite import print_totals
    from localtable.runner import open_suite
    from localtable.runner.totals import run_totals

    with open_suite(path, options, reuse=reuse) as run:
        turns_before = run.store.counts().turns
        try:
            with watch(run, console, quiet=quiet) as watcher:
                for outcome in run.run(watcher):
                    watcher.over(outcome)
        except LocaltableError as error:
            if isinstance(error, InterruptedRun):
                error.hint = f"What is finished is kept: `localtable resume {path}` goes on."
            if run.store.counts().turns > turns_before:
                print_totals(run.store, console)
            raise
        finally:
            if summary is not None:
                _write(summary, run_totals(run.store))
        print_totals(run.store, console)
        failed = run.store.counts().debates["failed"]
    return 1 if strict and failed else 0


def _write(path: Path, totals: dict[str, object]) -> None:
    from localtable.whole_file import write_text

    write_text(path, json.dumps(totals, indent=1, ensure_ascii=False) + "\n")


def say(console: Console, text: str) -> None:
    """Print one harmless line."""
    from rich.text import Text

    from localtable.report.words import one_line, printable

    console.print(Text(printable(one_line(text))), soft_wrap=True)
