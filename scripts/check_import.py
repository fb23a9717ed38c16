"""Print how much of the hosted service's reference page is imported exactly; exit 1 where anything is not.

    python scripts/check_import.py [PAGE]

PAGE is by default the page under ../shared/reference. What it must come to stands in tests/roundtable/reference.yaml,
written by hand: names, votes, counts, and of every longer text its place in the page (line, length, first and last
words), so that a text is exact where it is the page's own from its first character to its last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from localtable.roundtable import parse_page, to_transcript

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests/roundtable/reference.yaml"
REFERENCE = ROOT.parent / "shared/reference"


class Checked(NamedTuple):
    """One row."""

    what: str
    exact: int
    of: int


def check(page: str, expected: dict[str, Any]) -> Iterator[Checked]:
    """Hold a page's transcript against what was written by hand."""
    lines = page.split("\n")
    data = to_transcript(parse_page(page, "the page"), "the page", file="page", sha256="")
    options, turns = data["question"]["options"], data["rounds"][-1]["turns"]

    def text(letter: str) -> str:
        return str(options["ABCDE".index(letter)])

    yield _same("question", [data["question"]["question"]], [lines[expected["question"]["line"] - 1]])
    yield _same("options", options, expected["options"])
    yield _same("models", [seat["model"] for seat in data["panel"]["seats"]], list(expected["votes"]))
    yield _same("votes", [text(turn["ballot"]["vote"]) for turn in turns], list(expected["votes"].values()))
    yield _same("votes by option", list(data["rounds"][-1]["tally"].values()), list(expected["tally"].values()))
    yield _same("changes", [turn["seat"] for turn in turns if turn["changed_mind"]], expected["changed"])
    verdict = data["verdict"]
    yield _same("verdict", [verdict["kind"], verdict["votes"], verdict["of"]], expected["verdict"])
    yield _same("tie between", [text(letter) for letter in verdict["options"]], expected["tied"])
    yield _same("the page's own result", [data["source_result"]], [expected["source_result"]])
    yield _same("rounds", [round_["number"] for round_ in data["rounds"]], expected["rounds"])
    yield _same("reasonings", [turn["statement"] for turn in turns], _at(lines, expected["reasonings"]))
    summary = data["summary"]
    yield _same("summary", [part["sentence"] for part in summary["text"]], _at(lines, expected["summary"]))
    found = [[text(argument["option"]), argument["seat"]] for argument in summary["arguments"]]
    yield _same("arguments: option and seat", found, expected["arguments"]["by"])
    written = [f"- {text(argument['option'])}: {argument['sentence']}" for argument in summary["arguments"]]
    yield _same("arguments: text", written, _at(lines, expected["arguments"]["text"]))
    points = [f"- {point['sentence']}" for point in summary["turning_points"]]
    yield _same("turning points", points, _at(lines, expected["turning_points"]))
    nothing = [turn["ballot"][key] for turn in turns for key in ("distribution", "confidence", "persuaded_by")]
    nothing += [turn[key] for turn in turns for key in ("seed", "usage", "finish_reason", "truncated")]
    yield _same("what it does not say is null", nothing, [None] * len(nothing))


def _same(what: str, found: list[Any], wanted: list[Any]) -> Checked:
    same = sum(one == other for one, other in zip(found, wanted, strict=False))
    return Checked(what, same if len(found) == len(wanted) else 0, len(wanted))


def _at(lines: list[str], places: list[dict[str, Any]]) -> list[str]:
    """The lines of a page, each held against what its place is known by.

    Raises:
        SystemExit: It is another page.
    """
    found = []
    for place in places:
        line = lines[place["line"] - 1]
        if not (line.startswith(place["begins"]) and line.endswith(place["ends"]) and len(line) == place["length"]):
            raise SystemExit(f"line {place['line']} is not the one that {EXPECTED.name} describes: another page?")
        found.append(line)
    return found


def main() -> int:
    pages = [Path(sys.argv[1])] if len(sys.argv) > 1 else sorted(REFERENCE.glob("*.txt"))
    if not pages:
        raise SystemExit(f"no page in {REFERENCE}; name one")
    rows = list(check(pages[0].read_text("utf-8"), yaml.safe_load(EXPECTED.read_text("utf-8"))))
    for row in rows:
        print(f"{row.what:30} {row.exact:3} of {row.of:3} exact")
    return int(any(row.exact < row.of for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
