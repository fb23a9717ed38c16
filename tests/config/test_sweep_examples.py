"""The sweeps that ship, and those that docs/sweeps.md shows: each is one."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
import yaml
from sweep_builders import hold_sweep, write_sweep

from localtable.analysis.sides import COMPARABLE
from localtable.config import load_reproduction, load_suites, load_sweep
from localtable.loading import read_mapping
from localtable.runner import plan_sweep

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = sorted((ROOT / "examples" / "sweeps").glob("*.yaml"))
PAGE = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
WRITTEN = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_that_ships_can_be_held(path: Path) -> None:
    loaded = load_sweep(path)
    assert loaded.sweep.name == path.stem
    plan = plan_sweep(loaded.sweep)
    assert len(plan.conditions) > 1
    if "published" not in read_mapping(path):  # questions of a paper are the user's to import
        assert next(load_suites(loaded.suites))
    assert {contrast.metric for contrast in loaded.sweep.primary} <= set(COMPARABLE)


def test_the_first_sweep_of_the_page_has_the_variants_that_it_says(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    (tmp_path / "page.yaml").write_text(WRITTEN[0])
    sweep = load_sweep(tmp_path / "page.yaml").sweep
    plan = plan_sweep(sweep)
    assert len(sweep.variants) == 2 * 2 * 3 * 2 * 2 - 2 * 3 * 2
    assert plan.num_controls == 1
    sceptic = next(variant.panel for variant in sweep.variants if variant.levels["mood"] == "sceptic")
    assert [(seat.persona, seat.role) for seat in sceptic.model_seats] == [
        ("You doubt what you read.", "devils_advocate"),
        ("You doubt what you read.", None),
    ]


def test_the_majority_of_the_page_grows(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, factors=yaml.safe_load(WRITTEN[1])["factors"])
    counts = [len(variant.panel.confederates) for variant in load_sweep(path).sweep.variants]
    assert counts == [0, 1, 2]


def test_the_paper_of_the_page_is_one(tmp_path: Path) -> None:
    panel = {"name": "copies", "seats": [{"name": "Ada", "model": "qwen3-4b"}]}
    factors = {"seats.*.model": ["qwen3-4b", "phi-4"]}
    path = write_sweep(tmp_path, panel=panel, factors=factors, **yaml.safe_load(WRITTEN[2]))
    whole, small = load_reproduction(path), load_reproduction(path, small=True)
    assert whole.published.figures[0].models == ("qwen3-4b",)
    assert [v.name for v in small.loaded.sweep.variants] == ["model=smollm2-135m-instruct", "model=phi-4"]


def test_the_query_of_the_page_gives_a_row_for_each_combination(tmp_path: Path) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)
    store = hold_sweep(tmp_path / "run.db", write_sweep(tmp_path, controls=["solo-revise"]))
    rows = sqlite3.connect(store).execute(query).fetchall()
    assert [row[:3] for row in rows] == [
        *(("fixed", "2", 8), ("fixed", "3", 8), ("shuffled", "2", 8), ("shuffled", "3", 8))
    ]
