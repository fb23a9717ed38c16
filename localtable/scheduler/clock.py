"""Where the wall time of a run goes: generating, loading, or outside of engines."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Clock:
    """Partitions the time since it was made.

    Generating is the time in which at least one engine steps, loading that in which none does and one loads; the rest
    was spent outside. An engine's last events say when its work ended, so that what they wait here counts as outside.
    """

    generating_s: float = 0.0
    loading_s: float = 0.0
    started: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)

    def mark(self, *, generating: bool, loading: bool, generated_until: float | None = None) -> None:
        """Account for the time since the last mark.

        Args:
            generating: An engine had requests all that time.
            loading: An engine was loading all that time.
            generated_until: Where engines ran dry meanwhile: when the last one did, on `time.monotonic`.
        """
        now = time.monotonic()
        until = now if generating else min(max(generated_until or self._last, self._last), now)
        self.generating_s += until - self._last
        if loading:
            self.loading_s += now - until
        self._last = now

    def seconds(self) -> dict[str, float]:
        """The partition so far."""
        total = time.monotonic() - self.started
        return {
            "total": total,
            "generating": self.generating_s,
            "loading": self.loading_s,
            "outside_engines": total - self.generating_s - self.loading_s,
        }
