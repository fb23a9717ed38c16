"""`localtable show`: a debate that was held here, printed once more or written to files."""

from __future__ import annotations

from pathlib import Path

import click

from localtable.cli.debate_files import DebateFiles, Output


@click.command()
@click.argument("name", metavar="last|ID")
@click.option("--json", "json_file", type=Output, metavar="FILE", help="Write the transcript.")
@click.option("--markdown", "markdown_file", type=Output, metavar="FILE", help="Write it as a page of text.")
@click.option("--html", "html_file", type=Output, metavar="FILE", help="Write it as a page for a browser.")
def show(name: str, json_file: Path | None, markdown_file: Path | None, html_file: Path | None) -> None:
    """Print a kept debate's result.

    ID is a name from `localtable history`, or the beginning of one.
    """
    from rich.console import Console

    from localtable.history import find
    from localtable.report.terminal import print_result
    from localtable.transcript import read_transcript

    files = DebateFiles(json_file, markdown_file, html_file)
    one = find(name)
    files.require_writable(one.path)
    data = read_transcript(one.path)
    files.write(data)
    print_result(data, Console())
