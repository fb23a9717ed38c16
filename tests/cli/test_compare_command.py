"""`localtable compare` from the command line down: stores, transcripts, exports and imports; conditions; refusals."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from analyzed_stores import analysis_of, comparison, random_store
from command_line import Command, Ended, run_command
from rich.console import Console
from store_builders import ASKED, exported

from localtable.analysis.compare import compare as compare_panels
from localtable.cli.panels import read_panel
from localtable.report.analysis.terminal_sheet import TerminalSheet
from localtable.report.comparison import lay_out
from tests.roundtable.copied_pages import LUNCH, Said, Told, read, render

CONTRACTS = Path(__file__).resolve().parents[2] / "docs/contracts.md"
GLASS = Told(
    question="What is glass?",
    options=("Solid", "Liquid"),
    responses=(Said("Alder", "Solid", "It breaks."), Said("Elm", "Liquid", "It flows.")),
    result="Majority — Solid (1/2 votes)",
)


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path) -> Ended:
        ended = run_command(capsys, "compare", *arguments)
        assert not re.search(r"\bnan\b", ended.out + ended.err, flags=re.IGNORECASE)
        return ended

    return command


def write(name: str, *transcripts: dict[str, Any], indent: int | None = None) -> Path:
    """A file with one transcript a line, or one over many lines."""
    path = Path(name)
    path.write_text("\n".join(json.dumps(data, indent=indent, ensure_ascii=False) for data in transcripts), "utf-8")
    return path


def figures(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_a_store_and_an_import_are_compared_on_what_they_have_in_common(example: Path, compare: Command) -> None:
    write("page.json", read(render(GLASS)), indent=1)
    ended = compare(example, "page.json")
    assert (ended.code, ended.err) == (0, "")
    for said in (
        "A: example.db: panel, 3 seats, condition debate",
        "B: page.json: AI Roundtable, 2 seats, an import",
        "1 question in common; 3 only in A, 0 only in B",
        "A: Plurality — Liquid (2/3 votes)".replace("Plurality", "Majority"),
        "B: Tie — Solid, Liquid (1/2 votes each)",
        "Solid (right)",
        "Who voted like whom",
        "B (not known)",
    ):
        assert said in ended.out


def test_a_store_its_export_and_its_transcripts_compare_alike(example: Path, compare: Command) -> None:
    debates = [data for data in exported(example) if data["condition"] == "debate"]
    write("lines.jsonl", *debates)
    for one, other in (("lines.jsonl", example), (example, "lines.jsonl"), ("lines.jsonl", "lines.jsonl")):
        data = figures(compare(one, other, "--json", "-"))
        assert data["matched"] == len(ASKED)
        assert {figure["name"]: figure["value"] for figure in data["figures"]}["same_outcome"] == 1
        assert [row["value"] for row in data["agreement"] if row["a"] == row["b"]] == [1, 1, 1]
        assert data["a"]["completion_tokens"] == data["b"]["completion_tokens"] > 0


def test_two_conditions_of_a_store_are_compared(example: Path, compare: Command) -> None:
    data = figures(compare(example, example, "--condition", "debate", "--condition", "votes-only", "--json", "-"))
    assert (data["a"]["condition"], data["b"]["condition"]) == ("debate", "votes-only")
    assert data["matched"] == len(ASKED)
    both = figures(compare(example, example, "--condition", "votes-only", "--json", "-"))
    assert both["a"]["condition"] == both["b"]["condition"] == "votes-only"


def test_an_accuracy_differs_by_what_an_analysis_says(tmp_path: Path, compare: Command) -> None:
    store = random_store(tmp_path / "run", number=14, repeats=1)
    data = figures(compare(store, store, "--condition", "debate", "--condition", "solo-revise", "--json", "-"))
    for found in data["accuracy"]:
        wanted = comparison(analysis_of(store), f"{found['name']}: debate − solo-revise")
        difference = found["difference"]
        assert difference["value"] == pytest.approx(wanted.estimate.value)
        assert difference["low"] == pytest.approx(wanted.estimate.low)
        assert (difference["high"], difference["n"]) == (pytest.approx(wanted.estimate.high), wanted.estimate.n)
        assert found["test"]["p"] == wanted.p.p


def test_what_is_failed_or_open_in_a_store_is_counted(mixed: Path, compare: Command) -> None:
    data = figures(compare(mixed, mixed, "--json", "-"))
    assert data["a"]["left_out"] == {"failed": 2}
    assert "mixed.db: 2 debates left out: failed" in data["notes"]


def test_json_goes_to_a_file_beside_the_report(example: Path, compare: Command) -> None:
    ended = compare(example, example, "--json", "out.json")
    assert "questions in common" in ended.out
    data = json.loads(Path("out.json").read_text("utf-8"))
    assert data["schema_version"] == 1
    described = CONTRACTS.read_text("utf-8").split("## Comparison")[1].split("\n## ")[0]
    names = {*data, *data["a"], *data["questions"][0], *data["accuracy"][0], *data["figures"][0]}
    names |= {figure["name"] for figure in [*data["figures"], *data["accuracy"]]}
    assert {name for name in names if not re.search(rf"\b{name}\b", described)} == set()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_report_fits_the_terminal(example: Path, width: int) -> None:
    compared = compare_panels(read_panel(example, None), read_panel(example, "votes-only"))
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    lay_out(compared, TerminalSheet(console))
    assert isinstance(console.file, io.StringIO)
    assert max(map(len, console.file.getvalue().splitlines())) <= width


def test_a_page_says_what_the_terminal_says(example: Path, compare: Command) -> None:
    write("page.json", read(render(GLASS).replace("Alder", "Al<script>der")))
    ended = compare(example, "page.json", "--html", "out.html")
    page = Path("out.html").read_text("utf-8")
    assert "Al<script>der" not in page
    for said in (
        "What is glass?",
        "Tie — Solid, Liquid (1/2 votes each)",
        "Who voted like whom",
        "Al&lt;script&gt;der",
    ):
        assert said in page
    assert "Who voted like whom" in ended.out
    assert re.search(r"(?:src|href)=[\"'](?!#)", page) is None, "it asks for nothing"


def test_no_two_outputs_are_one_file(example: Path, compare: Command) -> None:
    ended = compare(example, example, "--json", "out", "--html", "out")
    assert ended.code == 2
    assert "is named for something else, too" in ended.err


def test_nothing_in_common_ends_with_2(example: Path, compare: Command) -> None:
    write("page.json", read(render(LUNCH)))
    ended = compare(example, "page.json")
    assert (ended.code, ended.out) == (2, "")
    assert "have no question in common" in ended.err
    assert "→" in ended.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"not json", "is not valid JSON"),
        (b"{}", "is no transcript"),
        (b'{"a": 1}\n{"b": 2}', "line 1 is no transcript"),
        (b"{}\n{]}", "line 1 is no transcript"),
        (b'{"schema_version": 99}', "is a transcript of version 99; this program reads up to 1"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b"[" * 100_000, "is not valid JSON"),
    ],
)
def test_what_is_no_store_and_no_transcript_is_refused(
    example: Path, compare: Command, content: bytes, said: str
) -> None:
    Path("odd").write_bytes(content)
    ended = compare(example, "odd")
    assert ended.code == 2
    assert said in ended.err


def test_a_missing_file_and_an_unknown_condition_are_refused(example: Path, compare: Command) -> None:
    assert "does not exist" in compare(example, "nowhere.db").err
    assert "no condition 'vote-only'" in compare(example, example, "--condition", "vote-only").err
    debates = [data for data in exported(example) if data["condition"] == "debate"]
    assert "has no debate of the condition 'ring'" in compare(write("x", *debates), example, "--condition", "ring").err
    assert "is given 3 times" in compare(example, example, *["--condition", "debate"] * 3).err


def test_several_conditions_in_a_file_must_be_told_apart(example: Path, compare: Command) -> None:
    both = [{**data, "condition": name} for data in exported(example) for name in ("one", "other")]
    ended = compare(write("both.jsonl", *both), example)
    assert ended.code == 2
    assert "several conditions to choose from: one, other" in ended.err


def test_a_comparison_is_never_written_into_what_it_reads(example: Path, compare: Command) -> None:
    before = example.read_bytes()
    ended = compare(example, example, "--json", example)
    assert ended.code == 2
    assert example.read_bytes() == before


def test_names_and_options_can_not_steer_the_terminal(example: Path, compare: Command) -> None:
    data = read(render(GLASS).replace("Alder", "Al\x1b[31mder").replace("Solid", "Sol\x1b[2Jid"))
    page = write("page.json", data)
    ended = compare(page, page)
    assert ended.code == 0
    assert "\x1b" not in ended.out
