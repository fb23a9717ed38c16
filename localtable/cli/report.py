"""`localtable report`: a debate or a run as a page that opens from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.debate_files import DebateFiles, Output
from localtable.cli.output import require_apart
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.report.html.run import Debates, RunReport

MOST_IN_ONE_FILE = 1_000
"""Debates of a run that are written as one page."""


@click.command()
@click.argument("source_text", metavar="DB|TRANSCRIPT")
@click.option("--html", "html_file", type=Output, metavar="FILE", help="Write a page; of a large run FILE is a folder.")
@click.option("--markdown", "markdown_file", type=Output, metavar="FILE", help="Write a debate as a page of text.")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="Only this of a run; repeatable.")
def report(source_text: str, html_file: Path | None, markdown_file: Path | None, wanted: Sequence[str]) -> None:
    """Write a debate or a run as one HTML file that needs no network.

    A TRANSCRIPT is what `debate --json` writes; a DB is a run's store, which may still be worked on. A run of more than
    1,000 debates becomes a folder: an index, and a file for each debate.
    """
    from localtable.loading import path_from
    from localtable.store.file import is_sqlite
    from localtable.transcript import read_transcript

    if html_file is None and markdown_file is None:
        raise ConfigError("no output is named", hint="Give --html FILE, or --markdown FILE.")
    source = path_from(source_text, Path.cwd())
    if is_sqlite(source):
        if html_file is None or markdown_file is not None:
            raise ConfigError("--markdown is for a single debate", hint=f"Give --html FILE alone for the run {source}.")
        _write_run(source, html_file, wanted)
        return
    if wanted:
        raise ConfigError("--condition is for a run", hint="A transcript is one debate, of one condition.")
    files = DebateFiles(markdown=markdown_file, html=html_file)
    files.require_writable(source)
    files.write(read_transcript(source))


def _write_run(store: Path, out: Path, wanted: Sequence[str]) -> None:
    """A store as a page, or as a folder of pages."""
    from localtable.report.html.run import write_folder, write_single

    require_apart(out, store, "--html")
    with build_report(store, wanted, before=lambda number: _require_place(out, number)) as (report, debates):
        number = len(report.index)
        (write_folder if number > MOST_IN_ONE_FILE else write_single)(out, report, debates)
    where = out / "index.html" if number > MOST_IN_ONE_FILE else out
    click.echo(f"{number:,} debates: {where}", err=True)


@contextmanager
def build_report(
    path: Path, wanted: Sequence[str], *, before: Callable[[int], None] = lambda number: None
) -> Iterator[tuple[RunReport, Debates]]:
    """What a run's page is made from, as of one moment; its debates are read one by one while the store is open.

    Args:
        path: Of the store.
        wanted: Conditions by name; all if none is named.
        before: Told how many debates there are, before anything is computed.

    Raises:
        ConfigError: The run has no such condition.
    """
    from localtable.analysis.analyze import analyze
    from localtable.analysis.rules import every_rule
    from localtable.analysis.rules import tally as tally_condition
    from localtable.analysis.run_facts import read_facts
    from localtable.analysis.table import load_table
    from localtable.report.html.run import RunReport
    from localtable.report.html.timeline import read_timeline
    from localtable.report.run_index import read_index
    from localtable.report.stored import held_run
    from localtable.runner import numbered_transcripts
    from localtable.runner.inputs import choose_conditions
    from localtable.transcript import to_json

    with held_run(path) as (store, conditions):
        chosen = choose_conditions(conditions, wanted) if wanted else conditions
        names = [condition.name for condition in chosen.values()]
        index = list(read_index(store, names))
        before(len(index))
        table = load_table(store, chosen)
        analysis = analyze(table, read_facts(store, conditions))
        rules = every_rule()
        tallies = [tally_condition(one, rules, None) for one in table.conditions if one.name == one.debate]
        report = RunReport(path.name, analysis, tallies, read_timeline(store), index)
        yield report, ((number, to_json(found)) for number, found in numbered_transcripts(store, names))


def _require_place(out: Path, number: int) -> None:
    """Whether a page of so many debates, or a folder, can be made there."""
    from localtable.whole_file import require_writable

    if number <= MOST_IN_ONE_FILE:
        require_writable(out)
    elif out.exists() and not out.is_dir():
        raise ConfigError(
            f"{out} is a file, and a run of more than {MOST_IN_ONE_FILE:,} debates becomes a folder",
            hint="Name a folder that is there, or that can be made.",
        )
    else:
        require_writable(out / "index.html" if out.is_dir() else out)
