"""Real stores on the scripted engine, for the tests of what reads them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from builders import CARD, make_panel, make_question

from localtable.errors import InterruptedRun
from localtable.runner import RunOptions, SuiteOptions, begin_suite, finished_transcripts, open_suite
from localtable.runner.events import RunEvent, TurnFinished
from localtable.store import Store
from localtable.transcript import to_json
from localtable.types import Panel, Question

CARDS = ({**CARD, "id": "toy"}, {**CARD, "id": "other"})


def table(folder: Path, *names: str, **changes: Any) -> Panel:
    """A panel of two models, every kind of step among its turns."""
    folder.mkdir(exist_ok=True)
    return make_panel(folder, *(names or ("Ada", "Bob", "Cyd")), cards=CARDS, **{"rounds": 3, **changes})


def suite(count: int) -> list[Question]:
    """Questions of two, three and four options, some of them with an answer."""
    options = [["Yes", "No"], ["Red", "Green", "Blue"], ["One", "Two", "Three", "Four"]]
    return [
        make_question(*options[i % 3], id=f"q-{i}", question=f"Question {i}?", answer="B" if i % 2 else None)
        for i in range(count)
    ]


def hold_suite(
    path: Path,
    panel: Panel,
    questions: Sequence[Question],
    *,
    stop_after: int | None = None,
    **options: Any,
) -> Path:
    """Begin a run and hold it, whole or for so many turns.

    Args:
        path: Of the store; begun before is gone on with.
        panel: Who sits there.
        questions: The suite.
        stop_after: Ask for an end after so many turns.
        options: Of `SuiteOptions`.
    """
    turns: list[RunEvent] = []
    run = RunOptions(
        home=path.parent / "home",
        engine="scripted",
        tell=lambda event: turns.append(event) if isinstance(event, TurnFinished) else None,
        should_stop=lambda: stop_after is not None and len(turns) >= stop_after,
    )
    begin_suite(path, panel, questions, run, SuiteOptions(**options))
    with open_suite(path, run) as opened, suppress(InterruptedRun):
        list(opened.run())
    return path


def resume(path: Path) -> None:
    """Hold what is open."""
    with open_suite(path, RunOptions(home=path.parent / "home", engine="scripted")) as opened:
        list(opened.run())


def copy_store(path: Path, target: Path) -> Path:
    """A copy that has everything in the one file."""
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(target)) as there:
        connection.backup(there)
        there.execute("PRAGMA journal_mode = DELETE")
    return target


def alter(path: Path, *statements: str) -> None:
    """Change a store behind its program's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def exported(path: Path) -> Iterator[dict[str, Any]]:
    """Finished debates as transcripts, what two runs may differ in left out."""
    with Store.open(path, write=False) as store:
        for transcript in finished_transcripts(store):
            data = json.loads(json.dumps(to_json(transcript)))
            del data["manifest"]["timings"]
            yield data
