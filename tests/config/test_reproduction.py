"""Sweeps that repeat a paper: those that ship name what there is, `small` seats other models, mistakes are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import refused
from sweep_builders import write_sweep

from localtable.analysis.metrics.registry import METRICS
from localtable.analysis.sides import COMPARABLE
from localtable.config import load_card, load_reproduction, load_sweep
from localtable.loading import read_mapping
from localtable.protocol.conditions import CONTROLS
from localtable.runner import plan_sweep
from localtable.types import variant_name

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "sweeps"
READY = [path for path in sorted(FOLDER.glob("*.yaml")) if "published" in read_mapping(path)]
PAPER = {"id": "arXiv:0000.00000", "title": "On examples", "read": "nowhere"}
FIGURE = {
    "name": "gain",
    "metric": "debate_gain",
    "value": "0.1",
    "source": "read",
    "same": "interval",
    "margin": "0.05",
}


def published(*figures: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "paper": PAPER,
        "models": "some",
        "data": {"name": "some"},
        "differs": ["much"],
        "figures": [dict(figure) for figure in figures or (FIGURE,)],
        **changes,
    }


SEATS = [{"name": "Ada", "model": "qwen3-4b"}, {"name": "Bob", "model": "qwen3-8b"}]
SMALL = {"models": {"qwen3-4b": "smollm2-135m-instruct"}, "limit": "2"}


def written(folder: Path, **changes: Any) -> Path:
    """A sweep of the packaged cards that says what a paper reports; a key that is None is left out."""
    panel = {"name": "two", "seats": SEATS}
    return write_sweep(folder, **{"panel": panel, "published": published(), "small": SMALL, **changes})


# ── those that ship ─────────────────────────────────────────────────────────────────────────────────────────


def test_at_least_seven_findings_are_ready() -> None:
    assert len(READY) >= 7


@pytest.mark.parametrize("small", [False, True], ids=["whole", "small"])
@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_what_a_ready_file_names_is_there(path: Path, small: bool) -> None:
    reproduction = load_reproduction(path, small=small)
    sweep = reproduction.loaded.sweep
    conditions = {condition.name for condition in plan_sweep(sweep).conditions.values()}
    sitting = {variant.name: {card.id for card in variant.panel.cards} for variant in sweep.variants}
    for figure in reproduction.published.figures:
        levels = sweep.variants[0].levels
        variant = variant_name({factor: figure.of.get(factor, level) for factor, level in levels.items()})
        assert set(figure.of) <= set(levels)
        assert variant in sitting, figure.name
        assert (f"{variant}/{figure.control}" if figure.control else variant) in conditions, figure.name
        if figure.against in CONTROLS:
            assert f"{variant}/{figure.against}" in conditions, figure.name
        if figure.between is not None:
            assert set(figure.between) <= set(sweep.factors[str(figure.factor)]), figure.name
        compared = figure.factor is not None or figure.against is not None
        assert figure.metric in (COMPARABLE if compared else METRICS)
        if figure.models not in ("any", ()):
            assert all(load_card(card).id == card for card in figure.models)
            assert small or sitting[variant] == set(figure.models), f"{figure.name} is of whoever sits there"


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_a_small_form_sits_small_models_and_asks_little(path: Path) -> None:
    whole, small = load_reproduction(path), load_reproduction(path, small=True)
    assert small.loaded.limit is not None
    assert small.loaded.limit <= 12
    for variant in small.loaded.sweep.variants:
        assert {card.id for card in variant.panel.cards} <= set(small.stand_ins.values())
        assert all(seat.sampling.max_tokens <= 48 for seat in variant.panel.model_seats)
    assert not {card.id for v in whole.loaded.sweep.variants for card in v.panel.cards} & set(small.stand_ins.values())
    assert f"scripts/reproduce.py {path.stem} --questions" in path.read_text()


# ── small ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stand_in_takes_the_card_s_place_wherever_it_is_named(tmp_path: Path) -> None:
    figures = [
        {**FIGURE, "of": {"seats.Ada.model": "qwen3-4b"}, "models": ["qwen3-4b"]},
        {**FIGURE, "of": {"seats.Ada.model": "phi-4"}, "control": "self-consistency:qwen3-4b"},
    ]
    path = written(
        tmp_path,
        factors={"seats.Ada.model": ["qwen3-4b", "phi-4"], "rounds": ["2", "3"]},
        primary=[{"metric": "change_rate", "factor": "seats.Ada.model", "levels": ["phi-4", "qwen3-4b"]}],
        published=published(*figures),
        small={**SMALL, "panel": {"sampling": {"max_tokens": "9"}}},
    )
    whole, small = load_reproduction(path), load_reproduction(path, small=True)
    assert [v.levels["seats.Ada.model"] for v in whole.loaded.sweep.variants[::2]] == ["qwen3-4b", "phi-4"]
    assert [v.levels["seats.Ada.model"] for v in small.loaded.sweep.variants[::2]] == ["smollm2-135m-instruct", "phi-4"]
    seats = small.loaded.sweep.variants[0].panel.model_seats
    assert [(seat.card.id, seat.sampling.max_tokens) for seat in seats] == [
        ("smollm2-135m-instruct", 9),
        ("qwen3-8b", 9),
    ]
    assert (whole.loaded.limit, small.loaded.limit) == (None, 2)
    assert small.loaded.sweep.primary[0].levels == ("phi-4", "smollm2-135m-instruct")
    first, second = small.published.figures
    assert first.of == {"seats.Ada.model": "smollm2-135m-instruct"}
    assert first.models == ("qwen3-4b",), "of whom it was reported does not change"
    assert second.control == "self-consistency:smollm2-135m-instruct"
    assert (whole.stand_ins, small.stand_ins) == ({}, {"qwen3-4b": "smollm2-135m-instruct"})


def test_levels_that_come_to_the_same_stand_in_are_one(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        factors={"seats.Ada.model": ["qwen3-4b", "phi-4", "qwen3-0.6b"]},
        small={"models": {"qwen3-4b": "smollm2-135m-instruct", "phi-4": "smollm2-135m-instruct"}, "limit": "1"},
    )
    variants = [v.name for v in load_reproduction(path, small=True).loaded.sweep.variants]
    assert variants == ["model=smollm2-135m-instruct", "model=qwen3-0.6b"]


def test_panels_in_files_of_their_own_are_made_small_too(tmp_path: Path) -> None:
    for name, rounds in (("one", "2"), ("other", "3")):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "rounds": rounds, "seats": SEATS}))
    small = {**SMALL, "panel": {"sampling": {"max_tokens": "9"}}}
    path = written(tmp_path, panel=None, factors={"panel": ["one.yaml", "other.yaml"]}, small=small)
    variants = load_reproduction(path, small=True).loaded.sweep.variants
    assert [(v.name, v.panel.rounds) for v in variants] == [("panel=one", 2), ("panel=other", 3)]
    for variant in variants:
        assert [seat.card.id for seat in variant.panel.model_seats] == ["smollm2-135m-instruct", "qwen3-8b"]
        assert {seat.sampling.max_tokens for seat in variant.panel.model_seats} == {9}
    alone = load_reproduction(written(tmp_path, panel="one.yaml"), small=True).loaded.sweep.variants[0].panel
    assert [seat.card.id for seat in alone.model_seats] == ["smollm2-135m-instruct", "qwen3-8b"]


def test_a_file_without_a_paper_or_without_a_small_form_is_refused(tmp_path: Path) -> None:
    assert "says nothing of a paper" in refused(load_reproduction, write_sweep(tmp_path)).message
    assert "has no `small`" in refused(load_reproduction, written(tmp_path, small=None), small=True).message


def test_a_stand_in_for_nobody_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, small={**SMALL, "models": {"qwen3-4": "phi-4"}})
    assert "no seat and no level names 'qwen3-4'" in refused(load_reproduction, path, small=True).message


def test_a_sweep_with_a_paper_is_held_as_any(tmp_path: Path) -> None:
    assert len(load_sweep(written(tmp_path)).sweep.variants) == 4


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"same": "alike"}, "same"),
        ({"source": "heard"}, "source"),
        ({"margin": "0"}, "needs a margin above 0"),
        ({"value": None}, "needs a value, or low and high"),
        ({"value": None, "low": "0.1"}, "`low` and `high` belong together"),
        ({"low": "0.2", "high": "0.3"}, "low, value and high ascend"),
        ({"value": None, "low": "0.3", "high": "0.2"}, "low, value and high ascend"),
        ({"same": "more"}, "has no margin"),
        ({"same": "at_most", "value": None, "low": "0.1", "high": "0.2"}, "needs a value"),
        ({"same": "equivalent", "value": None, "low": "0.1", "high": "0.2"}, "needs a value"),
        ({"factor": "rounds"}, "`factor` and `between` belong together"),
        ({"factor": "rounds", "between": ["2", "3"], "control": "ring"}, "are compared over all variants"),
        ({"against": "ring", "by": {"round": "last"}}, "without control and by"),
        ({"metrics": "x"}, "unknown key"),
        ({"n": "0"}, "n"),
        ({"value": "nan"}, "value"),
        ({"margin": "inf"}, "margin"),
    ],
    ids=str,
)
def test_a_figure_that_makes_no_sense_is_refused(tmp_path: Path, change: Mapping[str, Any], said: str) -> None:
    figure = {key: value for key, value in {**FIGURE, **change}.items() if value is not None}
    assert said in refused(load_sweep, written(tmp_path, published=published(figure))).message
