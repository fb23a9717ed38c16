"""A run as an HTML page: the figures of `analyze`, an index of its debates, each of them a link away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from analyzed_stores import analysis_of, random_store, value
from pages import Element, require_inert
from store_builders import alter, example_store, hold_suite, mixed_store, one, suite, table

from localtable.cli.report import build_report
from localtable.report.html import run as run_page
from localtable.report.html.timeline import NARROWEST, read_timeline
from localtable.store import Store


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four questions with answers, three seats, two rounds, one control."""
    return example_store(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Failed debates, ties, repeats, several conditions."""
    return mixed_store(tmp_path_factory.mktemp("mixed"))


def single(store: Path, folder: Path, *conditions: str) -> Element:
    """A run in one file."""
    with build_report(store, conditions) as (report, debates):
        run_page.write_single(folder / "run.html", report, debates)
    return require_inert((folder / "run.html").read_text("utf-8"), scripts=1)


def rows_of(page: Element) -> list[dict[str, Any]]:
    data = json.loads(page.one("script", id="data").text)
    return [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]


def test_figures_are_those_that_analyze_prints(example: Path, tmp_path: Path) -> None:
    page = single(example, tmp_path)
    analysis = analysis_of(example)
    changed = page.one("section", **{"aria-labelledby": titled(page, "What changed (debate)")}).words
    assert f"majority right {value(analysis, 'majority_accuracy', round=1) * 100:.1f} [" in changed
    titles = [h.words for h in page.all("h2")]
    wanted = ["At a glance", "Debates", "What was run", "Validity", "Controls and cost (debate)", "Agreement (debate)"]
    wanted += ["Calibration (debate)", "Decision rules on the last round (debate)", "What the data can't show"]
    assert [title for title in titles if title in wanted] == wanted


def titled(page: Element, title: str) -> str:
    (found,) = [h.attributes["id"] for h in page.all("h2") if h.words == title]
    return found


def test_every_condition_is_drawn_with_its_intervals(example: Path, tmp_path: Path) -> None:
    page = single(example, tmp_path)
    accuracy = page.all("svg", class_="chart")[0]
    analysis = analysis_of(example)
    for condition in ("debate", "votes-only"):
        share = value(analysis, "majority_accuracy", condition=condition, round=2)
        assert f"{condition}, round 2: {share:.1%} [" in accuracy.attributes["aria-label"]
    assert len(accuracy.all("circle")) == 4
    assert len(accuracy.all("path", class_="whisker")) == 4


def test_transitions_sum_to_all_votes(example: Path, tmp_path: Path) -> None:
    table = single(example, tmp_path).one("table", class_="transitions")
    shares = [float(td.words.split()[0]) for td in table.all("td")]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert shares[3] == pytest.approx(100 * 2 / 12, abs=0.05), "Cy on the tomato, Ada on glass"


def test_the_index_has_every_debate_and_finished_ones_are_links(mixed: Path, tmp_path: Path) -> None:
    page = single(mixed, tmp_path)
    rows = rows_of(page)
    assert len(rows) == one(mixed, "SELECT count(*) FROM debates")
    states = {row["state"] for row in rows}
    assert {"failed", "tie"} <= states
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed["result"], "the reason stands there"
    finished = {row["number"] for row in rows if row["state"] not in ("open", "failed")}
    assert {article.attributes["id"] for article in page.all("article", class_="debate")} == {f"d{n}" for n in finished}
    assert {a.attributes["href"] for a in page.one("noscript").all("a")} == {f"#d{n}" for n in finished}


def test_right_and_wrong_are_the_answers(example: Path, tmp_path: Path) -> None:
    rows = [row for row in rows_of(single(example, tmp_path)) if row["condition"] == "debate"]
    assert [(row["question"], row["right"]) for row in rows] == [
        ("What is a tomato?", 1),
        ("What is a whale?", 1),
        ("What is the sun?", 1),
        ("What is glass?", 0),
    ]
    assert [row["changes"] for row in rows] == [1, 2, 0, 1]
    assert rows[0]["result"] == "Majority — Fruit (2/3 votes)"


def test_debates_of_one_file_have_anchors_of_their_own(example: Path, tmp_path: Path) -> None:
    page = single(example, tmp_path, "debate")
    debates = page.all("article", class_="debate")
    assert len(debates) == 4
    assert debates[1].one("h1").words == "What is a whale?"
    anchor = debates[1].attributes["id"]
    assert debates[1].one("article", id=f"{anchor}-r2-cy").words.startswith("Cy changed mind")
    assert debates[1].all("a", href="#debates")


def test_a_folder_has_a_file_for_each_debate_and_an_index(example: Path, tmp_path: Path) -> None:
    with build_report(example, ()) as (report, debates):
        run_page.write_folder(tmp_path / "out", report, debates)
    index = require_inert((tmp_path / "out" / "index.html").read_text("utf-8"), scripts=1)
    assert not index.all("article")
    for row in rows_of(index):
        page = require_inert((tmp_path / "out" / "debates" / f"{row['number']}.html").read_text("utf-8"))
        assert page.one("h1").words == row["question"]
        assert page.all("a", href="../index.html#debates")
    assert json.loads(index.one("script", id="data").text)["address"] == "debates/{}.html"


def test_long_questions_are_cut_with_a_mark_in_the_index_alone(tmp_path: Path) -> None:
    store = random_store(tmp_path, number=2, rounds=2, repeats=1, controls=())
    text = "word " * 100
    alter(store, f"UPDATE questions SET question = '{text.strip()}' WHERE id = 1")
    page = single(store, tmp_path)
    assert rows_of(page)[0]["question"] == f"{text[:300]}…"
    assert page.all("article", class_="debate")[0].one("h1").words == text.strip()


def test_hostile_texts_of_a_store_stay_text(tmp_path: Path) -> None:
    store = random_store(tmp_path, number=2, rounds=2, repeats=1, controls=())
    hostile = "</script><script>alert(1)</script><!-- \u202e \x1b[31m {{ 1 }}"
    alter(
        store,
        f"UPDATE questions SET question = '{hostile}', name = name || '{hostile}'",
        f"UPDATE questions SET tags = json_array('{hostile}') WHERE id = 2",
    )
    page = single(store, tmp_path)
    row = rows_of(page)[1]
    assert row["question"] == "</script><script>alert(1)</script><!-- \\u202e \\x1b[31m {{ 1 }}"
    assert "\u202e" not in page.text


# ── timelines ───────────────────────────────────────────────────────────────────────────────────────────────


def timeline_of(store: Path, *rows: str) -> Any:
    alter(store, "DELETE FROM timeline", *(f"INSERT INTO timeline VALUES (1, {row})" for row in rows))
    with Store.open(store, write=False) as opened:
        return read_timeline(opened)


def test_a_timeline_has_a_row_for_each_device_and_seconds_by_phase(tmp_path: Path) -> None:
    store = random_store(tmp_path, number=1, rounds=2, repeats=1, controls=())
    timeline = timeline_of(
        store, "'big', '[0, 1]', 'load', 0, 4", "'big', '[0, 1]', 'generate', 4, 8", "'small', '[1]', 'generate', 8, 10"
    )
    (session,) = timeline.sessions
    assert [row.label for row in session.rows] == ["device 0", "device 1"]
    assert [len(row.stretches) for row in session.rows] == [2, 3]
    assert session.seconds == 10
    assert [(model.model, list(model.seconds)) for model in timeline.models] == [
        ("big", [4.0, 4.0, 0.0, 0.0]),
        ("small", [2.0, 0.0, 0.0, 0.0]),
    ]
    last = session.rows[1].stretches[-1]
    assert (last.x, last.width) == (70 + 800, 200)
    assert last.title == "small: generate, 8.0 to 10.0 s"


def test_a_long_timeline_is_drawn_in_as_many_pieces_as_can_be_seen(tmp_path: Path) -> None:
    store = random_store(tmp_path, number=1, rounds=2, repeats=1, controls=())
    rows = [f"'m', '[0]', 'generate', {i}, {i + 0.999}" for i in range(20_000)]
    timeline = timeline_of(store, *rows)
    assert len(timeline.sessions[0].rows[0].stretches) == 1
    assert timeline.models[0].seconds[0] == pytest.approx(20_000 * 0.999)
    assert NARROWEST > 0


def test_a_run_of_which_nothing_was_held_is_a_page_too(tmp_path: Path) -> None:
    store = hold_suite(tmp_path / "run.db", table(tmp_path / "panel"), suite(2), stop_after=0)
    page = single(store, tmp_path)
    assert [row["state"] for row in rows_of(page)] == ["open", "open"]
    assert "Nothing has been said yet." in page.one("main").words
