"""scripts/reproduce.py on the scripted engine: every finding that is ready, whole runs, going on, wrong names."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import reproduce
from command_line import Ended

from localtable.analysis.analyze import analyze
from localtable.analysis.published import judge, needed
from localtable.analysis.writing import analysis_to_json
from localtable.config import load_reproduction
from localtable.report.stored import read_run

Script = Callable[..., Ended]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Script:
    """The script in a folder of its own, as a user types it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, arguments)])
        code = reproduce.main()
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


def small(script: Script, name: str, *arguments: object) -> Ended:
    return script(name, "--small", "--engine", "scripted", "--quiet", *arguments)


@pytest.mark.parametrize("path", reproduce.ready(), ids=lambda path: path.stem)
def test_a_small_run_has_every_figure_that_is_published(path: Path, script: Script) -> None:
    ended = small(script, path.stem, "--limit", "3")
    assert ended.code == 0, ended.err
    reproduction = load_reproduction(path, small=True)
    by, families = needed(reproduction.published)
    table, facts = read_run(Path(f"{path.stem}-small.db"))
    analysis = analysis_to_json(analyze(table, facts, by=by, families=families))
    judged = judge(reproduction.published, analysis, reproduction.loaded.sweep, table.questions)
    for place, one in enumerate(judged, start=1):
        assert one.row is not None, f"{one.figure.name} is no figure of the run"
        assert one.row["value"] is not None or one.row["reason"], one.figure.name
        if one.figure.models != "any":
            assert one.answer == "can't tell", "other models say nothing of the paper's figure"
        assert re.search(rf"^{place} {re.escape(one.figure.name[:20])}", ended.out, flags=re.MULTILINE)
    assert f"({reproduction.published.paper.id})" in " ".join(ended.out.split())
    assert "A small run: " in ended.out


def test_what_stands_beside_each_other_is_printed_as_analyze_has_it(script: Script) -> None:
    ended = small(script, "self-reflection", "--limit", "6", "--store", "run.db")
    written = analysis_to_json(analyze(*read_run(Path("run.db"))))
    condition = "model=smollm2-135m-instruct/solo-revise"
    (row,) = [
        row
        for row in written["metrics"]
        if row["name"] == "change_rate" and row["by"] == {"condition": condition, "round": "last"}
    ]
    here = f"{row['value'] * 100:.1f} [{row['low'] * 100:.1f}, {row['high'] * 100:.1f}]"
    line = next(line for line in ended.out.splitlines() if line.startswith("1 "))
    assert line.split(maxsplit=5)[5].split() == ["37.0", *here.split(), "6", "meets,", "+-5.0", "can't", "tell"]
    assert "can't tell (1, 2): other models: no card is the paper's" in ended.out
    assert "reported (1 to 6): from the abstract" in ended.out
    assert "6 questions; engine scripted" in ended.out


def test_a_run_is_gone_on_with_and_another_in_its_store_is_refused(script: Script) -> None:
    first = small(script, "self-reflection", "--limit", "2")
    before = Path("self-reflection-small.db").read_bytes()
    again = small(script, "self-reflection", "--limit", "2")
    assert (again.code, again.out) == (0, first.out)
    assert Path("self-reflection-small.db").read_bytes() == before
    other = small(script, "self-reflection", "--limit", "3")
    assert other.code == 2
    assert "holds another run" in other.err


def test_a_whole_run_asks_the_questions_that_it_is_given(script: Script) -> None:
    lines = [
        {"id": f"mmlu-pro/{i}", "question": f"Is it {i}?", "options": ["Yes", "No", "Maybe"], "answer": "A"}
        for i in range(3)
    ]
    Path("mine.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ended = script("debate-ledger", "--questions", "mine.jsonl", "--engine", "scripted", "--quiet")
    assert ended.code == 0, ended.err
    assert Path("debate-ledger.db").exists()
    assert "here: llama-3.1-8b-instruct, qwen3-4b, qwen3-8b; 3 questions" in ended.out
    assert "A small run" not in ended.out
    assert "other models" not in ended.out
    assert "too few questions" in ended.out


@pytest.mark.parametrize("limit", ["0", "-1", "two"])
def test_a_limit_that_is_none_is_refused(script: Script, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        small(script, "self-reflection", "--limit", limit)
    assert ended.value.code == 2
    assert f"{limit!r} is no number from 1" in capsys.readouterr().err


def test_questions_that_are_not_there_are_said(script: Script) -> None:
    ended = script("debate-ledger", "--engine", "scripted", "--quiet")
    assert ended.code == 2
    assert "the questions of 'debate-ledger' are not here" in ended.err
    assert not Path("debate-ledger.db").exists()


def test_the_list_has_a_line_for_each(script: Script) -> None:
    names = [line.split()[0] for line in script("--list").out.splitlines()]
    assert names == [path.stem for path in reproduce.ready()]
    assert script().out == script("--list").out


def test_a_name_that_is_not_ready_is_refused_with_the_nearest(script: Script) -> None:
    ended = script("debate-leger")
    assert ended.code == 2
    assert ended.err == "Error: no finding 'debate-leger' is ready\n  → Did you mean 'debate-ledger'?\n"
    assert script("visibility").code == 2, "a sweep without a paper is no finding"
