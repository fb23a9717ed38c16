"""`localtable analyze`: every figure of a store, with intervals, tests and what they can't show."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.analysis.families import DIMENSIONS, FAMILIES
from localtable.cli.output import STDOUT, json_output, write_json
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.analysis.families import Dimension
    from localtable.analysis.findings import Analysis
    from localtable.analysis.metrics.metric import Metric

CSV_FILES = ("metrics.csv", "tests.csv", "notes.csv")


@click.command()
@click.argument("store_text", metavar="DB")
@click.option("--by", multiple=True, type=click.Choice(DIMENSIONS), help="Also break figures down; repeatable.")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="In place of all; repeatable.")
@click.option("--family", "families", multiple=True, type=click.Choice(FAMILIES), help="List all its figures.")
@click.option("--cluster", metavar="TAG", help="Questions that share a tag TAG:… are one unit: say passage.")
@click.option("--json", "json_text", metavar="FILE|-", help="Write all figures; - puts them in the report's place.")
@click.option("--csv", "csv_text", metavar="FOLDER", help="Write metrics.csv, tests.csv and notes.csv.")
@click.option("--explain", "explained", multiple=True, metavar="METRIC", help="Say what it is, and its figures here.")
def analyze(
    store_text: str,
    by: Sequence[Dimension],
    wanted: Sequence[str],
    families: Sequence[str],
    cluster: str | None,
    json_text: str | None,
    csv_text: str | None,
    explained: Sequence[str],
) -> None:
    """Say what a run shows, and what it can't: validity, accuracy, change, conformity, agreement, calibration, bias.

    The unit of inference is the question. DB may still be worked on: what is analysed is its state at one moment.
    """
    from localtable.analysis.analyze import analyze as analyze_table
    from localtable.loading import path_from
    from localtable.report.stored import read_run

    # What is wrong with the command is said before anything is read.
    metrics = [_metric(name) for name in explained]
    path = path_from(store_text, Path.cwd())
    out = json_output(json_text, path)
    folder = None if csv_text is None else _folder(path_from(csv_text, Path.cwd()), path)
    table, facts = read_run(path, wanted)
    written = json_text is not None or csv_text is not None
    needed = {*families, *(metric.family for metric in metrics)} if families or not written else set()
    only = [family for family in FAMILIES if family in needed]
    analysis = analyze_table(table, facts, by=by, families=only, cluster=cluster)
    if json_text is not None:
        from localtable.analysis.writing import analysis_to_json

        write_json(out, analysis_to_json(analysis))
    if folder is not None:
        _write_csv(folder, analysis)
    if json_text != STDOUT:
        _print(analysis, metrics)


def _metric(name: str) -> Metric:
    from localtable.analysis.metrics.registry import METRICS
    from localtable.loading import nearest

    if name not in METRICS:
        raise ConfigError(f"unknown metric {name!r}", hint=nearest(name, list(METRICS), kind="metrics"))
    return METRICS[name]


def _folder(folder: Path, store: Path) -> Path:
    """Where the tables go: a folder that is there, or that can be made."""
    from localtable.whole_file import require_writable

    if not folder.is_dir():
        if folder.exists():
            raise ConfigError(f"{folder} is no folder", hint="Name a folder: it gets a file for each table.")
        require_writable(folder)  # whether anything of that name can be made
        return folder
    for name in CSV_FILES:
        if folder / name == store:
            raise ConfigError(f"{store} is the store itself", hint="Name another --csv.")
        require_writable(folder / name)
    return folder


def _write_csv(folder: Path, analysis: Analysis) -> None:
    from localtable.analysis.writing import comparison_rows, metric_rows
    from localtable.whole_file import write_text

    folder.mkdir(exist_ok=True)
    notes: Iterator[Sequence[Any]] = iter([("note",), *((note,) for note in analysis.notes)])
    for name, rows in zip(CSV_FILES, (metric_rows(analysis), comparison_rows(analysis), notes), strict=True):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_text(folder / name, text.getvalue())


def _print(analysis: Analysis, metrics: Sequence[Metric]) -> None:
    from rich.console import Console

    from localtable.report.analysis import print_analysis, print_explanation

    console = Console(highlight=False)
    for metric in metrics:
        print_explanation(metric, analysis, console)
    if not metrics:
        print_analysis(analysis, console)
