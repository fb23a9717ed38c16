"""A store's tables as Parquet files: streamed row group by row group, in place together or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from localtable.errors import PrerequisiteError
from localtable.store.store import Store
from localtable.store.tables import TABLES, Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION = "zstd"


def file_names() -> list[str]:
    """The files that `write_tables` makes."""
    return [f"{table.name}.parquet" for table in TABLES]


def write_tables(store: Store, folder: Path, conditions: Collection[str]) -> dict[str, int]:
    """Write every table into a folder, which is made if it is not there; files of the same names are replaced.

    Args:
        store: Held still (`reading.hold_still`) where somebody may be writing it.
        folder: Its own folder has to be there.
        conditions: Whose debates to take.

    Returns:
        How many rows each table has.

    Raises:
        PrerequisiteError: The place can't be written, or the disk is full.
        StoreError: The store is damaged.
    """
    chosen = json.dumps(list(conditions))
    try:
        with _together(folder, file_names()) as files:
            return {
                table.name: _write_table(table, store, chosen, file) for table, file in zip(TABLES, files, strict=True)
            }
    except OSError as error:
        raise PrerequisiteError(
            f"{folder} can't be written: {error.strerror or error}", hint="Name another folder, or make room."
        ) from None


def schema_of(table: Table) -> pa.Schema:
    """A table's columns with fixed types, each with its meaning as metadata."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("ms", tz="UTC"),
    }
    fields = [
        pa.field(column.name, types[column.type], column.nullable, metadata={"description": column.meaning})
        for column in table.columns
    ]
    return pa.schema(fields, metadata={"description": table.meaning})


def _write_table(table: Table, store: Store, chosen: str, file: BinaryIO) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = schema_of(table), 0
    with (
        # Closed before the store is, whatever ends the writing: it has a query under way.
        closing(_batches(table, store, chosen)) as batches,
        pq.ParquetWriter(file, schema, compression=COMPRESSION) as writer,
    ):
        for batch in batches:
            values = zip(table.columns, schema, zip(*batch, strict=True), strict=True)
            arrays = [pa.array(_read(column, given), field.type) for column, field, given in values]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def _batches(table: Table, store: Store, chosen: str) -> Generator[list[tuple[Any, ...]], None, None]:
    rows = store.query(table.sql, chosen)
    while batch := list(islice(rows, table.rows_at_once)):
        yield batch


def _read(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    read = column.read
    return values if read is None else [None if value is None else read(value) for value in values]


@contextmanager
def _together(folder: Path, names: Sequence[str]) -> Iterator[Sequence[BinaryIO]]:
    """Files to write that get their names when all of them are whole.

    Raises:
        OSError: As making, writing and renaming files does.
    """
    made = not folder.is_dir()
    if made:
        folder.mkdir()
    partial = [folder / f".{name}.{os.getpid()}.writing" for name in names]
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("wb")) for path in partial]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, name in zip(partial, names, strict=True):
            path.replace(folder / name)
    except BaseException:
        with suppress(OSError):
            for path in partial:
                path.unlink(missing_ok=True)
            if made:
                folder.rmdir()
        raise
