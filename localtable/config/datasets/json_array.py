"""A JSON array, element by element: a file of any size is never in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from localtable.errors import ConfigError
from localtable.loading import parse_json

CHUNK_CHARS = 64 * 1024
MAX_ROW_CHARS = 4 * 1024 * 1024


class ArrayReader:
    """Reads the elements of a file that is one JSON array."""

    def __init__(self, file: TextIO, label: str) -> None:
        self._file, self._label = file, label
        self._text, self._at = "", 0
        self._decoder = json.JSONDecoder()

    def starts_with(self, mark: str) -> bool:
        """Whether this is the file's first mark."""
        return self._next_mark() == mark

    def elements(self) -> Iterator[tuple[str, Any]]:
        """Where each element stands, and the element.

        Raises:
            ConfigError: Broken JSON.
        """
        self._at += 1  # the bracket that was looked at
        if self._next_mark() != "]":
            for number in self._separated():
                where = f"{self._label}, row {number}"
                yield where, parse_json(self._element(where), where)
        self._at += 1
        if self._next_mark():
            raise self._broken("something stands behind the closing ]")

    def _separated(self) -> Iterator[int]:
        number = 0
        while True:
            number += 1
            self._next_mark()
            yield number
            mark = self._next_mark()
            if mark == "]":
                return
            if mark != ",":
                raise self._broken(f"behind row {number} a comma or ] is needed, found {mark or 'the end'!r}")
            self._at += 1

    def _element(self, where: str) -> str:
        while True:
            with_end = self._try()
            if with_end is not None:
                text, self._at = self._text[self._at : with_end], with_end
                return text
            if len(self._text) - self._at > MAX_ROW_CHARS:
                raise too_long(where)
            if not self._fill():
                text, self._at = self._text[self._at :], len(self._text)
                return text  # cut or broken: parse_json says how

    def _try(self) -> int | None:
        try:
            end = self._decoder.raw_decode(self._text, self._at)[1]
        except (ValueError, RecursionError):
            return None
        return end if end < len(self._text) else None  # a number may go on in the next piece

    def _next_mark(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        # Twice as much each time: a long row is tried a few times, not once for every piece.
        piece = self._file.read(max(CHUNK_CHARS, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def _broken(self, reason: str) -> ConfigError:
        return ConfigError(f"{self._label} is not valid JSON: {reason}", hint="Mend the file at that place.")


def too_long(where: str) -> ConfigError:
    """A row that goes on and on: too big, or without its end."""
    return ConfigError(
        f"{where} is not valid JSON, or has more than {MAX_ROW_CHARS:,} characters, the most that are read",
        hint="Mend or shorten that row.",
    )
