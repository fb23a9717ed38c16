"""`--gpus` where models run: several devices on a machine that has none, and never more than there is."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import CARD, make_question, write_panel

from localtable.cli.main import run
from localtable.config import load_card
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.pool import EngineLoaded
from localtable.types import FileSource, Panel, Sampling, Seat

MODELS = ("one", "two", "three")
SUITE = ("suite", "suite.jsonl", "--store", "run.db")
TABLE = ("--panel", "panel.yaml", "--engine", "scripted", "--rounds", "3")
CACHES = ("--engine-arg", "kv_cache_memory_bytes=1536MiB")
"""Two don't fit into 2 GiB."""


@pytest.fixture
def localtable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """The command in a folder with a panel of three models and a suite, on a machine whose GPUs are hidden."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    write_panel(tmp_path, "Ada", "Bob", "Cy", cards=[{**CARD, "id": name} for name in MODELS])
    lines = [{"id": f"q{i}", "question": f"Is it {i}?", "options": ["Yes", "No"]} for i in range(4)]
    (tmp_path / "suite.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def command(*arguments: str) -> tuple[int, str]:
        code = run(arguments)
        return code, capsys.readouterr().err

    return command


def loads(store: Path) -> tuple[dict[str, str], Counter[str]]:
    """By model: on which devices it sat, and how often it was loaded."""
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute("SELECT model, devices FROM timeline WHERE phase = 'load'").fetchall()
    return dict(rows), Counter(model for model, _ in rows)


def test_three_models_swap_where_two_share_a_device_and_the_third_has_its_own(
    localtable: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, said = localtable(*SUITE, *TABLE, *CACHES, "--gpus", "2x2GiB")
    assert code == 0, said
    assert "4 debates finished" in said
    devices, number = loads(tmp_path / "run.db")
    assert devices == {"one": "[0]", "two": "[1]", "three": "[0]"}
    # Of the two that share a device one fits: 2 + (3 - 1) (2 - 1) loads over three rounds.
    assert number == {"one": 2, "three": 2, "two": 1}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--gpus", "3x2GiB"), 3),
        (("--gpus", "5GiB"), 3),
        (("--gpus", "2GiB"), 7),
        (("--gpus", "2x5GiB", "--device-memory", "2GiB"), 5),
    ],
)
def test_there_are_as_many_loads_as_the_described_machine_needs(
    localtable: Callable[..., tuple[int, str]], tmp_path: Path, options: tuple[str, ...], expected: int
) -> None:
    code, said = localtable(*SUITE, *TABLE, *CACHES, *options)
    assert code == 0, said
    _, number = loads(tmp_path / "run.db")
    assert number.total() == expected


def test_a_run_that_was_stopped_goes_on_on_another_machine(
    localtable: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, said = localtable(*SUITE, *TABLE, *CACHES, "--gpus", "1GiB")
    assert code == 3
    assert "one needs 1.5 GiB" in said
    code, said = localtable("resume", "run.db", "--gpus", "2x2GiB")
    assert code == 0, said
    assert "4 debates finished" in said
    assert set(loads(tmp_path / "run.db")[0].values()) == {"[0]", "[1]"}


def test_a_debate_takes_the_option_as_well(localtable: Callable[..., tuple[int, str]]) -> None:
    asked = ("debate", "Is it?", "-o", "Yes", "-o", "No", *TABLE, *CACHES)
    code, said = localtable(*asked, "--gpus", "2x2GiB")
    assert code == 0, said
    code, said = localtable(*asked, "--gpus", "2x1GiB")
    assert code == 3
    assert "one needs 1.5 GiB" in said


@pytest.mark.parametrize("command", [(*SUITE, *TABLE), ("debate", "Is it?", "-o", "Yes", "-o", "No", *TABLE)])
@pytest.mark.parametrize(
    ("options", "code", "figures"),
    [
        (("--gpus", "64x1024GiB"), 3, ("64 devices with 65536.0 GiB in all", "GiB are free")),
        (("--gpus", "2x2GiB", "--device-memory", "4GiB"), 3, ("4.0 GiB is above the 2.0 GiB",)),
        (("--gpus", "24"), 2, ("without a unit",)),
        (("--gpus", "missing.yaml"), 2, ("missing.yaml does not exist",)),
    ],
)
def test_what_is_not_here_or_makes_no_sense_is_refused(
    localtable: Callable[..., tuple[int, str]],
    command: tuple[str, ...],
    options: tuple[str, ...],
    code: int,
    figures: tuple[str, ...],
) -> None:
    ended, said = localtable(*command, *options)
    assert ended == code, said
    assert all(figure in said for figure in figures), said
    assert "Traceback" not in said


def test_two_real_engines_sit_on_a_share_each(
    smollm2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    card = replace(load_card("smollm2-135m-instruct"), sources=(FileSource(str(smollm2_folder)),))
    seats = tuple(Seat(name, replace(card, id=name), Sampling(max_tokens=4)) for name in ("one", "two"))
    loaded: list[EngineLoaded] = []
    options = RunOptions(
        home=tmp_path / "home",
        engine="vllm",
        gpus=parse_gpus("2x1GiB"),
        # Together they would take more than one of the shares has.
        engine_arguments={"kv_cache_memory_bytes": "400MiB"},
        tell=lambda event: loaded.append(event) if isinstance(event, EngineLoaded) else None,
    )
    store = tmp_path / "run.db"
    begin_suite(store, Panel("two", seats, rounds=2), [make_question("Yes", "No")], options, SuiteOptions())
    with open_suite(store, options) as suite:
        assert [outcome.error for outcome in suite.run()] == [None]
    devices, number = loads(store)
    assert devices == {"one": "[0]", "two": "[1]"}
    assert number == {"one": 1, "two": 1}
    assert {event.info.device for event in loaded} == {"cpu"}
