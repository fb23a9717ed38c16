"""What an import has found, in a few lines: the page's own result beside the verdict, and its notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localtable.report.words import one_line, verdict_line


def describe_import(transcript: Mapping[str, Any], name: str) -> Iterator[str]:
    """Lines for a person.

    Args:
        transcript: An import, as written.
        name: Of its file.
    """
    about, rounds = transcript["manifest"]["import"], transcript["rounds"]
    turns = rounds[-1]["turns"]
    options = len(transcript["question"]["options"])
    parts = [about["kind"] or "a page without a title", _count(len(turns), "model")]
    parts += [_count(options, "option")] if options else []
    changed = sum(turn["changed_mind"] for turn in turns)
    parts += [f"{changed} changed their mind"] if changed else []
    yield f"{name}: {', '.join(parts)}"
    if transcript["source_result"] is not None:
        yield f"  the page says: {one_line(transcript['source_result'])}"
    if transcript["verdict"] is not None:
        yield f"  by its votes:  {verdict_line(transcript)}"
    for note in about["notes"]:
        yield f"  note: {one_line(note)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
