"""When a request may be sent, and how long a failure waits: limits of the card, backoff with jitter, Retry-After."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
MAX_RETRY_AFTER_S = 600.0
"""A server that wants to be left alone for longer is not waited for."""


class Pacer:
    """One endpoint's: shared by all requests to it."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._gap_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Wait for this request's turn.

        Args:
            sleep: Waits so many seconds; may raise, to give up.
        """
        while True:
            with self._lock:
                now = time.monotonic()
                due, paused_until = max(self._next, now), self._paused_until
                self._next = due + self._gap_s
            if due > now:
                sleep(due - now)
            with self._lock:
                # A pause that was asked for meanwhile holds for those who had their turn already.
                if self._paused_until == paused_until:
                    return

    def pause(self, seconds: float) -> None:
        """The server asked for a pause: nothing is sent to it before."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._next = max(self._next, self._paused_until)


def backoff_s(failures: int, rng: random.Random) -> float:
    """How long to wait after so many failures in a row: twice as long each time, half of it by chance."""
    whole = min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_WAIT_S)
    return whole * (0.5 + 0.5 * rng.random())


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date; None where it says neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if seconds == seconds and seconds != float("inf") else None
