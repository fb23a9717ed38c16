"""A row → a line of a suite, by the description of its dataset; what can't become one says why.

Every line is built by the code that reads suites, and read back by it before it is written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from localtable.config.datasets.answers import Options, OutOfRangeError, as_text, position_of
from localtable.config.datasets.reading import Row
from localtable.config.datasets.schemas import Schema
from localtable.config.question import MAX_LINE_BYTES, parse_question
from localtable.errors import ConfigError
from localtable.loading import parse_json
from localtable.seeds import derive
from localtable.types import LETTERS, Question


class RowError(ConfigError):
    """A row that can't become a question; the others may."""


class Converted(NamedTuple):
    """A question as it will stand in the suite."""

    question: Question
    line: bytes
    source_letter: str | None
    """Where the right option stood in the source."""


class Converter:
    """Rows of one source → lines; knows the ids so far and nothing else of earlier rows."""

    def __init__(self, schema: Schema, *, seed: int | None) -> None:
        self._schema, self._seed = schema, seed
        self._seen: dict[str, int] = {}
        self._rows_within: Counter[str] = Counter()
        self._rows = 0

    def convert(self, row: Row) -> Converted:
        """One row's question.

        Args:
            row: The rows of a source come in its order, and each once.

        Raises:
            RowError: The row can't become a question of a suite.
            ConfigError: The row asks something about the whole source: how its answers are to be read.
        """
        self._rows += 1
        question = self._read(row)
        first = self._seen.setdefault(question.id, self._rows)
        if first != self._rows:
            raise RowError(
                f"{row.where}: the id {question.id!r} stands already in row {first} of all",
                hint="Ids are unique in a suite: read each row once, or name another --id column.",
            )
        source_letter = question.answer
        if self._seed is not None:
            question = _shuffle(question, self._seed)
        line = _line_of(question)
        if len(line) > MAX_LINE_BYTES:
            raise RowError(
                f"{row.where} makes a line of {len(line):,} bytes, above {MAX_LINE_BYTES:,}, the most that a suite has",
                hint="Shorten it.",
            )
        read_back = parse_question(parse_json(line.decode(), row.where), row.where)
        assert read_back == question, f"{row.where} is read back as {read_back}"
        return Converted(question, line, source_letter)

    def _read(self, row: Row) -> Question:
        schema, where = self._schema, row.where
        question_id = self._id(row)  # first: a row that fails counts all the same, so that later ids stay
        options = self._options(row)
        data = {
            "id": question_id,
            "question": _text(row, schema.question),
            "options": list(options.texts),
            "context": _text(row, schema.context),
            "tags": self._tags(row),
        }
        try:
            # What is wrong with the options comes before an answer that then fits none of them.
            question = parse_question(data, where)
        except ConfigError as error:
            raise RowError(error.message, hint=error.hint) from None
        position = self._position(row, options)
        return question if position is None else replace(question, answer=LETTERS[position])

    def _id(self, row: Row) -> str | None:
        schema = self._schema
        if schema.numbered_within is not None:
            within = _text(row, schema.numbered_within) or "none"
            self._rows_within[within] += 1
            return f"{schema.id_prefix}{within}/{self._rows_within[within]}"
        if schema.id is None:
            return None
        own = _text(row, schema.id)
        if own is None:
            raise RowError(f"{row.where}: {schema.id} is empty", hint="Every question needs an id of its own.")
        return schema.id_prefix + own

    def _options(self, row: Row) -> Options:
        columns = self._schema.options
        labels: Any = None
        if len(columns) > 1:
            cells: Any = [row.values.get(column) for column in columns]
        else:
            cells = _unpacked(row, columns[0])
            if isinstance(cells, dict):
                cells, labels = cells.get("text"), cells.get("label")
            elif isinstance(cells, list) and cells and all(isinstance(cell, dict) for cell in cells):
                cells, labels = ([cell.get(key) for cell in cells] for key in ("text", "label"))
        where = f"{row.where}: {', '.join(columns)}"
        if not isinstance(cells, list):
            raise RowError(
                f"{where} holds {type(cells).__name__}, not a list of options",
                hint="Name a column that holds lists, or a column for each option: --options A,B,C.",
            )
        texts = [_cell_text(cell, where) for cell in cells]
        while texts and texts[-1] in (None, self._schema.padding):
            texts.pop()  # a row with fewer options than the widest
        # A gap before the last option stays, and is refused as an empty option.
        return Options(tuple(text or "" for text in texts), _labels(labels, len(texts), where))

    def _position(self, row: Row, options: Options) -> int | None:
        schema = self._schema
        if schema.right_is_first:
            return 0
        answer = _text(row, schema.answer)
        if answer is None:
            return None
        try:
            position = position_of(answer, options, schema.answer_is, row.where)
        except OutOfRangeError as bound:
            raise RowError(
                f"{row.where}: {schema.answer} is {answer!r}; it has to be {bound}",
                hint="Mend the row, or say how answers are named: --answer-is, with `generic`.",
            ) from None
        repeated = _text(row, schema.also_index)
        if repeated is not None and repeated != str(position):
            raise RowError(
                f"{row.where}: {schema.answer} is {answer!r}, but {schema.also_index} is {repeated}, not {position}",
                hint="The two columns have to name the same option.",
            )
        return position

    def _tags(self, row: Row) -> list[str]:
        tags: list[str] = []
        for column in self._schema.tags:
            value = row.values.get(column)
            cells = value if isinstance(value, list) else [value]
            tags += filter(None, (_cell_text(cell, f"{row.where}: {column}") for cell in cells))
        return tags


def _shuffle(question: Question, seed: int) -> Question:
    """The options in an order that follows from the seed and the question's id, written into its tags."""
    order = sorted(range(len(question.options)), key=lambda i: derive("dataset options", seed, question.id, i))
    letters = "".join(LETTERS[i] for i in order)
    return replace(
        question,
        options=tuple(question.options[i] for i in order),
        answer=None if question.answer is None else LETTERS[letters.index(question.answer)],
        tags=(*question.tags, f"shuffled:{letters}"),
    )


def _line_of(question: Question) -> bytes:
    answer = question.answer
    if answer is not None and answer in question.options:
        answer = question.text_of(answer)  # where an option's text is a letter, the text is what a suite's reader takes
    data = {
        "id": question.id,
        "question": question.question,
        "options": question.options,
        "context": question.context,
        "answer": answer,
        "tags": question.tags,
    }
    return json.dumps({k: v for k, v in data.items() if v}, ensure_ascii=False).encode() + b"\n"


def _unpacked(row: Row, column: str) -> Any:
    """A list of options; CSV, which has no lists, holds it as JSON."""
    value = row.values.get(column)
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(value, f"{row.where}: {column}")
        except ConfigError as error:
            raise RowError(error.message, hint="A list of options in one cell has to be JSON.") from None
    return value


def _labels(labels: Any, count: int, where: str) -> tuple[str, ...]:
    if labels is None:
        return tuple(LETTERS[:count])
    texts = [_cell_text(label, where) for label in labels[:count]] if isinstance(labels, Sequence) else []
    if len(texts) != count or None in texts or len(set(texts)) != count:
        raise RowError(f"{where}: {count} options need a label each, got {texts!r}", hint="Labels differ, too.")
    return tuple(text for text in texts if text is not None)


def _text(row: Row, column: str | None) -> str | None:
    return None if column is None else _cell_text(row.values.get(column), f"{row.where}: {column}")


def _cell_text(value: Any, where: str) -> str | None:
    try:
        return as_text(value)
    except TypeError as error:
        raise RowError(f"{where}: {error}", hint="Texts and numbers are what is read.") from None
