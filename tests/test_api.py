"""The public API: a debate in five lines of Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_question, refused, votes, write_panel, write_script
from command_line import run_command
from sweep_builders import hold_sweep, write_sweep

import localtable
from localtable.errors import ConfigError, PlacementError
from localtable.runner.events import DebateFailed, TurnFinished
from localtable.transcript import check, to_json


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    return write_panel(tmp_path, "Ada", "Bob")


def test_a_debate_is_held_in_five_lines(tmp_path: Path, panel: Path) -> None:
    transcript = localtable.debate("Is a tomato a fruit?", options=["Yes", "No"], panel=panel, engine="scripted")
    localtable.save(transcript, tmp_path / "tomato.json")
    line = localtable.result_line(transcript)
    assert line.split(" — ")[0] in ("Unanimous", "Majority", "Plurality", "Tie")
    check(json.loads((tmp_path / "tomato.json").read_text()), "tomato.json")


def test_files_are_given_as_paths_or_texts_or_loaded_values(tmp_path: Path, panel: Path) -> None:
    file = tmp_path / "question.yaml"
    file.write_text("question: Is it?\noptions: [Yes, No]\nid: q\n")
    loaded = [localtable.load_question(file), localtable.load_question(str(file)), file]
    panels = [panel, str(panel), localtable.load_panel(str(panel))]
    held = [localtable.debate(q, panel=p, engine="scripted") for q, p in zip(loaded, panels, strict=True)]
    assert [transcript.rounds for transcript in held] == [held[0].rounds] * 3


def test_arguments_stand_in_place_of_the_panel_s(tmp_path: Path, panel: Path) -> None:
    script = write_script(tmp_path, *votes("Ada", "A", "B", "A"), *votes("Bob", "B", "A", "B"))
    told: list[object] = []
    transcript = localtable.debate(
        "Is it?",
        options=["Yes", "No"],
        panel=panel,
        engine="scripted",
        engine_arguments={"script": str(script)},
        rounds=3,
        seed=11,
        tell=told.append,
    )
    assert len(transcript.rounds) == 3
    assert transcript.panel.seed == 11
    assert sum(isinstance(event, TurnFinished) for event in told) == 6
    assert localtable.result_line(transcript) == "Tie — Yes, No (1/2 votes each)"


def test_a_debate_stops_where_seats_agree_as_the_command_s_does(tmp_path: Path, panel: Path) -> None:
    script = write_script(tmp_path, {"vote": "A"})
    arguments = {"script": str(script)}
    transcript = localtable.debate(
        "Is it?", options=["Yes", "No"], panel=panel, engine="scripted", engine_arguments=arguments
    )
    assert len(transcript.rounds) == 1


@pytest.mark.parametrize(("rounds", "seed"), [(0, 1), (101, 1), (1, -1), (1, 2**53)])
def test_arguments_out_of_bounds_are_refused(panel: Path, rounds: int, seed: int) -> None:
    refused(
        localtable.debate, "Is it?", options=["Yes", "No"], panel=panel, engine="scripted", rounds=rounds, seed=seed
    )


def test_a_question_with_options_of_its_own_takes_no_more(tmp_path: Path, panel: Path) -> None:
    question = localtable.load_question(Path(__file__).parent / "data/reference/question.yaml")
    refused(localtable.debate, question, options=["Perhaps"], panel=panel, engine="scripted")


def test_errors_are_those_of_the_command(tmp_path: Path, panel: Path) -> None:
    assert "at least 2" in refused(localtable.debate, "Is it?", options=["Yes"], panel=panel).message
    assert (
        "there is no engine"
        in refused(localtable.debate, "Is it?", options=["Yes", "No"], panel=panel, engine="script").message
    )
    assert "does not exist" in refused(localtable.load_panel, tmp_path / "none.yaml").message
    assert "does not exist" in refused(localtable.load_question, str(tmp_path / "none.yaml")).message
    small = write_panel(tmp_path, "Ada", engine={"max_model_len": "10"})
    with pytest.raises(PlacementError):
        localtable.debate("Is it?", options=["Yes", "No"], panel=small, engine="scripted")


def test_a_debate_without_verdict_has_no_result_line(panel: Path) -> None:
    from dataclasses import replace

    transcript = localtable.debate("Is it?", options=["Yes", "No"], panel=panel, engine="scripted")
    with pytest.raises(ValueError, match="interrupted"):
        localtable.result_line(replace(transcript, verdict=None))


# ── suites ──────────────────────────────────────────────────────────────────────────────────────────────────

QUESTIONS = [make_question("Yes", "No", id=f"q{n}", question=f"Is {n} even?", answer="AB"[n % 2]) for n in range(5)]


def test_a_suite_gives_its_debates_as_they_finish(tmp_path: Path, panel: Path) -> None:
    store = tmp_path / "run.db"
    held = list(localtable.run_suite(QUESTIONS, store=store, panel=panel, engine="scripted", controls=["solo-revise"]))
    assert sorted((t.condition, t.question.id) for t in held) == sorted(
        (condition, q.id) for q in QUESTIONS for condition in ("debate", "solo-revise")
    )
    for transcript in held:
        check(to_json(transcript), "a transcript")
        assert transcript.manifest["engines"], "what the engine said of itself is there by then"
    kept = {(t.condition, t.question.id): t.rounds for t in localtable.load_transcripts(store)}
    assert kept == {(t.condition, t.question.id): t.rounds for t in held}


def test_a_suite_that_is_left_goes_on_where_it_was(tmp_path: Path, panel: Path) -> None:
    whole = list(localtable.run_suite(QUESTIONS, store=tmp_path / "a.db", panel=panel, engine="scripted", repeats=2))
    for _ in localtable.run_suite(QUESTIONS, store=tmp_path / "b.db", panel=panel, engine="scripted", repeats=2):
        break
    rest = list(localtable.run_suite(QUESTIONS, store=tmp_path / "b.db", panel=panel, engine="scripted", repeats=2))
    assert len(rest) < len(whole) == 10
    assert [t.rounds for t in localtable.load_transcripts(tmp_path / "b.db")] == [
        t.rounds for t in localtable.load_transcripts(tmp_path / "a.db")
    ]


def test_a_failed_debate_is_told_and_not_given(tmp_path: Path, panel: Path) -> None:
    script = write_script(tmp_path, {"question": "q3", "fail": "always"})
    told: list[object] = []
    held = localtable.run_suite(
        QUESTIONS,
        store=tmp_path / "run.db",
        panel=panel,
        engine="scripted",
        engine_arguments={"script": str(script)},
        tell=told.append,
    )
    assert {t.question.id for t in held} == {"q0", "q1", "q2", "q4"}
    assert [event.debate.question.id for event in told if isinstance(event, DebateFailed)] == ["q3"]


def test_a_suite_s_errors_are_those_of_the_command(tmp_path: Path, panel: Path) -> None:
    def held(**keywords: object) -> list[object]:
        given = {"store": tmp_path / "run.db", "panel": panel, "engine": "scripted", **keywords}
        return list(localtable.run_suite(QUESTIONS, **given))  # type: ignore[arg-type]

    assert "unknown control 'solo'" in refused(held, controls=["solo"]).message
    assert "repeats is 0" in refused(held, repeats=0).message
    held()
    assert "the number of repeats differs" in refused(held, repeats=2).message
    assert "does not exist" in refused(lambda: list(localtable.load_transcripts(tmp_path / "none.db"))).message


# ── sweeps and figures ──────────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_gives_its_debates_and_goes_on_where_it_was(tmp_path: Path) -> None:
    file, store = write_sweep(tmp_path, controls=["solo-revise"]), tmp_path / "run.db"
    for _ in localtable.run_sweep(file, store=store, engine="scripted"):
        break
    rest = list(localtable.run_sweep(str(file), store=store, engine="scripted"))
    kept = list(localtable.load_transcripts(store))
    assert len(kept) == 4 * (4 + 1)
    assert 0 < len(rest) < len(kept)
    levels = {(t.condition, t.manifest["sweep"]["levels"]["rounds"], len(t.rounds)) for t in kept}
    assert {(f"order={order},rounds={n}", n, int(n)) for order in ("fixed", "shuffled") for n in "23"} < levels
    (tmp_path / "apart").mkdir()
    by_command = hold_sweep(tmp_path / "apart/run.db", file)
    assert [t.rounds for t in localtable.load_transcripts(by_command)] == [t.rounds for t in kept]


def test_arguments_of_a_sweep_stand_in_place_of_the_file_s(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, limit="3")
    held = list(localtable.run_sweep(file, store=tmp_path / "run.db", engine="scripted", limit=2, seed=9))
    assert len(held) == 4 * 2
    assert {t.panel.seed for t in held} == {9}


def test_a_sweep_s_errors_are_those_of_the_command(tmp_path: Path) -> None:
    def held(**keywords: object) -> list[object]:
        given = {"store": tmp_path / "run.db", "engine": "scripted", **keywords}
        return list(localtable.run_sweep(write_sweep(tmp_path, **changes), **given))  # type: ignore[arg-type]

    changes: dict[str, object] = {}
    error = refused(held, max_turns=79)
    assert "the sweep 'trial' takes 80 turns; without being asked for, 79 are held" in error.message
    assert "max_turns" in error.hint
    assert not (tmp_path / "run.db").exists()
    assert "limit is 0" in refused(held, limit=0).message
    assert "seed is -1" in refused(held, seed=-1).message
    changes["primary"] = [{"metric": "acuracy", "factor": "rounds", "levels": ["2", "3"]}]
    assert "can't be compared by 'acuracy'" in refused(held).message
    changes.clear()
    assert len(held(max_turns=80)) == 16
    assert held(max_turns=1) == [], "what is begun goes on"


def test_figures_are_those_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path))
    named = ("--by", "model", "--family", "outcome", "--condition", "debate", "--cluster", "passage")
    assert run_command(capsys, "analyze", store, *named, "--json", "-").code == 2, "no question has such a tag"
    written = run_command(capsys, "analyze", store, *named[:-2], "--json", "-").out
    found = localtable.analyze(str(store), by=["model"], families=["outcome"], conditions=["debate"])
    assert json.loads(written) == json.loads(json.dumps(found))
    assert len(localtable.analyze(store)["metrics"]) > len(found["metrics"])
    assert "no question has a tag" in refused(localtable.analyze, store, cluster="passage").message
    assert "'models'" in refused(localtable.analyze, store, by=["models"]).message
    assert "'outcomes'" in refused(localtable.analyze, store, families=["outcomes"]).message
    assert "no condition 'none'" in refused(localtable.analyze, store, conditions=["none"]).message
    assert "does not exist" in refused(localtable.analyze, tmp_path / "none.db").message


def test_everything_named_is_there_and_nothing_else() -> None:
    for name in localtable.__all__:
        assert getattr(localtable, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        localtable.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_more() -> None:
    code = "import sys, localtable; print([m for m in sys.modules if m.startswith('localtable.')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert issubclass(ConfigError, Exception)
