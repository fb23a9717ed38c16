"""Runs in a store: begun, stopped anywhere, gone on with, taken over from, refused where something differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders import CARD, make_panel, make_question, refused, write_script
from store_builders import exported, hold_suite, resume, suite, table

from localtable.errors import ConfigError
from localtable.prompts import load_wording
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_debates, open_suite
from localtable.runner.events import RunEvent
from localtable.runner.open_debates import Entry, OpenDebates
from localtable.runner.verify import verify_store
from localtable.store import Counts, Store
from localtable.types import Panel, Question


def options(folder: Path, **changes: Any) -> RunOptions:
    return RunOptions(home=folder / "home", engine="scripted", **changes)


def counts(path: Path) -> Counts:
    with Store.open(path, write=False) as store:
        return store.counts()


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with Store.open(path, write=False) as store:
        return list(store.query(sql))


def require_whole(path: Path) -> None:
    """Nothing is open, nothing is there twice, and all of it can be derived once more."""
    assert counts(path).debates["open"] == 0
    assert rows(path, "SELECT 1 FROM turns GROUP BY debate, round, seat HAVING count(*) > 1") == []
    with Store.open(path, write=False) as store:
        assert list(verify_store(store)) == []


def failures(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "SELECT id, reason FROM debates WHERE state = 'failed'")


# ── stopping and going on ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Kind:
    """A kind of run."""

    seats: tuple[str, ...] = ("Ada", "Bob", "Cyd")
    panel: Mapping[str, Any] = field(default_factory=dict)
    suite: Mapping[str, Any] = field(default_factory=dict)
    turns: tuple[Mapping[str, Any], ...] = ()
    count: int = 4
    num_rows: int = 2
    """A run can be stopped after as many turns, and no finer."""

    def panel_in(self, folder: Path) -> Panel:
        engine = {"max_num_seqs": str(self.num_rows)}
        if self.turns:
            engine["script"] = str(write_script(folder, *self.turns))
        return table(folder, *self.seats, **{"engine": engine, **self.panel})


KINDS = {
    "one row": Kind(num_rows=1),
    "many rows": Kind(num_rows=8, count=9),
    "one seat": Kind(("Ada",), suite={"controls": ("solo-revise",)}, count=6),
    "early end": Kind(panel={"stop": {"when": "unanimous"}, "rounds": "5"}),
    "noise": Kind(suite={"controls": ("noise-peers", "votes-only")}),
    "homogeneous": Kind(suite={"controls": ("homogeneous", "self-consistency", "first-round")}, count=3),
    "repeats": Kind(panel={"ballot": {"at": "both"}}, suite={"repeats": 3}, count=2),
    "ring": Kind(("Ada", "Bob", "Cyd", "Dee"), suite={"controls": ("ring", "text-only")}, count=3),
    "failing": Kind(
        turns=(
            {"question": "q-1", "seat": "Bob", "round": 2, "fail": "always"},
            {"question": "q-2", "seat": "Cyd", "fail": "once"},
            {"question": "q-3", "seat": "Ada", "round": 3, "statement": ""},
        )
    ),
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs that nobody stopped, each held once."""

    @cache
    def hold(name: str) -> Path:
        folder = tmp_path_factory.mktemp("whole")
        kind = KINDS[name]
        return hold_suite(folder / "run.db", kind.panel_in(folder), suite(kind.count), **kind.suite)

    return hold


STOPS = ((0,), (1, 1, 1, 1), (2,), (5, 0, 1), (7,), (11, 2), (15,), (3, 4, 6))
"""After how many turns each session is asked to end."""
STOPPED = [
    (name, stops) for place, name in enumerate(KINDS) for number, stops in enumerate(STOPS) if (number + place) % 2 == 0
]


@pytest.mark.parametrize(("name", "stops"), STOPPED, ids=str)
def test_a_run_that_was_stopped_anywhere_comes_to_what_an_unbroken_one_does(
    tmp_path: Path, uninterrupted: Callable[[str], Path], name: str, stops: tuple[int, ...]
) -> None:
    kind, whole = KINDS[name], uninterrupted(name)
    panel, path = kind.panel_in(tmp_path), tmp_path / "run.db"
    if kind.turns:  # the same script under the same name, since a store keeps it
        panel = replace(panel, engine=dict(script_of(whole)))
    turns = 0
    for stop in stops:
        hold_suite(path, panel, suite(kind.count), stop_after=stop, **kind.suite)
        assert counts(path).turns >= turns + stop
        turns = counts(path).turns
    assert counts(path).debates["open"] > 0
    resume(path)
    require_whole(path)
    assert list(exported(path)) == list(exported(whole))
    assert failures(path) == failures(whole)
    assert counts(path).debates == counts(whole).debates
    # How far the others of a round were when one of them failed its debate is a matter of time.
    assert counts(path).turns == counts(whole).turns or kind.turns
    with Store.open(path, write=False) as store:
        assert len(store.sessions()) == len(stops) + 1


def script_of(path: Path) -> Mapping[str, Any]:
    with Store.open(path, write=False) as store:
        engine: Mapping[str, Any] = store.run().panel["engine"]
        return engine


def test_what_is_finished_is_kept_when_a_run_is_stopped(tmp_path: Path) -> None:
    path, panel = tmp_path / "run.db", table(tmp_path, engine={"max_num_seqs": "2"})
    hold_suite(path, panel, suite(6), stop_after=25)
    before = list(exported(path))
    assert before
    resume(path)
    after = {data["question"]["id"]: data for data in exported(path)}
    assert len(after) == 6
    assert [after[data["question"]["id"]] for data in before] == before


def told_by_resuming(path: Path) -> list[str]:
    told: list[RunEvent] = []
    with open_suite(path, options(path.parent, tell=told.append)) as opened:
        assert list(opened.run()) == []
    return [type(event).__name__ for event in told]


def test_a_finished_run_that_is_gone_on_with_loads_nothing(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(2))
    before = path.read_bytes()
    assert told_by_resuming(path) == []
    hold_suite(path, table(tmp_path), suite(2))
    assert path.read_bytes() == before
    assert len(rows(path, "SELECT * FROM sessions")) == 1


def test_a_failed_debate_is_not_held_again(tmp_path: Path) -> None:
    kind = KINDS["failing"]
    path = hold_suite(tmp_path / "run.db", kind.panel_in(tmp_path), suite(kind.count))
    assert counts(path).debates == {"open": 0, "finished": 3, "failed": 1}
    assert told_by_resuming(path) == []
    assert [number for number, _ in failures(path)] == [2]


def test_how_many_turns_there_are_to_hold_is_known(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(2), controls=("first-round",), repeats=2)
    with open_suite(path, options(tmp_path)) as opened:
        assert opened.num_turns == counts(path).turns == 2 * 2 * (3 * 3 + 3)


def test_a_run_has_its_own_engine_and_no_other(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(1))
    with open_suite(path, replace(options(tmp_path), engine="auto")) as opened:
        assert list(opened.run()) == []

    def enter() -> None:
        with open_suite(path, replace(options(tmp_path), engine="transformers")):
            pass

    assert "was begun with the engine 'scripted', not 'transformers'" in refused(enter).message


# ── what differs is refused ─────────────────────────────────────────────────────────────────────────────────

OTHER: dict[str, tuple[Mapping[str, Any], Callable[[list[Question]], Sequence[Question]], Mapping[str, Any], str]] = {
    "seed": ({"seed": "1"}, list, {}, "the panel differs (seed: 0 there, 1 here)"),
    "rounds": ({"rounds": "4"}, list, {}, "the panel differs (rounds: 3 there, 4 here)"),
    "temperature": ({"sampling": {"temperature": "1"}}, list, {}, "the panel differs (seats: "),
    "engine argument": ({"engine": {"dtype": "float16"}}, list, {}, "the panel differs (engine: "),
    "prompts": ({"prompts": "answer"}, list, {}, "; the prompts differ"),
    "fewer questions": ({}, lambda asked: asked[:2], {}, "the questions differ"),
    "more questions": ({}, lambda asked: [*asked, make_question(id="new")], {}, "the questions differ"),
    "other order": ({}, lambda asked: asked[::-1], {}, "the questions differ"),
    "other answer": ({}, lambda asked: [replace(asked[0], answer="B"), *asked[1:]], {}, "the questions differ"),
    "other words": ({}, lambda asked: [replace(asked[0], question="So?"), *asked[1:]], {}, "the questions differ"),
    "other context": ({}, lambda asked: [replace(asked[0], context="So."), *asked[1:]], {}, "the questions differ"),
    "controls": ({}, list, {"controls": ("votes-only",)}, "the controls differ (() there, ('votes-only',) here)"),
    "repeats": ({}, list, {"repeats": 2}, "the number of repeats differs (1 there, 2 here)"),
    "shard": ({}, list, {"shard": (2, 3)}, "the shard differs (1 there, 2 here); the number of shards differs"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_run_in_the_same_store_is_refused_with_what_differs(tmp_path: Path, name: str) -> None:
    changes, choose, more, said = OTHER[name]
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(3), stop_after=5)
    before = path.read_bytes()
    given = (path, table(tmp_path, **changes), choose(suite(3)), options(tmp_path), SuiteOptions(**more))
    error = refused(begin_suite, *given)
    assert error.message.startswith(f"{path} holds another run: ")
    assert said in error.message
    assert path.read_bytes() == before
    begin_suite(path, table(tmp_path), suite(3), options(tmp_path), SuiteOptions())


def test_another_seat_and_another_card_are_refused(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(1))
    error = refused(begin_suite, path, table(tmp_path, "Ada", "Bob"), suite(1), options(tmp_path), SuiteOptions())
    assert "the panel differs (seats: " in error.message
    cards = ({**CARD, "parameters": "2000000"}, {**CARD, "id": "other"})
    panel = make_panel(tmp_path, "Ada", "Bob", "Cyd", cards=cards, rounds="3")
    assert (
        "a model's card differs (toy: "
        in refused(begin_suite, path, panel, suite(1), options(tmp_path), SuiteOptions()).message
    )


def test_prompts_that_have_changed_since_are_refused(tmp_path: Path) -> None:
    wording = tmp_path / "mine.yaml"
    preset = Path(load_wording.__code__.co_filename).parent / "presets" / "argue.yaml"
    wording.write_text(preset.read_text())
    panel = table(tmp_path, prompts=str(wording))
    path = hold_suite(tmp_path / "run.db", panel, suite(2), stop_after=3)
    wording.write_text(preset.read_text().replace("discuss a question", "ponder a question"))
    error = refused(resume, path)
    assert "are not what this run was begun with" in error.message
    assert "run.prompts" in error.hint
    assert (
        "the prompts differ" in refused(begin_suite, path, panel, suite(2), options(tmp_path), SuiteOptions()).message
    )
    wording.write_text(preset.read_text())
    resume(path)
    require_whole(path)


def test_a_store_is_begun_whole_or_not_at_all(tmp_path: Path) -> None:
    path, twice = tmp_path / "run.db", [*suite(2), suite(1)[0]]
    error = refused(begin_suite, path, table(tmp_path), twice, options(tmp_path), SuiteOptions())
    assert error.message == "the id 'q-0' stands twice among the questions"
    error = refused(begin_suite, path, table(tmp_path), [], options(tmp_path), SuiteOptions())
    assert error.message == "the suite holds no question"
    require_whole(hold_suite(path, table(tmp_path), suite(2)))


# ── taking over ─────────────────────────────────────────────────────────────────────────────────────────────


def take_over(path: Path, panel: Panel, questions: Sequence[Question], *others: Path, **more: Any) -> Counts:
    begin_suite(path, panel, questions, options(path.parent), SuiteOptions(**more))
    with open_suite(path, options(path.parent), reuse=others) as opened:
        list(opened.run())
    require_whole(path)
    return counts(path)


def uuid(path: Path) -> str:
    with Store.open(path, write=False) as store:
        return store.run().uuid


def origins(path: Path) -> dict[str | None, int]:
    return dict(rows(path, "SELECT origin, count(*) FROM generations GROUP BY origin"))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    return hold_suite(folder / "run.db", table(folder, rounds="2"), suite(4))


TURNS = 4 * 3 * 2
"""Of the earlier run."""


@pytest.mark.parametrize(
    ("seats", "changes", "more", "turns", "reused"),
    [
        ((), {"rounds": "2"}, {}, TURNS, TURNS),
        ((), {"rounds": "3"}, {}, TURNS + 12, TURNS),
        (("Ada", "Bob", "Cyd", "Dee"), {"rounds": "2"}, {}, 4 * 4 * 2, 12),
        (("Ada", "Bob"), {"rounds": "2"}, {}, 4 * 2 * 2, 8),
        ((), {"rounds": "2", "stop": {"when": "unanimous"}}, {}, None, None),
        ((), {"rounds": "2"}, {"controls": ("first-round",)}, TURNS + 12, TURNS + 12),
        ((), {"rounds": "2"}, {"repeats": 2}, 2 * TURNS, TURNS),
        ((), {"rounds": "2", "seed": "1"}, {}, TURNS, 0),
        ((), {"rounds": "2", "sampling": {"temperature": "1"}}, {}, TURNS, 0),
        ((), {"rounds": "2", "prompts": "answer"}, {}, TURNS, 0),
    ],
    ids=[
        "the same",
        "one more round",
        "one more seat",
        "one seat less",
        "another rule",
        "a control",
        "repeats",
        "another seed",
        "another temperature",
        "other prompts",
    ],
)
def test_what_is_equal_is_taken_over_with_its_origin_and_counted_apart(
    tmp_path: Path,
    earlier: Path,
    seats: tuple[str, ...],
    changes: dict[str, Any],
    more: dict[str, Any],
    turns: int | None,
    reused: int | None,
) -> None:
    panel = table(tmp_path, *seats, **changes)
    found = take_over(tmp_path / "run.db", panel, suite(4), earlier, **more)
    alone = hold_suite(tmp_path / "alone.db", panel, suite(4), **more)
    assert list(exported(tmp_path / "run.db")) == list(exported(alone)), "taking over changes nothing"
    # A control's first round is the debate's own: taken over within the run, in the earlier one's place.
    within = counts(alone).reused_turns
    assert found.turns == counts(alone).turns == (found.turns if turns is None else turns)
    assert found.reused_turns == (found.turns if reused is None else reused)
    by_origin = origins(tmp_path / "run.db")
    assert set(by_origin) <= {None, uuid(earlier)}
    assert sum(by_origin.values()) == sum(origins(alone).values())
    assert uuid(earlier) in by_origin or found.reused_turns == within
    spent = counts(alone).completion_tokens - found.completion_tokens
    (saved,) = rows(
        tmp_path / "run.db", "SELECT coalesce(sum(completion_tokens), 0) FROM generations WHERE origin IS NOT NULL"
    )
    assert (spent,) == saved, "tokens that were taken over are not this run's"


def test_a_script_with_other_words_is_another_model(tmp_path: Path, earlier: Path) -> None:
    panel = table(tmp_path, rounds="2", engine={"script": str(write_script(tmp_path, {"statement": "Aye."}))})
    assert take_over(tmp_path / "run.db", panel, suite(4), earlier).reused_turns == 0


def test_what_was_taken_over_keeps_its_first_origin(tmp_path: Path, earlier: Path) -> None:
    panel = table(tmp_path, rounds="3")
    take_over(tmp_path / "second.db", panel, suite(4), earlier)
    found = take_over(tmp_path / "third.db", panel, suite(4), tmp_path / "second.db")
    assert found.reused_turns == found.turns == 36
    by_origin = origins(tmp_path / "third.db")
    assert set(by_origin) == {uuid(earlier), uuid(tmp_path / "second.db")}
    assert by_origin[uuid(earlier)] == origins(earlier)[None]


def test_several_runs_can_be_taken_over_from_and_none_of_them_changes(tmp_path: Path, earlier: Path) -> None:
    before = earlier.read_bytes()
    more = hold_suite(tmp_path / "more.db", table(tmp_path, rounds="2"), suite(6)[4:])
    found = take_over(tmp_path / "run.db", table(tmp_path, rounds="2"), suite(6), earlier, more)
    assert found.reused_turns == found.turns == 36
    assert set(origins(tmp_path / "run.db")) == {uuid(earlier), uuid(more)}
    assert earlier.read_bytes() == before


def test_what_was_stopped_can_be_taken_over_from_and_gone_on_with(tmp_path: Path) -> None:
    half = hold_suite(tmp_path / "half.db", table(tmp_path, rounds="2"), suite(4), stop_after=14)
    finished = counts(half).turns
    found = take_over(tmp_path / "run.db", table(tmp_path, rounds="2"), suite(4), half)
    assert finished <= found.reused_turns < found.turns == TURNS


def test_there_must_be_a_run_to_take_over_from(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    begin_suite(path, table(tmp_path), suite(1), options(tmp_path), SuiteOptions())

    def enter() -> None:
        with open_suite(path, options(tmp_path), reuse=[tmp_path / "none.db"]):
            pass

    assert "none.db does not exist" in refused(enter).message


# ── shards ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("slices", [1, 2, 3, 5])
def test_shards_have_no_question_in_common_and_all_of_them_together(tmp_path: Path, slices: int) -> None:
    held: list[dict[str, Any]] = []
    for number in range(1, slices + 1):
        path = tmp_path / f"{number}.db"
        held += exported(hold_suite(path, table(tmp_path), suite(5), shard=(number, slices), repeats=2))
    whole = hold_suite(tmp_path / "whole.db", table(tmp_path), suite(5), repeats=2)

    def place(data: dict[str, Any]) -> tuple[str, int]:
        return data["question"]["id"], data["repeat"]

    expected = list(exported(whole))
    assert len({place(data) for data in held}) == len(held) == len(expected) == 10
    assert sorted(held, key=place) == sorted(expected, key=place), "a slice changes no prompt and no seed"


def test_a_shard_without_a_question_has_nothing_to_do(tmp_path: Path) -> None:
    path = hold_suite(tmp_path / "run.db", table(tmp_path), suite(2), shard=(5, 5))
    assert counts(path).debates == {"open": 0, "finished": 0, "failed": 0}


def test_noise_and_shards_do_not_go_together(tmp_path: Path) -> None:
    chosen = SuiteOptions(controls=("noise-peers",), shard=(1, 2))
    error = refused(begin_suite, tmp_path / "run.db", table(tmp_path), suite(4), options(tmp_path), chosen)
    assert "may be in another shard" in error.message
    assert not (tmp_path / "run.db").exists()


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_memory_holds_what_is_at_work_and_a_bounded_number_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    get = OpenDebates.get

    def watched(self: OpenDebates, number: int) -> Entry:
        entry = get(self, number)
        seen.append((len(self._entries), sum(bool(other.at_work) for other in self._entries.values())))
        return entry

    idle, count = 32, 120
    monkeypatch.setattr(OpenDebates, "get", watched)
    monkeypatch.setattr(open_debates, "MAX_IDLE", idle)
    questions = [make_question(id=f"q{i}", question=f"{i}?") for i in range(count)]
    panel = make_panel(tmp_path, "Ada", "Bob", sampling={"max_tokens": "1"}, engine={"max_num_seqs": "8"})
    path = hold_suite(tmp_path / "run.db", panel, questions, controls=("noise-peers",))
    assert counts(path).debates["finished"] == 2 * count
    most = max(busy for _, busy in seen)
    assert 8 <= most <= 2 * 8
    assert max(there for there, _ in seen) <= idle + most + 1


def test_a_debate_that_was_dropped_comes_back_as_it_was(tmp_path: Path) -> None:
    panel = table(tmp_path)
    path = hold_suite(tmp_path / "run.db", panel, suite(3), stop_after=10)
    with open_suite(path, options(tmp_path)) as opened:
        first, again = (OpenDebates(opened.store, opened.conditions).get(1) for _ in range(2))
        assert first is not again
        assert first == again
        assert first.debate.rounds


def test_a_broken_question_says_what_is_wrong_with_it_before_a_store_is_there(tmp_path: Path) -> None:
    def broken() -> Any:
        yield suite(1)[0]
        raise ConfigError("suite.jsonl, line 2: no", hint="Mend it.")

    error = refused(begin_suite, tmp_path / "run.db", table(tmp_path), broken(), options(tmp_path), SuiteOptions())
    assert error.message == "suite.jsonl, line 2: no"
    require_whole(hold_suite(tmp_path / "run.db", table(tmp_path), suite(1)))
