"""`localtable compare`: two panels on the questions that both were asked, from stores, transcripts and imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.output import STDOUT, require_apart, write_json
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.analysis.compare import Compared

MAX_CONDITIONS = 2


@click.command()
@click.argument("first_text", metavar="A")
@click.argument("second_text", metavar="B")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="Of both; given twice, of A and then of B.")
@click.option("--json", "json_text", metavar="FILE|-", help="Write all figures; - puts them in the report's place.")
@click.option("--html", "html_text", metavar="FILE", help="Write a page that opens from the disk.")
def compare(
    first_text: str, second_text: str, wanted: Sequence[str], json_text: str | None, html_text: str | None
) -> None:
    """Compare two panels on their common questions: outcomes, distances, who voted like whom, accuracy, cost.

    A and B are stores, transcripts (also one a line, as `export` writes them) or imports of hosted debates; the same
    store twice with two conditions compares these.
    """
    from localtable.analysis.compare import compare as compare_panels
    from localtable.analysis.compare.writing import compared_to_json
    from localtable.cli.panels import read_panel
    from localtable.loading import path_from
    from localtable.whole_file import write_text

    if len(wanted) > MAX_CONDITIONS:
        raise ConfigError(f"--condition is given {len(wanted)} times", hint="Once for both, or for A and then for B.")
    paths = [path_from(text, Path.cwd()) for text in (first_text, second_text)]
    json_file = _output(None if json_text == STDOUT else json_text, paths, "--json")
    html_file = _output(html_text, [*paths, *filter(None, [json_file])], "--html")
    conditions = [wanted[0], wanted[-1]] if wanted else [None, None]
    first, second = (read_panel(path, name) for path, name in zip(paths, conditions, strict=True))
    compared = compare_panels(first, second)
    if json_text is not None:
        write_json(json_file, compared_to_json(compared))
    if html_file is not None:
        from localtable.report.html.comparison import comparison_page

        write_text(html_file, comparison_page(compared))
    if json_text != STDOUT:
        _print(compared)


def _output(text: str | None, taken: Sequence[Path], option: str) -> Path | None:
    """A file to write that can be written, and is none that is read or written otherwise."""
    from localtable.loading import path_from
    from localtable.whole_file import require_writable

    if text is None:
        return None
    out = path_from(text, Path.cwd())
    if out in taken:
        raise ConfigError(f"{out} is named for something else, too", hint=f"Name another {option}.")
    for path in taken:
        require_apart(out, path, option)
    require_writable(out)
    return out


def _print(compared: Compared) -> None:
    from rich.console import Console

    from localtable.report.analysis.terminal_sheet import TerminalSheet, roomy
    from localtable.report.comparison import lay_out, sides

    sheet = TerminalSheet(roomy(Console(highlight=False)))
    for line in sides(compared):
        sheet.line(line)
    lay_out(compared, sheet)
