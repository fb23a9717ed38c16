"""`localtable models list`: what the filters leave, as a table and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import make_card, refused

from localtable.cli.listing import Filters, choose, parse_parameters, table
from localtable.cli.main import run
from localtable.config import load_card, packaged_card_ids
from localtable.scheduler.devices import GIB


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(["models", "list", "--json", *arguments]) == 0
    models: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return models


def test_without_a_filter_every_card_is_listed_with_family_and_need(capsys: pytest.CaptureFixture[str]) -> None:
    models = {model["id"]: model for model in listed(capsys)}
    assert set(models) == set(packaged_card_ids())
    demo = models["smollm2-135m-instruct"]
    assert demo["family"]
    assert 0.3 * GIB < demo["needed_bytes"] < 4 * GIB
    assert run(["models", "list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "FAMILY", "PARAMETERS", "CONTEXT", "NEEDS", "LICENSE", "WEIGHTS"]
    assert len(lines) == len(models)


def test_family_and_licence_go_without_regard_to_case(capsys: pytest.CaptureFixture[str]) -> None:
    family = load_card("qwen2.5-coder-0.5b-instruct").family or "qwen2"
    found = listed(capsys, "--family", family.upper())
    assert found
    assert {model["family"] for model in found} == {family}
    assert {model["license"] for model in listed(capsys, "--license", "apache")} == {"Apache-2.0"}


def test_sizes_bound_from_both_sides_and_include_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "--min-size", "400M", "--max-size", "1.6B")
    assert all(400e6 <= model["parameters"] <= 1.6e9 for model in found)
    assert {"qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"} <= {model["id"] for model in found}
    card = make_card(parameters=str(8 * 10**9))
    assert choose([card], Filters(least=8 * 10**9, most=8 * 10**9))[0]


def test_what_fits_a_machine_is_what_its_memory_holds(capsys: pytest.CaptureFixture[str]) -> None:
    small = {model["id"] for model in listed(capsys, "--fits", "8GiB")}
    large = {model["id"] for model in listed(capsys, "--fits", "80GiB")}
    assert "smollm2-135m-instruct" in small < large
    assert "llama-3.1-8b-instruct" in large - small
    assert all(model["needed_bytes"] <= 8 * GIB for model in listed(capsys, "--fits", "8GiB"))


def test_two_gpus_hold_together_what_one_can_not(capsys: pytest.CaptureFixture[str]) -> None:
    one = {model["id"] for model in listed(capsys, "--fits", "48GiB", "--min-size", "60B")}
    two = {model["id"]: model for model in listed(capsys, "--fits", "2x48GiB", "--min-size", "60B")}
    assert "llama-3.3-70b-instruct-fp8" in set(two) - one
    assert two["llama-3.3-70b-instruct-fp8"]["devices"] == 2
    assert run(["models", "list", "--fits", "2x48GiB"]) == 0
    assert "2 × " in capsys.readouterr().out


def test_nothing_that_fits_is_an_empty_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "--min-size", "150B") == []


def test_a_card_that_can_not_be_judged_is_listed_with_a_question_mark_and_named_where_it_matters() -> None:
    card = make_card(quantization="some-new-one")
    entries, said = choose([card], Filters())
    assert [entry.needed_bytes for entry in entries] == [None]
    assert said == []
    assert "?" in table([(entries[0], None)])[1].split()
    entries, said = choose([card], Filters.read(None, None, None, None, "24GiB"))
    assert entries == []
    assert "weights_bytes" in said[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--family", "qwn"], "no model's card says so"),
        (["--license", "GPL"], "no model's card says so"),
        (["--min-size", "8"], "no number of parameters"),
        (["--min-size", "-8B"], "no number of parameters"),
        (["--max-size", "8T"], "no number of parameters"),
        (["--min-size", "8B", "--max-size", "3B"], "is above --max-size"),
        (["--fits", "24"], "without a unit"),
        (["--fits", "rtx4091"], "no card is called"),
    ],
)
def test_what_is_no_filter_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert run(["models", "list", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_parameters_are_numbers_with_a_unit() -> None:
    assert parse_parameters("8B") == 8 * 10**9
    assert parse_parameters(" 0.5 b ") == 5 * 10**8
    assert parse_parameters("135M") == 135 * 10**6
    assert "unit" in refused(parse_parameters, "8").hint
