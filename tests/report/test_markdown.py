"""A debate as a page: what readers look for, in their order, and no markup but ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import hold, make_panel, make_question, make_round, make_turn, votes, write_script
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from summary_builders import make_transcript

from localtable.moderator.summary import summed_up
from localtable.report.markdown import to_markdown
from localtable.transcript import to_json
from localtable.types import Ballot, Panel, Sentence, Summary, Transcript, Verdict

HOSTILE = "\n".join(
    [
        "# A heading",
        "Not a heading",
        "===",
        "---",
        "- a list",
        "* another",
        "+ a third",
        "1. numbered",
        "2) too",
        "> quoted",
        "```python",
        "    code()",
        "| a | b |",
        "|---|---|",
        "<script>alert(1)</script> <!-- hidden -->",
        "[a link](https://evil.example) ![an image](x.png) [ref]: x",
        "**bold** __bold__ *em* _em_ ~~gone~~ `code` $x^2$",
        "&lt;b&gt; \\* \\",
        "\x1b[31mred\x1b[0m \u202eturned\u202c",
    ]
)


def tokens(page: str) -> list[Token]:
    flat: list[Token] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        flat += [token, *(token.children or [])]
    return flat


def markdown_of(transcript: Transcript) -> str:
    return to_markdown(to_json(transcript))


def panel_of(folder: Path, *names: str) -> Panel:
    return make_panel(folder, *names)


def transcript_of(panel: Panel, *statements: str, name: str = "q") -> Transcript:
    question = make_question("Yes", "No", question=name)
    turns = [make_turn(s.name, "A", statement=said) for s, said in zip(panel.seats, statements, strict=True)]
    verdict = Verdict("unanimous", ("A",), len(turns), len(turns), True, 1)
    return Transcript(question, panel, 0, (make_round(1, *turns),), verdict)


def test_a_page_says_result_options_responses_and_changes_in_this_order(tmp_path: Path) -> None:
    script = write_script(
        tmp_path, *({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B")), *votes("Bob", "B", "B")
    )
    transcript = hold(tmp_path, make_question("Yes", "No"), make_panel(tmp_path, "Ada", "Bob"), script).whole
    page = markdown_of(transcript)
    parts = [
        "# Is a tomato a fruit?",
        "2 seats",
        "**Result: Unanimous — No (2/2 votes)**",
        "Agreement after 2 rounds.",
        "## Options",
        "- Yes (0 votes)",
        "- No (2 votes)",
        "## Model responses",
        "> Ada says B in round 2.",
        "## Final summary",
        "All 2 votes went to No. Ada changed its vote from Yes to No in round 2, persuaded by Bob.",
        "## Strongest arguments",
        "- No: Bob said in round 1: “Bob says B in round 1.”",
        "## Key turning points",
        "- Ada changed its vote from Yes to No in round 2, persuaded by Bob; had it kept its vote, Yes and No",
        "## Changed minds",
        "- Ada: Yes → No in round 2, persuaded by Bob",
        "## Round 1",
        "> Ada says A in round 1.",
    ]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert "### Ada (changed mind)" in page


def test_a_summary_that_a_model_wrote_says_so_and_what_was_dropped(tmp_path: Path) -> None:
    held = make_transcript(tmp_path, {"Ada": "AA"})
    page = markdown_of(replace(held, summary=Summary("toy", (Sentence("Ada voted for Yes."),), dropped=1)))
    assert (
        "## Final summary\n\nAda voted for Yes.\n\n*Written by toy, each sentence checked; 1 sentence dropped.*" in page
    )
    assert "## Strongest arguments" not in page


def test_what_a_summary_quotes_makes_no_markup_of_its_own(tmp_path: Path) -> None:
    votes = {"Ada": "AB", "Bob": "BB"}
    pages = [
        markdown_of(summed_up(make_transcript(tmp_path, votes, persuaded={(2, "Ada"): "Bob"}, said={(1, "Bob"): said})))
        for said in (HOSTILE, "Nothing.")
    ]
    kinds, ours = ({token.type for token in tokens(page)} for page in pages)
    assert kinds - ours <= {"hardbreak", "softbreak"}
    assert "<script>" not in pages[0]


def test_what_was_said_makes_no_markup_of_its_own(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, "Ada")
    page = markdown_of(transcript_of(panel, HOSTILE))
    quiet = markdown_of(transcript_of(panel, "Nothing."))
    kinds = [token.type for token in tokens(page)]
    ours = {token.type for token in tokens(quiet)} | {"softbreak", "hardbreak", "text_special", "entity"}
    assert set(kinds) <= ours
    for kind in ("heading_open", "bullet_list_open", "blockquote_open", "strong_open", "em_open"):
        assert kinds.count(kind) == [token.type for token in tokens(quiet)].count(kind), kind


def test_what_was_said_reads_as_it_was_said(tmp_path: Path) -> None:
    page = markdown_of(transcript_of(panel_of(tmp_path, "Ada"), HOSTILE))
    shown = "".join("\n" if t.type == "hardbreak" else t.content for t in tokens(page) if not t.children)
    for line in HOSTILE.splitlines()[:-1]:
        assert " ".join(line.split()) in shown
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in page
    assert "\u202e" not in page


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("a | b\n:-:")
@given(st.text(st.sampled_from("ab1. -=+*_#>`~[]()<>!|\\&$\n\t:"), min_size=1, max_size=40))
def test_no_statement_makes_markup_of_its_own(tmp_path: Path, statement: str) -> None:
    panel = panel_of(tmp_path, "Ada")
    kinds = [t.type for t in tokens(markdown_of(transcript_of(panel, statement)))]
    if not statement.strip():
        return
    quiet = [t.type for t in tokens(markdown_of(transcript_of(panel, "Nothing.")))]
    words = ("text", "softbreak", "hardbreak", "text_special", "inline", "paragraph_open", "paragraph_close")
    assert [k for k in kinds if k not in words] == [k for k in quiet if k not in words]


@pytest.mark.parametrize("name", ["- a", "1. a", "# a", "a ===", "<b>a</b>", "[a](b)", "a\n# b"])
def test_questions_names_and_options_make_no_markup_either(tmp_path: Path, name: str) -> None:
    panel = make_panel(tmp_path, " ".join(name.split()), name=name)
    page = markdown_of(transcript_of(panel, "x", name=name))
    quiet = markdown_of(transcript_of(make_panel(tmp_path, "Ada"), "x"))
    words = ("text", "text_special", "softbreak", "inline")
    assert [t.type for t in tokens(page) if t.type not in words] == [
        t.type for t in tokens(quiet) if t.type not in words
    ]


def test_lines_of_a_statement_stay_lines(tmp_path: Path) -> None:
    page = markdown_of(transcript_of(panel_of(tmp_path, "Ada"), "one\ntwo\n\nthree"))
    assert "> one\\\n> two\n>\n> three" in page
    assert [t.type for t in tokens(page)].count("hardbreak") == 1


def test_a_turn_without_words_or_confidence_is_still_a_turn(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, "Ada")
    transcript = transcript_of(panel, "")
    turn = make_turn("Ada", "A", statement="", truncated=True, ballot=Ballot("A", None))
    page = markdown_of(Transcript(transcript.question, panel, 0, (make_round(1, turn),), transcript.verdict))
    assert "*(nothing said)*" in page
    assert "*Cut at its token bound.*" in page
    assert "Vote: **Yes**\n" in page


def test_an_interrupted_debate_says_so(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, "Ada")
    page = markdown_of(Transcript(make_question(), panel, 0, (), None))
    assert "**Result: none, the debate was interrupted.**" in page
