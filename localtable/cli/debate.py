"""`localtable debate`: one question, one panel, one result."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.options import (
    engine_options,
    override,
    panel_options,
    read_panel,
    read_question,
    run_options,
)
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import say_where_text_goes
from localtable.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    from rich.console import Console

    from localtable.runner import RunOptions
    from localtable.runner.events import Listener
    from localtable.types import Panel, Question, Transcript

Output = click.Path(path_type=Path, allow_dash=False)


@click.command()
@click.argument("question")
@click.option("-o", "--option", "options", multiple=True, help="An option to vote for; repeat it.")
@panel_options
@engine_options
@click.option("--fetch", is_flag=True, help="Fetch weights that are missing first.")
@click.option("--json", "json_file", type=Output, metavar="FILE", help="Write the transcript.")
@click.option("--markdown", "markdown_file", type=Output, metavar="FILE", help="Write the debate as a page of text.")
@click.option("--quiet", is_flag=True, help="Print the result only.")
def debate(
    question: str,
    options: tuple[str, ...],
    panel_file: str | None,
    models: tuple[str, ...],
    rounds: int | None,
    prompts: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    fetch: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    quiet: bool,
) -> None:
    """Hold one debate.

    QUESTION is the question itself (with -o for each option), or a YAML or JSON file that holds both. Where no panel
    is named, the largest ready one sits down that is fetched and fits, or else the demo panel.
    """
    from rich.console import Console

    from localtable.prompts import load_wording
    from localtable.report.terminal import print_result
    from localtable.runner import hold_debate

    asked = read_question(question, options)
    console = Console(stderr=True)
    run = run_options(engine, engine_args, gpus, device_memory)
    panel = override(_panel(panel_file, models, run, console), rounds=rounds, seed=seed, prompts=prompts)
    _check_outputs(json_file, markdown_file)
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
            asked, panel, run, on_partial=lambda partial: _keep(partial, json_file, markdown_file, console)
        )
    _write(transcript, json_file, markdown_file)
    try:
        print_result(transcript, Console())
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

    fetch_cards(panel.cards, console)


def _screen(question: Question, panel: Panel, console: Console, quiet: bool) -> AbstractContextManager[Listener]:
    """The listener that fits the console."""
    from localtable.cli.screen import LiveScreen, PlainLines

    if quiet:
        return nullcontext(lambda event: None)
    return LiveScreen(question, panel, console) if console.is_terminal else nullcontext(PlainLines(question, console))


def _check_outputs(*files: Path | None) -> None:
    """Whether every output can be written, and what there is of it after an interruption: before anything loads."""
    from localtable.whole_file import require_writable

    named = [file.resolve() for file in files if file is not None]
    if len(set(named)) < len(named):
        raise ConfigError(f"{named[0]} is named for two outputs", hint="Name a file for each.")
    for file in files:
        if file is not None:
            require_writable(file)
            require_writable(_partial(file))


def _partial(file: Path) -> Path:
    return file.with_name(f"{file.name}.partial")


def _write(transcript: Transcript, json_file: Path | None, markdown_file: Path | None) -> None:
    from localtable.report.markdown import to_markdown
    from localtable.transcript import dump, to_json
    from localtable.whole_file import write_text

    if json_file is not None:
        write_text(json_file, dump(to_json(transcript)))
    if markdown_file is not None:
        write_text(markdown_file, to_markdown(transcript))


def _keep(partial: Transcript, json_file: Path | None, markdown_file: Path | None, console: Console) -> None:
    """Keep what was finished before an error or an interruption: in files if any were named, else on the screen."""
    from localtable.report.terminal import print_result

    files = [file and _partial(file) for file in (json_file, markdown_file)]
    if not any(files):
        print_result(partial, console)
    _write(partial, *files)
    for file in filter(None, files):
        click.echo(f"what was finished is in {file}", err=True)
