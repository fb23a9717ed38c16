"""`localtable export`: a store's debates as transcripts, one a line, and as flat tables."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.output import require_apart
from localtable.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    from localtable.store import Store

SHOWN_FAILURES = 10
SHOWN_REASON = 200
"""Characters."""


@click.command()
@click.argument("store_text", metavar="DB")
@click.option("--out", "out_text", metavar="FILE", help="Write transcripts here, not to stdout.")
@click.option("--parquet", "parquet_text", metavar="FOLDER", help="Write flat tables; transcripts only with --out.")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="Only debates held under it; repeatable.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def export(store_text: str, out_text: str | None, parquet_text: str | None, wanted: Sequence[str], force: bool) -> None:
    """Write finished debates as transcripts, one a line, in the suite's order.

    DB may still be worked on: what is exported is its state at one moment.
    """
    from localtable.loading import path_from
    from localtable.store import Store
    from localtable.store.reading import hold_still

    path = path_from(store_text, Path.cwd())
    out = None if out_text is None else path_from(out_text, Path.cwd())
    folder = None if parquet_text is None else path_from(parquet_text, Path.cwd())
    with Store.open(path, write=False) as store:
        hold_still(store)
        conditions = _choose(store, wanted)
        if out is not None:
            _require_file(out, path, force)
        if folder is not None:
            _require_folder(folder, (path, out), force)
        if out is not None or folder is None:
            # Closed before the store is, whatever ends the writing: it has a query under way.
            with closing(_lines(store, conditions)) as lines:
                _write(lines, out)
        rows = {} if folder is None else _write_tables(store, folder, conditions)
        _tell(store, conditions, rows)


def _choose(store: Store, wanted: Sequence[str]) -> list[str]:
    """The names of the conditions that were asked for; of all, where none was."""
    from localtable.runner.inputs import choose_conditions, conditions_of

    if not wanted:
        return [name for name, _ in store.conditions().values()]
    run = store.run()
    conditions = choose_conditions(conditions_of(run, str(store.path)), wanted)
    return [condition.name for condition in conditions.values()]


def _require_file(out: Path, store: Path, force: bool) -> None:
    from localtable.whole_file import require_writable

    require_apart(out, store, "--out")
    require_writable(out)
    if out.exists() and not force:
        raise ConfigError(f"{out} exists", hint="Name another --out, or replace it with --force.")


def _require_folder(folder: Path, taken: Collection[Path | None], force: bool) -> None:
    from localtable.store.parquet import file_names
    from localtable.whole_file import require_writable

    files = [folder / name for name in file_names()]
    for file in files:
        if file in taken:
            raise ConfigError(f"{file} is named for something else, too", hint="Name another --parquet.")
    if not folder.is_dir():
        if folder.exists():
            raise ConfigError(f"{folder} is no folder", hint="Name a folder: it gets a file for each table.")
        require_writable(folder)  # whether anything of that name can be made
        return
    for file in files:
        require_writable(file)
        if file.exists() and not force:
            raise ConfigError(f"{file} exists", hint="Name another --parquet, or replace its tables with --force.")


def _lines(store: Store, conditions: Collection[str]) -> Generator[bytes, None, None]:
    """Finished debates in the suite's order, each validated, as a line."""
    from localtable.runner import finished_transcripts
    from localtable.transcript import to_json

    for transcript in finished_transcripts(store, conditions):
        data = to_json(transcript)
        yield f"{json.dumps(data, ensure_ascii=False, separators=(',', ':'), allow_nan=False)}\n".encode()


def _write(lines: Iterator[bytes], out: Path | None) -> None:
    """Lines into a file, whole or not at all, or to stdout as they come."""
    from localtable.whole_file import WholeFile

    if out is not None:
        with WholeFile(out) as file:
            for line in lines:
                file.write(line)
        return
    try:
        for line in lines:
            click.echo(line, nl=False)  # bytes: UTF-8, whatever the terminal's encoding
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PrerequisiteError(
            f"the transcripts can't be written to stdout: {error.strerror}", hint="Make room, or send them elsewhere."
        ) from None


def _write_tables(store: Store, folder: Path, conditions: Collection[str]) -> dict[str, int]:
    from localtable.store.parquet import write_tables

    return write_tables(store, folder, conditions)


def _tell(store: Store, conditions: Collection[str], rows: dict[str, int]) -> None:
    """What was exported and what is missing in it."""
    from localtable.report.words import one_line, printable
    from localtable.store.reading import count_states, first_failures

    states = count_states(store, conditions)
    lines = [f"{states['finished']:,} finished, {states['open']:,} unfinished and {states['failed']:,} failed debates"]
    for failure in first_failures(store, conditions, SHOWN_FAILURES):
        reason = one_line(failure.reason)
        shown = reason if len(reason) <= SHOWN_REASON else f"{reason[: SHOWN_REASON - 1]}…"
        lines.append(f"  failed: {failure.question} · {failure.condition} · repeat {failure.repeat}: {shown}")
    if states["failed"] > SHOWN_FAILURES:
        lines.append(f"  … and {states['failed'] - SHOWN_FAILURES:,} more that failed")
    if rows:
        lines.append(f"rows: {', '.join(f'{table} {count:,}' for table, count in rows.items())}")
    click.echo(printable("\n".join(lines)), err=True)
