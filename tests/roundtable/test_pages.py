"""Copied pages of the hosted service: all copies read alike, bad ones say where, nothing is lost or made up."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from builders import given_or_refused, refused
from hypothesis import given
from hypothesis import strategies as st

from localtable.config import parse_question
from localtable.report.html import debate_page
from localtable.report.markdown import to_markdown
from localtable.transcript import check
from tests.roundtable.copied_pages import LUNCH, TEA, Said, Told, notes_of, read, render, with_text, without_notes

LAST = -1
MOMENT_S = 10
"""Of this process: other programs on this machine are no fault of ours."""


def turns_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data["rounds"][LAST]["turns"]
    return found


def says_what_it_says(data: dict[str, Any], told: Told) -> None:
    """Everything that a page was made from is in its transcript, and its transcript is one."""
    check(data, "the transcript")
    question, turns = data["question"], turns_of(data)
    assert question["question"] == told.question
    assert tuple(question["options"]) == told.options
    assert [turn["statement"] for turn in turns] == [said.text for said in told.responses]
    assert [turn["changed_mind"] for turn in turns] == [said.changed for said in told.responses]
    assert [seat["model"] for seat in data["panel"]["seats"]] == [said.name for said in told.responses]
    if told.is_open:
        assert [turn["answer"] for turn in turns] == [said.vote for said in told.responses]
    else:
        texts = [question["options"]["ABCDEFGHIJ".index(turn["ballot"]["vote"])] for turn in turns]
        assert texts == [said.vote for said in told.responses]
        counts = Counter(said.vote for said in told.responses)
        assert list(data["rounds"][LAST]["tally"].values()) == [counts[option] for option in told.options]
    assert data["source_result"] == told.result
    if told.rounds is not None:
        assert [round_["number"] for round_ in data["rounds"]] == list(range(1, told.rounds + 1))
    summary = data["summary"] or {"text": [], "arguments": [], "turning_points": []}
    assert [sentence["sentence"] for sentence in summary["text"]] == list(told.summary)
    arguments = [(argument["option"], argument["sentence"]) for argument in summary["arguments"]]
    assert arguments == [("ABCDEFGHIJ"[told.options.index(option)], text) for option, text in told.arguments]
    assert [point["sentence"] for point in summary["turning_points"]] == list(told.turning_points)


# ── what a page says ────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_reads_as_what_it_says() -> None:
    data = read(render(LUNCH))
    says_what_it_says(data, LUNCH)
    assert notes_of(data) == []
    assert data["verdict"] == {
        "kind": "plurality", "options": ["C"], "votes": 2, "of": 4, "agreement": False, "rounds": 2,
    }  # fmt: skip


def test_what_a_page_does_not_say_is_null() -> None:
    data = read(render(LUNCH))
    assert data["rounds"][0] == {"number": 1, "turns": [], "tally": None}
    for turn in turns_of(data):
        assert {turn[key] for key in ("finish_reason", "truncated", "seed", "usage", "stated", "reasoning")} == {None}
        assert turn["ballot"]["distribution"] is None
        assert turn["ballot"]["confidence"] is None
        assert turn["ballot"]["persuaded_by"] is None
    (changed,) = [turn for turn in turns_of(data) if turn["changed_mind"]]
    assert changed["previous_vote"] is None, "a turning point in prose is no field"
    assert data["summary"]["by"] == "source"
    assert [sentence["turns"] for sentence in data["summary"]["text"]] == [[], []]
    assert (data["summary"]["dropped"], data["summary"]["asked_again"]) == (None, None)
    assert data["manifest"]["engine"] == "import"


def test_an_argument_is_of_the_seat_that_it_begins_with() -> None:
    arguments = read(render(LUNCH))["summary"]["arguments"]
    assert [argument["seat"] for argument in arguments] == ["Alder 2", "Dogwood (thinking)"]
    longer = replace(LUNCH, arguments=(("Daily", "Alder 25 said so."), ("Daily", "Nobody said so.")))
    assert [argument["seat"] for argument in read(render(longer))["summary"]["arguments"]] == [None, None]


def test_the_same_question_has_the_id_that_a_file_of_it_would_have() -> None:
    question = parse_question({"question": LUNCH.question, "options": list(LUNCH.options)}, "the file")
    assert read(render(LUNCH))["question"]["id"] == question.id


def test_a_shared_first_place_is_a_tie_whatever_the_page_calls_it() -> None:
    responses = (*LUNCH.responses[:3], Said("Dogwood", "On Fridays", "So be it."))
    data = read(render(replace(LUNCH, responses=responses, result="Majority — Daily (2/4 votes)")))
    assert data["source_result"] == "Majority — Daily (2/4 votes)"
    assert (data["verdict"]["kind"], data["verdict"]["options"]) == ("tie", ["B", "C"])
    assert notes_of(data) == ["line 3: what the page calls 'Majority' is a tie by its votes"]


@pytest.mark.parametrize(
    ("label", "votes", "kind"),
    [
        ("Unanimous — Yes (6/6 votes)", "YYYYYY", "unanimous"),
        ("Supermajority — Yes (5/6 votes)", "YYYYYN", "majority"),
        ("Majority — Yes (4/6 votes)", "NYYYYN", "majority"),
        ("Plurality — Yes (3/6 votes)", "NMYYYN", "plurality"),
    ],
)
def test_the_services_labels_have_their_places_among_ours(label: str, votes: str, kind: str) -> None:
    words = {"Y": "Yes", "N": "No", "M": "Maybe"}
    responses = tuple(Said(f"Model {i}", words[vote], f"Because of {i}.") for i, vote in enumerate(votes))
    told = Told("Is it?", ("Yes", "No", "Maybe"), responses, label, kind="Poll", rounds=None, summary=("So it is.",))
    data = read(render(told))
    assert data["verdict"]["kind"] == kind
    assert data["rounds"][0]["number"] == data["panel"]["rounds"] == 1
    assert notes_of(data) == []


def test_an_import_has_a_page_that_claims_no_more_than_it_knows() -> None:
    for told in (LUNCH, TEA, replace(LUNCH, rounds=None, result=None)):
        data = read(render(told))
        markdown, page = to_markdown(data), debate_page(data)
        assert "by its own reasoning" not in markdown + page
        assert "was interrupted" not in markdown + page
        assert "None" not in markdown
        for said in told.responses:
            assert said.name in page.replace("&#39;", "'")
    assert "Birch-1.5 Pro: ? → On Fridays in round 2\n" in to_markdown(read(render(LUNCH)))
    for page in (to_markdown(read(render(TEA))), debate_page(read(render(TEA)))):
        for said in ("It is for waking up.", "Caffeine does it.", "Tea is for company.", "changed mind"):
            assert said in page
        assert "Options" not in page
        assert "**not known" not in page and ">not known</span>" not in page
    assert "As the imported page has it, not checked" in debate_page(read(render(LUNCH)))


# ── polls and open questions ────────────────────────────────────────────────────────────────────────────────


def test_an_open_debate_has_answers_and_nothing_to_vote_for() -> None:
    data = read(render(TEA))
    says_what_it_says(data, TEA)
    assert data["verdict"] is None
    assert data["rounds"][LAST]["tally"] is None
    assert {turn["ballot"] for turn in turns_of(data)} == {None}
    assert data["manifest"]["import"]["kind"] == "open debate"


def test_an_open_poll_has_one_round() -> None:
    result = "Answer: It is for company, they say. (All 2 models agreed)"
    data = read(render(replace(TEA, kind="Open Poll", result=result, rounds=None)))
    assert data["panel"]["rounds"] == 1
    assert data["source_result"] == result


def test_without_a_list_the_options_are_those_that_were_voted_for() -> None:
    data = read(render(replace(LUNCH, options=())))
    assert data["question"]["options"] == ["Daily", "On Fridays", "Never"]
    assert data["rounds"][LAST]["tally"] == {"A": 2, "B": 1, "C": 1}
    assert any("no options are listed" in note for note in notes_of(data))
    unanimous = tuple(replace(said, vote="Daily") for said in LUNCH.responses)
    data = read(render(replace(LUNCH, options=(), arguments=(), responses=unanimous)))
    assert data["question"]["options"] == ["Daily"], "one is known, others are not made up"


# ── how it was copied ───────────────────────────────────────────────────────────────────────────────────────

COPIES: dict[str, Any] = {
    "empty lines": lambda told: render(told, blank=True),
    "CRLF": lambda told: render(told).replace("\n", "\r\n"),
    "CR": lambda told: render(told).replace("\n", "\r"),
    "Markdown": lambda told: render(told, markdown=True, blank=True),
    "loading": lambda told: "Loading session…\n\n" + render(told, blank=True),
    "a byte order mark": lambda told: "\ufeff" + render(told),
    "spaces at the ends": lambda told: "\n".join(f"  {line} \t" for line in render(told).split("\n")),
    "spaces that do not break": lambda told: (
        render(told)
        .replace("Vote: ", "Vote:\u00a0")
        .replace(" votes)", "\u202fvotes)")
        .replace("Result: ", "Result:\u00a0")
        .replace("Model Responses", "Model\u00a0Responses")
        .replace(" models", "\u00a0models")
    ),
    "invisible marks": lambda told: (
        render(told).replace("Options", "Op\u00adtions\u200b").replace("Vote:", "\u200eVote:")
    ),
    "other bullets": lambda told: render(told).replace("\n- ", "\n• "),
    "headings with colons": lambda told: (
        render(told).replace("Options\n", "Options:\n").replace("Summary\n", "Summary:\n")
    ),
    "headings in capitals": lambda told: render(told).replace("Model Responses", "MODEL RESPONSES"),
    "options by letters": lambda told: (
        render(told)
        .replace("- Never (", "- A: Never (")
        .replace("- On", "- B: On")
        .replace("- Daily (", "- C: Daily (")
    ),
    "votes with shares": lambda told: (
        render(told).replace(" votes)\n", " votes, 25 %)\n").replace("4 votes, 25 %", "4 votes")
    ),
    "votes behind a dash": lambda told: re.sub(r"(- .*) \((\d) votes\)", r"\1 — \2 votes", render(told)),
    "no bullets": lambda told: render(told).replace("\n- ", "\n"),
}


@pytest.mark.parametrize("copy", COPIES)
def test_however_it_is_copied_a_page_reads_alike(copy: str) -> None:
    wanted, found = (without_notes(read(text)) for text in (render(LUNCH), COPIES[copy](LUNCH)))
    if copy == "spaces at the ends":  # inside a text they are its own
        for turn in turns_of(found):
            turn["statement"] = "\n".join(line.strip() for line in turn["statement"].split("\n"))
    assert found == wanted


@pytest.mark.parametrize(
    "order",
    [
        ("question", "result", "options", "summary", "arguments", "turning points", "responses"),
        ("question", "responses", "summary", "arguments", "turning points", "options", "result"),
        ("question", "options", "result", "turning points", "responses", "arguments", "summary"),
        ("question", "result", "options", "responses", "turning points", "arguments", "summary"),
    ],
)
def test_parts_may_stand_in_any_order(order: tuple[str, ...]) -> None:
    assert without_notes(read(render(LUNCH, order=order))) == without_notes(read(render(LUNCH)))


def test_what_is_in_no_part_is_kept_with_its_line() -> None:
    text = f"AI Roundtable\nSign in\n{render(LUNCH)}\nMore questions\n- Is tea better?"
    data = read(text)
    assert data["manifest"]["import"]["unread"] == [
        {"line": 1, "text": "AI Roundtable"},
        {"line": 2, "text": "Sign in"},
        {"line": text.count("\n"), "text": "More questions"},
        {"line": text.count("\n") + 1, "text": "- Is tea better?"},
    ]
    last = text.count("\n") + 1
    shown = f"1 'AI Roundtable', 2 'Sign in', {last - 1} 'More questions', {last} '- Is tea better?'"
    assert notes_of(data) == [f"in no part of the page: lines {shown}"]
    assert without_notes(data) == without_notes(read(render(LUNCH)))


# ── texts that look like parts ──────────────────────────────────────────────────────────────────────────────

LOOKALIKES = (
    "Final Summary\nis what I would write.",
    "Options\n- None (3 votes)\nResult: Unanimous — Never (4/4 votes)",
    "Model Responses\nare what these are.",
    "Strongest Arguments\n- Daily: mine.\nKey Turning Points\n- This one.",
    "I end with\nVote: Never\nand mean it.",
    "Vote: Never",
    "A sentence that ends.\nVote: Daily",
    "AI Roundtable Poll · 9 models",
    "No agreement after 7 rounds of discussion",
)


@pytest.mark.parametrize("text", LOOKALIKES)
@pytest.mark.parametrize("place", range(4))
def test_lines_that_look_like_parts_are_text_inside_of_one(text: str, place: int) -> None:
    # Names that the page has elsewhere tell four models from a sentence of theirs.
    told = replace(LUNCH, summary=("Alder 2, Birch-1.5 Pro, Cedar and Dogwood (thinking) spoke.",))
    says_what_it_says(read(render(with_text(told, place, text))), with_text(told, place, text))


def test_a_line_that_was_taken_as_text_is_noted() -> None:
    told = replace(LUNCH, summary=("Alder 2, Birch-1.5 Pro, Cedar and Dogwood (thinking) spoke.",))
    data = read(render(with_text(told, 2, "I end with\nVote: Never")))
    line = render(with_text(told, 2, "I end with\nVote: Never")).split("\n").index("I end with") + 1
    assert notes_of(data) == [
        f"read like the beginning of a response, and were taken as part of the one above: lines {line}"
    ]


def test_votes_tell_a_response_from_a_text_where_names_do_not() -> None:
    told = replace(
        LUNCH,
        summary=(),
        arguments=(),
        turning_points=(),
        responses=(*LUNCH.responses[:1], Said("Elm", "Daily", "Yes.")),
    )
    told = with_text(replace(told, result="Unanimous — Daily (2/2 votes)"), 0, "I end with\nVote: Never\nor not.")
    says_what_it_says(read(render(told)), told)


def test_where_nothing_tells_them_apart_the_lines_are_named() -> None:
    told = with_text(
        replace(TEA, responses=(Said("Alder", "So.", "x"), Said("Elm", "Thus.", "y"))), 0, "In short\nAnswer: no."
    )
    message = refused(read, render(told)).message
    assert (
        "3 places read like the beginning of a response (lines 6, 8, 10), and the page says that there are 2" in message
    )


def test_a_question_may_hold_headings() -> None:
    told = replace(LUNCH, question="Which heading?\nOptions\nResult: this one\nModel Responses\nor that?")
    says_what_it_says(read(render(told)), told)


# ── pages that disagree with themselves ─────────────────────────────────────────────────────────────────────


def test_a_list_that_disagrees_with_the_votes_is_noted_and_kept() -> None:
    data = read(render(replace(LUNCH, counts=Counter({"Daily": 3, "On Fridays": 1}))))
    assert data["rounds"][LAST]["tally"] == {"A": 1, "B": 1, "C": 2}
    assert data["manifest"]["import"]["votes_listed"] == {"A": 0, "B": 1, "C": 3}
    assert notes_of(data) == [
        "line 5: the list has 0 votes for 'Never'; the responses have 1, which count here",
        "line 7: the list has 3 votes for 'Daily'; the responses have 2, which count here",
    ]


def test_a_result_line_that_disagrees_with_the_votes_is_noted() -> None:
    data = read(render(replace(LUNCH, result="Majority — Never (3/4 votes)")))
    assert notes_of(data)[0] == (
        "line 3: the result line has 3 of 4 votes for 'Never'; the responses come to 2 of 4 for Daily"
    )
    assert data["source_result"] == "Majority — Never (3/4 votes)"


def test_a_vote_for_none_of_the_options_is_null_and_noted() -> None:
    responses = (*LUNCH.responses[:3], replace(LUNCH.responses[3], vote="Hourly"))
    data = read(render(replace(LUNCH, responses=responses)))
    assert turns_of(data)[3]["ballot"] is None
    assert data["verdict"]["of"] == 3
    assert any("votes 'Hourly', which is none of the options" in note for note in notes_of(data))


@pytest.mark.parametrize("said", ["daily", "C", "C: Daily", "C) daily", "C. Daily", "Daily.", "C: daily" + "!" * 5000])
def test_a_vote_may_be_written_by_letter_or_in_another_case(said: str) -> None:
    responses = (replace(LUNCH.responses[0], vote=said), *LUNCH.responses[1:])
    assert turns_of(read(render(replace(LUNCH, responses=responses))))[0]["ballot"]["vote"] == "C"


def test_two_models_of_one_name_have_seats_of_their_own() -> None:
    responses = (LUNCH.responses[0], replace(LUNCH.responses[2], name="Alder 2"), *LUNCH.responses[2:])
    data = read(render(replace(LUNCH, responses=responses)))
    seats = data["panel"]["seats"]
    assert [(seat["name"], seat["model"]) for seat in seats[:2]] == [("Alder 2", "Alder 2"), ("Alder 2 (2)", "Alder 2")]
    assert data["summary"]["arguments"][0]["seat"] is None, "which of the two is not said"
    assert any("a second model is called 'Alder 2'" in note for note in notes_of(data))


def test_what_a_seat_says_of_its_change_is_kept() -> None:
    text = render(LUNCH).replace("Vote: On Fridays\n", "Vote: On Fridays\nPersuaded by: Cedar\nPrevious vote: Never\n")
    turn = turns_of(read(text))[1]
    assert (turn["ballot"]["persuaded_by"], turn["previous_vote"]) == ("Cedar", "A")
    assert turn["statement"] == LUNCH.responses[1].text
    turn = turns_of(read(render(LUNCH).replace("(changed mind)", "(changed mind from Never)")))[1]
    assert (turn["seat"], turn["previous_vote"]) == ("Birch-1.5 Pro", "A")


@pytest.mark.parametrize(
    "mark",
    [
        " (changed mind)",
        " (Changed its mind)",
        " [changed vote]",
        " · changed mind",
        "\nChanged mind",
        "\n(changed mind)",
    ],
)
def test_a_change_is_marked_in_several_ways(mark: str) -> None:
    assert without_notes(read(render(LUNCH).replace(" (changed mind)", mark))) == without_notes(read(render(LUNCH)))


def test_rounds_that_the_page_does_not_count_are_not_made_up() -> None:
    data = read(render(replace(LUNCH, rounds=None)))
    assert data["panel"]["rounds"] is None
    assert data["verdict"]["rounds"] is None
    assert [round_["number"] for round_ in data["rounds"]] == [1, 2], "somebody changed: it was the second at least"
    assert any("does not say how many rounds" in note for note in notes_of(data))


# ── pages that are none ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n\u00a0\n", "is empty"),
        ("<html><body>Options</body></html>", "line 1: '<html><body>Options</body></html>': neither here nor below"),
        (render(LUNCH).split("Model Responses")[0], "line 4: the last part of the page that is read as one"),
        (render(LUNCH).split("Alder 2")[0], "line 8: no model's response stands below 'Model Responses'"),
        (render(replace(LUNCH, question="")), "line 2: no question stands above the result"),
        (
            render(LUNCH)
            .replace("Result", "Ergebnis")
            .replace("Vote", "Stimme")
            .replace("Model Responses", "Antworten"),
            "line 30: the last part of the page that is read as one",
        ),
        (
            "KI-Runde · 6 Modelle\nIst es so?\nErgebnis: Mehrheit — Ja\nAntworten der Modelle\nErle\nStimme: Ja",
            "line 1: 'KI-Runde · 6 Modelle': neither here nor below",
        ),
        (render(LUNCH).replace("- On Fridays", "- Daily"), "line 7: the option 'Daily' stands already in line 6"),
        (
            render(replace(LUNCH, options=tuple(f"Option {i}" for i in range(27)))),
            "line 31: 27 options; there are 26 letters",
        ),
    ],
)
def test_what_is_no_page_is_refused_with_its_line(text: str, said: str) -> None:
    assert said in refused(read, text).message


def test_a_page_that_is_cut_off_keeps_what_it_has_and_says_what_is_missing() -> None:
    data = read(render(LUNCH).split("Cedar\nVote")[0])
    assert len(turns_of(data)) == 2
    found = notes_of(data)
    assert "the title says 4 models; there are 2 responses" in found
    assert any("the page may be cut off" in note for note in found)
    assert any("the result line has 2 of 4 votes" in note for note in found)


def test_a_huge_page_is_read_in_a_moment() -> None:
    began = time.process_time()
    long = with_text(LUNCH, 2, "word " * 400_000 + "\n" + "I end with\nVote: Nobody\n" * 40_000 + "So.")
    says_what_it_says(read(render(long)), long)
    assert len(notes_of(read(render(long)))) == 1
    nothing_tells = render(replace(long, summary=(), arguments=(), turning_points=(), options=(), result=None))
    assert "places read like the beginning" in refused(read, nothing_tells.replace("Alder 2 asks", "It asks")).message
    says_what_it_says(read(render(with_text(LUNCH, 2, "x" * 2_000_000))), with_text(LUNCH, 2, "x" * 2_000_000))
    assert time.process_time() - began < MOMENT_S


def test_lines_of_one_thing_over_and_over_are_read_in_a_moment() -> None:
    began = time.process_time()
    marks = Said("Elm", "C: " * 100_000, "So.")
    changes = Said("-changed mind from " * 50_000, "Daily", "So.")
    page = replace(LUNCH, responses=(*LUNCH.responses, marks, changes), result="Majority " + "-" * 100_000)
    assert any("is not read as a count of votes" in note for note in notes_of(read(render(page))))
    assert time.process_time() - began < MOMENT_S


# ── any page ────────────────────────────────────────────────────────────────────────────────────────────────

PIECES = st.sampled_from(
    [
        *render(LUNCH).split("\n"),
        *render(TEA).split("\n"),
        *render(LUNCH, markdown=True).split("\n"),
        "Vote:",
        "Vote: C",
        "Answer:",
        "- ",
        "(changed mind)",
        "Result:",
        "Options",
        "\u00a0",
        "- (3 votes)",
        "Cedar (changed mind from)",
    ]
)


@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=40).map("\n".join)))
def test_any_text_gives_a_transcript_or_a_clear_error(text: str) -> None:
    data = given_or_refused(read, text)
    if data is not None:
        check(data, "the transcript")
        kept = str(data)
        assert all(turn["statement"] in text.replace("\r\n", "\n").replace("\r", "\n") for turn in turns_of(data))
        assert data["question"]["question"].split("\n")[0] in text
        assert kept


WORDS = (
    st.text("abcdefghij ÄßéЖ日'\"<>&", min_size=1, max_size=30).map(lambda text: " ".join(text.split())).filter(bool)
)
NAMES = st.tuples(st.sampled_from(["Alder", "Birch-1.5", "Cedar K2", "日本"]), st.integers(1, 9)).map(
    lambda n: f"{n[0]} v{n[1]}"
)


@st.composite
def pages(draw: st.DrawFn) -> Told:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    options = tuple(draw(st.lists(WORDS, min_size=2, max_size=6, unique_by=str.casefold)))
    texts = st.lists(WORDS, min_size=1, max_size=4).map("\n".join)
    responses = tuple(Said(name, draw(st.sampled_from(options)), draw(texts), draw(st.booleans())) for name in names)
    counts = Counter(said.vote for said in responses)
    leading, votes = counts.most_common(1)[0]
    kind = draw(st.sampled_from(["Debate", "Poll"]))
    return Told(
        question=draw(texts),
        options=options,
        responses=responses,
        result=f"Majority — {leading} ({votes}/{len(names)} votes)",
        kind=kind,
        rounds=draw(st.integers(2, 4)) if kind == "Debate" else None,
        summary=tuple(draw(st.lists(WORDS, max_size=3))),
        arguments=tuple((draw(st.sampled_from(options)), draw(WORDS)) for _ in range(draw(st.integers(0, 3)))),
        turning_points=tuple(draw(st.lists(WORDS, max_size=3))),
    )


@given(pages(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_a_page_rendered_from_anything_reads_back_exactly(told: Told, blank: bool, end: str) -> None:
    says_what_it_says(read(render(told, blank=blank).replace("\n", end)), told)
