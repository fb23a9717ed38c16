"""Stopping: the first signal asks for a clean end, the second one ends at once.

Schedulers warn with SIGTERM or SIGUSR1 before they kill, so these act as the first Ctrl-C.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether a clean end was asked for.

    The second signal leaves with exit code 130 on the spot; workers see their parent's end and follow.
    """
    asked = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            os._exit(130)
        click.echo("\nstopping; what is finished will be kept (once more stops at once)", err=True)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: asked > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
