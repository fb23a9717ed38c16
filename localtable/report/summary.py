"""A summary's parts on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from localtable.report.words import argument_line, one_line, printable, written_by
from localtable.types import Question, Summary


def print_summary(question: Question, summary: Summary, console: Console, *, whole: bool) -> None:
    """Print the parts that hold anything.

    Args:
        question: What was debated.
        summary: What was written of it.
        console: Where to.
        whole: With its text also where that is from templates.
    """
    is_new = whole or "text" not in summary.templated
    text = [" ".join(sentence.sentence for sentence in summary.text)] if is_new else []
    parts = (
        (written_by(summary) or "Summary", text),
        ("Strongest arguments", [argument_line(question, argument) for argument in summary.arguments]),
        ("Key turning points", [point.sentence for point in summary.turning_points]),
    )
    for heading, lines in parts:
        if lines:
            console.print()
            console.print(Text(printable(heading), style="bold"))
        for line in lines:
            console.print(Padding(Text(printable(one_line(line))), (0, 0, 0, 2)))
