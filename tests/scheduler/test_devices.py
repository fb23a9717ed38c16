"""Real devices: the CPU under its control groups, GPUs as a driver shows them, caps, and what is too full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from builders import refused

from localtable.errors import PrerequisiteError
from localtable.scheduler.cgroups import read_limits
from localtable.scheduler.devices import GIB, find_machine, parse_size
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.nvidia import visible_numbers

UUIDS = ["GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"]
MIB = 2**20

# ── sizes and caps ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text", ["24", "", "GiB", "-1GiB", "0GB", "0.0GiB", "1e3GiB", "24 GiBs", "24TiB", "24GiB 8GiB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    assert "no size" in refused(parse_size, text).message


def test_the_cpu_is_found_and_can_be_capped() -> None:
    whole = find_machine()
    assert whole.devices[0].kind in ("cpu", "cuda", "mps")
    assert 0 < whole.devices[0].free_bytes <= whole.devices[0].total_bytes
    assert find_machine(GIB).devices[0].total_bytes == GIB
    assert find_machine(GIB).devices[0].free_bytes <= GIB
    assert whole.ram_free_bytes <= whole.ram_bytes
    with pytest.raises(PrerequisiteError, match=r"--device-memory 10000\.0 GiB is above"):
        find_machine(10_000 * GIB)


# ── a described machine, here ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_described_devices_share_the_memory_and_the_cores() -> None:
    whole = find_machine().devices[0]
    machine = find_machine(like=parse_gpus("2x1GiB,1x2GiB"))
    assert [(d.kind, d.total_bytes, d.free_bytes, d.index) for d in machine.devices] == [
        ("cpu", GIB, GIB, 0),
        ("cpu", GIB, GIB, 1),
        ("cpu", 2 * GIB, 2 * GIB, 2),
    ]
    assert {(d.torch_name, d.cores, d.name) for d in machine.devices} == {("cpu", whole.cores, whole.name)}
    assert machine.capacities == [GIB, GIB, 2 * GIB]
    assert not machine.described


@pytest.mark.usefixtures("no_gpu")
def test_shares_that_come_to_more_than_is_free_are_refused_with_both_figures() -> None:
    free = find_machine().devices[0].free_bytes
    each = int(0.6 * free / GIB) + 1
    with pytest.raises(PrerequisiteError) as caught:
        find_machine(like=parse_gpus(f"2x{each}GiB"))
    assert f"2 devices with {2 * each}.0 GiB in all" in caught.value.message
    assert "GiB are free" in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("no_gpu")
def test_a_cap_holds_for_every_share() -> None:
    capped = find_machine(GIB, parse_gpus("2x2GiB"))
    assert capped.capacities == [GIB, GIB]
    with pytest.raises(PrerequisiteError, match=r"3\.0 GiB is above the 2\.0 GiB"):
        find_machine(3 * GIB, parse_gpus("2x2GiB"))


# ── control groups ──────────────────────────────────────────────────────────────────────────────────────────


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_groups_nothing_is_limited(tmp_path: Path) -> None:
    limits = read_limits(tmp_path / "none", tmp_path / "no-file")
    assert (limits.memory_bytes, limits.free_bytes, limits.cores) == (None, None, None)


def test_version_2_counts_the_tightest_of_nested_groups(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "cgroup/outer/inner"
    write(tmp_path / "membership", "0::/outer/inner\n")
    write(own / "memory.max", "max\n")
    write(root / "outer/memory.max", f"{4 * GIB}\n")
    write(root / "outer/memory.current", f"{3 * GIB}\n")
    write(root / "outer/memory.stat", f"anon 5\ninactive_file {GIB}\nactive_file 0\n")
    write(root / "outer/cpu.max", "150000 100000\n")
    limits = read_limits(root, tmp_path / "membership")
    assert limits.memory_bytes == 4 * GIB
    assert limits.free_bytes == 2 * GIB, "file pages are given back"
    assert limits.cores == 1.5


def test_version_1_has_a_tree_for_each_controller_and_writes_no_limit_as_a_number(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(tmp_path / "membership", "4:cpu,cpuacct:/a\n3:memory:/a/b\n0::/\n")
    write(root / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root / "memory/a/memory.limit_in_bytes", f"{2 * GIB}\n")
    write(root / "memory/a/memory.usage_in_bytes", f"{GIB}\n")
    write(root / "memory/a/b/memory.limit_in_bytes", f"{3 * GIB}\n")
    write(root / "memory/a/b/memory.usage_in_bytes", "0\n")
    limits = read_limits(root, tmp_path / "membership")
    assert (limits.memory_bytes, limits.free_bytes) == (2 * GIB, GIB)


def test_a_containers_path_that_is_only_on_the_host_leaves_the_root_to_be_read(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(tmp_path / "membership", "3:memory:/docker/0123\n")
    write(root / "memory/memory.limit_in_bytes", f"{GIB}\n")
    assert read_limits(root, tmp_path / "membership").memory_bytes == GIB


# ── NVIDIA ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("1,-1,2", [1]),
        ("GPU-bbbb3333", [2]),
        ("GPU-b,0", [2, 0]),
    ],
)
def test_visible_devices_are_read_as_cuda_does(visible: str | None, expected: list[int]) -> None:
    assert visible_numbers(visible, UUIDS) == expected


@pytest.mark.parametrize("visible", ["3", "GPU-cccc", "GPU-aaaa", "0,0", "MIG-1234", "one", "0x1"])
def test_a_gpu_that_is_not_there_is_refused_rather_than_hidden(visible: str) -> None:
    assert "CUDA_VISIBLE_DEVICES" in refused(visible_numbers, visible, UUIDS).message


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A driver with three GPUs: NVML's functions answer, its constants and errors are the real ones."""

    def install(**instead: Any) -> None:
        names = ["NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3", "Some GPU"]
        totals = [24564 * MIB, 81559 * MIB, 8192 * MIB]
        answers: dict[str, Any] = {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: 3,
            "nvmlDeviceGetHandleByIndex": lambda number: number,
            "nvmlDeviceGetUUID": lambda handle: UUIDS[handle].encode(),
            "nvmlDeviceGetName": lambda handle: names[handle],
            "nvmlDeviceGetMemoryInfo": lambda handle, version: SimpleNamespace(
                total=totals[handle], reserved=360 * MIB, used=GIB, free=totals[handle] - 360 * MIB - GIB
            ),
            "nvmlDeviceGetMaxPcieLinkGeneration": lambda handle: 4,
            "nvmlDeviceGetMaxPcieLinkWidth": lambda handle: 16,
        }
        for name, answer in (answers | instead).items():
            monkeypatch.setattr(pynvml, name, answer)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return install


def raises(code: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise pynvml.NVMLError(code)

    return fail


def test_gpus_come_with_what_cuda_hands_out_and_what_is_known_of_the_card(driver: Callable[..., None]) -> None:
    driver()
    machine = find_machine()
    first, second, third = machine.devices
    assert machine.kind == "cuda"
    assert first.total_bytes == (24564 - 360) * MIB
    assert first.taken_bytes == GIB
    assert first.memory_bytes_s == 1008e9
    assert first.host_bytes_s == 22e9
    assert [d.torch_name for d in machine.devices] == ["cuda:0", "cuda:1", "cuda:2"]
    assert second.flops == 989.4e12
    assert third.memory_bytes_s is None


def test_only_visible_gpus_count_and_are_numbered_anew(
    driver: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aaaa2222,0")
    assert [(d.name, d.torch_name) for d in find_machine().devices] == [
        ("NVIDIA H100 80GB HBM3", "cuda:0"),
        ("NVIDIA GeForce RTX 4090", "cuda:1"),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert find_machine().kind != "cuda"


def test_a_cap_holds_for_every_gpu_and_must_fit_each(driver: Callable[..., None]) -> None:
    driver()
    assert {device.total_bytes for device in find_machine(6 * GIB).devices} == {6 * GIB}
    with pytest.raises(PrerequisiteError, match="Some GPU"):
        find_machine(20 * GIB)


@pytest.mark.parametrize("missing", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_without_a_driver_there_are_no_gpus(driver: Callable[..., None], missing: int) -> None:
    driver(nvmlInit=raises(missing))
    assert find_machine().kind != "cuda"


@pytest.mark.parametrize("what", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_a_gpu_that_vanishes_is_said_and_not_replaced_by_the_cpu(driver: Callable[..., None], what: str) -> None:
    driver(**{what: raises(pynvml.NVML_ERROR_GPU_IS_LOST)})
    with pytest.raises(PrerequisiteError, match="does not answer") as caught:
        find_machine()
    assert "nvidia-smi" in caught.value.hint


def test_a_gpu_without_memory_of_its_own_has_the_machines(driver: Callable[..., None]) -> None:
    driver(nvmlDeviceGetMemoryInfo=raises(pynvml.NVML_ERROR_NOT_SUPPORTED))
    machine = find_machine()
    assert machine.devices[0].total_bytes == machine.ram_bytes


def test_a_link_that_says_nothing_is_as_fast_as_the_cards(driver: Callable[..., None]) -> None:
    driver(nvmlDeviceGetMaxPcieLinkGeneration=raises(pynvml.NVML_ERROR_NOT_SUPPORTED))
    assert [device.host_bytes_s for device in find_machine().devices] == [22e9, 52e9, None]


def test_a_described_machine_takes_the_first_gpus_and_no_more_of_them(driver: Callable[..., None]) -> None:
    driver()
    whole = find_machine()
    machine = find_machine(like=parse_gpus("20GiB,1x40GiB,ram=1GiB"))
    assert [d.total_bytes for d in machine.devices] == [20 * GIB, 40 * GIB]
    assert [d.torch_name for d in machine.devices] == ["cuda:0", "cuda:1"]
    assert [d.name for d in machine.devices] == [d.name for d in whole.devices[:2]], "and as fast as they are"
    assert machine.devices[0].free_bytes == 20 * GIB
    assert machine.ram_free_bytes == GIB
    assert find_machine(like=parse_gpus("rtx4090")).devices[0].total_bytes <= whole.devices[0].total_bytes


def test_what_others_hold_of_a_gpu_is_not_promised_again(driver: Callable[..., None]) -> None:
    driver()
    (device,) = find_machine(like=parse_gpus("23.5GiB")).devices
    assert device.free_bytes == find_machine().devices[0].free_bytes < device.total_bytes == int(23.5 * GIB)


@pytest.mark.parametrize(
    ("spec", "figures"),
    [
        ("4x1GiB", ("4 devices", "3 devices")),
        ("48GiB", ("48.0 GiB", "23.6 GiB")),
        ("2x20GiB,20GiB", ("20.0 GiB", "7.6 GiB")),
    ],
)
def test_more_than_there_is_is_refused_with_both_figures(
    driver: Callable[..., None], spec: str, figures: tuple[str, str]
) -> None:
    driver()
    with pytest.raises(PrerequisiteError) as caught:
        find_machine(like=parse_gpus(spec))
    assert all(figure in caught.value.message for figure in figures)
    assert caught.value.hint
