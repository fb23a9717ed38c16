"""A source's rows → a suite and, beside it, the record of what it was made from.

Both files are written whole or not at all, and row by row: what is kept in memory is ids.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localtable import __version__
from localtable.config.datasets.conversion import Converted, Converter, RowError
from localtable.config.datasets.reading import read_rows
from localtable.config.datasets.schemas import Schema
from localtable.config.datasets.selection import Source, SourceFile
from localtable.errors import ConfigError
from localtable.whole_file import WholeFile

MAX_LISTED = 100
"""Rows left out that the record names; all of them are counted."""
MIN_SAME_PLACE = 20
"""Above so many rows, a right answer that is always in one place is no chance."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that was read."""

    name: str
    bytes: int
    sha256: str


@dataclass(slots=True)
class ImportRecord:
    """What a suite was made from, and what became of the rows; written beside it."""

    dataset: str
    columns: dict[str, Any]
    repo: str | None
    revision: str | None
    config: str | None
    split: str | None
    files: list[FileRecord]
    shuffle_seed: int | None
    """None where the options stand in the source's order."""
    limit: int | None
    rows_read: int = 0
    questions: int = 0
    without_answer: int = 0
    rows_left_out: int = 0
    left_out: list[str] = field(default_factory=list)
    """The first of them: file, row and reason."""
    answers_at: dict[str, int] = field(default_factory=dict)
    """How often the right option stood where, in the source."""
    suite_sha256: str = ""
    localtable: str = __version__

    @property
    def same_place(self) -> str | None:
        """The letter of the place where every right answer stands, unless that may be chance or was mended."""
        if (
            self.shuffle_seed is not None
            or len(self.answers_at) != 1
            or sum(self.answers_at.values()) <= MIN_SAME_PLACE
        ):
            return None
        return next(iter(self.answers_at))


def record_path(suite: Path) -> Path:
    """Where the record of a suite stands."""
    return suite.with_name(f"{suite.name}.source.json")


def import_dataset(
    schema: Schema, source: Source, out: Path, *, seed: int | None, limit: int | None = None, skip_invalid: bool = False
) -> ImportRecord:
    """Write a suite and its record.

    Args:
        schema: What the rows look like.
        source: The files.
        out: The suite; what stands there is replaced.
        seed: Of the shuffle; None keeps the source's order of options.
        limit: The number of questions, at most.
        skip_invalid: Leave out rows that can't become a question, and count them.

    Raises:
        ConfigError: A file is broken or lacks a column; a row can't become a question (`RowError`); none is left.
        PrerequisiteError: The suite can't be written.
    """
    _refuse_own_source(source, out)
    record = ImportRecord(
        dataset=schema.name,
        columns=_columns_of(schema),
        repo=source.repo,
        revision=source.revision,
        config=source.config,
        split=source.split,
        files=[_record_of(file) for file in source.files],
        shuffle_seed=seed,
        limit=limit,
    )
    total = hashlib.sha256()
    answers: Counter[str] = Counter()
    with WholeFile(out) as suite:
        for converted in _questions(schema, source, record, seed=seed, limit=limit, skip_invalid=skip_invalid):
            suite.write(converted.line)
            total.update(converted.line)
            record.questions += 1
            if converted.source_letter is None:
                record.without_answer += 1
            else:
                answers[converted.source_letter] += 1
        if not record.questions:
            raise ConfigError(_nothing_left(record), hint="Look at the source: is it the right dataset and split?")
        record.suite_sha256 = total.hexdigest()
        record.answers_at = dict(sorted(answers.items()))
        # The record is there before the suite is: a suite never stands beside the record of another.
        with WholeFile(record_path(out)) as file:
            file.write(json.dumps(asdict(record), ensure_ascii=False, indent=1).encode() + b"\n")
    return record


def _questions(
    schema: Schema, source: Source, record: ImportRecord, *, seed: int | None, limit: int | None, skip_invalid: bool
) -> Iterator[Converted]:
    converter = Converter(schema, seed=seed)
    for file in source.files:
        for row in read_rows(file, schema.columns):
            record.rows_read += 1
            try:
                yield converter.convert(row)
            except RowError as error:
                if not skip_invalid:
                    hint = f"{error.hint} --skip-invalid leaves such rows out."
                    raise RowError(error.message, hint=hint) from None
                record.rows_left_out += 1
                if len(record.left_out) < MAX_LISTED:
                    record.left_out.append(error.message)
            if record.questions == limit:
                return


def _nothing_left(record: ImportRecord) -> str:
    names = ", ".join(file.name for file in record.files[:5])
    if not record.rows_left_out:
        return f"{names}: no row, so no question"
    return f"{names}: all {record.rows_left_out} rows were left out; the first: {record.left_out[0][:300]}"


def _columns_of(schema: Schema) -> dict[str, Any]:
    """The part of a description that says how rows were read, without what is at its default."""
    about = ("question", "options", "answer", "answer_is", "id", "context", "tags")
    return {key: value for key in about if (value := getattr(schema, key))}


def _refuse_own_source(source: Source, out: Path) -> None:
    target = out.resolve()
    for file in source.files:
        if file.path.resolve() in (target, record_path(target)):
            raise ConfigError(f"{out} is one of the files that are read", hint="Name another --out.")


def _record_of(file: SourceFile) -> FileRecord:
    try:
        with file.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return FileRecord(file.name, file.path.stat().st_size, digest)
    except OSError as error:
        raise ConfigError(f"{file.label} can't be read: {error.strerror}", hint="Check its permissions.") from None
