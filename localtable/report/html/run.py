"""A run as a page: figures and a table of its debates, each a click away; a folder where a file would be too large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from localtable.analysis.findings import Analysis
from localtable.analysis.rules import Tally
from localtable.errors import PrerequisiteError
from localtable.report.analysis import put_analysis
from localtable.report.analysis.figures import Figures
from localtable.report.html.debate import debate_context, debate_page
from localtable.report.html.environment import environment, stream
from localtable.report.html.run_charts import accuracy_chart, reliability_chart
from localtable.report.html.sheet import HtmlSheet
from localtable.report.html.timeline import Timeline
from localtable.report.run_index import IndexRow
from localtable.report.view import DebateView
from localtable.report.words import one_line, printable
from localtable.transcript import panel_to_json
from localtable.whole_file import WholeFile, write_text

INDEX = "index.html"
FOLDER = "debates"
MOST_CHARACTERS = 300
"""Of a question in the index: its own page has all of it."""

COLUMNS = ("number", "question", "condition", "repeat", "state", "result", "right", "rounds", "changes", "tags")
"""Of the index, as its script finds them."""

Debates = Iterable[tuple[int, Mapping[str, Any]]]
"""Numbers of finished debates in the store, and their transcripts."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What is known of a run, each figure from the function that the terminal's are from."""

    name: str
    """Of its store."""
    analysis: Analysis
    tallies: Sequence[Tally]
    timeline: Timeline
    index: Sequence[IndexRow]


def write_single(path: Path, report: RunReport, debates: Debates) -> None:
    """Write a run and all its debates as one file, whole or not at all.

    Raises:
        PrerequisiteError: The place can't be written, or the disk is full.
    """
    template = environment().get_template("debate.html.j2")

    def articles() -> Iterator[Mapping[str, Any]]:
        for number, data in debates:
            prefix = f"d{number}-"
            body = Markup(template.render(debate_context(DebateView(data), prefix)))
            yield {"anchor": f"d{number}", "body": body}

    with WholeFile(path) as file:
        for part in stream("run_page.html.j2", _context(report, "#d{}", articles()), script="index.js"):
            file.write(part.encode())


def write_folder(folder: Path, report: RunReport, debates: Debates) -> None:
    """Write a run as an index and a file for each debate; the index comes last, when all that it names is there.

    Raises:
        PrerequisiteError: The place can't be written, or the disk is full.
    """
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrerequisiteError(
            f"{folder / FOLDER} can't be made: {error.strerror}", hint="Name another folder, or make room."
        ) from None
    for number, data in debates:
        write_text(folder / FOLDER / f"{number}.html", debate_page(data, home=f"../{INDEX}#debates"))
    with WholeFile(folder / INDEX) as file:
        for part in stream("run_page.html.j2", _context(report, f"{FOLDER}/{{}}.html", ()), script="index.js"):
            file.write(part.encode())


def _context(report: RunReport, address: str, debates: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the run's page shows.

    Args:
        report: The run.
        address: Where a debate is found, `{}` in its number's place.
        debates: Those that stand in the same file.
    """
    analysis, figures = report.analysis, Figures(report.analysis)
    sheet = HtmlSheet()
    put_analysis(analysis, sheet)
    main = next((c for c in analysis.facts.conditions if c.name in analysis.asked.conditions and c.is_debate), None)
    condition = main.name if main is not None else analysis.asked.conditions[0]
    rounds = max((c.panel.rounds for c in analysis.facts.conditions), default=1)
    return {
        "report": report,
        "facts": analysis.facts,
        "sections": sheet.sections,
        "condition": condition,
        "accuracy": accuracy_chart(figures, analysis.asked.conditions, rounds),
        "reliability": reliability_chart(figures, condition),
        "transitions": _transitions(figures, condition),
        "panels": [(c.name, panel_to_json(c.panel)) for c in analysis.facts.conditions],
        "address": address,
        "data": _index_data(report.index, address),
        "most_characters": MOST_CHARACTERS,
        "debates": debates,
    }


def _transitions(figures: Figures, condition: str) -> list[tuple[str, list[Any]]]:
    """Votes right and wrong in the first round, by what they are in the last one; empty where nobody knows."""
    rows = []
    for start in ("right", "wrong"):
        cells = [
            figures.find("transition_share", condition=condition, round="last", **{"from": start, "to": end})
            for end in ("right", "wrong")
        ]
        if any(cell is None or cell.estimate.value is None for cell in cells):
            return []
        rows.append((start, cells))
    return rows


def _index_data(index: Sequence[IndexRow], address: str) -> dict[str, Any]:
    """The rows as the page's script reads them: lists, in the order of `columns`."""
    return {
        "address": address,
        "columns": COLUMNS,
        "rows": [
            [
                row.number,
                _shortened(row.question),
                _text(row.condition),
                row.repeat,
                row.kind or row.state,
                _text(row.result),
                row.right,
                row.rounds,
                row.changes,
                _text(" ".join([row.question_id, *row.tags])),
            ]
            for row in index
        ],
    }


def _shortened(text: str) -> str:
    line = one_line(text)
    return _text(line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…")


def _text(text: str) -> str:
    return printable(one_line(text))
