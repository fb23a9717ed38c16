"""`localtable import dataset`: options, exit codes, what is said on stderr, and the hub on a loopback server."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from localtable.cli.main import run
from localtable.config import load_suite
from localtable.config.datasets import ANSWER_KINDS, SCHEMAS
from tests.weights.conftest import Loopback
from tests.weights.conftest import server as _server

server = _server
ROOT = Path(__file__).parents[2]
HEADER = ("Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
GPQA = [
    dict(zip((*HEADER, "Record ID", "High-level domain", "Subdomain"), row, strict=True))
    for row in [
        ("Which?", "right", "b", "c", "d", "recA", "Physics", "Optics"),
        ("What?", "right", "x", "y", "z", "recB", "Chemistry", "Organic"),
    ]
]
ARC = {"id": "M1", "question": "Which?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}


def csv_bytes(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_bytes(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs, with a small file in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpqa.csv").write_bytes(csv_bytes(GPQA))
    rows = [{"text": f"Is it {n}?", "a": "Yes", "b": "No", "right": "A", "topic": "t"} for n in range(30)]
    (tmp_path / "rows.csv").write_bytes(csv_bytes(rows))
    return tmp_path


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["import", "dataset", *arguments]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


GENERIC = ("generic", "--from", "rows.csv", "--question", "text", "--options", "a,b", "--answer", "right")


def test_a_suite_is_written_with_its_record_and_a_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "gpqa", "--from", "gpqa.csv", "--out", "suite.jsonl", "--seed", "3")
    assert said.startswith(f"gpqa: 2 questions from 2 rows in {folder / 'suite.jsonl'}\n")
    assert f"gpqa.csv  sha256 {hashlib.sha256(Path('gpqa.csv').read_bytes()).hexdigest()}" in said
    assert "options shuffled by seed 3" in said
    assert f"recorded in {folder / 'suite.jsonl.source.json'}" in said
    assert [question.id for question in load_suite(Path("suite.jsonl"))] == ["gpqa/recA", "gpqa/recB"]
    assert json.loads(Path("suite.jsonl.source.json").read_text())["shuffle_seed"] == 3


@pytest.mark.usefixtures("folder")
def test_generic_takes_columns_by_name_and_notices_an_answer_that_never_moves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = said_by(capsys, *GENERIC, "--tags", "topic", "--out", "suite.jsonl")
    assert "every right answer is option A: --shuffle keeps that from giving it away" in said
    assert next(load_suite(Path("suite.jsonl"))).tags == ("t",)
    said = said_by(capsys, *GENERIC, "--shuffle", "--out", "suite.jsonl", "--force")
    assert "options shuffled by seed 0" in said
    assert "every right answer" not in said
    assert {question.answer for question in load_suite(Path("suite.jsonl"))} == {"A", "B"}
    said = said_by(capsys, *GENERIC[:-2], "--limit", "4", "--out", "suite.jsonl", "--force")
    assert "generic: 4 questions from 4 rows" in said
    assert "4 without an answer" in said


@pytest.mark.usefixtures("folder")
def test_rows_left_out_are_counted_and_the_first_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": f"Is it {n}?", "a": "Yes", "b": "Yes" if n else "No", "right": "A"} for n in range(8)]
    Path("rows.csv").write_bytes(csv_bytes(rows))
    said = said_by(capsys, *GENERIC, "--out", "suite.jsonl", code=2)
    assert "rows.csv, row 2: the options must differ" in said
    assert "--skip-invalid leaves such rows out" in said
    assert not Path("suite.jsonl").exists()
    said = said_by(capsys, *GENERIC, "--out", "suite.jsonl", "--skip-invalid")
    assert "7 rows left out" in said
    assert said.count("the options must differ") == 5
    assert "… and 2 more" in said


@pytest.mark.usefixtures("folder")
def test_what_a_source_says_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": "Is it?", "a": "Yes", "b": "No", "right": right} for right in ("A", "\x1b[2J")]
    Path("rows.csv").write_bytes(csv_bytes(rows))
    assert "\x1b" not in said_by(capsys, *GENERIC, "--out", "suite.jsonl", "--skip-invalid")


@pytest.mark.usefixtures("folder")
def test_several_splits_in_one_suite_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("test", "dev"):
        Path("data").mkdir(exist_ok=True)
        Path(f"data/{split}-00000-of-00001.jsonl").write_text(json.dumps({**ARC, "id": split}))
    said = said_by(capsys, "arc", "--from", "data", "--out", "suite.jsonl")
    assert "the files are of several splits (dev, test): --split takes one" in said
    said = said_by(capsys, "arc", "--from", "data", "--split", "test", "--out", "suite.jsonl", "--force")
    assert "several splits" not in said
    assert [question.id for question in load_suite(Path("suite.jsonl"))] == ["arc/test"]


REFUSED = [
    (("mmlu-por", "--from", "rows.csv"), "no dataset is called 'mmlu-por'", "Did you mean 'mmlu-pro'?"),
    (("mmlu", "--from", "gone.csv"), "gone.csv does not exist", "Check the path"),
    (("mmlu", "--from", "rows.csv"), "has no column 'question', 'choices', 'answer', 'subject'; it has 'text'", ""),
    (("mmlu", "--from", "rows.csv", "--question", "text"), "--question names a column", "import generic"),
    (("mmlu", "--from", "rows.csv", "--seed", "3"), "--seed 3 has nothing to shuffle", "Add --shuffle."),
    (("mmlu", "--from", "rows.csv", "--revision", "main"), "--revision main is of a repository", "Add --from hub."),
    (("mmlu", "--from", "hub", "--from", "rows.csv"), "the hub and something else", "one after the other"),
    (("mmlu", "--from", "hub:mmlu"), "'hub:mmlu' is no hub:ORG/NAME", "For example"),
    (("mmlu", "--from", "hub:"), "'hub:' is no hub:ORG/NAME", "For example"),
    (("mmlu", "--from", "hub:a/b@c", "--revision", "d"), "name two revisions", "Leave one"),
    (("generic", "--from", "hub", "--question", "q", "--options", "o"), "generic has no repository", "hub:cais/mmlu"),
    (("generic", "--from", "rows.csv"), "generic needs --question and --options", "For example"),
    ((*GENERIC[:-2], "--answer-is", "text"), "--answer-is says how --answer is read", "Name the column."),
    (("generic", "--from", "rows.csv", "--question", "q", "--options", "a,,b"), "an empty or a repeated column", "A,B"),
    ((*GENERIC, "--split", "dev"), "rows.csv", "--split"),
    (("mmlu", "--from", "."), "has no column", ""),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("arguments", "message", "hint"), REFUSED)
def test_bad_input_is_one_message_and_a_hint(
    arguments: tuple[str, ...], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_by(capsys, *arguments, "--out", "suite.jsonl", code=2)
    first, second = said.splitlines()
    assert first.startswith("Error: ")
    assert message in first
    assert second.startswith("  → ")
    assert hint in second
    assert not Path("suite.jsonl").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments", [("gpqa", "--from", "gpqa.csv"), (*GENERIC, "--answer-is", "word", "--out", "x"), ("--out", "x")]
)
def test_wrong_usage_is_clicks_own(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Usage: localtable import dataset" in said_by(capsys, *arguments, code=2)


@pytest.mark.usefixtures("folder")
def test_a_suite_that_is_there_is_replaced_only_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("suite.jsonl").write_text("mine")
    asked = ("gpqa", "--from", "gpqa.csv", "--out", "suite.jsonl")
    assert "suite.jsonl exists" in said_by(capsys, *asked, code=2)
    assert Path("suite.jsonl").read_text() == "mine"
    said_by(capsys, *asked, "--force")
    Path("suite.jsonl").unlink()
    assert "suite.jsonl.source.json exists" in said_by(capsys, *asked, code=2)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("gone/suite.jsonl", "does not exist"),
        (".", "is a folder"),
        ("/", "is a folder"),
        ("a\0b", "is no path"),
        ("/dev/full", "no regular file"),
    ],
)
def test_a_place_that_cant_be_written_is_found_before_anything_is_read(
    out: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gpqa.csv").write_text("broken")
    assert said in said_by(capsys, "gpqa", "--from", "gpqa.csv", "--out", out, code=2)


@pytest.mark.usefixtures("folder")
def test_a_disk_that_fills_up_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = said_by(capsys, "gpqa", "--from", "gpqa.csv", "--out", "suite.jsonl", code=3)
    assert "can't be written: No space left on device" in said
    assert {path.name for path in Path().iterdir()} == {"gpqa.csv", "rows.csv"}


def test_the_commands_help_offers_every_dataset_and_way_to_read_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "dataset", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(name in text.replace("- ", "-") for name in SCHEMAS)
    assert f"[{'|'.join(ANSWER_KINDS)}]" in text


def test_reading_text_loads_no_parquet_and_no_hub(folder: Path) -> None:
    code = (
        "import sys; from localtable.cli.main import run\n"
        "code = run(['import', 'dataset', 'gpqa', '--from', 'gpqa.csv', '--out', 'suite.jsonl'])\n"
        "sys.exit(code or bool({'pyarrow', 'huggingface_hub', 'httpx', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=folder, check=False, capture_output=True).returncode == 0


# ── the hub ─────────────────────────────────────────────────────────────────────────────────────────────────


class Hub:
    """One dataset's repository with one commit, served as the hub serves it."""

    def __init__(self, server: Loopback, folder: Path) -> None:
        self.server, self.folder = server, folder

    def publish(
        self, repo: str, files: dict[str, bytes], commit: str = "1" * 40, announced: dict[str, str] | None = None
    ) -> None:
        siblings = []
        for name, content in files.items():
            sha = (announced or {}).get(name, hashlib.sha256(content).hexdigest())
            lfs = {"sha256": sha, "size": len(content), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": len(content), "blobId": sha[:40], "lfs": lfs})
            path = f"/datasets/{repo}/resolve/{commit}/{name}"
            self.server.files[path] = content
            self.server.headers[path] = {"X-Repo-Commit": commit, "ETag": f'"{sha}"'}
        info = json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode()
        for path in (f"/api/datasets/{repo}", f"/api/datasets/{repo}/revision/{commit}"):
            self.server.files[path] = info

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {
            "HF_ENDPOINT": self.server.base,
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "localtable.cli.main", "import", "dataset", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=kept | own | environment, check=False
        )

    @property
    def downloaded(self) -> set[str]:
        return {path.split("/resolve/")[1].split("/", 1)[1] for path, _ in self.server.asked if "/resolve/" in path}


@pytest.fixture
def hub(server: Loopback, tmp_path: Path) -> Hub:
    return Hub(server, tmp_path)


ARC_FILES = {
    "ARC-Challenge/test-00000-of-00001.parquet": parquet_bytes([ARC]),
    "ARC-Challenge/train-00000-of-00001.parquet": parquet_bytes([{**ARC, "id": "train"}]),
    "ARC-Easy/test-00000-of-00001.parquet": parquet_bytes([{**ARC, "id": "easy"}]),
    "README.md": b"# ARC",
    "loader.py": b"evil",
}


def test_the_hub_gives_the_usual_files_and_the_commit_is_recorded(hub: Hub) -> None:
    hub.publish("allenai/ai2_arc", ARC_FILES)
    done = hub.run("arc", "--from", "hub", "--out", "suite.jsonl")
    assert done.returncode == 0, done.stderr
    assert hub.downloaded == {"ARC-Challenge/test-00000-of-00001.parquet"}
    assert [question.id for question in load_suite(hub.folder / "suite.jsonl")] == ["arc/M1"]
    record = json.loads((hub.folder / "suite.jsonl.source.json").read_text())
    assert (record["repo"], record["revision"]) == ("allenai/ai2_arc", "1" * 40)
    assert (record["config"], record["split"]) == ("ARC-Challenge", "test")
    assert record["files"][0]["name"] == "ARC-Challenge/test-00000-of-00001.parquet"
    assert f"from allenai/ai2_arc at {'1' * 40}" in done.stderr


def test_a_pinned_revision_another_configuration_and_a_copy_of_a_dataset(hub: Hub) -> None:
    hub.publish("me/copy", ARC_FILES, "2" * 40)
    hub.publish("me/copy", {}, "3" * 40)  # the newest commit has nothing
    asked = ("arc", "--from", f"hub:me/copy@{'2' * 40}", "--config", "ARC-Easy", "--out", "suite.jsonl")
    done = hub.run(*asked)
    assert done.returncode == 0, done.stderr
    assert [question.id for question in load_suite(hub.folder / "suite.jsonl")] == ["arc/easy"]
    assert json.loads((hub.folder / "suite.jsonl.source.json").read_text())["revision"] == "2" * 40
    done = hub.run("arc", "--from", "hub:me/copy", "--out", "other.jsonl")
    assert done.returncode == 2
    assert "me/copy holds no .parquet" in done.stderr


def test_a_gated_dataset_says_where_to_accept_and_that_a_file_will_do(hub: Hub) -> None:
    hub.publish("Idavidrein/gpqa", {"gpqa_diamond.csv": csv_bytes(GPQA), "gpqa_experts.csv": b"x"})
    path = f"/datasets/Idavidrein/gpqa/resolve/{'1' * 40}/gpqa_diamond.csv"
    hub.server.status[path] = (403, {"X-Error-Code": "GatedRepo"})
    done = hub.run("gpqa", "--from", "hub", "--out", "suite.jsonl")
    assert done.returncode == 3
    assert "Error: Idavidrein/gpqa is gated" in done.stderr
    assert "Accept them at https://huggingface.co/datasets/Idavidrein/gpqa" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert "name the files" in done.stderr
    del hub.server.status[path]
    assert hub.run("gpqa", "--from", "hub", "--out", "suite.jsonl").returncode == 0
    assert hub.downloaded == {"gpqa_diamond.csv"}


def test_a_file_that_the_hub_did_not_announce_is_refused(hub: Hub) -> None:
    name = "ARC-Challenge/test-00000-of-00001.parquet"
    hub.publish("allenai/ai2_arc", ARC_FILES, announced={name: "a" * 64})
    done = hub.run("arc", "--from", "hub", "--out", "suite.jsonl")
    assert done.returncode == 3
    assert f"the hub announces {'a' * 64}" in done.stderr
    assert not (hub.folder / "suite.jsonl").exists()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("unknown", "the hub shows no dataset allenai/ai2_arc"),
        ("revision", "allenai/ai2_arc has no such revision"),
        ("offline", "HF_HUB_OFFLINE keeps the hub from being asked"),
        ("down", "the hub can't be reached"),
    ],
)
def test_a_hub_that_does_not_give_the_dataset_is_exit_code_3(case: str, said: str, hub: Hub) -> None:
    code = {"unknown": "RepoNotFound", "revision": "RevisionNotFound"}.get(case)
    if code:
        hub.server.status["/api/datasets/allenai/ai2_arc"] = (404, {"X-Error-Code": code})
    environment = {"offline": {"HF_HUB_OFFLINE": "1"}, "down": {"HF_ENDPOINT": "http://127.0.0.1:9"}}.get(case, {})
    done = hub.run("arc", "--from", "hub", "--out", "suite.jsonl", **environment)
    assert done.returncode == 3
    assert said in done.stderr
    assert "  → " in done.stderr
    assert not (hub.folder / "suite.jsonl").exists()


def test_only_the_word_itself_opens_a_connection(hub: Hub) -> None:
    (hub.folder / "hub").mkdir()
    (hub.folder / "hub" / "rows.jsonl").write_text(json.dumps(ARC))
    done = hub.run("arc", "--from", "./hub", "--out", "suite.jsonl", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert hub.server.asked == []
