"""`localtable debate` from the command line down: results, outputs, and every way to ask for it wrongly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CARD, votes, write_panel, write_script
from command_line import Command, Ended, run_command

from localtable.transcript import check

ASK = ("debate", "Is a tomato a fruit?", "-o", "Yes", "-o", "No", "--engine", "scripted")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a panel of two seats."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "200")
    write_panel(work, "Ada", "Bob")
    return work


@pytest.fixture
def localtable(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path) -> Ended:
        return run_command(capsys, *arguments)

    return command


def script(folder: Path, *turns: Any, **keys: Any) -> tuple[str, str]:
    return "--engine-arg", f"script={write_script(folder, *turns, **keys)}"


def left(folder: Path) -> set[str]:
    """Names of the files that are there, those of the input aside."""
    return {path.name for path in folder.iterdir()} - {"panel.yaml", "toy.yaml", "script.yaml"}


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("AAA", "Unanimous — Yes (3/3 votes)"),
        ("AAB", "Majority — Yes (2/3 votes)"),
        ("AABC", "Plurality — Yes (2/4 votes)"),
        ("AABBC", "Tie — Yes, No (2/5 votes each)"),
    ],
)
def test_every_kind_of_result_is_said(folder: Path, localtable: Command, said: str, line: str) -> None:
    names = [f"Seat {i}" for i in range(len(said))]
    panel = write_panel(folder, *names)
    turns = [turn for name, vote in zip(names, said, strict=True) for turn in votes(name, vote, vote)]
    options = ("-o", "Yes", "-o", "No", "-o", "Maybe")
    ended = localtable("debate", "Is it?", *options, "--panel", panel, "--engine", "scripted", *script(folder, *turns))
    assert ended.code == 0
    assert line in ended.out.splitlines()


def test_results_go_to_stdout_and_progress_to_stderr(folder: Path, localtable: Command) -> None:
    ended = localtable(*ASK, "--panel", "panel.yaml", *script(folder, {"vote": "A", "statement": "Aye."}))
    assert ended.code == 0
    assert ended.out.startswith("Is a tomato a fruit?\n\nUnanimous — Yes (2/2 votes)\nAgreement after 1 round.\n")
    for progress in ("loading toy", "toy ready", "round 1 (blind)", "Ada votes Yes", "round 1 closed: Yes 2"):
        assert progress in ended.err
        assert progress not in ended.out
    assert "Unanimous" not in ended.err


def test_changed_minds_are_told_with_who_persuaded_them(folder: Path, localtable: Command) -> None:
    turns = [*({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B")), *votes("Bob", "B", "B")]
    ended = localtable(*ASK, "--panel", "panel.yaml", *script(folder, *turns))
    assert "Ada: Yes → No in round 2, persuaded by Bob" in ended.out
    assert "round 2: Ada votes No" in ended.err
    assert "changed its mind, persuaded by Bob" in ended.err


def test_quiet_says_the_result_only(folder: Path, localtable: Command) -> None:
    ended = localtable(*ASK, "--panel", "panel.yaml", "--quiet")
    assert ended.code == 0
    assert ended.err == ""
    assert ended.out


def test_a_transcript_is_written_that_fits_the_schema(folder: Path, localtable: Command) -> None:
    ended = localtable(*ASK, "--panel", "panel.yaml", "--json", "out.json", "--markdown", "out.md")
    assert ended.code == 0
    check(json.loads((folder / "out.json").read_text()), "out.json")
    assert (folder / "out.md").read_text().startswith("# Is a tomato a fruit?\n")
    assert left(folder) == {"out.json", "out.md"}


def test_the_same_seed_writes_the_same_file_but_for_its_timings(folder: Path, localtable: Command) -> None:
    for name in ("a.json", "b.json"):
        assert localtable(*ASK, "--panel", "panel.yaml", "--seed", "3", "--json", name).code == 0
    texts = [(folder / name).read_text() for name in ("a.json", "b.json")]
    a, b = (re.sub(r'"timings": \{.*?\n  \}', "", text, flags=re.DOTALL) for text in texts)
    assert a == b
    assert '"timings"' not in a
    assert json.loads(texts[0])["panel"]["seed"] == 3


def test_options_stand_in_place_of_the_panel_s_own(folder: Path, localtable: Command) -> None:
    turns = [*votes("Ada", *"AAA"), *votes("Bob", *"BBB")]
    arguments = ("--rounds", "3", "--prompts", "answer", "--json", "out.json", *script(folder, *turns))
    assert localtable(*ASK, "--panel", "panel.yaml", *arguments).code == 0
    data = json.loads((folder / "out.json").read_text())
    assert len(data["rounds"]) == 3
    assert data["panel"]["prompts"] == "answer"
    assert data["manifest"]["prompts"]["name"] == "answer"


def test_engine_arguments_of_the_command_are_used_and_stored(folder: Path, localtable: Command) -> None:
    arguments = ("max_model_len=9000", "max-num-seqs=1", "dtype=float16")
    given = [part for argument in arguments for part in ("--engine-arg", argument)]
    assert localtable(*ASK, "--panel", "panel.yaml", *given, "--json", "out.json").code == 0
    data = json.loads((folder / "out.json").read_text())
    assert data["panel"]["engine"] == {"max_model_len": "9000", "max_num_seqs": "1", "dtype": "float16"}
    engine = data["manifest"]["engines"]["toy"]
    assert (engine["max_num_seqs"], engine["dtype"]) == (1, "float16")
    assert engine["max_model_len"] < 9000, "a bound, not a wish: the longest prompt decides"
    ended = localtable(*ASK, "--panel", "panel.yaml", "--engine-arg", "max_model_len=90", "--quiet")
    refused(ended, 3, "has a context of 90")


def test_without_a_panel_the_demo_panel_sits_down(localtable: Command) -> None:
    ended = localtable(*ASK)
    assert ended.code == 0
    for seat in ("Smol", "Coder-S", "Coder-L"):
        assert seat in ended.out


def test_models_can_be_named_in_place_of_a_panel(folder: Path, localtable: Command) -> None:
    (folder / "other.yaml").write_text(yaml.safe_dump({**CARD, "id": "other", "name": "Other"}))
    ended = localtable(*ASK, "-m", "toy.yaml", "-m", "other.yaml", "-m", "toy.yaml", "--json", "out.json")
    assert ended.code == 0
    seats = json.loads((folder / "out.json").read_text())["panel"]["seats"]
    assert [(seat["name"], seat["model"]) for seat in seats] == [("Toy 1", "toy"), ("Other", "other"), ("Toy 2", "toy")]


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["question.yaml", "question.yml", "question.json", "question"])
def test_a_question_can_be_a_file(folder: Path, localtable: Command, name: str) -> None:
    (folder / name).write_text('{"question": "From a file?", "options": ["Yes", "No"]}')
    ended = localtable("debate", name, "--panel", "panel.yaml", "--engine", "scripted")
    assert ended.code == 0
    assert ended.out.startswith("From a file?\n")


@pytest.mark.parametrize(
    "question", ["漢" * 400, "~nobody", "~ is a tilde?", "Is\tit?", "x" * 5000, "Is it? /etc/passwd"]
)
def test_a_question_that_looks_like_no_file_is_a_question(localtable: Command, question: str) -> None:
    ended = localtable(
        "debate", question, "-o", "Yes", "-o", "No", "--panel", "panel.yaml", "--engine", "scripted", "--quiet"
    )
    assert ended.code == 0, ended.err


# ── hostile text ────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text_reaches_neither_terminal_nor_page_raw_or_as_markup(folder: Path, localtable: Command) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 [bold]b[/bold] \u202eturned # x\n# Not a heading\n<script>"
    panel = write_panel(folder, "Ada", "\x1b[31mBob\u202e")
    ended = localtable(
        *("debate", f"Is it? {hostile}", "-o", hostile, "-o", "No", "--panel", panel, "--engine", "scripted"),
        *("--json", "out.json", "--markdown", "out.md", *script(folder, {"statement": hostile, "vote": "A"})),
    )
    assert ended.code == 0
    page = (folder / "out.md").read_text()
    for shown in (ended.out, ended.err, page):
        assert "\\x1b[2J".replace("[", "\\[" if shown is page else "[") in shown.replace("\\\\", "\\")
        for raw in ("\x1b", "\x07", "\u202e"):
            assert raw not in shown
    assert "[bold]b[/bold]" in ended.out
    assert "\n# Not a heading" not in page
    assert "<script>" not in page.replace("\\<", "")
    turn = json.loads((folder / "out.json").read_text())["rounds"][0]["turns"][0]
    assert turn["statement"] == hostile, "what is kept is what was said"


def test_an_option_of_two_lines_passes_for_no_line_of_ours(folder: Path, localtable: Command) -> None:
    (folder / "q.yaml").write_text('question: Is it?\noptions: ["Yes\\nUnanimous — No (9/9 votes)", No]')
    ended = localtable(
        *("debate", "q.yaml", "--panel", "panel.yaml", "--engine", "scripted"), *script(folder, {"vote": "A"})
    )
    assert ended.code == 0
    assert not [line for line in (ended.out + ended.err).splitlines() if line.startswith("Unanimous — No")]


def test_hostile_text_in_a_file_reaches_no_terminal_in_a_message(folder: Path, localtable: Command) -> None:
    (folder / "panel.yaml").write_text('name: p\nseats: [{name: a, model: "\\e[31m\\u202e.yaml"}]\n')
    ended = localtable(*ASK, "--panel", "panel.yaml")
    assert ended.code == 2
    assert "\x1b" not in ended.err
    assert "\u202e" not in ended.err


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────

YAML_PANEL = "name: p\nseats: [{name: Ada, model: toy.yaml}]\n"

BAD_FILES: list[tuple[str, bytes | None, str]] = [
    ("missing", None, "does not exist"),
    ("empty", b"", "is empty"),
    ("binary", b"\x7fELF\0\0", "is binary"),
    ("not utf-8", "name: é".encode("latin-1"), "is not UTF-8"),
    ("broken", b"name: [", "line 1, column"),
    ("a list", b"- a", "holds a list"),
    ("aliases", b"a: &a [x]\nb: [*a, *a]", "aliases (*name) are not allowed"),
    ("a tag", b"name: !!python/object:os.system x", "tags are not allowed"),
    ("a key twice", b"name: a\nname: b", "the key 'name' stands twice"),
    ("an unknown key", YAML_PANEL.encode() + b"round: 3", "unknown key 'round'"),
    ("a wrong type", YAML_PANEL.encode() + b"rounds: many", "rounds: input should be a valid integer"),
    ("no rounds", YAML_PANEL.encode() + b"rounds: 0", "rounds: input should be greater than or equal to 1, got '0'"),
    ("no seats", b"name: p\nseats: []", "seats: list should have at least 1 item, not 0"),
    (
        "65 seats",
        b"name: p\nseats:\n" + b"".join(b"- {name: s%d, model: toy.yaml}\n" % i for i in range(65)),
        "seats: list should have at most 64 items, not 65",
    ),
    (
        "a name twice",
        b"name: p\nseats: [{name: Ada, model: toy.yaml}, {name: ada, model: toy.yaml}]",
        "two seats are named 'ada'",
    ),
    ("an unknown model", b"name: p\nseats: [{name: Ada, model: smollm2}]", "unknown model 'smollm2'"),
    (
        "a 200B card",
        b"name: p\nseats: [{name: Ada, model: big.yaml}]",
        "200B parameters; localtable seats models under",
    ),
]


@pytest.mark.parametrize(("content", "said"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES])
def test_a_bad_panel_is_one_plain_message(folder: Path, localtable: Command, content: bytes | None, said: str) -> None:
    (folder / "big.yaml").write_text(yaml.safe_dump({**CARD, "parameters": str(200 * 10**9)}))
    if content is not None:
        (folder / "bad.yaml").write_bytes(content)
    ended = localtable(*ASK, "--panel", "bad.yaml", "--json", "out.json")
    refused(ended, 2, said)
    assert left(folder) <= {"bad.yaml", "big.yaml"}


def refused(ended: Ended, code: int, said: str) -> None:
    """One message on one line and a hint on another, on stderr, and nothing else anywhere."""
    assert ended.code == code, ended.err
    assert said in ended.err
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert [line[:6] for line in lines] == ["Error:", "  → "[:6] + lines[-1][4:6]], ended.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ("question: Is it?\noptions: [Yes]", "options: list should have at least 2 items, not 1"),
        (f"question: Is it?\noptions: {list(range(27))}", "options: list should have at most 26 items, not 27"),
        ("question: Is it?\noptions: [Yes, Yes]", "'Yes' repeats 'Yes'"),
        ("question: Is it?\noptions: [Yes, '']", "options.1: string should have at least 1 character"),
        ("question: Is it?\noptions: [Yes, No]\nanswer: Perhaps", "the answer 'Perhaps' is none of the options"),
        ("question: Is it?\nopinions: [Yes, No]", "unknown key 'opinions'"),
        ("question: Is it?", "the key 'options' is missing"),
    ],
)
def test_a_bad_question_is_one_plain_message(folder: Path, localtable: Command, content: str | None, said: str) -> None:
    if content is not None:
        (folder / "q.yaml").write_text(content)
    refused(localtable("debate", "q.yaml", "--panel", "panel.yaml", "--engine", "scripted"), 2, said)


TEXT = ("debate", "Is it?", "--panel", "panel.yaml", "--engine", "scripted")


@pytest.mark.parametrize(
    ("arguments", "code", "said", "hint"),
    [
        (TEXT, 2, "the question has no options", "-o Yes -o No"),
        ((*TEXT, "-o", "Yes"), 2, "options: list should have at least 2 items, not 1", "at least 2"),
        ((*TEXT, "-o", "Yes", "-o", "Yes"), 2, "'Yes' repeats 'Yes'", ""),
        ((*TEXT, "-o", "Yes", "-o", " "), 2, "options.1", ""),
        ((*TEXT, *(a for i in range(27) for a in ("-o", str(i)))), 2, "at most 26 items, not 27", "at most 26"),
        (("debate", " ", "-o", "a", "-o", "b"), 2, "question: string should have at least 1 character", ""),
        (("debate", "\udcff?", "-o", "a", "-o", "b"), 2, "question: input should be a valid string", ""),
        ((*ASK, "--engine", "vlm"), 2, "there is no engine 'vlm'", "Did you mean 'vllm'?"),
        ((*ASK, "--engine-arg", "script"), 2, "--engine-arg 'script' has no KEY=VALUE form", ""),
        ((*ASK, "--engine-arg", "scrip=x"), 2, "unknown key 'scrip'", "Did you mean 'script'?"),
        ((*ASK, "--engine-arg", "script=none.yaml"), 2, "none.yaml does not exist", ""),
        ((*ASK, "--engine-arg", "max_model_len=many"), 2, "max_model_len 'many' is no number", ""),
        ((*ASK, "--engine-arg", "max_num_seqs=0"), 2, "max_num_seqs '0' is no number of turns", "1 or more"),
        ((*ASK, "--engine-arg", "dtype=int3"), 2, "dtype 'int3' is none that engines compute in", "bfloat16"),
        ((*ASK, "--prompts", "argu"), 2, "unknown prompts 'argu'", "Did you mean 'argue'?"),
        ((*ASK, "--prompts", "none.yaml"), 2, "none.yaml does not exist", ""),
        ((*ASK, "--device-memory", "8"), 2, "'8' is no size", "24GiB"),
        ((*ASK, "--device-memory", "9999999GiB"), 3, "9999999.0 GiB is above the", "Lower it"),
        ((*ASK, "-m", "toy.yaml"), 2, "both --panel and -m", "one of them"),
        (("debate", "q.yaml", "-o", "Yes"), 2, "q.yaml has its own options", "Leave -o out"),
        (("debate", "Is it?", "-o", "a", "-o", "b", "-m", "smolm2-135m-instruct"), 2, "unknown model", "Did you mean"),
        ((*ASK, "--engine", "transformers"), 3, "work holds no config.json", "Name a folder in Hugging Face form"),
        (
            (*ASK, "-m", "smollm2-135m-instruct", "--engine", "transformers"),
            3,
            "the weights of smollm2-135m-instruct are not here",
            "localtable models fetch smollm2-135m-instruct",
        ),
    ],
)
def test_a_bad_command_is_one_plain_message(
    folder: Path, localtable: Command, arguments: tuple[str, ...], code: int, said: str, hint: str
) -> None:
    (folder / "q.yaml").write_text("question: Is it?\noptions: [Yes, No]")
    seated = "--panel" in arguments or any(argument.startswith("smol") for argument in arguments)
    panel = () if seated else ("--panel", "panel.yaml")
    ended = localtable(*arguments, *panel, "--json", "out.json", "--quiet")
    refused(ended, code, said)
    assert hint in ended.err
    assert left(folder) == {"q.yaml"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("debate",), "Missing argument 'QUESTION'"),
        ((*ASK, "--rounds", "0"), "0 is not in the range 1<=x<=100"),
        ((*ASK, "--rounds", "two"), "'two' is not a valid integer"),
        ((*ASK, "--seed", "-1"), "-1 is not in the range"),
        ((*ASK, "--pannel", "x"), "--panel"),
        (("debat", "x"), "No such command 'debat'"),
        (("--no-such",), "no-such"),
    ],
)
def test_a_wrong_option_is_a_usage_error(localtable: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = localtable(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("option", ["--json", "--markdown"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "is a folder"),
        ("missing/out", "does not exist"),
        ("x" * 300, "File name too long"),
        ("/dev/null", "is no regular file"),
        ("/proc/out", "can't be written"),
        ("blocked", "blocked.partial is a folder"),
    ],
)
def test_an_output_that_can_not_be_written_is_found_out_before_anything_loads(
    folder: Path, localtable: Command, option: str, name: str, said: str
) -> None:
    (folder / "blocked.partial").mkdir()
    refused(localtable(*ASK, "--panel", "panel.yaml", option, name), 2, said)
    assert left(folder) == {"blocked.partial"}


def test_an_output_is_no_input(folder: Path, localtable: Command) -> None:
    (folder / "question.json").write_text(json.dumps({"question": "Is it?", "options": ["Yes", "No"]}))
    panel = (folder / "panel.yaml").read_bytes()
    asked = ("debate", "question.json", "--panel", "panel.yaml", "--engine", "scripted")
    for option, name in (("--json", "./question.json"), ("--html", "panel.yaml")):
        ended = localtable(*asked, option, name)
        assert (ended.code, "is the input itself" in ended.err) == (2, True)
    assert (folder / "panel.yaml").read_bytes() == panel


def test_one_file_can_not_be_two_outputs(folder: Path, localtable: Command) -> None:
    refused(localtable(*ASK, "--panel", "panel.yaml", "--json", "out", "--markdown", "./out"), 2, "two outputs")
    assert left(folder) == set()


def test_what_does_not_fit_is_refused_with_its_figures(folder: Path, localtable: Command) -> None:
    write_panel(folder, "Ada", "Bob", cards=[{**CARD, "context_length": "1000"}])
    refused(localtable(*ASK, "--panel", "panel.yaml", "--json", "out.json", "--quiet"), 3, "has a context of 1,000")
    assert left(folder) == set()


# ── engines that fail ───────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_dies_while_loading_leaves_nothing(folder: Path, localtable: Command) -> None:
    ended = localtable(
        *ASK, "--panel", "panel.yaml", "--json", "out.json", "--quiet", *script(folder, load_fails="out of memory")
    )
    refused(ended, 3, "toy: out of memory")
    assert left(folder) == set()


@pytest.mark.parametrize("fail", ["crash", "always"])
def test_an_engine_that_fails_in_mid_round_leaves_what_was_finished(
    folder: Path, localtable: Command, fail: str
) -> None:
    turns = [{"seat": "Bob", "round": 2, "fail": fail}, *votes("Ada", "A", "A"), *votes("Bob", "B", "B")]
    outputs = ("--json", "out.json", "--markdown", "out.md")
    ended = localtable(*ASK, "--panel", "panel.yaml", *outputs, *script(folder, *turns))
    assert ended.code == 1
    assert "Error: " in ended.err
    assert "  → " in ended.err
    assert "what was finished is in out.json.partial" in ended.err
    assert ended.out == ""
    assert left(folder) == {"out.json.partial", "out.md.partial"}
    data = json.loads((folder / "out.json.partial").read_text())
    check(data, "out.json.partial")
    assert data["verdict"] is None
    assert len(data["rounds"][0]["turns"]) == 2


def test_what_was_finished_is_shown_where_no_file_was_named(folder: Path, localtable: Command) -> None:
    turns = [{"seat": "Bob", "round": 2, "fail": "always"}, *votes("Ada", "A", "A"), *votes("Bob", "B", "B")]
    ended = localtable(*ASK, "--panel", "panel.yaml", *script(folder, *turns))
    assert ended.code == 1
    assert "No result: the debate was interrupted." in ended.err
    assert "Ada says A in round" in ended.err
    assert ended.out == ""


def test_an_engine_that_fails_once_is_no_failure(folder: Path, localtable: Command) -> None:
    ended = localtable(*ASK, "--panel", "panel.yaml", *script(folder, {"fail": "once", "vote": "A"}))
    assert ended.code == 0
    assert "Unanimous — Yes (2/2 votes)" in ended.out
