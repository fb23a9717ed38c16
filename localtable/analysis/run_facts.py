"""What a store says of its run: which models on which engine, how much of it is there, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localtable.protocol import Condition
from localtable.store import Run, Store
from localtable.store.reading import engine_steps
from localtable.types import Panel

SECONDS = ("total", "generating", "loading", "outside_engines")


@dataclass(frozen=True, slots=True)
class ConditionFacts:
    """How far a condition is."""

    name: str
    control: str
    """`debate` for none."""
    debate: str
    """The debate that it is, or of which it is a control."""
    panel: Panel
    finished: int
    failed: int
    open: int
    left_out: int
    """Questions that it could not ask."""

    @property
    def is_debate(self) -> bool:
        """Whether it is no control."""
        return self.name == self.debate


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run, as what its figures are of."""

    run: Run
    panel: Panel
    num_questions: int
    num_answered: int
    """Questions with an answer."""
    num_options: Mapping[int, int]
    """Questions by their number of options."""
    conditions: tuple[ConditionFacts, ...]
    """All of the run's, whichever were asked for."""
    sessions: Sequence[Mapping[str, Any]]
    """Those that held debates: versions, devices, engines as they were started."""
    seconds: Mapping[str, float]
    """Of all those sessions: total, generating, loading, outside_engines."""
    device_seconds: float
    """Of all those sessions: their seconds times the devices that engines sat on, idle ones included."""
    completion_tokens: int
    """Generated for this run, each once."""
    steps: Mapping[str, Mapping[str, float | None]]
    """By model what its engine's steps came to, in all those sessions; nothing of engines that don't say so."""


def read_facts(store: Store, conditions: Mapping[int, Condition]) -> RunFacts:
    """What a store says of its run.

    Args:
        store: Held still where somebody may be writing it.
        conditions: All of the run's, by the store's numbers.
    """
    states = {number: {"finished": 0, "failed": 0, "open": 0} for number in conditions}
    for number, state, count in store.query("SELECT condition, state, count(*) FROM debates GROUP BY 1, 2"):
        states[number][state] = count
    left_out = {number: count for number, (_, count) in store.conditions().items()}
    options = dict(store.query("SELECT num_options, count(*) FROM questions GROUP BY 1 ORDER BY 1"))
    answered = next(store.query("SELECT count(answer) FROM questions"))[0]
    devices = dict(
        store.query("SELECT session, count(DISTINCT value) FROM timeline, json_each(devices) GROUP BY session")
    )
    sessions = [session for session in store.sessions() if session["kind"] == "run"]
    return RunFacts(
        run=store.run(),
        panel=conditions[1].panel,
        num_questions=sum(options.values()),
        num_answered=answered,
        num_options=options,
        conditions=tuple(
            ConditionFacts(
                condition.name,
                condition.control,
                condition.debate,
                condition.panel,
                left_out=left_out[number],
                **states[number],
            )
            for number, condition in conditions.items()
        ),
        sessions=sessions,
        seconds={name: sum(float(s["seconds"].get(name, 0.0)) for s in sessions) for name in SECONDS},
        device_seconds=sum(float(s["seconds"].get("total", 0.0)) * devices.get(s["id"], 0) for s in sessions),
        completion_tokens=store.counts().completion_tokens,
        steps=engine_steps(sessions),
    )
