"""A run's totals on a terminal: what fits, and that no two of a sweep's conditions look the same."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from store_builders import alter, mixed_store
from sweep_builders import hold_sweep, load, write_sweep

from localtable.report.suite import print_totals
from localtable.runner.totals import run_totals
from localtable.store import Store


def printed(path: Path, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, highlight=False)
    with Store.open(path, write=False) as store:
        print_totals(store, run_totals(store), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_conditions_of_a_sweep_keep_their_names_at_any_width(tmp_path: Path, width: int) -> None:
    path = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path, controls=["solo-revise"]))
    lines = printed(path, width)
    assert max(map(len, lines[1:])) <= width, "but for the headline"
    for variant in load(tmp_path / "sweep.yaml").variants:
        at = next(place for place, line in enumerate(lines) if line.split() and line.split()[0] == variant.name)
        cells = " ".join(lines[at : at + 2]).removeprefix(variant.name).split()
        assert cells[:3] == ["4", "0", "0"], "finished, failed, open: beside it or below"


def test_statements_that_can_t_be_relied_on_are_told_by_seat_and_round(tmp_path: Path) -> None:
    lines = printed(mixed_store(tmp_path), 120)
    head = next(line for line in lines if "statements" in line).split()
    assert head[:2] == ["statements", "cut"]
    row = next(line for line in lines if line.startswith("debate, round 1, Cy "))
    assert row.split()[-1].endswith("%")
    assert printed(tmp_path / "mixed.db", 20, terminal=False)[1] == lines[1], "a file has room"


def test_how_full_batches_were_is_said_by_model(tmp_path: Path) -> None:
    path = mixed_store(tmp_path)
    steps = {"seconds": 8, "decode_steps": 50, "decode_rows": 420, "prompt_tokens": 9000, "prompt_seconds": 2.0}
    short = {"seconds": 1, "decode_steps": 0, "decode_rows": 0, "prompt_tokens": 90, "prompt_seconds": None}
    alter(path, f"UPDATE sessions SET facts = json_set(facts, '$.steps', json('{json.dumps({'toy': steps})}'))")
    assert "toy: 8.4 turns in a step, 9,000 prompt tokens computed in 25% of its steps' 8 s" in printed(path, 120)
    # Another session, in which it hardly worked: what is known of the first one counts for both.
    alter(path, "INSERT INTO sessions (uuid, started, facts) SELECT 'again', started, facts FROM sessions WHERE id = 1")
    alter(
        path,
        f"UPDATE sessions SET facts = json_set(facts, '$.steps', json('{json.dumps({'toy': short})}'))"
        " WHERE uuid = 'again'",
    )
    assert "toy: 8.4 turns in a step, 9,090 prompt tokens computed in 25% of its steps' 9 s" in printed(path, 120)
    alter(path, f"UPDATE sessions SET facts = json_set(facts, '$.steps', json('{json.dumps({'toy': short})}'))")
    assert "toy: 0.0 turns in a step, 180 prompt tokens computed" in printed(path, 120)
    with Store.open(path, write=False) as store:
        assert run_totals(store)["steps"]["toy"] == {
            "seconds": 2,
            "decode_steps": 0,
            "decode_rows": 0,
            "prompt_tokens": 180,
            "prompt_seconds": None,
        }
