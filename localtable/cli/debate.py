"""`localtable debate`: one question, one panel, one result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.cli.debate_files import DebateFiles, Output
from localtable.cli.options import (
    engine_options,
    is_file,
    moderator_option,
    override,
    panel_options,
    read_panel,
    read_question,
    run_options,
    with_moderator,
)
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import say_where_text_goes
from localtable.errors import LocaltableError, PrerequisiteError

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.runner import RunOptions
    from localtable.runner.events import Listener
    from localtable.types import Panel, Question


@click.command()
@click.argument("question")
@click.option("-o", "--option", "options", multiple=True, help="An option to vote for; repeat it.")
@panel_options
@moderator_option
@engine_options
@click.option("--fetch", is_flag=True, help="Fetch weights that are missing first.")
@click.option("--json", "json_file", type=Output, metavar="FILE", help="Write the transcript.")
@click.option("--markdown", "markdown_file", type=Output, metavar="FILE", help="Write the debate as a page of text.")
@click.option("--html", "html_file", type=Output, metavar="FILE", help="Write the debate as a page for a browser.")
@click.option("--quiet", is_flag=True, help="Print the result only.")
def debate(
    question: str,
    options: tuple[str, ...],
    panel_file: str | None,
    models: tuple[str, ...],
    rounds: int | None,
    prompts: str | None,
    moderator: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    fetch: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    html_file: Path | None,
    quiet: bool,
) -> None:
    """Hold one debate.

    QUESTION is the question itself (with -o for each option), or a YAML or JSON file that holds both. Where no panel
    is named, the largest ready one sits down that is fetched and fits, or else the demo panel.
    """
    from rich.console import Console

    from localtable.loading import path_from
    from localtable.prompts import load_wording
    from localtable.report.terminal import print_result
    from localtable.runner import hold_debate
    from localtable.transcript import to_json

    asked = read_question(question, options)
    console = Console(stderr=True)
    run = run_options(engine, engine_args, gpus, device_memory)
    panel = override(_panel(panel_file, models, run, console), rounds=rounds, seed=seed, prompts=prompts)
    panel = with_moderator(panel, moderator)
    files = DebateFiles(json_file, markdown_file, html_file)
    inputs = [path_from(text, Path.cwd()) for text in (question, panel_file) if text is not None and is_file(text)]
    files.require_writable(*inputs)
    files.partial().require_writable(*inputs)
    say_where_text_goes(panel.cards, console)
    load_wording(panel.prompts)
    if fetch and engine != "scripted":
        _fetch(panel, console)
    with ExitStack() as stack:
        should_stop = stack.enter_context(stop_on_signal())
        run = replace(
            run,
            tell=stack.enter_context(_screen(asked, panel, console, quiet)),
            should_stop=should_stop,
            stream=console.is_terminal and not quiet,
        )
        transcript = hold_debate(
            asked, panel, run, on_partial=lambda partial: _keep_partial(to_json(partial), files.partial(), console)
        )
    data = to_json(transcript)
    try:
        files.write(data)
    finally:  # a file that can't be written, after all, costs nobody the debate
        _keep(data, console, quiet=quiet)
    try:
        print_result(data, Console())
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PrerequisiteError(
            f"the result can't be written to stdout: {error.strerror}", hint="Make room, or send it elsewhere."
        ) from None


def _panel(file: str | None, models: tuple[str, ...], run: RunOptions, console: Console) -> Panel:
    from localtable.types import Stop

    stop = Stop("unanimous")
    if file is None and not models and run.engine != "scripted":
        from localtable.cli.best_panel import find_best_panel
        from localtable.cli.work import say
        from localtable.scheduler.devices import find_machine

        found = find_best_panel(stop, find_machine(run.device_memory_bytes, run.gpus))
        if found is not None:
            panel, path = found
            say(console, f"panel {panel.name} ({path.stem}): the largest ready one that is fetched and fits")
            return panel
    return read_panel(file, models, stop)


def _fetch(panel: Panel, console: Console) -> None:
    from localtable.cli.models import fetch_cards
    from localtable.protocol import DEBATE, Condition, cards_of

    fetch_cards(cards_of([Condition(DEBATE, panel)]), console)


def _screen(question: Question, panel: Panel, console: Console, quiet: bool) -> AbstractContextManager[Listener]:
    """The listener that fits the console."""
    from localtable.cli.screen import LiveScreen, PlainLines

    if quiet:
        return nullcontext(lambda event: None)
    return LiveScreen(question, panel, console) if console.is_terminal else nullcontext(PlainLines(question, console))


def _keep(data: Mapping[str, Any], console: Console, *, quiet: bool) -> None:
    """Put the debate into the history; what keeps it out of there is said, and takes nothing from the result."""
    from localtable.cli.work import say
    from localtable.history import is_on, keep

    if not is_on():
        return
    try:
        path = keep(data)
    except LocaltableError as error:
        say(console, f"not kept in the history: {error.message}")
        return
    if console.is_terminal and not quiet:
        say(console, f"kept as {path.stem}: `localtable open last` shows its page")


def _keep_partial(data: Mapping[str, Any], files: DebateFiles, console: Console) -> None:
    """Keep what was finished before an error or an interruption: in files if any were named, else on the screen."""
    from localtable.report.terminal import print_result

    if not files.named:
        print_result(data, console)
    try:
        files.write(data)
    finally:
        _keep(data, console, quiet=True)
    for file in files.named:
        click.echo(f"what was finished is in {file}", err=True)
