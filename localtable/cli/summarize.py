"""`localtable summarize`: debates that have ended, in words, from templates or by a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.cli.options import engine_options, run_options
from localtable.cli.output import STDOUT, json_output, write_json
from localtable.cli.signals import stop_on_signal
from localtable.cli.work import File, say
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.runner import RunOptions
    from localtable.types import Card

SHOWN = 20
"""Debates of a store that are printed; `--json` has all."""
TRANSCRIPT_ENDINGS = (".json", ".partial")


@click.command()
@click.argument("source", type=File, metavar="DB|TRANSCRIPT")
@click.option("--moderator", metavar="MODEL", help="A card: the model that sums up. Without one templates do.")
@click.option("--json", "json_text", metavar="FILE|-", help="Write what was summed up; - puts it in the text's place.")
@engine_options
@click.option("--quiet", is_flag=True, help="Print nothing but summaries.")
def summarize(
    source: Path,
    moderator: str | None,
    json_text: str | None,
    engine: str,
    engine_args: tuple[str, ...],
    seed: int | None,
    gpus: str | None,
    device_memory: str | None,
    quiet: bool,
) -> int:
    """Sum up one transcript, or every finished debate of a store, controls aside.

    What a model writes of a store's debates is kept there, and not asked for again. A transcript is not changed: --json
    writes it with its turning points and its summary.
    """
    from rich.console import Console

    from localtable.config import load_card, refuse_moderator
    from localtable.runner.events import Note

    if seed is not None:
        raise ConfigError("--seed is the debate's own and can't be changed", hint="Leave it out.")
    out = json_output(json_text, source)
    card = None if moderator is None else load_card(moderator)
    if card is not None:
        refuse_moderator(card, "--moderator")
    console = Console(stderr=True)
    options = run_options(engine, engine_args, gpus, device_memory) if card is not None else None
    if options is not None:
        options = replace(
            options, tell=lambda event: None if quiet or not isinstance(event, Note) else say(console, event.text)
        )
    with stop_on_signal() as should_stop:
        options = None if options is None else replace(options, should_stop=should_stop)
        if source.name.endswith(TRANSCRIPT_ENDINGS):
            found: Any = _transcript(source, card, options)
            debates = [found]
        else:
            found = debates = _store(source, card, options)
    if json_text is not None:
        write_json(out, found)
    if json_text != STDOUT:
        _print(debates)
    say(console, _counted(source, debates, card))
    return 0


def _counted(source: Path, debates: list[dict[str, Any]], card: Card | None) -> str:
    if not debates:
        return f"{source}: no debate is finished, nothing to sum up"
    number = len(debates)
    by = "" if card is None else f", {sum(d['summary']['by'] == card.id for d in debates):,} of them by {card.id}"
    return f"{source}: {number:,} debate{'' if number == 1 else 's'} summed up{by}"


def _transcript(path: Path, card: Card | None, options: RunOptions | None) -> dict[str, Any]:
    """A transcript with its turning points and a summary.

    Raises:
        ConfigError: It is none, or of another version.
    """
    from localtable.moderator.summary import in_words
    from localtable.runner.summaries import summarize_transcript
    from localtable.transcript import check, read_transcript

    data = read_transcript(path)
    written = None if card is None or options is None else summarize_transcript(data, card, options)
    summed = {**data, **in_words(data, written)}
    check(summed, str(path))
    return summed


def _store(path: Path, card: Card | None, options: RunOptions | None) -> list[dict[str, Any]]:
    """Every finished debate's question, turning points and summary."""
    from localtable.protocol import DEBATE
    from localtable.runner import finished_transcripts
    from localtable.runner.inputs import choose_conditions, conditions_of
    from localtable.runner.summaries import summarize_store
    from localtable.store import Store
    from localtable.transcript import to_data

    if card is not None and options is not None:
        for _ in summarize_store(path, card, options):
            pass
    with Store.open(path, write=False) as store:
        conditions = choose_conditions(conditions_of(store.run(), str(path)), (DEBATE,))
        names = [condition.name for condition in conditions.values()]
        keys = ("question", "condition", "repeat", "turning_points", "summary")
        found = (to_data(transcript) for transcript in finished_transcripts(store, names))
        return [{key: data[key] for key in keys} for data in found]


def _print(debates: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from localtable.report.summary import print_summary
    from localtable.report.words import printable
    from localtable.transcript import question_from_json, summary_from_json

    console = Console()
    for number, data in enumerate(debates[:SHOWN]):
        if number:
            console.print()
        question = question_from_json(data["question"])
        console.print(Text(printable(question.question), style="bold"))
        print_summary(question, summary_from_json(data["summary"]), console, whole=True)
    if len(debates) > SHOWN:
        console.print(f"\n… and {len(debates) - SHOWN:,} more; --json has all of them.")
