"""docs/store.md: every query on it runs and gives what stands under it, every table is as the code has it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_builders import example_store

from localtable.store.file import MIGRATIONS
from localtable.store.tables import TABLES, Table

PAGE = Path(__file__).resolve().parents[2] / "docs/store.md"
EXAMPLES = re.findall(r"```sql\n(.*?)```\n\n((?:\|[^\n]*\n)+)", PAGE.read_text("utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(example_store(tmp_path_factory.mktemp("example")))
    yield connection
    connection.close()


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text("utf-8").count("```sql") == 5


@pytest.mark.parametrize(("sql", "shown"), EXAMPLES)
def test_a_query_gives_what_the_page_shows(example: sqlite3.Connection, sql: str, shown: str) -> None:
    found = example.execute(sql)
    rows = [[column[0] for column in found.description], *found.fetchall()]
    given = "".join(f"| {' | '.join(map(str, row))} |\n" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])
    assert given == shown, f"docs/store.md should show\n{given}"


def written_out(table: Table) -> str:
    """A table's part of the dictionary."""
    lines = [f"**`{table.name}.parquet`**: {table.meaning}", "", "| column | type | meaning |", "|---|---|---|"]
    for column in table.columns:
        kind = f"{column.type} or null" if column.nullable else column.type
        lines.append(f"| `{column.name}` | {kind} | {column.meaning} |")
    return "\n".join(lines)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_dictionary_says_what_the_tables_have(table: Table) -> None:
    text = written_out(table)
    assert f"\n{text}\n\n" in PAGE.read_text("utf-8"), f"docs/store.md should have\n{text}"


def test_the_page_names_every_table_of_the_store() -> None:
    schema = "".join(file.read_text("utf-8") for file in MIGRATIONS)
    names = re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", schema, flags=re.MULTILINE)
    text = PAGE.read_text("utf-8")
    assert len(names) >= 10
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_what_the_page_says_of_the_file_holds(example: Any) -> None:
    assert example.execute("PRAGMA journal_mode").fetchone() == ("wal",)
