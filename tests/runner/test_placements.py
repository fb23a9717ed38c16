"""Where models are put, and what their engines are told of the devices they are put on."""

from __future__ import annotations

from pathlib import Path

from builders import CARD, make_panel, make_question

from localtable.prompts import ByteTokenizer, load_wording
from localtable.runner.models import Model, build_models, longest_turns
from localtable.runner.placements import build_placements, scripted_placements, seat_models
from localtable.scheduler.devices import GIB
from localtable.scheduler.gpus import parse_gpus
from localtable.weights import ModelFiles

FOLDER = Path("/nowhere")


def table(folder: Path, **engine: str) -> tuple[dict[str, Model], dict[str, int]]:
    """Three models at one table, and their longest turns."""
    cards = [{**CARD, "id": name, "parameters": str(n * 10**9)} for name, n in (("a", 4), ("b", 9), ("c", 3))]
    panel = make_panel(folder, "Ada", "Bob", "Cy", cards=cards, engine=engine)
    tokenizers = {card.id: ByteTokenizer() for card in panel.cards}
    models = build_models(panel, tokenizers, load_wording(panel.prompts), real_templates=False)
    return models, longest_turns([models], [make_question("Yes", "No")])


def test_an_engine_may_take_what_was_planned_of_its_device_but_for_its_process_s_context(tmp_path: Path) -> None:
    models, needs = table(tmp_path)
    machine = parse_gpus("24GiB")
    seated = seat_models("vllm", models, needs, machine, suite=True)
    files = {card_id: ModelFiles(FOLDER, "sha256:0", "a test", ()) for card_id in models}
    for card_id, placement in build_placements(models, seated, files, machine).items():
        taken = seated[card_id].bytes
        assert placement.spec.device_bytes == taken.weights + taken.kv_cache + taken.activations + taken.graphs
        assert placement.spec.device_bytes + taken.context == placement.total_bytes <= machine.capacities[0]


def test_scripted_engines_sit_as_real_ones_do_the_largest_first_each_where_most_is_left(tmp_path: Path) -> None:
    models, needs = table(tmp_path, kv_cache_memory_bytes="5GiB")
    placements = scripted_placements(models, needs, parse_gpus("2x6GiB,1x11GiB"), suite=True)
    assert {card_id: placement.devices for card_id, placement in placements.items()} == {
        "a": (2,),
        "b": (0,),
        "c": (1,),
    }
    assert list(placements) == ["a", "b", "c"], "the panel's order is the pool's"
    assert {placement.total_bytes for placement in placements.values()} == {5 * GIB}
    assert placements["c"].spec.device == "cuda:1"
