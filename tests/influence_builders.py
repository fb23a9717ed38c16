"""Stores that influence is measured in: runs of the scripted engine in which it is known who follows whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import make_panel, make_question, write_script
from store_builders import CARDS, hold_suite

from localtable.engines.base import Request
from localtable.engines.scripted import ScriptedEngine
from localtable.runner import RunOptions
from localtable.runner.events import RunEvent
from localtable.runner.influence import Wanted, open_measuring
from localtable.runner.verify import Replay, verify_store
from localtable.runner.verify.whole import read_inputs
from localtable.store import Store
from localtable.types import Panel, Question

MOVED, ALL = Wanted(), Wanted(everything=True)
BOTH = Wanted(direct=True, total=8, everything=True)
TOTAL = Wanted(direct=False, total=8, everything=True)

FOLLOWERS = (
    {"seat": "Ada", "round": 2, "follows": {"seat": "Bob"}, "statement": "As before."},
    {"seat": "Cy", "round": 2, "follows": {"seat": "Bob", "how": "by_statement"}},
)


def questions(count: int = 4) -> list[Question]:
    """Each with options of its own, so that noise names none of another's."""
    return [make_question(*(f"{x}{i}" for x in ("Paris", "Rome", "Oslo")), id=f"q{i}") for i in range(count)]


def table(folder: Path, *names: str, **changes: Any) -> Panel:
    folder.mkdir(exist_ok=True)
    return make_panel(folder, *(names or ("Ada", "Bob", "Cy", "Dee")), cards=CARDS, **{"rounds": 2, **changes})


def held(
    folder: Path, *turns: Mapping[str, Any], asked: Sequence[Question] = (), suite: Any = None, **panel: Any
) -> Path:
    seats = table(folder, **panel)
    script = write_script(folder, *(turns or FOLLOWERS))
    return hold_suite(folder / "run.db", seats, asked or questions(), script, **(suite or {}))


def measure(path: Path, wanted: Wanted = MOVED, *, stop_after: int | None = None) -> tuple[int, list[RunEvent]]:
    """Measure; gives how many probes were made, and what was told."""
    done, told = 0, list[RunEvent]()
    options = RunOptions(
        path.parent / "home", "scripted", should_stop=lambda: stop_after is not None and done >= stop_after
    )
    with open_measuring(path, wanted, options) as measuring:
        for number in measuring.run(told.append):
            done += number
    return done, told


def rows(path: Path, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with Store.open(path, write=False) as store:
        return list(store.query(sql, *arguments))


def disagreements(path: Path) -> list[Any]:
    with Store.open(path, write=False) as store:
        return list(verify_store(store, replay=Replay(*read_inputs(store), path.parent / "home")))


def means(path: Path, kind: str) -> dict[tuple[str, str], float]:
    """By reader and peer."""
    found = rows(
        path,
        "SELECT seat, peer, avg(value) FROM influences JOIN turns ON turns.id = turn WHERE kind = ? GROUP BY 1, 2",
        kind,
    )
    return {(seat, peer): value for seat, peer, value in found}


def note_requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that reaches an engine from here on."""
    log: list[Request] = []
    submit = ScriptedEngine.submit

    def noted(self: ScriptedEngine, requests: Sequence[Request]) -> None:
        log.extend(requests)
        submit(self, requests)

    monkeypatch.setattr(ScriptedEngine, "submit", noted)
    return log
