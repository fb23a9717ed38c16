"""Parquet, JSON, JSON Lines and CSV → rows, one at a time, whatever the size of the file.

JSON's numbers stay the text they were written in, as everywhere in this room; Parquet's come with their types.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from localtable.config.datasets.json_array import MAX_ROW_CHARS, ArrayReader, too_long
from localtable.config.datasets.selection import SourceFile
from localtable.errors import ConfigError
from localtable.loading import nearest, parse_json

BATCH_ROWS = 256
MAX_OBJECT_CHARS = 64 * 1024 * 1024
"""Of a JSON file that is one object and has to be read whole."""


class Row(NamedTuple):
    """One row of a file."""

    where: str
    """File and row, for messages."""
    values: Mapping[str, Any]


def read_rows(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file in its order.

    Raises:
        ConfigError: The file can't be read, is broken, is not UTF-8 or lacks one of the columns. JSON rows may leave
            keys out, so there the first row is what counts.
    """
    try:
        yield from _READERS[file.path.suffix.lower()](file, columns)
    except UnicodeDecodeError:
        raise ConfigError(f"{file.label} is not UTF-8 text", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{file.label} can't be read: {error.strerror}", hint="Check its permissions.") from None


def _require(label: str, columns: Sequence[str], present: Sequence[str]) -> None:
    missing = [column for column in columns if column not in present]
    if missing:
        has = ", ".join(map(repr, present[:20])) + (" …" if len(present) > 20 else "")
        raise ConfigError(
            f"{label} has no column {', '.join(map(repr, missing))}; it has {has or 'none'}",
            hint=nearest(
                missing[0],
                list(present),
                kind="columns",
                how=lambda: "Is it another dataset? `import dataset generic` takes columns of any name.",
            ),
        )


def _parquet(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(file.path) as table:
            _require(file.label, columns, table.schema_arrow.names)
            for batch in table.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{file.label}, row {number}", values)
    except (pyarrow.ArrowException, OSError) as error:
        # A damaged page is an OSError without a number; a file that can't be opened has one, and keeps its own message.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ConfigError(
            f"{file.label} is not valid Parquet, or damaged: {reason}", hint="Fetch the file again."
        ) from None


def _csv(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        lines = csv.reader(text, strict=True)
        try:
            header = next(lines, [])
            if len(set(header)) != len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise ConfigError(f"{file.label} has the column {twice!r} twice", hint="Rename one of them.")
            _require(file.label, columns, header)
            for number, fields in enumerate(filter(None, lines), start=1):
                where = f"{file.label}, row {number}"
                if len(fields) != len(header):
                    raise ConfigError(
                        f"{where} (line {lines.line_num}) has {len(fields)} fields, the header has {len(header)}",
                        hint='Mend it: a text with a comma or a line break in it stands in "quotes".',
                    )
                yield Row(where, dict(zip(header, fields, strict=True)))
        except csv.Error as error:
            raise ConfigError(
                f"{file.label}, line {lines.line_num} is not valid CSV: {error}", hint="Mend the file at that place."
            ) from None


def _json_lines(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    def objects() -> Iterator[tuple[str, Any]]:
        with file.path.open(encoding="utf-8-sig", newline="\n") as text:
            # A line is never read beyond its bound, whatever the file is.
            for number, line in enumerate(iter(lambda: text.readline(MAX_ROW_CHARS + 1), ""), start=1):
                where = f"{file.label}, line {number}"
                if len(line) > MAX_ROW_CHARS:
                    raise too_long(where)
                if line.strip():
                    yield where, parse_json(line, where)

    return _objects_as_rows(file.label, columns, objects())


def _json(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    with file.path.open(encoding="utf-8-sig") as text:
        array = ArrayReader(text, file.label)
        found = array.elements() if array.starts_with("[") else _whole_object(file)
        yield from _objects_as_rows(file.label, columns, found)


def _objects_as_rows(label: str, columns: Sequence[str], objects: Iterable[tuple[str, Any]]) -> Iterator[Row]:
    for number, (where, data) in enumerate(objects):
        if not isinstance(data, dict):
            raise ConfigError(f"{where} is no object of names and values", hint="Each row is one, in {…}.")
        if number == 0:
            _require(label, columns, list(data))
        yield Row(where, data)


def _whole_object(file: SourceFile) -> Iterator[tuple[str, Any]]:
    """A JSON file of one object: `{"data": [row, …]}`, or a list for each column."""
    with file.path.open(encoding="utf-8-sig") as text:
        content = text.read(MAX_OBJECT_CHARS + 1)
    if len(content) > MAX_OBJECT_CHARS:
        raise ConfigError(
            f"{file.label} is one object of more than {MAX_OBJECT_CHARS:,} characters, the most that are read at once",
            hint="Save it as JSON Lines (.jsonl), one row a line.",
        )
    data = parse_json(content, file.label)
    rows = data.get("data") if isinstance(data, dict) else None
    if isinstance(rows, list):
        yield from ((f"{file.label}, row {number}", row) for number, row in enumerate(rows, start=1))
        return
    columns = list(data.values()) if isinstance(data, dict) else []
    if not columns or not all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
        raise ConfigError(
            f"{file.label} is no list of rows, nor {{'data': […]}}, nor lists of one length by column",
            hint="One row a line needs the suffix .jsonl.",
        )
    for number, values in enumerate(zip(*columns, strict=True), start=1):
        yield f"{file.label}, row {number}", dict(zip(data, values, strict=True))


_READERS: dict[str, Callable[[SourceFile, Sequence[str]], Iterator[Row]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
    ".json": _json,
}
