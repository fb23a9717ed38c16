"""The files that a debate is written to: transcript, page of text, HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from localtable.errors import ConfigError

Output = click.Path(path_type=Path, allow_dash=False)


@dataclass(frozen=True, slots=True)
class DebateFiles:
    """Where what goes; None for what nobody asked for."""

    json: Path | None = None
    markdown: Path | None = None
    html: Path | None = None

    @property
    def named(self) -> list[Path]:
        """Those that were asked for."""
        return [file for file in (self.json, self.markdown, self.html) if file is not None]

    def require_writable(self, *taken: Path) -> None:
        """Whether each can be written, before anything is done.

        Args:
            taken: Files that are read.

        Raises:
            ConfigError: One can't be, or is named for two outputs, or is an input.
        """
        from localtable.whole_file import require_writable

        inputs, seen = {path.resolve() for path in taken}, set[Path]()
        for file in self.named:
            path = file.resolve()
            if path in inputs:
                raise ConfigError(f"{path} is the input itself", hint="Name another file.")
            if path in seen:
                raise ConfigError(f"{path} is named for two outputs", hint="Name a file for each.")
            seen.add(path)
            require_writable(file)

    def partial(self) -> DebateFiles:
        """Where what there is goes if the debate is interrupted."""

        def beside(file: Path | None) -> Path | None:
            return None if file is None else file.with_name(f"{file.name}.partial")

        return DebateFiles(beside(self.json), beside(self.markdown), beside(self.html))

    def write(self, data: Mapping[str, Any]) -> None:
        """Write a transcript's data to all of them, each whole or not at all."""
        from localtable.transcript import dump
        from localtable.whole_file import write_text

        if self.json is not None:
            write_text(self.json, dump(data))
        if self.markdown is not None:
            from localtable.report.markdown import to_markdown

            write_text(self.markdown, to_markdown(data))
        if self.html is not None:
            from localtable.report.html import debate_page

            write_text(self.html, debate_page(data))
