"""Stores that tests read: real runs of the scripted engine, whole, broken off, with debates that failed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from builders import CARD, make_panel, make_question, write_script

from localtable.errors import InterruptedRun
from localtable.runner import RunOptions, SuiteOptions, begin_suite, finished_transcripts, open_suite
from localtable.runner.events import RunEvent, TurnFinished
from localtable.runner.verify import verify_store
from localtable.store import Store
from localtable.transcript import to_json
from localtable.types import Panel, Question

CARDS = ({**CARD, "id": "toy"}, {**CARD, "id": "other"})
NAMED = ({**CARD, "id": "small", "name": "Small"}, {**CARD, "id": "large", "name": "Large"})


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
    script: Path | None = None,
    *,
    stop_after: int | None = None,
    **options: Any,
) -> Path:
    """Begin a run and hold it, whole or for so many turns.

    Args:
        path: Of the store; begun before is gone on with. Its folder takes the state that LOCALTABLE_HOME has.
        panel: Who sits there.
        questions: The suite.
        script: What is said; the engine's rule without one.
        stop_after: Ask for an end after so many turns.
        options: Of `SuiteOptions`.
    """
    turns: list[RunEvent] = []
    run = RunOptions(
        home=path.parent / "home",
        engine="scripted",
        engine_arguments={"script": str(script)} if script else {},
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


# ── two that are the same for everyone ───────────────────────────────────────────────────────────────────────


def mixed_store(folder: Path) -> Path:
    """Two models, three conditions and more, two repeats, ties, both ballots, thinking; one question fails."""
    reasoning = {"start": "<think>", "end": "</think>", "switch": "enable_thinking"}
    cards = [{**card, "reasoning": reasoning} for card in NAMED]
    panel = make_panel(folder, "Ada", "Bob", "Cy", cards=cards, ballot={"at": "both"}, thinking={"on": "true"})
    questions = [
        make_question("Yes", "No", id="Ü 1", answer="A", tags=["easy", "ü"]),
        make_question("One", "Two", "Three", id="two", question="How many?"),
        make_question("Yes", "No", id="broken", question="Does it break?", answer="B"),
        make_question("Left", "Right", id="last", question="Where?", answer="B"),
    ]
    script = write_script(
        folder,
        {"question": "broken", "seat": "Bob", "round": 2, "fail": "always"},
        {"question": "two", "seat": "Ada", "distribution": {"A": 0.4, "B": 0.4, "C": 0.2}, "statement": "Zwei, ü\n"},
        {"question": "Ü 1", "seat": "Cy", "round": 1, "vote": "B", "finish_reason": "length", "statement": "So, no"},
        {"question": "Ü 1", "seat": "Cy", "round": 2, "vote": "A", "persuaded_by": "Ada"},
    )
    controls = ("votes-only", "noise-peers", "self-consistency")
    return hold_suite(folder / "mixed.db", panel, questions, script, controls=controls, repeats=2)


ASKED = (
    ("tomato", "What is a tomato?", ("Fruit", "Vegetable"), "A"),
    ("whale", "What is a whale?", ("Fish", "Mammal", "Bird"), "B"),
    ("sun", "What is the sun?", ("Planet", "Star"), "B"),
    ("glass", "What is glass?", ("Liquid", "Solid"), "B"),
)
SAID: Mapping[str, Mapping[str, str]] = {
    "tomato": {"Ada": "BA", "Bob": "AA", "Cy": "BB"},
    "whale": {"Ada": "AB", "Bob": "BB", "Cy": "AB"},
    "sun": {"Ada": "BB", "Bob": "BB", "Cy": "BB"},
    "glass": {"Ada": "AA", "Bob": "BA", "Cy": "BB"},
}
"""By question and seat: the vote of each round."""


def example_store(folder: Path) -> Path:
    """The run that docs/store.md shows: four questions, three seats on two models, one control."""
    texts = {name: options for name, _, options, _ in ASKED}
    turns: list[dict[str, Any]] = [
        {
            "question": "whale",
            "seat": "Cy",
            "round": 1,
            "vote": "A",
            "finish_reason": "length",
            "statement": "It swims",
        },
        {"question": "sun", "seat": "Bob", "round": 1, "vote": "B", "statement": "My answer: Planet"},
    ]
    for name, by_seat in SAID.items():
        for seat, said in by_seat.items():
            for number, vote in enumerate(said, start=1):
                changed = number > 1 and vote != said[number - 2]
                turns.append(
                    {
                        "question": name,
                        "seat": seat,
                        "round": number,
                        "vote": vote,
                        "statement": f"My answer: {texts[name]['ABC'.index(vote)]}",
                        **({"persuaded_by": "Bob" if seat != "Bob" else "Ada"} if changed else {}),
                    }
                )
    questions = [make_question(*options, id=name, question=text, answer=a) for name, text, options, a in ASKED]
    panel = make_panel(folder, "Ada", "Bob", "Cy", cards=NAMED)
    return hold_suite(folder / "example.db", panel, questions, write_script(folder, *turns), controls=("votes-only",))


def one(path: Path, sql: str) -> Any:
    """The one row that a query gives, or the one value of that."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute(sql).fetchone()
    return row[0] if len(row) == 1 else row


def require_clean(path: Path, count: int) -> None:
    """All debates are finished, none of their turns is there twice, and all of it derives once more."""
    assert one(path, "SELECT count(*) FROM debates WHERE state = 'finished'") == count
    assert one(path, "SELECT count(*) FROM turns") == one(path, "SELECT count(DISTINCT debate||round||seat) FROM turns")
    with Store.open(path, write=False) as store:
        assert list(verify_store(store)) == []
