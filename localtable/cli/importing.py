"""`localtable import`: published data → files of this program: a dataset → a suite, a hosted page → a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtable.cli.output import STDOUT
from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.config.datasets import ImportRecord, Schema, Source

SHOWN_LEFT_OUT = 5


@click.group("import")
def importing() -> None:
    """Turn published data into this program's files."""


@importing.command()
@click.argument("name", metavar="NAME")
@click.option("--from", "origins", multiple=True, required=True, metavar="PATH|hub", help="File, folder; repeatable.")
@click.option("--out", "out_text", required=True, metavar="SUITE", help="The suite to write.")
@click.option("--force", is_flag=True, help="Replace --out if it is there.")
@click.option("--config", metavar="WORD", help="Only files of this configuration, such as ARC-Easy.")
@click.option("--split", metavar="WORD", help="Only files of this split, such as validation.")
@click.option("--revision", metavar="COMMIT", help="Of the hub's repository; its newest commit otherwise.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N questions.")
@click.option("--skip-invalid", is_flag=True, help="Leave out rows that can't become a question, and count them.")
@click.option("--shuffle", is_flag=True, help="Shuffle the options; always so for gpqa.")
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), metavar="S", help="Of the shuffle; 0 otherwise.")
@click.option("--question", metavar="COLUMN", help="generic: the text.")
@click.option("--options", metavar="COLUMN[,…]", help="generic: one column of lists, or a column for each option.")
@click.option("--answer", metavar="COLUMN", help="generic: the right option; questions have none without it.")
@click.option("--answer-is", type=click.Choice(["letter", "index", "index1", "text"]), help="generic: what it holds.")
@click.option("--id", metavar="COLUMN", help="generic: an id of each question's own.")
@click.option("--context", metavar="COLUMN", help="generic: what is shown behind the question.")
@click.option("--tags", metavar="COLUMN[,…]", help="generic: what questions can be grouped by.")
def dataset(
    name: str,
    origins: Sequence[str],
    out_text: str,
    force: bool,
    config: str | None,
    split: str | None,
    revision: str | None,
    limit: int | None,
    skip_invalid: bool,
    shuffle: bool,
    seed: int | None,
    **columns: str | None,
) -> None:
    """Write a suite from a published dataset: mmlu, mmlu-pro, gpqa, arc, commonsense-qa, or generic.

    Only the word hub (or hub:ORG/NAME@REVISION) in --from opens a connection.
    """
    from localtable.config.datasets import import_dataset
    from localtable.loading import path_from

    schema = _schema(name, columns)
    if seed is not None and not (shuffle or schema.shuffled):
        raise ConfigError(f"--seed {seed} has nothing to shuffle: {name} keeps its order", hint="Add --shuffle.")
    out = path_from(out_text, Path.cwd())
    _require_place(out, force)
    source = _source(origins, schema, revision=revision, config=config, split=split)
    record = import_dataset(
        schema,
        source,
        out,
        seed=(seed or 0) if shuffle or schema.shuffled else None,
        limit=limit,
        skip_invalid=skip_invalid,
    )
    _tell(record, source, out)


@importing.command()
@click.argument("page_text", metavar="FILE")
@click.option("--json", "json_text", required=True, metavar="OUT|-", help="The transcript to write; - is stdout.")
def roundtable(page_text: str, json_text: str) -> None:
    """Write a transcript from a copied page of the hosted AI Roundtable: a poll or a debate, with options or open.

    FILE is the page's text. What it does not say is null; where it disagrees with itself is noted in the transcript.
    """
    import hashlib

    from localtable.loading import path_from, read_text
    from localtable.roundtable import parse_page, to_transcript
    from localtable.transcript import dump
    from localtable.whole_file import require_writable, write_text

    path = path_from(page_text, Path.cwd())
    out = None if json_text == STDOUT else path_from(json_text, Path.cwd())
    if out is not None:
        if out == path:
            raise ConfigError(f"{out} is the page itself", hint="Name another --json.")
        require_writable(out)
    try:
        text = read_text(path)
    except ConfigError as error:  # whose hints are about files of this program's own
        raise ConfigError(error.message, hint="Name the text of one page, as it was copied.") from None
    transcript = to_transcript(
        parse_page(text, str(path)), str(path), file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
    )
    if out is None:
        click.echo(dump(transcript), nl=False)
    else:
        write_text(out, dump(transcript))
    _tell_page(transcript, path)


def _tell_page(transcript: dict[str, Any], path: Path) -> None:
    """What the page says, what its votes come to, and what has to be known of it."""
    from localtable.report.imported import describe_import
    from localtable.report.words import printable

    click.echo(printable("\n".join(describe_import(transcript, path.name))), err=True)


def _schema(name: str, columns: dict[str, Any]) -> Schema:
    from localtable.config.datasets import GENERIC, Schema, find_schema

    given = {f"--{key.replace('_', '-')}": value for key, value in columns.items() if value is not None}
    if name != GENERIC:
        schema = find_schema(name)
        if given:
            raise ConfigError(
                f"{next(iter(given))} names a column, and those of {name} are known",
                hint=f"Leave it out, or import {GENERIC}.",
            )
        return schema
    missing = [option for option in ("--question", "--options") if option not in given]
    if missing:
        raise ConfigError(
            f"{GENERIC} needs {' and '.join(missing)}",
            hint="For example --question text --options A,B,C,D --answer right.",
        )
    if "--answer-is" in given and "--answer" not in given:
        raise ConfigError("--answer-is says how --answer is read, and that is missing", hint="Name the column.")
    return Schema(
        name=GENERIC,
        question=columns["question"],
        options=_listed(columns["options"], "--options"),
        answer=columns["answer"],
        answer_is=columns["answer_is"],
        id=columns["id"],
        context=columns["context"],
        tags=_listed(columns["tags"], "--tags") if columns["tags"] is not None else (),
    )


def _listed(text: str, option: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise ConfigError(f"{option} {text!r} has an empty or a repeated column", hint="For example A,B,C,D.")
    return names


def _require_place(out: Path, force: bool) -> None:
    """Find out before anything is downloaded or read whether the suite can be written."""
    from localtable.config.datasets import record_path
    from localtable.whole_file import require_writable

    require_writable(out)  # first: what is no file has no record beside it
    require_writable(record := record_path(out))
    for path in (out, record):
        if path.exists() and not force:
            raise ConfigError(f"{path} exists", hint="Name another --out, or replace it with --force.")


def _source(
    origins: Sequence[str], schema: Schema, *, revision: str | None, config: str | None, split: str | None
) -> Source:
    from localtable.config.datasets import hub_source, is_hub, local_source

    if any(map(is_hub, origins)):
        if len(origins) > 1:
            raise ConfigError("--from names the hub and something else", hint="Import them one after the other.")
        return hub_source(
            origins[0],
            schema,
            revision=revision,
            config=config,
            split=split,
            say=lambda text: click.echo(text, err=True),
        )
    if revision is not None:
        raise ConfigError(f"--revision {revision} is of a repository on the hub", hint="Add --from hub.")
    return local_source(origins, config=config, split=split)


def _tell(record: ImportRecord, source: Source, out: Path) -> None:
    from localtable.config.datasets import record_path
    from localtable.report.words import printable

    lines = [
        f"{record.dataset}: {_count(record.questions, 'question')} from {_count(record.rows_read, 'row')} in {out}"
    ]
    if record.without_answer:
        lines.append(f"  {record.without_answer} without an answer")
    if record.rows_left_out:
        lines.append(f"  {_count(record.rows_left_out, 'row')} left out:")
        lines += [f"    {reason}" for reason in record.left_out[:SHOWN_LEFT_OUT]]
        if record.rows_left_out > SHOWN_LEFT_OUT:
            lines.append(f"    … and {record.rows_left_out - SHOWN_LEFT_OUT} more")
    if source.repo:
        lines.append(f"  from {source.repo} at {source.revision}")
    lines += [f"  {file.name}  sha256 {file.sha256}" for file in record.files]
    if record.shuffle_seed is not None:
        lines.append(f"  options shuffled by seed {record.shuffle_seed}; each question's tags say how")
    if len(source.splits) > 1:
        lines.append(f"  the files are of several splits ({', '.join(source.splits)}): --split takes one")
    if record.same_place is not None:
        lines.append(f"  every right answer is option {record.same_place}: --shuffle keeps that from giving it away")
    lines.append(f"  recorded in {record_path(out)}")
    click.echo(printable("\n".join(lines)), err=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
