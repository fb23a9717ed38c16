"""What `suite`, `sweep` and `resume` share: options, and the work on a store with its screen and its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from localtable.errors import ConfigError, EngineAwayError, InterruptedRun, LocaltableError
from localtable.types import LOOPBACK

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.runner import RunOptions
    from localtable.types import Card

File = click.Path(path_type=Path, allow_dash=False)
LISTED = 10
"""Broken lines that are listed one by one."""


def watching_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `suite`, `sweep` and `resume` share beside the engine's options."""
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


def refuse_changes(seed: int | None, engine_args: tuple[str, ...]) -> None:
    """Refuse options of a run that has been begun.

    Raises:
        ConfigError: One was given.
    """
    for name, given in (("--seed", seed is not None), ("--engine-arg", bool(engine_args))):
        if given:
            raise ConfigError(
                f"{name} is the run's own and can't be changed on the way", hint="Leave it out, or begin a new store."
            )


def require_summary(summary: Path | None, *stores: Path) -> None:
    """Find out before anything loads whether `--summary` can be written, and is none of the stores.

    Raises:
        ConfigError: It can't be, or is.
    """
    from localtable.cli.output import require_apart
    from localtable.whole_file import require_writable

    if summary is None:
        return
    for store in stores:
        require_apart(summary, store, "--summary")
    require_writable(summary)


def work(
    path: Path,
    options: RunOptions,
    reuse: tuple[Path, ...],
    summary: Path | None,
    console: Console,
    *,
    strict: bool,
    quiet: bool,
    retry_failed: bool = False,
) -> int:
    """Hold what is open, or has failed and is tried again; show how it goes, and say what came of it."""
    from localtable.cli.progress import watch
    from localtable.protocol import cards_of
    from localtable.report.suite import print_totals
    from localtable.runner import open_suite
    from localtable.runner.totals import run_totals

    with open_suite(path, options, reuse=reuse) as run:
        if retry_failed:
            number = run.store.reopen_failed()
            say(console, f"{number:,} failed debate{'' if number == 1 else 's'} to be tried again")
        if run.store.num_open():
            say_where_text_goes(cards_of(run.conditions.values()), console)
        turns_before, telling = run.store.counts().turns, False
        try:
            with watch(run, console, quiet=quiet) as watcher:
                for outcome in run.run(watcher):
                    watcher.over(outcome)
            telling = True
        except LocaltableError as error:
            if isinstance(error, InterruptedRun | EngineAwayError):
                error.hint = f"What is finished is kept: `localtable resume {path}` goes on."
            telling = run.store.counts().turns > turns_before
            raise
        finally:
            # However it ends: what it came to so far.
            if telling or summary is not None:
                totals = run_totals(run.store)
                if summary is not None:
                    _write(summary, totals)
                if telling:
                    print_totals(run.store, totals, console)
        failed = run.store.counts().debates["failed"]
    return 1 if strict and failed else 0


def _write(path: Path, totals: dict[str, object]) -> None:
    from localtable.whole_file import write_text

    write_text(path, json.dumps(totals, indent=1, ensure_ascii=False) + "\n")


def list_invalid(invalid: Sequence[ConfigError], console: Console) -> None:
    """Say which lines were left out, quiet or not: nothing is dropped in silence."""
    for error in invalid[:LISTED]:
        say(console, f"left out: {error.message}")
    if invalid:
        say(console, f"{len(invalid)} broken line{'s' * (len(invalid) > 1)} left out")


def say_where_text_goes(cards: Iterable[Card], console: Console) -> None:
    """Say, quiet or not, to which servers a debate's text is sent, before anything is."""
    for card in cards:
        if card.endpoint is not None:
            address = urlsplit(card.endpoint.base_url)
            bare = " unencrypted" if address.scheme == "http" and address.hostname not in LOOPBACK else ""
            say(console, f"{card.id}: what this panel reads and says is sent{bare} to {address.netloc}")


def say(console: Console, text: str) -> None:
    """Print one harmless line."""
    from rich.text import Text

    from localtable.report.words import one_line, printable

    console.print(Text(printable(one_line(text))), soft_wrap=True)
