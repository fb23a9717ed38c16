"""Rules side by side on a terminal: what fits, what is split, that nothing is cut off."""

from __future__ import annotations

import io

import pytest
from builders import make_panel, make_question
from rich.console import Console
from store_builders import hold_suite

from localtable.analysis.rules import Tally, every_rule, parse_rule, tally
from localtable.analysis.table import ConditionTable, load_table
from localtable.report.tally import print_tally
from localtable.runner.inputs import conditions_of
from localtable.store import Store

SEATS = tuple(f"Seat {number}" for number in range(1, 13))


@pytest.fixture(scope="module")
def debate(tmp_path_factory: pytest.TempPathFactory) -> ConditionTable:
    """Twelve seats on 30 questions of three options."""
    folder = tmp_path_factory.mktemp("tally")
    questions = [make_question("Yes", "No", "Maybe", id=f"q{i}", question=f"{i}?", answer="A") for i in range(30)]
    path = hold_suite(folder / "run.db", make_panel(folder, *SEATS), questions)
    with Store.open(path, write=False) as store:
        run = store.run()
        return load_table(store, conditions_of(run, str(path))).conditions[0]


def screen(shown: Tally, width: int, *, terminal: bool = True, explain: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, highlight=False)
    print_tally(shown, console, explain=explain)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_all_rules_fit_into_80_columns(debate: ConditionTable) -> None:
    lines = screen(tally(debate, every_rule(), None), 80)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert sum(line.startswith(("13 trajectory", "trajectory")) for line in lines) == 2


@pytest.mark.parametrize("width", [60, 80, 200])
def test_more_rules_than_fit_are_shown_in_blocks_with_every_pair_once(debate: ConditionTable, width: int) -> None:
    rules = [*every_rule(), *(parse_rule(f"judge:seat={name}") for name in SEATS)]
    shown = tally(debate, rules, None)
    lines = screen(shown, width, terminal=width < 200)
    start = next(place for place, line in enumerate(lines) if line.startswith("Disagreement"))
    cells = " ".join(lines[start + 1 :])
    heads = [line.split() for line in lines[start + 1 :] if line.startswith("  ") and line.split()]
    columns = [int(number) for head in heads if all(part.isdigit() for part in head) for number in head]
    assert columns == list(range(1, len(rules)))
    assert "25 judge:seat=Seat 12" in cells
    percents = [line.split()[2 if "judge" not in line else 3 :] for line in lines[start + 1 :] if line[:1].isdigit()]
    assert sum(map(len, percents)) == len(rules) * (len(rules) - 1) // 2


def test_a_long_name_is_folded_and_not_cut(debate: ConditionTable) -> None:
    long = "trajectory:initial=123.456789,leave=234.567891,adopt=345.678912,keep=456.789123"
    lines = screen(tally(debate, [parse_rule(long), parse_rule("borda")], None), 80, explain=True)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert long in "".join(line.split(" ")[0] for line in lines if line)


def test_a_file_is_no_terminal_and_has_room(debate: ConditionTable) -> None:
    shown = tally(debate, [parse_rule("borda"), parse_rule("plurality")], 1)
    assert screen(shown, 20, terminal=False)[0] == "debate: 30 debates, 12 seats, round 1"
    assert all("…" not in line for line in screen(shown, 20, terminal=False))
