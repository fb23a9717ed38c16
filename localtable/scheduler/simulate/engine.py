"""One simulated engine: a batch that moves on in tokens, not in steps.

All rows advance by one token a step, so one clock in tokens serves them all: a row that begins at clock c with n tokens
to say ends at c + n, whatever joins or leaves meanwhile. Prompts are prefilled before the batch goes on.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

from localtable.scheduler.policy import State
from localtable.scheduler.simulate.instance import Model, Queue, Task, Turn, Written


class Outlook:
    """What is expected of a model's turns before they are over: the mean, and the mean rest of a long one."""

    def __init__(self, model: Model, turns: Sequence[Turn]) -> None:
        """The model's own lengths stand in for what a run knows of a model from turns before."""
        self._lengths = sorted(turn.decode_tokens for turn in turns)
        self._sums = [0, *accumulate(self._lengths)]
        number, speed = max(len(turns), 1), model.speed
        self._step_s = speed.step_s
        self._tokens = self._sums[-1] / number
        self._rows = model.max_num_seqs
        self._alone_s = (
            speed.row_s * self._tokens + speed.prefill_s * sum(turn.prefill_tokens for turn in turns) / number
        )
        self.turn_s = self._alone_s + self._step_s * self._tokens
        """Seconds of a turn by itself."""

    def work_s(self, waiting: int) -> float:
        """Seconds that so many turns are expected to take."""
        return waiting * self._alone_s + self._step_s * self._tokens * max(1.0, waiting / self._rows)

    def rest_tokens(self, said: float) -> float:
        """How much longer a turn is expected to go on that has said so much."""
        index = bisect_right(self._lengths, said)
        longer = len(self._lengths) - index
        return (self._sums[-1] - self._sums[index]) / longer - said if longer else 1.0


class SimulatedEngine:
    """Its state, what it works on and what waits for it."""

    __slots__ = (
        "activations",
        "begun",
        "busy_since",
        "clock",
        "debt_s",
        "left",
        "loads",
        "model",
        "ready",
        "rows",
        "sleeps",
        "state",
        "written_tokens",
    )

    def __init__(self, model: Model, left: int) -> None:
        """Not loaded; `left` turns will come in all."""
        self.model = model
        self.state: State = "unloaded"
        self.clock = 0.0
        """Tokens that every row has advanced."""
        self.debt_s = 0.0
        """Seconds of prefill that come before the next step."""
        self.rows: list[tuple[float, int, float, Task]] = []
        """A heap by end: clock at the end, number, clock at the begin, the task."""
        self.begun = 0
        self.ready: tuple[deque[Task], ...] = tuple(deque() for _ in Queue)
        """What waits, in the order of `Queue`."""
        self.left = left
        self.activations = 0
        self.written_tokens = 0
        """All that was ever written into its cache."""
        self.loads = 0
        self.sleeps = 0
        self.busy_since: float | None = None

    @property
    def waiting(self) -> int:
        return sum(map(len, self.ready))

    def copy(self) -> SimulatedEngine:
        other = SimulatedEngine(self.model, self.left)
        other.state, other.clock, other.debt_s = self.state, self.clock, self.debt_s
        other.rows, other.begun = self.rows.copy(), self.begun
        other.ready = tuple(queue.copy() for queue in self.ready)
        other.activations, other.written_tokens = self.activations, self.written_tokens
        other.loads, other.sleeps = self.loads, self.sleeps
        other.busy_since = self.busy_since
        return other

    # ── work ──────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, task: Task) -> None:
        """A turn waits."""
        self.ready[task.queue].append(task)

    def admit(self) -> None:
        """Fill the free rows: later rounds first, so that debates come to an end."""
        for queue in self.ready:
            while queue and len(self.rows) < self.model.max_num_seqs:
                task = queue.popleft()
                reads = task.prefill_tokens + (task.lost_tokens if self._has_lost(task.before) else 0)
                self.debt_s += reads * self.model.speed.prefill_s
                self.written_tokens += reads + math.ceil(task.decode_tokens)
                self.begun += 1
                heapq.heappush(self.rows, (self.clock + task.decode_tokens, self.begun, self.clock, task))

    def written(self) -> Written:
        """How far its cache is written; what still runs counts as said."""
        return Written(self.activations, self.written_tokens)

    def _has_lost(self, before: Written | None) -> bool:
        if before is None:
            return False
        return before.activation != self.activations or (self.written_tokens - before.tokens > self.model.cache_tokens)

    def step_s(self) -> float:
        return self.model.speed.step_s + self.model.speed.row_s * len(self.rows)

    def next_s(self) -> float:
        """Seconds of work until its next row ends."""
        return self.debt_s + (self.rows[0][0] - self.clock) * self.step_s()

    def work(self, seconds: float, *, reaches_end: bool) -> list[Task]:
        """Work for so long.

        Args:
            seconds: At most those until the next row ends.
            reaches_end: It is exactly those: said rather than compared, since sums of floats differ.

        Returns:
            The turns that have ended.
        """
        prefill = min(self.debt_s, seconds)
        if not reaches_end:
            self.debt_s -= prefill
            self.clock += (seconds - prefill) / self.step_s()
            return []
        self.debt_s = 0.0
        self.clock = self.rows[0][0]
        ended = []
        while self.rows and self.rows[0][0] <= self.clock + 1e-9:
            ended.append(heapq.heappop(self.rows)[3])
        self.left -= len(ended)
        return ended

    def take_back(self) -> None:
        """Everything that runs waits again, to be read with what it has said and to go on from there."""
        for _, _, begun_at, task in sorted(self.rows, reverse=True):
            said = min(self.clock - begun_at, task.decode_tokens - 1e-6)
            rest = task._replace(
                prefill_tokens=task.prefill_tokens + int(said), decode_tokens=task.decode_tokens - said
            )
            self.ready[task.queue].appendleft(rest)
        self.rows.clear()
        self.debt_s = 0.0
        self.clock = 0.0

    # ── what it costs ─────────────────────────────────────────────────────────────────────────────────────

    def load_s(self) -> float:
        return self.model.later_load_s if self.loads else self.model.first_load_s

    def activate_s(self) -> float:
        """Seconds to load or wake it."""
        return self.model.sleep.wake_s if self.state == "asleep" and self.model.sleep else self.load_s()

    def sleep_s(self) -> float:
        sleep = self.model.sleep
        return 0.0 if sleep is None else sleep.later_s if self.sleeps else sleep.first_s

    def return_s(self) -> float:
        """Seconds to put it away and bring it back; of one that sleeps: what a load takes longer than a wake."""
        sleep = self.model.sleep
        if not self.left:
            return 0.0
        if self.state == "asleep" and sleep is not None:
            return max(self.model.later_load_s - sleep.wake_s, 0.0)
        if sleep is None:
            return self.model.close_s + self.model.later_load_s
        return self.sleep_s() + sleep.wake_s
