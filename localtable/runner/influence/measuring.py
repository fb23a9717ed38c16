"""A pass over a store: which turns are measured, what that will take, and the measuring itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from localtable.errors import ConfigError
from localtable.protocol import DEBATE, Condition, peers_read
from localtable.runner.events import Listener
from localtable.runner.influence.effects import MIN_SAMPLES
from localtable.runner.influence.loop import ProbeLoop, Turns
from localtable.runner.influence.selection import MeasuredTurn, later_turns, require_readers
from localtable.runner.inputs import choose_conditions
from localtable.runner.session import Engines, RunOptions, Seating, open_work, seat_run
from localtable.runner.suite import SuiteRun, open_suite
from localtable.scheduler.devices import find_machine
from localtable.types import InfluenceKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    direct: bool = True
    total: int | None = None
    """Pairs of statements; None: not measured."""
    everything: bool = False
    """Every turn that has read peers, not only those that moved."""
    conditions: tuple[str, ...] = (DEBATE,)
    """By their names, or by that of a control; a sweep's debates are all called so."""
    num_questions: int | None = None
    """Only of the suite's first questions."""

    @property
    def kinds(self) -> dict[InfluenceKind, int]:
        """What is measured, and of how many samples each is the mean."""
        direct: dict[InfluenceKind, int] = {"direct": 1} if self.direct else {}
        return direct if self.total is None else {**direct, "total": self.total}


@contextmanager
def open_measuring(path: Path, wanted: Wanted, options: RunOptions) -> Iterator[Measuring]:
    """A store that is to be measured, locked by this process.

    Raises:
        ConfigError: No store, nothing that could be measured in it, too few samples, or its wording or weights are no
            longer what they were.
        PrerequisiteError: Weights or packages are missing.
        StoreError: Another process works on it, or it is damaged.
    """
    if wanted.total is not None and wanted.total < MIN_SAMPLES:
        raise ConfigError(
            f"{wanted.total} samples are too few for a total influence: its standard error needs {MIN_SAMPLES} or more",
            hint=f"Give --total {MIN_SAMPLES} or more, or measure the direct influence alone.",
        )
    with open_suite(path, options) as suite:
        yield Measuring(suite, wanted)


class Measuring:
    """A pass over a store."""

    def __init__(self, suite: SuiteRun, wanted: Wanted) -> None:
        """Made by `open_measuring`."""
        self.store = suite.store
        self.wanted = wanted
        self.conditions = choose_conditions(suite.conditions, wanted.conditions)
        for name in wanted.conditions:  # of a sweep's variants, not each needs to have readers
            require_readers(choose_conditions(suite.conditions, (name,)), str(suite.store.path))
        self.later = list(later_turns(self.store, self.conditions, wanted.num_questions))
        """Every turn that has read peers."""
        self.turns: Sequence[MeasuredTurn] = [turn for turn in self.later if wanted.everything or turn.moved]
        """Those of them that are wanted."""
        self._suite = suite
        self._loop: ProbeLoop | None = None

    @property
    def failures(self) -> Sequence[str]:
        """Why measurements could not be made, this time."""
        return self._loop.failures if self._loop is not None else ()

    def left(self) -> Counter[int]:
        """By turn: how many of its probes are not stored."""
        kinds, left = self.wanted.kinds, Counter[int]()
        for turn in self.turns:
            panel = self.conditions[turn.condition].panel
            left[turn.id] = sum(kinds.values()) * (1 + len(peers_read(panel, turn.seat)))
        for turn_id, kind, sample in self.store.query("SELECT turn, kind, sample FROM probes"):
            if turn_id in left and sample < kinds.get(kind, 0):
                left[turn_id] -= 1
        return left

    def run(self, tell: Listener) -> Iterator[int]:
        """Measure what is not stored yet; yields how many more probes are finished and committed.

        Raises:
            LocaltableError: As `ProbeLoop.run` and `open_work`.
        """
        left = self.left()
        if not left.total():
            return
        options = replace(self._suite.options, tell=tell)

        def begin(engines: Engines) -> ProbeLoop:
            self._loop = ProbeLoop(
                self.store,
                Turns(self.store, self._suite.conditions, engines.sitting),
                [turn for turn in self.turns if left[turn.id]],
                self.wanted.kinds,
                engines.pool,
                key_of=engines.key_of,
                tell=engines.tell,
                should_stop=options.should_stop,
            )
            return self._loop

        with open_work(
            self.store, self._suite.inputs, options, begin, suite=True, kind="influence", lengths=self._lengths
        ) as session:
            yield from session.run()

    def seat(self) -> Seating:
        """The models at their places, nothing loaded: what a forecast reckons with."""
        options = self._suite.options
        machine = find_machine(options.device_memory_bytes, options.gpus)
        return seat_run(self.store, self._suite.inputs, machine, options.home, suite=True, lengths=self._lengths)

    def begun(self, seating: Seating) -> Turns:
        """Turns as they began, to render what would be asked of them."""
        return Turns(self.store, self._suite.conditions, seating.sitting)

    @property
    def _lengths(self) -> Mapping[int, Condition]:
        """The run's conditions with the ballot before the statement, too: its prompt may be the longest.

        What was shown has been let through already, so nothing is refused for its length a second time.
        """

        def asked(condition: Condition) -> Condition:
            panel = condition.panel
            ballot, peers = replace(panel.ballot, at="both"), replace(panel.peers, over="head_tail")
            return replace(condition, panel=replace(panel, ballot=ballot, peers=peers))

        return {number: asked(condition) for number, condition in self._suite.conditions.items()}
