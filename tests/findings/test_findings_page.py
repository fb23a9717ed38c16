"""docs/findings.md names what there is, and says which findings a test runs from their configuration alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from builders import make_panel
from click import Context

from localtable.analysis.families import DIMENSIONS
from localtable.analysis.metrics.registry import METRICS
from localtable.analysis.rules import parse_rule
from localtable.cli.main import COMMANDS, cli
from localtable.prompts import load_wording
from localtable.protocol.conditions import CONTROLS

FOLDER = Path(__file__).parent
PAGE = (FOLDER.parents[1] / "docs/findings.md").read_text("utf-8")
RUN = {
    1: "test_what_debate_adds.py",
    2: "test_what_debate_adds.py",
    3: "test_who_sits_there.py",
    4: "test_who_sits_there.py",
    5: "test_who_follows_whom.py",
    6: "test_who_follows_whom.py",
    7: "test_who_follows_whom.py",
    8: "test_who_follows_whom.py",
    9: "test_how_it_is_decided.py",
    10: "test_how_it_is_decided.py",
    11: "test_what_debate_adds.py",
    12: "test_how_it_is_decided.py",
    13: "test_how_it_is_decided.py",
    14: "test_what_debate_adds.py",
    15: "test_who_sits_there.py",
    16: "test_how_it_is_decided.py",
}
"""Findings by number, and where their tests stand."""


class Row(NamedTuple):
    """A finding as the page has it."""

    number: int
    configuration: str
    figures: str
    run_by: str

    @property
    def named(self) -> list[str]:
        return re.findall(r"`([^`]+)`", f"{self.configuration} {self.figures}")


def rows() -> list[Row]:
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].isdigit():
            number, _, _, configuration, figures, run_by = cells
            found.append(Row(int(number), configuration, figures, run_by))
    return found


ROWS = rows()
NAMED = [(row.number, name) for row in ROWS for name in row.named]

# ── which are run ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_has_all_sixteen() -> None:
    assert [row.number for row in ROWS] == list(range(1, 17))


def test_at_least_eight_are_run_and_the_page_says_which() -> None:
    assert len(RUN) >= 8
    linked = {row.number: Path(row.run_by[len("[test](") : -1]).name for row in ROWS if row.run_by}
    assert linked == RUN


def test_every_finding_that_is_said_to_be_run_has_its_test_and_no_test_is_left_out() -> None:
    tested = {
        (int(number), file.name)
        for file in FOLDER.glob("test_*.py")
        for number in re.findall(r"^def test_finding_(\d+)_", file.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert tested == set(RUN.items())


# ── what is named ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "name"), NAMED, ids=[f"{number}-{name}" for number, name in NAMED])
def test_what_the_page_names_exists(tmp_path: Path, number: int, name: str) -> None:
    """A metric, a rule, a control, a command with its options, or keys of a panel that a panel can have."""
    if name.startswith(("localtable ", "--")):
        check_command(name)
    elif ":" in name:
        for changes in panels(yaml.safe_load(name)):
            make_panel(tmp_path, *changes.pop("names"), **changes)
    else:
        assert name in METRICS or name in CONTROLS or name == "seats" or parse_rule(name)


def check_command(text: str) -> None:
    """Options with what stands behind them; a command's own, or of `suite` and `analyze` where none is named."""
    words = text.split()
    command, options = (words[1], words[2:]) if words[0] == "localtable" else (None, words)
    assert command is None or command in COMMANDS
    for option, value in zip(options[::2], options[1::2], strict=True):
        of = cli.get_command(Context(cli), command or {"--control": "suite", "--by": "analyze"}[option])
        assert of is not None
        assert option in {name for parameter in of.params for name in parameter.opts}
        assert value in CONTROLS or value in DIMENSIONS or parse_rule(value)


def panels(named: dict[str, Any]) -> list[dict[str, Any]]:
    """What a panel's file says for each of the values that are named: levels of a sweep, or the one value."""
    ((key, value),) = named.items()
    levels = value if isinstance(value, list) else [value]
    return [{"names": ("Ada", "Bob", "Cy", "Dee"), **keys(key, str_of(level))} for level in levels]


def keys(key: str, value: Any) -> dict[str, Any]:
    if key == "role":
        assert value in load_wording("argue").parts.roles
        return {"names": (), "seats": [{"name": "Ada", "model": "toy.yaml", "role": value}]}
    if key == "confederate":
        return {"names": (), "seats": [{"name": "Ada", "model": "toy.yaml"}, {"name": "Con", "confederate": value}]}
    outer, _, inner = key.partition(".")
    return {outer: {inner: value} if inner else value}


def str_of(value: Any) -> Any:
    """As the reader of files has it: scalars are text until a key gives them a type."""
    return {key: str(inner) for key, inner in value.items()} if isinstance(value, dict) else str(value)
