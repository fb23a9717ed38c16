"""Which model sits where, and with how large a cache."""

from __future__ import annotations

import random

import pytest

from localtable.errors import PlacementError
from localtable.scheduler.devices import GIB, Device, Machine
from localtable.scheduler.layout import Demand, Way, lay_out


def machine(*sizes: int) -> Machine:
    """CPUs stand for devices here: all of their free memory may be planned with."""
    devices = tuple(Device("cpu", "test", size, size, index=i) for i, size in enumerate(sizes))
    return Machine(devices, sum(sizes), sum(sizes))


def demand(name: str, fixed: int, *, turn: int = 1, wanted: int = 100, given: bool = False, spread: int = 1) -> Demand:
    ways = tuple(Way(count, fixed // count, turn, wanted, given) for count in (1, 2, 4, 8) if count <= spread)
    return Demand(name, ways)


def test_models_that_fit_side_by_side_share_what_is_left() -> None:
    spots = lay_out([demand("a", 30), demand("b", 40)], machine(100))
    assert not any(spot.crowded for spot in spots.values())
    assert [spot.cache_bytes for spot in spots.values()] == [13, 13], "nine tenths of 30, halved"
    assert sum(spot.total_bytes for spot in spots.values()) <= 100


def test_a_cache_is_never_larger_than_there_is_use_for() -> None:
    (spot,) = lay_out([demand("a", 30, wanted=20)], machine(100)).values()
    assert spot.cache_bytes == 20


def test_models_that_do_not_fit_get_the_device_one_after_another() -> None:
    spots = lay_out([demand("a", 60), demand("b", 50)], machine(100))
    assert all(spot.crowded for spot in spots.values())
    assert [spot.cache_bytes for spot in spots.values()] == [40, 50]


def test_so_many_as_are_to_be_awake_together_fit_together() -> None:
    demands = [demand(name, 20) for name in "abcdef"]
    spots = lay_out(demands, machine(100), at_once=2)
    assert {spot.total_bytes for spot in spots.values()} == {50}


def test_a_cache_that_the_user_gave_is_kept() -> None:
    spots = lay_out([demand("a", 30, wanted=25, given=True), demand("b", 30)], machine(100))
    assert spots["a"].cache_bytes == 25
    assert spots["a"].total_bytes + spots["b"].total_bytes <= 100


def test_the_largest_models_go_where_most_is_left() -> None:
    spots = lay_out([demand("small", 20), demand("large", 80), demand("middle", 50)], machine(100, 100))
    assert spots["large"].devices != spots["middle"].devices
    assert not any(spot.crowded for spot in spots.values())


def test_a_model_is_spread_over_the_fewest_devices_that_hold_it() -> None:
    spots = lay_out([demand("large", 150, spread=4), demand("small", 20, spread=4)], machine(100, 100, 100, 100))
    assert spots["large"].way.num_devices == 2
    assert spots["large"].devices[1] == spots["large"].devices[0] + 1, "neighbours, as an engine takes them"
    assert spots["small"].way.num_devices == 1
    assert not set(spots["small"].devices) & set(spots["large"].devices)


@pytest.mark.parametrize("sizes", [(100,), (100, 100)])
def test_a_model_that_fits_nowhere_is_refused_with_what_it_lacks(sizes: tuple[int, ...]) -> None:
    with pytest.raises(PlacementError) as caught:
        lay_out([demand("huge", 400 * GIB, spread=2)], machine(*(size * GIB for size in sizes)))
    assert "huge needs" in caught.value.message
    assert "100.0" in caught.value.message
    assert caught.value.hint


def test_a_model_over_two_devices_needs_neighbours_that_hold_it() -> None:
    with pytest.raises(PlacementError, match="on each of 2 devices side by side") as caught:
        lay_out([demand("large", 150, spread=2)], machine(100, 10, 100))
    assert "neighbours" in caught.value.hint
    spots = lay_out([demand("large", 280, spread=4)], machine(100, 10, 100, 75, 75, 75))
    assert spots["large"].devices == (2, 3, 4, 5), "over more of them where that helps"


def gpus(*free: int, size: int = 24) -> Machine:
    devices = tuple(Device("cuda", "a GPU", size * GIB, gib * GIB, index=i) for i, gib in enumerate(free))
    return Machine(devices, 64 * GIB, 64 * GIB)


def refusal(found: Demand, where: Machine) -> PlacementError:
    with pytest.raises(PlacementError) as caught:
        lay_out([found], where)
    return caught.value


def test_a_device_that_is_too_small_and_one_that_others_fill_are_told_apart() -> None:
    full = refusal(demand("m", 16 * GIB), gpus(3))
    assert full.message == (
        "m needs 16.0 GiB (16.0 GiB apart from its cache), and cuda:0 (a GPU, 24.0 GiB) has 3.0 GiB to give: other "
        "programs hold 21.0 GiB"
    )
    assert "CUDA_VISIBLE_DEVICES" in full.hint
    small = refusal(demand("m", 30 * GIB), gpus(3))
    assert "other programs" not in small.message
    assert "smaller" in small.hint
    edge = refusal(demand("m", int(23.6 * GIB)), gpus(24))
    assert "other programs" not in edge.message, "what allocators lose is nobody's"


def test_of_several_devices_those_are_named_that_others_fill() -> None:
    found = refusal(demand("m", 40 * GIB, spread=2), gpus(4, 24, 24 - 10))
    assert "needs 20.0 GiB on each of 2 devices side by side" in found.message
    assert "cuda:0 (a GPU, 24.0 GiB) has 4.0 GiB to give: other programs hold 20.0 GiB" in found.message
    assert "cuda:2 (a GPU, 24.0 GiB) has 14.0 GiB to give: other programs hold 10.0 GiB" in found.message
    assert "cuda:1" not in found.message


def test_on_a_cpu_no_other_gpu_is_to_be_had() -> None:
    busy = Machine((Device("cpu", "test", 16 * GIB, 2 * GIB),), 16 * GIB, 2 * GIB)
    found = refusal(demand("m", 8 * GIB), busy)
    assert "other programs hold 14.0 GiB" in found.message
    assert found.hint == "Close them."


def test_models_that_take_nothing_are_spread_as_well() -> None:
    spots = lay_out([demand(name, 0, turn=0, wanted=0, given=True) for name in "abcd"], machine(100, 100))
    assert [spot.devices for spot in spots.values()] == [(0,), (1,), (0,), (1,)]


def test_no_device_is_promised_more_than_it_has() -> None:
    rng = random.Random(7)
    for _ in range(300):
        sizes = [rng.randint(50, 200) for _ in range(rng.randint(1, 4))]
        demands = [
            demand(f"m{i}", rng.randint(5, 120), turn=rng.randint(1, 5), wanted=rng.randint(5, 200), spread=4)
            for i in range(rng.randint(1, 6))
        ]
        at_once = rng.randint(1, 3)
        try:
            spots = lay_out(demands, machine(*sizes), at_once=at_once)
        except PlacementError:
            continue
        for number, size in enumerate(sizes):
            there = [spot for spot in spots.values() if number in spot.devices]
            assert all(spot.total_bytes <= size for spot in there)
            if not any(spot.crowded for spot in there):
                assert sum(spot.total_bytes for spot in there) <= size
        assert all(spot.cache_bytes >= spot.way.turn_bytes for spot in spots.values())
