"""What a long step tells the person who waits: a bar on a terminal, plain lines elsewhere.

The store knows only the `Progress` protocol; scripts that time the steps bring their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

Advance = Callable[[int], None]
"""Called with the number of bytes done since the last call."""

PLAIN_LINE_EVERY_S = 10.0


class Progress(Protocol):
    """Steps of a fetch; several may be under way at once."""

    def step(self, what: str, total_bytes: int | None) -> AbstractContextManager[Advance]:
        """A step of `total_bytes` (None where nobody knows); inside, call what it gives with bytes done."""


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def step(self, what: str, total_bytes: int | None) -> Iterator[Advance]:
        yield lambda _: None


class ConsoleProgress:
    """Bars where the console is a terminal, else a line as a step starts, drags on and ends.

    Use as a context manager; `say` writes a line without disturbing the bars.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: RichProgress | None = None

    def __enter__(self) -> ConsoleProgress:
        if self._console.is_terminal:
            self._bars = _bars(self._console)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, line: str) -> None:
        """Write a line; what a server or an index put into it can't steer the terminal."""
        shown = "".join(character if character.isprintable() else " " for character in line)
        self._console.print(shown, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str, total_bytes: int | None) -> Iterator[Advance]:
        if self._bars is None:
            with _plain_step(what, total_bytes, self.say) as advance:
                yield advance
            return
        bars = self._bars
        task = bars.add_task(what, total=total_bytes)
        try:
            yield lambda done: bars.advance(task, done)
        finally:
            bars.remove_task(task)


def _bars(console: Console) -> RichProgress:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def _plain_step(what: str, total_bytes: int | None, say: Callable[[str], None]) -> Iterator[Advance]:
    started = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= PLAIN_LINE_EVERY_S:
            last = time.monotonic()
            share = f" of {gigabytes(total_bytes)}" if total_bytes else ""
            say(f"{what}: {gigabytes(done)}{share} after {last - started:.0f} s")

    say(f"{what}{f' ({gigabytes(total_bytes)})' if total_bytes else ''}")
    yield advance
    say(f"{what}: done in {time.monotonic() - started:.1f} s")


def gigabytes(count: int) -> str:
    """A size for people: decimal units, two digits that matter."""
    if count < 1_000_000_000:
        return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count / 1e3:.0f} kB"
    return f"{count / 1e9:.1f} GB"
