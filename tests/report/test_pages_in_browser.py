"""Pages in a real browser, opened from the disk: by keyboard, in both themes, wide and narrow, with hostile texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analyzed_stores import random_store
from axe_playwright_python.sync_playwright import Axe
from browsers import MISSING, find_browser, launched, opened
from builders import make_panel, make_question
from playwright.sync_api import Browser, expect
from store_builders import hold_suite
from summary_builders import make_transcript

from localtable.analysis.compare import compare
from localtable.cli.panels import read_panel
from localtable.cli.report import build_report
from localtable.report.html import debate_page
from localtable.report.html.comparison import comparison_page
from localtable.report.html.run import write_folder, write_single
from localtable.transcript import to_json
from localtable.types import Influence
from tests.roundtable.copied_pages import LUNCH, render
from tests.roundtable.copied_pages import read as read_copied

pytestmark = pytest.mark.skipif(find_browser() is None, reason=MISSING)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def debate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seats with long names and statements, changes, measured influence, thinking."""
    folder = tmp_path_factory.mktemp("debate")
    wide = "supercalifragilisticexpialidocious" * 6
    data = to_json(
        make_transcript(
            folder,
            {"Ada": [{"A": 0.9, "B": 0.1}, {"B": 0.7, "A": 0.3}], "Bob": "BB", "A very long name": "AA", "漢字": "CC"},
            said={(1, "Bob"): f"{wide} " * 3 + "\n\n" + "So it is. " * 60},
            persuaded={(2, "Ada"): "Bob"},
            influence={(2, "Ada"): (Influence("Bob", "B", 0.3, 0.25, 0.02, 8),)},
            options=("Yes", f"No, because {wide}", "Maybe"),
        )
    )  # fmt: skip
    data["rounds"][0]["turns"][0]["reasoning"] = "Well, let me think. " * 80
    (folder / "debate.html").write_text(debate_page(data), "utf-8")
    return folder / "debate.html"


def run_of(folder: Path, number: int, **changes: Any) -> Path:
    """A run of two seats in one file."""
    changes = {"names": ("Ada", "Bob"), "rounds": 2, "controls": ("votes-only",), **changes}
    store = random_store(folder, number=number, **changes)
    with build_report(store, ()) as (report, debates):
        write_single(folder / "run.html", report, debates)
    return folder / "run.html"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 debates: five pages of the index."""
    return run_of(tmp_path_factory.mktemp("run"), 30)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six debates."""
    return run_of(tmp_path_factory.mktemp("small"), 3, repeats=1)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hosted debate that says less than one of ours."""
    path = tmp_path_factory.mktemp("imported") / "imported.html"
    path.write_text(debate_page(read_copied(render(LUNCH))), "utf-8")
    return path


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four questions of two conditions, with answers, probabilities and ten seats between them."""
    folder = tmp_path_factory.mktemp("comparison")
    store = random_store(folder, number=4, rounds=2, repeats=1, controls=("solo-revise",))
    compared = compare(read_panel(store, "debate"), read_panel(store, "solo-revise"))
    (folder / "comparison.html").write_text(comparison_page(compared), "utf-8")
    return folder / "comparison.html"


@pytest.fixture(params=["debate", "small_run", "imported", "comparison"])
def page_file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


# ── everybody can read them ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, page_file: Path, theme: str, width: int) -> None:
    with opened(browser, page_file, width=width, color_scheme=theme) as found:
        found.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        violations = Axe().run(found.page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200], len(v["nodes"])) for v in violations] == []
        ground = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (theme == "light")


def test_axe_finds_nothing_in_a_debate_of_a_run(browser: Browser, small_run: Path) -> None:
    with opened(browser, small_run.with_name("run.html#d1-r2-ada")) as found:
        assert found.page.locator("#d1 h1").is_visible()
        assert Axe().run(found.page).response["violations"] == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2000])
def test_no_page_has_to_be_pushed_sideways(browser: Browser, page_file: Path, width: int) -> None:
    with opened(browser, page_file, width=width) as found:
        assert found.scroll_width() == width
        found.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        assert found.scroll_width() == width


def test_a_debate_is_read_by_keyboard(browser: Browser, debate: Path) -> None:
    with opened(browser, debate, reduced_motion="reduce") as found:
        page = found.page
        page.keyboard.press("Tab")
        skip = page.locator("a.skip")
        assert skip.evaluate("e => e === document.activeElement && e.getBoundingClientRect().left >= 0")
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        cell = page.locator("table.grid a").first
        for _ in range(3):
            page.keyboard.press("Tab")
            if cell.evaluate("e => e === document.activeElement"):
                break
        assert cell.evaluate("e => getComputedStyle(e).outlineStyle") == "solid", "what has the focus is seen"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#r1-ada"
        turn = page.locator("#r1-ada")
        page.wait_for_timeout(100)
        assert 0 <= turn.evaluate("e => e.getBoundingClientRect().top") < 900, "it has come into view"
        summary = turn.locator("summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert turn.locator("details").first.evaluate("e => e.open")
        assert turn.locator(".thinking").is_visible()


def test_a_debate_needs_no_script(browser: Browser, debate: Path) -> None:
    with opened(browser, debate, java_script_enabled=False) as found:
        page = found.page
        page.locator("table.grid a").nth(1).click()
        page.wait_for_url("**#r2-ada")
        page.locator("#r2-ada summary").last.click()
        assert page.locator("#r2-ada dl.raw").is_visible()
        assert (found.requests, found.said) == ([], [])


# ── a run's index ───────────────────────────────────────────────────────────────────────────────────────────


def rows(found: Any) -> list[str]:
    return [text.strip() for text in found.page.locator("#rows a bdi").all_inner_texts()]


def test_the_index_is_searched_filtered_sorted_and_turned_over(browser: Browser, run: Path) -> None:
    with opened(browser, run) as found:
        page = found.page
        assert page.locator("#found").inner_text() == "120 of 120 debates"
        assert len(rows(found)) == 25
        for _ in range(4):
            page.locator("#next").click()
        assert len(rows(found)) == 20
        assert page.locator("#place").inner_text() == "page 5 of 5"
        assert page.locator("#next").is_disabled()
        page.locator("#query").fill("is it 7? q7")
        assert set(rows(found)) == {"Is it 7?"}
        page.locator("#condition").select_option("debate")
        assert len(rows(found)) == 2, "two repeats"
        page.locator("#query").fill("passage:3")
        assert set(rows(found)) == {"Is it 9?", "Is it 10?", "Is it 11?"}
        page.locator("#right").select_option("right")
        assert set(page.locator("#rows td.right").all_inner_texts()) == {"right"}
        page.locator("#query").fill("no such thing")
        assert rows(found) == []
        assert page.locator("#found").inner_text().startswith("0 of ")


def test_the_index_is_sorted_by_keyboard_and_says_so(browser: Browser, run: Path) -> None:
    with opened(browser, run) as found:
        page = found.page
        button = page.locator("button[data-sort=changes]")
        button.focus()
        page.keyboard.press("Enter")
        fewest = page.locator("#rows td:last-child").first.inner_text()
        page.keyboard.press("Enter")
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        changes = [int(text) for text in page.locator("#rows td:last-child").all_inner_texts()]
        assert changes == sorted(changes, reverse=True)
        assert changes[0] > int(fewest)


@pytest.mark.parametrize("script", [True, False])
def test_each_row_opens_its_debate_with_script_and_without(browser: Browser, run: Path, script: bool) -> None:
    with opened(browser, run, java_script_enabled=script) as found:
        page = found.page
        link = page.locator("#rows a" if script else "noscript a").nth(4)
        question = link.inner_text()
        link.click()
        # The page routes behind the click, by an event of its own: what it comes to is waited for.
        shown = page.locator("article.debate:visible h1")
        expect(shown).to_have_text([question])
        expect(page.locator("#debates")).to_be_hidden()
        page.locator("article.debate:visible table.grid a").first.click()
        expect(shown).to_have_text([question])
        page.locator("article.debate:visible .back a").click()
        expect(page.locator("#debates")).to_be_visible()
        expect(page.locator("article.debate:visible")).to_have_count(0)
        assert (found.requests, found.said) == ([], [])


def test_a_folders_index_leads_to_its_files_and_back(browser: Browser, tmp_path: Path) -> None:
    store = random_store(tmp_path, number=3, rounds=2, repeats=1, controls=())
    with build_report(store, ()) as (report, debates):
        write_folder(tmp_path / "out", report, debates)
    with opened(browser, tmp_path / "out" / "index.html") as found:
        page = found.page
        page.locator("#rows a").nth(1).click()
        page.wait_for_url("**/out/debates/2.html")
        assert page.locator("h1").inner_text() == "Is it 1?"
        page.locator(".back a").click()
        page.wait_for_url("**/out/index.html#debates")
        assert page.locator("#rows a").count() == 3


# ── hostile texts ───────────────────────────────────────────────────────────────────────────────────────────

ACTS = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</style><script>{}</script>",
    "</title><script>{}</script>",
    "</noscript><script>{}</script>",
    "--><script>{}</script><!--",
    "]]><script>{}</script>",
    "<img src=x onerror='{}'>",
    '" onmouseover="{}" autofocus onfocus="{}" x="',
    "' onpointerover='{}' x='",
    "<svg onload='{}'>",
    "<svg><animate onbegin='{}' attributeName=x dur=1s>",
    "<body onload='{}'>",
    "<details open ontoggle='{}'>",
    "<input autofocus onfocus='{}'>",
    "<iframe srcdoc='<script>parent.{}</script>'>",
    "<iframe src='javascript:parent.{}'>",
    "<a href='javascript:{}'>click</a>",
    "[click](javascript:{})",
    "<meta http-equiv=refresh content='0;url=https://evil.invalid/'>",
    "<link rel=stylesheet href=https://evil.invalid/x.css>",
    "<style>@import 'https://evil.invalid/x.css';</style>",
    "<style>body{{background:url(https://evil.invalid/x.png)}}</style>",
    "<img src=https://evil.invalid/x.png>",
    "<video autoplay src=https://evil.invalid/x.mp4 onerror='{}'>",
    "<object data=https://evil.invalid/x>",
    "<base href=https://evil.invalid/>",
    "<form action=https://evil.invalid/><button autofocus>x</button></form>",
    "<template><script>{}</script></template>",
    "<math><mtext><script>{}</script></mtext></math>",
    "{{{{ cycler.__init__.__globals__.os.system('{}') }}}}",
    "{{% print('{}') %}}",
    "&lt;script&gt;{}&lt;/script&gt;",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "%3Cscript%3E{}%3C/script%3E",
    "<scr\x00ipt>{}</scr\x00ipt>",
    "\u202e<script>{}</script>\u202c",
    "<!--[if gte IE 4]><script>{}</script><![endif]-->",
    "<noscript><p title='</noscript><script>{}</script>'>",
    "`${{{}}}`",
    "';{};//",
    '";{};//',
    "*/{};/*",
    "\u2028{}\u2029",
    "<script type=module>{}</script>",
    "<script src=https://evil.invalid/x.js></script>",
    "<svg><use href='https://evil.invalid/x.svg#a'/></svg>",
    "<marquee onstart='{}'>",
    "<select autofocus onfocus='{}'>",
    "</article></main><h1 id=main>Unanimous — mine</h1>",
)
"""What a statement may try; `{}` is what it would run."""
RUNS = "document.documentElement.dataset.owned=1"
HOSTILE = [act.replace("{}", RUNS).replace("{{", "{").replace("}}", "}") for act in ACTS]


def test_a_hundred_hostile_statements_run_nothing_and_ask_for_nothing(browser: Browser, tmp_path: Path) -> None:
    assert len(HOSTILE) == 50
    seats = ["".join(filter(str.isprintable, f"{i} {text}"))[:60].strip() for i, text in enumerate(HOSTILE)]
    said = {(number, seat): text for number in (1, 2) for seat, text in zip(seats, HOSTILE, strict=True)}
    transcript = make_transcript(
        tmp_path, dict.fromkeys(seats, "AB"), said=said, options=(HOSTILE[0], HOSTILE[7], HOSTILE[8])
    )
    data = to_json(transcript)
    data["question"] |= {"question": HOSTILE[1], "context": HOSTILE[2]}
    data["panel"]["name"] = HOSTILE[3]
    data["manifest"] = {"text": HOSTILE}
    for turn, text in zip(data["rounds"][0]["turns"], HOSTILE, strict=True):
        turn["reasoning"] = text
    (tmp_path / "hostile.html").write_text(debate_page(data), "utf-8")
    with opened(browser, tmp_path / "hostile.html") as found:
        page = found.page
        page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        assert page.locator("div.said:not(.thinking)").count() == 100
        for _ in range(40):
            page.keyboard.press("Tab")
        page.locator("article.turn").first.hover()
        assert page.locator("h1").count() == 1
        require_nothing(found)


def require_nothing(found: Any) -> None:
    """No script of a text's has run, nothing was asked for, and the policy had nothing to stop."""
    found.page.wait_for_timeout(200)
    assert found.page.evaluate("document.documentElement.dataset.owned") is None
    assert (found.requests, found.said, found.violations()) == ([], [], [])


def test_a_runs_hostile_texts_run_nothing_and_ask_for_nothing(browser: Browser, tmp_path: Path) -> None:
    questions = [
        make_question(f"{text} 1", f"{text} 2", id=f"q{i} {text}"[:90].strip(), question=text, tags=[text])
        for i, text in enumerate(text.replace("\x00", "") for text in HOSTILE)
    ]
    store = hold_suite(tmp_path / "run.db", make_panel(tmp_path, "Ada", HOSTILE[0][:50]), questions)
    with build_report(store, ()) as (report, debates):
        write_single(tmp_path / "run.html", report, debates)
    with opened(browser, tmp_path / "run.html") as found:
        page = found.page
        assert page.locator("#rows tr").count() == 25
        page.locator("#query").fill("<script>")
        assert page.locator("#rows tr").count() > 5
        page.locator("#rows a").first.click()
        require_nothing(found)
