"""How a suite goes: a line that is drawn anew on a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from localtable.analysis import wilson
from localtable.engines.base import EngineInfo
from localtable.report.words import one_line, printable
from localtable.runner.events import DebateFailed, EngineChosen, Note, RunEvent, TurnFinished
from localtable.runner.loop import Outcome
from localtable.runner.suite import SuiteRun
from localtable.scheduler.pool import EngineDied, EngineLoaded, EngineLoading
from localtable.store.reading import right_by_condition
from localtable.types import Usage

LINE_EVERY_S = 10.0
"""Where there is no terminal: at first; the distance grows with the run, so that a long one fills no log."""
LINE_GROWTH = 1.3
MAX_LINE_EVERY_S = 300.0
WINDOW_S = 60.0
"""What `now` means for rates."""
SETTLED_S = 3.0
"""Before this the first turns, which can come all at once, say nothing of a rate."""


@dataclass(slots=True)
class Tally:
    """What has happened since this process began to work on the run, and what had before."""

    total_debates: int
    done_debates: int
    total_turns: int
    done_turns: int
    judged_condition: str
    """Whose verdicts are counted as right or wrong: the debate's, and of a sweep the baseline's."""
    failed: int = 0
    right: int = 0
    judged: int = 0
    usage: Usage = field(default_factory=Usage)
    own_turns: int = 0
    since: float | None = None
    """When the first turn came."""
    recent: deque[tuple[float, int, int]] = field(default_factory=deque)
    """Time, turns and completion tokens of the last minute."""

    def turn(self, event: TurnFinished, now: float) -> None:
        """A seat has spoken and voted."""
        used = sum((event.turn.usage or {}).values(), Usage())
        self.since = self.since or now
        self.usage += used
        self.done_turns += 1
        self.own_turns += 1
        self.recent.append((now, 1, used.completion_tokens))
        while self.recent[0][0] < now - WINDOW_S:
            self.recent.popleft()

    def over(self, outcome: Outcome) -> None:
        """A debate has ended."""
        self.done_debates += 1
        if outcome.error is not None:
            self.failed += 1
            return
        verdict, answer = outcome.debate.verdict, outcome.debate.question.answer
        if outcome.condition == self.judged_condition and verdict is not None and answer is not None:
            self.judged += 1
            self.right += verdict.options == (answer,)

    def rates(self, now: float) -> tuple[float, float]:
        """Turns and completion tokens per second over the last minute."""
        if not self.recent or self.since is None or now - self.since < SETTLED_S:
            return (0.0, 0.0)
        seconds = max(now - max(self.recent[0][0], self.since), 1e-3)
        return sum(n for _, n, _ in self.recent) / seconds, sum(t for _, _, t in self.recent) / seconds

    def parts(self, now: float) -> list[tuple[str, str]]:
        """What is shown, as names and values."""
        turns, tokens = self.rates(now)
        left = self.total_turns - self.done_turns
        shown = [
            ("debates", f"{self.done_debates:,}/{self.total_debates:,}"),
            ("turns", f"{self.done_turns:,}/{self.total_turns:,}"),
            ("tokens/s", f"{tokens:,.0f}" if tokens else "?"),
            ("cached", f"{self.usage.cached_tokens / max(self.usage.prompt_tokens, 1):.0%}"),
        ]
        if self.judged:
            low, high = wilson(self.right, self.judged)
            shown.append(("right", f"{self.right / self.judged:.0%} [{low:.0%}, {high:.0%}] of {self.judged}"))
        if self.failed:
            shown.append(("failed", f"{self.failed:,}"))
        shown.append(("left", duration(left / turns) if turns else "?"))
        return shown


def duration(seconds: float) -> str:
    """`1 h 05 min`, `12 min`, `40 s`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Watcher:
    """Takes what the run tells; draws nothing by itself."""

    def __init__(self, tally: Tally, say: Callable[[str], None]) -> None:
        self.tally = tally
        self._say = say
        self.loading: set[str] = set()

    def __call__(self, event: RunEvent) -> None:
        match event:
            case Note(text):
                self._say(text)
            case EngineChosen(kind, reason):
                self._say(f"engine {kind} ({reason})")
            case EngineLoading(model_id):
                self.loading.add(model_id)
                self._say(f"loading {model_id}")
            case EngineLoaded(model_id, info, seconds):
                self.loading.discard(model_id)
                room = f"{info.max_num_seqs} rows{_cache(info)}"
                self._say(f"{model_id} ready on {info.device} in {seconds:.1f} s ({room})")
            case EngineDied(model_id, error, failed_loads=tries) if tries:
                self.loading.discard(model_id)
                in_a_row = f" ({tries} in a row)" if tries > 1 else ""
                self._say(f"{model_id} could not be loaded{in_a_row}: {error.message}")
            case EngineDied(model_id, error, lost):
                self._say(f"{model_id} died with {len(lost)} requests, which are tried again: {error.message}")
            case DebateFailed(debate, reason):
                self._say(f"failed: {debate.question.id}: {reason}")
            case TurnFinished():
                self.tally.turn(event, time.monotonic())
            case _:
                pass

    def over(self, outcome: Outcome) -> None:
        """A debate has ended."""
        self.tally.over(outcome)


class _PlainWatcher(Watcher):
    """Prints a line now and then."""

    def __init__(self, tally: Tally, say: Callable[[str], None]) -> None:
        super().__init__(tally, say)
        self._every = LINE_EVERY_S
        self._next = time.monotonic() + self._every

    def __call__(self, event: RunEvent) -> None:
        super().__call__(event)
        now = time.monotonic()
        if now >= self._next:
            self._say(", ".join(f"{name} {value}" for name, value in self.tally.parts(now)))
            self._every = min(self._every * LINE_GROWTH, MAX_LINE_EVERY_S)
            self._next = now + self._every


@contextmanager
def watch(run: SuiteRun, console: Console, *, quiet: bool) -> Iterator[Watcher]:
    """The watcher that fits the console."""
    tally = _tally(run)

    def say(text: str) -> None:
        console.print(Text(printable(one_line(text))), soft_wrap=True)

    if quiet:
        yield Watcher(tally, lambda text: None)
        return
    if tally.done_turns:
        say(f"going on: {tally.done_debates:,} debates and {tally.done_turns:,} turns are there")
    if not console.is_terminal:
        yield _PlainWatcher(tally, say)
        return
    watcher = Watcher(tally, say)

    def draw() -> Table:
        table = Table(box=None, padding=(0, 3, 0, 0), show_edge=False)
        parts = tally.parts(time.monotonic())
        for name, _ in parts:
            table.add_column(name, style="bold", header_style="dim", no_wrap=True)
        table.add_row(*(value for _, value in parts))
        if watcher.loading:
            table.caption = Text(printable(f"loading {', '.join(sorted(watcher.loading))} …"), style="dim")
            table.caption_justify = "left"
        return table

    with Live(console=console, get_renderable=draw, refresh_per_second=2, transient=True):
        yield watcher


def _tally(run: SuiteRun) -> Tally:
    counts = run.store.counts()
    done = counts.debates["finished"] + counts.debates["failed"]
    baseline = run.conditions[1].name
    right, judged = next(((r, n) for name, r, n in right_by_condition(run.store) if name == baseline), (0, 0))
    return Tally(
        total_debates=sum(counts.debates.values()),
        done_debates=done,
        total_turns=run.num_turns,
        done_turns=counts.turns,
        judged_condition=baseline,
        failed=counts.debates["failed"],
        right=right,
        judged=judged,
    )


def _cache(info: EngineInfo) -> str:
    if info.num_kv_blocks is None or info.block_size is None:
        return ""
    return f", a cache of {info.num_kv_blocks * info.block_size:,} tokens"
