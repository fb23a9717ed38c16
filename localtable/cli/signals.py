"""Stopping: the first signal asks for a clean end, the second one ends at once.

Schedulers warn with SIGTERM or SIGUSR1 before they kill, so these act as the first Ctrl-C.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


SHOW_CURSOR = b"\x1b[?25h"
"""The live screen hides it, and is not asked when the second signal ends everything."""


def _write(said: bytes) -> None:
    # Not through sys.stderr: a signal can arrive while that is being written to, and it is not reentrant.
    with suppress(OSError):
        os.write(2, said)


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
            if os.isatty(2):
                _write(SHOW_CURSOR)
            os._exit(130)
        _write(b"\nstopping; what is finished will be kept (once more stops at once)\n")

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: asked > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
