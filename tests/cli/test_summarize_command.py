"""`localtable summarize`: what it prints, writes and keeps, of stores and of transcripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import CARD, hold, make_panel, make_question, votes, write_script
from command_line import run_command
from store_builders import CARDS, copy_store, hold_suite, suite, table
from summary_builders import written

from localtable.store import Store
from localtable.transcript import check, dump, to_json

SCRIPTED = ("--engine", "scripted")


@pytest.fixture
def moderator(tmp_path: Path) -> Path:
    import yaml

    path = tmp_path / "moderator.yaml"
    path.write_text(yaml.safe_dump({**CARD, "id": "speaker"}))
    return path


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    panel = make_panel(tmp_path, "Ada", "Bob")
    script = write_script(
        tmp_path, *({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B")), *votes("Bob", "B", "B")
    )
    path = tmp_path / "debate.json"
    path.write_text(dump(to_json(hold(tmp_path, make_question("Yes", "No"), panel, script).whole)))
    return path


def test_a_transcript_is_summed_up_from_templates_and_not_changed(
    capsys: pytest.CaptureFixture[str], transcript: Path, tmp_path: Path
) -> None:
    before, out = transcript.read_bytes(), tmp_path / "summed.json"
    ended = run_command(capsys, "summarize", transcript, "--json", out)
    assert ended.code == 0
    assert "All 2 votes went to No." in ended.out
    assert "Key turning points" in ended.out
    assert "1 debate summed up" in ended.err
    assert transcript.read_bytes() == before
    data = json.loads(out.read_text("utf-8"))
    check(data, str(out))
    assert data == json.loads(before)  # a finished debate has them already


def test_a_transcript_is_summed_up_by_any_model(
    capsys: pytest.CaptureFixture[str], transcript: Path, moderator: Path, tmp_path: Path
) -> None:
    script = write_script(tmp_path, {"summary": "Bob persuaded Ada."})
    ended = run_command(
        capsys,
        "summarize",
        transcript,
        "--moderator",
        moderator,
        *SCRIPTED,
        "--engine-arg",
        f"script={script}",
        "--json",
        "-",
    )
    assert ended.code == 0, ended.err
    data = json.loads(ended.out)
    assert data["summary"]["by"] == "speaker"
    assert data["summary"]["text"] == [
        {"sentence": "Bob persuaded Ada.", "turns": [{"round": 2, "seat": "Bob"}, {"round": 2, "seat": "Ada"}]}
    ]


def test_an_import_without_distributions_and_models_is_summed_up(
    capsys: pytest.CaptureFixture[str], moderator: Path, tmp_path: Path
) -> None:
    data = written(
        tmp_path, {"Ada": [None, "B"], "Bob": [None, "B"]}, changed=[(2, "Ada")], persuaded={(2, "Ada"): "Bob"}
    )
    data["source"] = "import"
    data["panel"] = {"name": "hosted", "rounds": 2, "seats": [{"name": n, "model": f"{n} 5"} for n in ("Ada", "Bob")]}
    path = tmp_path / "import.json"
    path.write_text(dump(data))
    ended = run_command(capsys, "summarize", path)
    assert ended.code == 0
    assert "Ada changed its vote to No in round 2, persuaded by Bob." in " ".join(ended.out.split())
    assert run_command(capsys, "summarize", path, "--moderator", moderator, *SCRIPTED).code == 0


def test_what_a_model_writes_of_a_store_is_kept_and_not_asked_for_again(
    capsys: pytest.CaptureFixture[str], moderator: Path, tmp_path: Path
) -> None:
    store = hold_suite(tmp_path / "run.db", table(tmp_path), suite(3), controls=("votes-only",))
    asked = ("summarize", store, "--moderator", moderator, *SCRIPTED)
    ended = run_command(capsys, *asked, "--json", "-")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert [debate["summary"]["by"] for debate in found] == ["speaker"] * 3
    assert {debate["condition"] for debate in found} == {"debate"}
    assert "3 debates summed up, 3 of them by speaker" in ended.err

    def sessions() -> list[str]:
        with Store.open(store, write=False) as opened:
            return [session["kind"] for session in opened.sessions()]

    assert sessions() == ["run", "summary"]
    assert json.loads(run_command(capsys, *asked, "--json", "-").out) == found
    assert sessions() == ["run", "summary"]
    assert run_command(capsys, "verify", store).code == 0
    out = tmp_path / "exported.jsonl"
    assert run_command(capsys, "export", store, "--out", out).code == 0
    exported = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [d["summary"] for d in exported if d["condition"] == "debate"] == [debate["summary"] for debate in found]


def test_without_a_moderator_a_store_is_only_read(
    capsys: pytest.CaptureFixture[str], example: Path, tmp_path: Path
) -> None:
    store = copy_store(example, tmp_path / "copy.db")
    before = store.read_bytes()
    ended = run_command(capsys, "summarize", store, "--json", tmp_path / "out.json")
    assert ended.code == 0
    assert "Summary" in ended.out
    assert store.read_bytes() == before


@pytest.mark.parametrize("stop_after", [0, 2])
def test_a_store_without_a_finished_debate_is_no_error(
    capsys: pytest.CaptureFixture[str], moderator: Path, tmp_path: Path, stop_after: int
) -> None:
    store = hold_suite(tmp_path / "run.db", table(tmp_path), suite(2), stop_after=stop_after)
    for options in ((), ("--moderator", moderator, *SCRIPTED)):
        ended = run_command(capsys, "summarize", store, *options)
        assert (ended.code, ended.out) == (0, "")
        assert "no debate is finished" in ended.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema_version": 99}, "version 99"),
        ({"schema_version": 0}, "no transcript"),
        ({"rounds": "none"}, "no transcript"),
        ({"summary": {"by": "x"}}, "no transcript"),
    ],
)
def test_a_transcript_of_another_kind_is_refused(
    capsys: pytest.CaptureFixture[str], transcript: Path, change: dict[str, object], says: str
) -> None:
    transcript.write_text(json.dumps({**json.loads(transcript.read_text()), **change}))
    ended = run_command(capsys, "summarize", transcript)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


@pytest.mark.parametrize("cards", [[1], "toy", {"toy": "x"}, {"toy": {"name": 3}}])
def test_what_a_manifest_says_of_models_may_be_anything(
    capsys: pytest.CaptureFixture[str], transcript: Path, moderator: Path, cards: object
) -> None:
    data = json.loads(transcript.read_text("utf-8"))
    data["manifest"]["cards"] = cards
    data["panel"]["seats"][0]["persona"] = 3
    transcript.write_text(json.dumps(data))
    ended = run_command(capsys, "summarize", transcript, "--moderator", moderator, *SCRIPTED, "--json", "-")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["summary"]["by"] == "speaker"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": NaN}'])
def test_a_file_that_is_no_transcript_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    assert run_command(capsys, "summarize", path).code == 2


def test_what_is_no_store_is_refused_and_gets_no_lock(
    capsys: pytest.CaptureFixture[str], moderator: Path, tmp_path: Path
) -> None:
    (tmp_path / "suite.jsonl").write_text("{}\n")
    before = sorted(tmp_path.iterdir())
    for name in ("suite.jsonl", "missing.db", "."):
        ended = run_command(capsys, "summarize", tmp_path / name, "--moderator", moderator, *SCRIPTED)
        assert (ended.code, ended.out) == (2, "")
    assert sorted(tmp_path.iterdir()) == before


def test_an_unknown_moderator_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], transcript: Path, tmp_path: Path
) -> None:
    ended = run_command(capsys, "summarize", transcript, "--moderator", "nobody-1b", *SCRIPTED)
    assert (ended.code, ended.out) == (2, "")
    suite_file, panel = tmp_path / "suite.jsonl", tmp_path / "panel.yaml"
    suite_file.write_text(json.dumps({"question": "Is it?", "options": ["Yes", "No"]}))
    make_panel(tmp_path, "Ada", cards=CARDS)
    panel.write_text("name: p\nseats: [{name: Ada, model: toy.yaml}]\nmoderator: nobody-1b\n")
    ended = run_command(capsys, "suite", suite_file, "-p", panel, "--store", tmp_path / "x.db", *SCRIPTED)
    assert ended.code == 2
    assert "nobody-1b" in ended.err


def test_a_moderator_under_the_id_of_another_model_of_the_panel_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import yaml

    make_panel(tmp_path, "Ada", "Bob", cards=CARDS)
    panel, other = tmp_path / "panel.yaml", tmp_path / "elsewhere.yaml"
    panel.write_text("name: p\nseats: [{name: Ada, model: toy.yaml}]\n")
    other.write_text(yaml.safe_dump({**CARD, "id": "toy", "name": "Another"}))
    asked = ("debate", "Is it?", "-o", "Yes", "-o", "No", "-p", panel, *SCRIPTED)
    ended = run_command(capsys, *asked, "--moderator", other)
    assert (ended.code, ended.out) == (2, "")
    assert "--moderator: two different models are called 'toy'" in ended.err


def test_a_moderator_on_the_command_line_goes_before_the_panels(
    capsys: pytest.CaptureFixture[str], moderator: Path, tmp_path: Path
) -> None:
    make_panel(tmp_path, "Ada", "Bob", cards=CARDS)
    panel = tmp_path / "panel.yaml"
    panel.write_text("name: p\nseats: [{name: Ada, model: toy.yaml}]\nmoderator: toy.yaml\n")
    out = tmp_path / "debate.json"
    for options, by in (((), "toy"), (("--moderator", moderator), "speaker"), (("--moderator", "toy"), "toy")):
        ended = run_command(
            capsys,
            "debate",
            "Is it?",
            "-o",
            "Yes",
            "-o",
            "No",
            "-p",
            panel,
            *SCRIPTED,
            *options,
            "--json",
            out,
            "--quiet",
        )
        assert ended.code == 0, ended.err
        assert json.loads(out.read_text())["summary"]["by"] == by
