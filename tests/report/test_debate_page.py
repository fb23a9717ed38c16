"""A debate as an HTML page: what readers look for, links that lead somewhere, and nothing in it that can act."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from builders import hold, make_panel, make_question, make_round, make_turn, votes, write_script
from hostile import KNOWN, statements
from pages import Element, require_inert
from summary_builders import make_transcript

from localtable.report.html import debate_page
from localtable.report.words import printable
from localtable.transcript import to_json
from localtable.types import Ballot, Influence, Transcript, Verdict


def page_of(transcript: Transcript) -> Element:
    return require_inert(debate_page(to_json(transcript)))


@pytest.fixture
def debate(tmp_path: Path) -> Transcript:
    turns = [*({**t, "persuaded_by": "Bob"} for t in votes("Ada", "A", "B", "B")), *votes("Bob", "B", "B", "B")]
    turns += votes("Cy D.", "A", "A", "A")
    panel = make_panel(tmp_path, "Ada", "Bob", "Cy D.", rounds=3)
    return hold(tmp_path, make_question("Yes", "No", answer="B"), panel, write_script(tmp_path, *turns)).whole


# ── what stands there ───────────────────────────────────────────────────────────────────────────────────────


def test_parts_come_in_the_order_of_the_hosted_page(debate: Transcript) -> None:
    page = page_of(debate)
    assert [h.words for h in page.all("h2")] == [
        "Options",
        "Votes by seat and round",
        "Model responses",
        "Final summary",
        "Strongest arguments",
        "Key turning points",
        "Round 1",
        "Round 2",
        "Probabilities by seat and round",
        "Who moved whom",
        "How it was held",
    ]
    head = page.one("header", class_="masthead").words
    assert "Is a tomato a fruit? Result Majority — No (2/3 votes) No agreement after 3 rounds." in head
    assert "The right answer is B No" in head
    assert page.one("head").one("title").text == "Is a tomato a fruit? · Majority — No (2/3 votes)"


def test_options_have_their_votes_and_turns_their_reasons(debate: Transcript) -> None:
    page = page_of(debate)
    assert [li.words for li in page.one("ol", class_="options").all("li")] == [
        "A Yes 1 vote",
        "B No 2 votes Right answer",
    ]
    turn = page.one("article", id="r2-ada")
    assert turn.one("h3").words == "Ada changed mind"
    assert "A →to B says persuaded by Bob" in turn.words
    assert turn.one("div", class_="said").text == "Ada says B in round 2."
    assert "changed mind" not in page.one("article", id="r3-ada").words
    assert "Toy" in turn.words


def test_the_grid_keeps_each_seat_in_its_row_and_links_to_its_turns(debate: Transcript) -> None:
    grid = page_of(debate).one("table", class_="grid")
    rows = grid.one("tbody").all("tr")
    assert [row.all("th")[0].one("bdi", class_="name").text for row in rows] == ["Ada", "Bob", "Cy D."]
    assert [a.attributes["href"] for a in rows[0].all("a")] == ["#r1-ada", "#r2-ada", "#r3-ada"]
    assert [a.attributes["href"] for a in rows[2].all("a")] == ["#r1-cy-d", "#r2-cy-d", "#r3-cy-d"]
    assert "from A , by Bob" in rows[0].all("td")[1].words.replace(",", " ,")
    assert "from" not in rows[0].all("td")[2].words


def test_every_claim_links_to_its_turn(debate: Transcript) -> None:
    page = page_of(debate)
    claims = page.one("div", class_="reading")
    assert claims.all("a", href="#r2-ada")
    assert claims.all("a", href="#r1-bob")


def test_who_wrote_the_summary_is_said(tmp_path: Path) -> None:
    held = make_transcript(tmp_path, {"Ada": "AA"})
    data = to_json(held)
    assert "Put together from the computed facts, by no model." in reading(data)
    summary = {"by": "toy", "text": [{"sentence": "So it is.", "turns": [{"round": 2, "seat": "Ada"}]}], "dropped": 2}
    data["summary"] = {**summary, "arguments": [], "turning_points": [], "templated": [], "asked_again": 1}
    assert "So it is. [Ada, round 2]" in reading(data)
    assert "Written by toy, each sentence checked; 2 sentences dropped." in reading(data)
    data["summary"]["by"] = "source"
    assert "As the imported page has it, not checked." in reading(data)


def reading(data: dict[str, Any]) -> str:
    return require_inert(debate_page(data)).one("div", class_="reading").words


def test_probabilities_stand_in_a_table(debate: Transcript) -> None:
    page = page_of(debate)
    (table,) = [t for t in page.all("table", class_="figures") if "Round" in t.one("thead").words]
    cells = [td.text for td in table.all("td")]
    given = [turn.ballot.distribution for number in range(3) for turn in debate.rounds[number].turns]
    assert sorted(cells) == sorted(f"{share * 100:.1f}" for found in given if found for share in found.values())


def test_measured_influence_stands_beside_what_is_said(debate: Transcript) -> None:
    data = to_json(debate)
    turn = next(t for t in data["rounds"][1]["turns"] if t["seat"] == "Ada")
    turn["influence"] = [
        {"peer": "Cy D.", "option": "A", "direct": -0.03},
        {"peer": "Bob", "option": "B", "direct": 0.2, "total": 0.25, "total_standard_error": 0.01, "samples": 8},
    ]
    page = require_inert(debate_page(data))
    (table,) = [t for t in page.all("table", class_="figures") if "Direct" in t.one("thead").words]
    rows = [[cell.words for cell in row.all() if cell.tag in ("th", "td")] for row in table.one("tbody").all("tr")]
    assert rows == [
        ["Ada, round 2", "Bob", "B", "persuaded by it", "+20.0", "+25.0 ± 1.0"],
        ["Ada, round 2", "Cy D.", "A", "–", "−3.0", "–"],
    ]
    titles = [arrow.one("title").text for arrow in page.all("path", class_="arrow")]
    assert "Bob moved Ada by +25.0 points on average, measured" in titles
    assert "Ada says that Bob persuaded it" in titles


def test_nobody_moved_is_said_and_nothing_drawn(tmp_path: Path) -> None:
    page = page_of(make_transcript(tmp_path, {"Ada": "AA", "Bob": "BB"}))
    assert "No seat names a peer that persuaded it, and no influence was measured." in page.one("main").words
    assert not page.all("svg", class_="graph")


def test_votes_flow_between_rounds(debate: Transcript) -> None:
    flow = page_of(debate).one("svg", class_="flow")
    titles = [band.one("title").text for band in flow.all("path", class_="band")]
    assert titles == ["Cy D.: Yes → Yes", "Ada: Yes → No", "Bob: No → No", "Cy D.: Yes → Yes", "Ada, Bob: No → No"]
    assert len(flow.all("path", class_="moved")) == 1


def test_raw_tokens_seeds_and_settings_are_folded(debate: Transcript) -> None:
    page = page_of(debate)
    turn = next(turn for turn in to_json(debate)["rounds"][0]["turns"] if turn["seat"] == "Ada")
    raw = [dd.text for dd in page.one("article", id="r1-ada").one("dl", class_="raw").all("dd")]
    assert str(turn["seed"]) in raw
    assert " ".join(map(str, turn["token_ids"])) in raw
    folded = page.one("section", **{"aria-labelledby": "settings"}).all("details")
    assert [json.loads(d.one("pre").text) for d in folded] == [to_json(debate)["panel"], dict(debate.manifest)]
    assert not any("open" in d.attributes for d in page.all("details"))


def test_thinking_is_folded(tmp_path: Path) -> None:
    turn = make_turn("Ada", "A", reasoning="Hm.\nWell.", reasoning_truncated=True)
    page = page_of(transcript_with(tmp_path, turn))
    (details, _) = page.one("article").all("details")
    assert details.one("div", class_="thinking").text == "Hm.\nWell."
    assert "Thinking ended by its budget" in page.one("article").words


def transcript_with(folder: Path, *turns: Any, name: str = "Is it?") -> Transcript:
    panel = make_panel(folder, *(turn.seat for turn in turns))
    verdict = Verdict("unanimous", ("A",), len(turns), len(turns), True, 1)
    return Transcript(make_question(question=name), panel, 0, (make_round(1, *turns),), verdict)


# ── anchors ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_seats_whose_names_look_alike_have_anchors_of_their_own(tmp_path: Path) -> None:
    names = ["Ada", "Ada!", "ÄDA?", "ada 2", "日本", "מ"]
    page = page_of(transcript_with(tmp_path, *(make_turn(name, "A") for name in names)))
    anchors = [article.attributes["id"] for article in page.all("article")]
    assert anchors == ["r1-ada", "r1-ada-2", "r1-ada-3", "r1-ada-2-4", "r1-seat-5", "r1-seat-6"]


def test_an_anchor_is_no_other_part_s_id(tmp_path: Path) -> None:
    html = debate_page(to_json(transcript_with(tmp_path, *(make_turn(name, "A") for name in ("Ada", "Ada Name")))))
    ids = re.findall(r' id="([^"]*)"', html)
    assert "r1-ada-name" in ids
    assert len(set(ids)) == len(ids)


# ── hostile text ────────────────────────────────────────────────────────────────────────────────────────────

MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</div></article></main><h1>mine</h1>",
    "</style><style>*{display:none}</style>",
    "</title><script>1</script>",
    "--><!--",
    "javascript:alert(1)",
    "[a](javascript:alert(1))",
    "&lt;b&gt; &amp;amp; &#x3c;",
    '" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    "{{ 7*7 }}{% raw %}{{ view.data }}",
    "]]><![CDATA[",
    "\u2028\u2029\u202e\u2066\x00\x1b[2J\x7f",
)


@pytest.mark.parametrize("text", MARKUP)
def test_markup_stands_as_it_was_written_wherever_it_is(tmp_path: Path, text: str) -> None:
    name = f"Ada {text}"[:60].replace("\x00", "")
    panel = make_panel(tmp_path, name)
    turn = make_turn(name, "A", statement=text, reasoning=text, ballot=Ballot("A", None, persuaded_by=None))
    question = make_question(f"{text}.", "No", question=f"Q {text}", context=f"C {text}", id="q")
    verdict = Verdict("unanimous", ("A",), 1, 1, True, 1)
    manifest = {"note": text}
    page = page_of(Transcript(question, panel, 0, (make_round(1, turn),), verdict, manifest=manifest))
    shown = printable(text)
    said, thinking = page.all("div", class_="said")
    assert said.text == printable(text.strip())
    assert thinking.text == shown
    assert page.one("h1").text == f"Q {shown}"
    assert page.one("blockquote").text == f"C {shown}"


def test_statements_that_try_to_leave_their_place_stay_in_it(tmp_path: Path) -> None:
    hostile = [text for text in statements(KNOWN).values() if len(text) < 5000]
    assert len(hostile) >= 100
    names = [f"S{i}" for i in range(60)]
    for part in (hostile[:60], hostile[60:120], hostile[120:]):
        turns = [make_turn(name, "A", statement=text) for name, text in zip(names, part, strict=False)]
        page = page_of(transcript_with(tmp_path, *turns))
        said = [element.text for element in page.all("div", class_="said")]
        assert said == [printable(text.strip()) or "(nothing said)" for text in part]


def test_text_is_escaped_once(tmp_path: Path) -> None:
    page = debate_page(to_json(transcript_with(tmp_path, make_turn("Ada", "A", statement="a < b & c"))))
    assert "a &lt; b &amp; c" in page
    assert html.escape(html.escape("a < b & c")) not in page


def test_what_was_said_keeps_its_direction_to_itself(tmp_path: Path) -> None:
    page = page_of(transcript_with(tmp_path, make_turn("עדה", "A", statement="שלום")))
    assert page.one("div", class_="said").attributes["dir"] == "auto"
    assert page.one("h1").attributes["dir"] == "auto"
    assert page.one("article").one("h3").one("bdi").text == "עדה"


# ── what is not there ───────────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_debate_says_so(tmp_path: Path) -> None:
    panel = make_panel(tmp_path, "Ada", "Bob")
    page = page_of(Transcript(make_question(), panel, 0, (make_round(1, make_turn("Ada", "A")),), None))
    assert "none, the debate was interrupted" in page.one("header", class_="masthead").words
    assert "–" in page.one("table", class_="grid").words
    empty = page_of(Transcript(make_question(), panel, 0, (), None))
    assert "interrupted before its first round was complete" in empty.one("main").words


def test_an_import_says_what_its_page_said_and_nothing_that_it_did_not(tmp_path: Path) -> None:
    data = to_json(transcript_with(tmp_path, make_turn("Ada", "A", seed=None, usage=None, finish_reason=None)))
    ballot = {"vote": "A", "tied": [], "distribution": None, "confidence": None, "persuaded_by": None}
    data |= {"source": "import", "source_result": "Majority — <Yes>", "manifest": {}, "summary": None}
    turn = data["rounds"][0]["turns"][0]
    turn["ballot"] = ballot
    del turn["reasoning"]
    page = require_inert(debate_page(data))
    assert page.one("q").text == "Majority — <Yes>"
    assert "imported" in page.one("p", class_="eyebrow").words
    assert "Probabilities by seat and round" not in [h.words for h in page.all("h2")]
    assert [dd.text for dd in page.one("dl", class_="raw").all("dd")] == ["not known", "none"]


def test_what_makes_a_statement_doubtful_is_said(tmp_path: Path) -> None:
    turn = make_turn(
        "Ada", "A", truncated=True, attempts=2, names_letter=True, peers_cut=2, stated="B", statement="",
        influence=(Influence("Bob", "A", 0.1),), ballot=Ballot("A", {"A": 0.5, "B": 0.5}, tied=("A", "B")),
    )  # fmt: skip
    page = page_of(transcript_with(tmp_path, turn, make_turn("Bob", "A")))
    said = page.one("article", id="r1-ada").one("p", class_="doubt").text
    assert said == (
        "Cut at its token bound; asked twice: its first statement was empty; names a letter that it was never shown; "
        "read 2 peers shortened; exact tie of A, B, drawn by its seed; its statement names B, its vote A."
    )


def test_equal_transcripts_give_equal_pages(debate: Transcript) -> None:
    assert debate_page(to_json(debate)) == debate_page(to_json(debate))
