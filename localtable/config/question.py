"""Questions and suites of questions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from localtable.errors import ConfigError
from localtable.loading import parse_json, read_mapping, validate
from localtable.types import LETTERS, Question

MAX_OPTIONS = len(LETTERS)
MAX_LINE_BYTES = 1024 * 1024
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class QuestionFile(BaseModel):
    """The written form of a question."""

    model_config = ConfigDict(extra="forbid")

    question: Text
    options: Annotated[list[Text], Field(min_length=2, max_length=MAX_OPTIONS)]
    id: Text | None = None
    context: Text | None = None
    answer: Text | None = None
    tags: list[Text] = []

    @model_validator(mode="after")
    def _options_differ(self) -> QuestionFile:
        seen: dict[str, str] = {}
        for option in self.options:
            # Case alone is a difference: `AA`, `Aa` and `aa` are three genotypes.
            spaced = " ".join(option.split())
            if spaced in seen:
                raise ValueError(f"the options must differ, but {option!r} repeats {seen[spaced]!r}")
            seen[spaced] = option
        return self


def parse_question(data: Any, where: str) -> Question:
    """Plain data → a question; an id is made from the content where none is given.

    Raises:
        ConfigError: Anything out of bounds, named with its value.
    """
    read = validate(QuestionFile, data, where)
    options = tuple(read.options)
    answer = None if read.answer is None else _answer_letter(read.answer, options, where)
    return Question(
        id=read.id or content_id(read.question, options, read.context),
        question=read.question,
        options=options,
        context=read.context,
        answer=answer,
        tags=tuple(read.tags),
    )


def _answer_letter(answer: str, options: tuple[str, ...], where: str) -> str:
    # A text that is also a letter is the text: options "B", "A" with the answer "A" mean the second.
    if answer in options:
        return LETTERS[options.index(answer)]
    letters = LETTERS[: len(options)]
    if len(answer) == 1 and answer in letters:
        return answer
    raise ConfigError(
        f"{where}: the answer {answer!r} is none of the options",
        hint=f"Give one of the letters {letters[0]} to {letters[-1]}, or an option's text word for word.",
    )


def content_id(question: str, options: tuple[str, ...], context: str | None) -> str:
    """The id of a question that has none of its own: equal content gives equal ids."""
    content = json.dumps([question, list(options), context], ensure_ascii=False)
    return "q-" + hashlib.sha256(content.encode()).hexdigest()[:12]


def load_question(path: Path) -> Question:
    """A question from a YAML or JSON file.

    Raises:
        ConfigError: As `read_mapping` and `parse_question`.
    """
    return parse_question(read_mapping(path), str(path))


def load_suite(path: Path, on_invalid: Callable[[ConfigError], None] | None = None) -> Iterator[Question]:
    """The questions of a JSONL file, one at a time.

    Args:
        path: Of the file.
        on_invalid: Is given the fault of each broken line, which is then left out; by default the first one ends it.

    Raises:
        ConfigError: The file can't be read or holds no question at all; without `on_invalid`, a broken line, named
            by file and line.
    """
    yield from load_suites([path], on_invalid)


def load_suites(paths: Sequence[Path], on_invalid: Callable[[ConfigError], None] | None = None) -> Iterator[Question]:
    """The questions of several JSONL files, one after another, as one suite.

    Raises:
        ConfigError: As `load_suite`; an id that stands twice counts as a broken line, also across files.
    """
    places: dict[str, str] = {}
    for path in paths:
        before = len(places)
        for where, raw in _lines(path):
            try:
                question = _parse_line(raw, where)
                first = places.setdefault(question.id, where)
                if first != where:
                    raise ConfigError(
                        f"{where}: the id {question.id!r} stands already in {first}", hint="Ids are unique in a suite."
                    )
            except ConfigError as error:
                if on_invalid is None:
                    raise
                on_invalid(error)
                continue
            yield question
        if len(places) == before:
            raise ConfigError(f"{path} holds no question", hint="One question a line, as JSON.")


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """What each line is called, and its bytes; a line is never read far beyond its bound, whatever the file is."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
                if raw.strip() or len(raw) > MAX_LINE_BYTES:
                    yield f"{path}, line {number}", raw
                if len(raw) > MAX_LINE_BYTES:
                    _skip_rest(file)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check the path.") from None


def _skip_rest(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def _parse_line(raw: bytes, where: str) -> Question:
    if len(raw) > MAX_LINE_BYTES:
        raise ConfigError(
            f"{where} has more than {MAX_LINE_BYTES:,} bytes, the most that are read",
            hint="Shorten the question's context.",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not UTF-8 text", hint="Save the suite as UTF-8.") from None
    return parse_question(parse_json(text, where), where)
