"""Servers that turn requests away: bad luck, a request that is not to their liking, or nobody there.

One request says little. A refusal comes quicker than an answer, a bound of requests a minute turns away whoever comes
late, and a server that is started anew is back in a minute. So what is turned away waits until all else that was asked
has come to its end; what became of that tells which it is.
"""

from __future__ import annotations

import time
from typing import Literal

PAUSE_S = 5.0
"""Before what was turned away is asked again, where nobody was answered."""
PATIENCE_S = 120.0
"""Without one answer, after which a server is taken to be away."""

Finding = Literal["wait", "no luck", "ask again", "away"]


class Absence:
    """What one model's server has turned away since it answered last."""

    def __init__(self) -> None:
        self.turned_away: dict[str, str] = {}
        """By request: what the server said. While there are any, nothing else is asked."""
        self._answered = False
        """Since the first of them was turned away."""
        self._silent_since: float | None = None
        self._again_at = 0.0

    def turn_away(self, request_id: str, said: str) -> None:
        """A request was turned away, after all its retries."""
        now = time.monotonic()
        self.turned_away[request_id] = said
        self._silent_since = self._silent_since or now
        self._again_at = now + PAUSE_S

    def answer(self) -> None:
        """A request was answered."""
        self._answered = bool(self.turned_away)
        self._silent_since = None

    def find(self, num_running: int) -> Finding:
        """What to make of it.

        Args:
            num_running: Requests that the server still has.

        Returns:
            `no luck`: others were answered meanwhile, so that it may be the requests' own fault; `ask again`: nobody
            was, and it is too early to say that the server is away.
        """
        if num_running:
            return "wait"
        if self._answered:
            return "no luck"
        now = time.monotonic()
        if self._silent_since is not None and now - self._silent_since >= PATIENCE_S:
            return "away"
        return "ask again" if now >= self._again_at else "wait"

    def release(self) -> dict[str, str]:
        """Give back what was turned away; from here on the server may be asked again."""
        released, self.turned_away = self.turned_away, {}
        self._answered = False
        return released
