"""`--gpus`: what describes a machine, what doesn't, and what the table of cards holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import given_or_refused, refused
from hypothesis import given
from hypothesis import strategies as st

from localtable.scheduler.devices import GIB, Device
from localtable.scheduler.gpu_table import GPUS, STAND_INS, find_by_driver_name, host_bytes_s, stand_in
from localtable.scheduler.gpus import parse_gpus


def sizes(spec: str) -> list[float]:
    return [round(device.total_bytes / GIB, 2) for device in parse_gpus(spec).devices]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("24GiB", [24]),
        ("1x24GiB", [24]),
        ("2 x 80 GiB", [80, 80]),
        ("80GB", [74.51]),
        ("rtx4090", [23.64]),
        ("RTX 4090", [23.64]),
        ("NVIDIA GeForce RTX 4090", [23.64]),
        ("2xH100-80GB", [79.11, 79.11]),
        ("h100", [79.11]),
        ("1xrtx4090,1x48GiB", [23.64, 48]),
        ("rtx4090, ram=64GiB", [23.64]),
    ],
)
def test_a_machine_is_described_in_a_line(spec: str, expected: list[float]) -> None:
    assert sizes(spec) == expected


def test_devices_are_numbered_over_the_whole_machine() -> None:
    machine = parse_gpus("2xrtx4090,l40s")
    assert [device.torch_name for device in machine.devices] == ["cuda:0", "cuda:1", "cuda:2"]
    assert machine.described
    assert str(machine).startswith("2 × rtx4090, 23.6 GiB; l40s, 44.4 GiB; ")


def test_host_memory_is_what_is_said_and_else_twice_that_of_the_gpus() -> None:
    assert parse_gpus("2x24GiB,ram=40GiB").ram_bytes == 40 * GIB
    assert parse_gpus("2x24GiB").ram_bytes == 96 * GIB


def test_a_size_is_as_fast_as_a_card_that_has_it() -> None:
    (device,) = parse_gpus("24GiB").devices
    assert device.memory_bytes_s == GPUS["rtx4090"].memory_bytes_s
    assert "rtx4090" in device.name
    assert stand_in(25 * GIB).name == "rtx5090"
    assert stand_in(1000 * GIB).name == "h200"
    assert [GPUS[name].size_gb for name in STAND_INS] == sorted(GPUS[name].size_gb for name in STAND_INS)


def test_a_file_describes_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(
        "ram: 128GiB\ndevices:\n  - {card: rtx4090, count: 2}\n"
        "  - {size: 48GiB, free: 40GiB, host_gb_s: 25, memory_gb_s: 900, tflops: 100}\n"
    )
    machine = parse_gpus(str(path))
    assert len(machine.devices) == 3
    assert machine.ram_bytes == 128 * GIB
    own = machine.devices[2]
    assert (own.free_bytes, own.host_bytes_s, own.memory_bytes_s, own.flops) == (40 * GIB, 25e9, 900e9, 100e12)
    assert own.taken_bytes == 8 * GIB
    assert parse_gpus("machine.yaml", tmp_path) == machine


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("24", "without a unit"),
        ("2x80", "without a unit"),
        ("4090", "without a unit"),
        ("-24GiB", "no size of a device"),
        ("0GiB", "no size"),
        ("0x24GiB", "0 devices"),
        ("-1xrtx4090", "-1 devices"),
        ("65x24GiB", "65 devices"),
        ("40xh100,40xh100", "80 devices"),
        ("99999999999999999999xh100", "devices"),
        ("4000GiB", "no GPU has 4000GiB"),
        ("100MiB", "no GPU has 100MiB"),
        ("1.5TB", "no size"),
        ("", "describes no machine"),
        ("1x24GiB,", "describes no machine"),
        ("1x", "no size"),
        ("ram=64GiB", "0 devices"),
        ("rtx4090,ram=0GiB", "no size"),
        ("rtx4090,ram=10MiB", "no machine has 10MiB"),
        ("rtx4091", "no card is called 'rtx4091'"),
        ("h1000-80gb", "no card is called"),
        ("nan", "no card is called"),
        ("no-such-file.yaml", "does not exist"),
    ],
)
def test_what_is_no_machine_is_refused(spec: str, said: str) -> None:
    assert said in refused(parse_gpus, spec).message


def test_an_unknown_card_comes_with_the_nearest_known_one() -> None:
    assert "Did you mean 'rtx4090'?" in refused(parse_gpus, "rtx4091").hint
    assert "rtx4090" in refused(parse_gpus, "4090").hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devices: []", "devices"),
        ("devices: [{card: rtx4090, size: 24GiB}]", "either a card's name or a size"),
        ("devices: [{count: 2}]", "either a card's name or a size"),
        ("devices: [{card: rtx4090, count: 0}]", "count"),
        ("devices: [{card: rtx4091}]", "no card is called 'rtx4091'"),
        ("devices: [{size: rtx4090}]", "no size"),
        ("devices: [{size: 24GiB, free: 25GiB}]", "25.0 GiB free of 24.0 GiB"),
        ("devices: [{size: 24GiB, memory_gb_s: -1}]", "memory_gb_s"),
        ("devices: [{size: 24GiB, speed: 1}]", "speed"),
        ("- 24GiB", "a list at its top level"),
    ],
)
def test_a_file_that_describes_no_machine_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(text)
    assert said in refused(parse_gpus, str(path)).message


@given(st.text(alphabet="0123456789xXgGiIbBrRtThH-+.,= aemM", max_size=20))
def test_anything_is_a_machine_or_refused(text: str) -> None:
    machine = given_or_refused(parse_gpus, text)
    assert machine is None or all(GIB <= device.total_bytes <= 1024 * GIB for device in machine.devices)


@pytest.mark.parametrize(
    ("name", "gib", "card"),
    [
        ("NVIDIA H100 80GB HBM3", 79.1, "h100-80gb"),
        ("NVIDIA H100 PCIe", 79.1, "h100-pcie"),
        ("NVIDIA A100-SXM4-80GB", 79.3, "a100-80gb"),
        ("NVIDIA A100-PCIE-40GB", 39.4, "a100-40gb"),
        ("NVIDIA GeForce RTX 4090", 23.6, "rtx4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.6, None),
        ("NVIDIA L4", 22.0, "l4"),
        ("NVIDIA L40S", 44.4, "l40s"),
        ("NVIDIA H100 NVL", 93.1, None),
        ("Tesla T4", 14.7, None),
    ],
)
def test_a_drivers_name_finds_the_card(name: str, gib: float, card: str | None) -> None:
    found = find_by_driver_name(name, int(gib * GIB))
    assert (found.name if found else None) == card


def test_every_card_has_a_source_and_hands_out_less_than_it_is_sold_with() -> None:
    for card in GPUS.values():
        assert card.source
        assert 0.9 < card.memory_bytes / (card.size_gb * GIB) < 1
        assert Device("cuda", card.name, card.memory_bytes, card.memory_bytes).usable_bytes < card.memory_bytes


def test_a_narrow_or_old_link_is_slower() -> None:
    assert host_bytes_s(4, 16) == 22e9
    assert host_bytes_s(4, 8) == 11e9
    assert host_bytes_s(2, 16) == 5.5e9
    assert host_bytes_s(6, 16) == host_bytes_s(5, 16)
