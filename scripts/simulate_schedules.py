"""The scheduler's rule, simulated: against lower bounds, the exact optimum, a local search, and what is done by hand.

    python scripts/simulate_schedules.py                 # all parts, some minutes
    python scripts/simulate_schedules.py bound exact     # some of them

Everything is drawn from the seeds that are printed. Only the local search depends on the machine: it has a time, and
prints how often it tried.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from schedule_instances import Drawn, draw, draw_small, seven_seats

from localtable.scheduler.policy import Activate, Standing, decide
from localtable.scheduler.simulate.bounds import lower_bound
from localtable.scheduler.simulate.by_hand import (
    by_constant_penalty,
    one_after_another,
    per_operator,
    per_question,
    per_round,
)
from localtable.scheduler.simulate.exact import optimum
from localtable.scheduler.simulate.instance import Instance, Model, Sharing, Speed, Turn
from localtable.scheduler.simulate.simulation import Policy, simulate

SHARINGS: tuple[Sharing, ...] = ("turns", "processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--instances", type=int, default=500, help="for the bound and what is done by hand")
    parser.add_argument("--small", type=int, default=200, help="solved exactly")
    parser.add_argument("--searched", type=int, default=4, help="on several devices, beside a local search")
    parser.add_argument("--search-s", type=float, default=60.0, help="seconds of each local search")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.workers) as pool:
        for name in arguments.parts or PARTS:
            began = time.monotonic()
            print(f"── {name}")
            PARTS[name](arguments, pool)
            print(f"   ({time.monotonic() - began:.0f} s)", flush=True)


def spread(values: Sequence[float]) -> str:
    """Median, 95th percentile, extremes."""
    ordered = sorted(values)
    high = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
    return f"median {statistics.median(ordered):.3f}, 95 % {high:.3f}, {ordered[0]:.3f} to {ordered[-1]:.3f}"


# ── one device ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Measured:
    """One instance on one device."""

    swap_share: float
    exposed_share: float
    bound_s: float
    ours_s: dict[str, float]
    activations: int
    per_question_s: float
    per_round_s: float
    per_question_activations: int
    per_round_activations: int


def measure(seed: int) -> Measured:
    instance = draw(seed).instance
    bound = lower_bound(instance)
    ours = {sharing: simulate(replace(instance, sharing=sharing)) for sharing in SHARINGS}
    question, barrier = (one_after_another(instance, stages(instance)) for stages in (per_question, per_round))
    return Measured(
        swap_share=bound.swap_share,
        exposed_share=bound.exposed_s / bound.seconds,
        bound_s=bound.seconds,
        ours_s={sharing: result.makespan_s for sharing, result in ours.items()},
        activations=ours["turns"].num_activations,
        per_question_s=question.makespan_s,
        per_round_s=barrier.makespan_s,
        per_question_activations=question.num_activations,
        per_round_activations=barrier.num_activations,
    )


def part_bound(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    found = list(pool.map(measure, range(arguments.instances), chunksize=4))
    swapping = [m for m in found if m.swap_share >= 0.3]
    print(f"   {len(found)} instances on one device, seeds 0 to {len(found) - 1}, 50 to 500 questions, 3 to 8 models")
    print(
        f"   swaps ÷ bound: median {statistics.median(m.swap_share for m in found):.2f}, "
        f"at least 0.3 in {len(swapping) / len(found):.0%}; what no work can hide ÷ bound: median "
        f"{statistics.median(m.exposed_share for m in found):.2f}, "
        f"at least 0.3 in {sum(m.exposed_share >= 0.3 for m in found) / len(found):.0%}"
    )
    for sharing, words in (("turns", "engines take turns"), ("processor", "engines share the device")):
        for group, name in ((found, "all"), (swapping, "swaps ≥ 0.3")):
            ratios = [m.ours_s[sharing] / m.bound_s for m in group]
            print(f"   makespan ÷ bound, {words}, {name} ({len(group)}): {spread(ratios)}")
    print(f"   by hand, per question ÷ ours: {spread([m.per_question_s / m.ours_s['turns'] for m in found])}")
    print(f"   by hand, per round ÷ ours:    {spread([m.per_round_s / m.ours_s['turns'] for m in found])}")
    ours, question, barrier = (
        sum(getattr(m, name) for m in found)
        for name in ("activations", "per_question_activations", "per_round_activations")
    )
    print(f"   activations in all: ours {ours:,}, per question {question:,}, per round {barrier:,}")


# ── small instances, solved ───────────────────────────────────────────────────────────────────────────────


def solve(task: tuple[int, Sharing]) -> tuple[float, float, bool]:
    seed, sharing = task
    instance = draw_small(seed, sharing=sharing).instance
    ours = simulate(instance).makespan_s
    best = optimum(instance, max_nodes=60_000, at_most_s=ours)
    return ours / best.makespan_s, best.makespan_s / lower_bound(instance).seconds, best.proven


def part_exact(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    for sharing in SHARINGS:
        solved = list(pool.map(solve, [(seed, sharing) for seed in range(arguments.small)], chunksize=2))
        proven = [s for s in solved if s[2]]
        print(f"   {sharing}: {len(proven)} of {len(solved)} small instances solved, seeds 0 to {len(solved) - 1}")
        print(f"   makespan ÷ optimum: {spread([s[0] for s in proven])}")
        print(f"   optimum ÷ bound:    {spread([s[1] for s in proven])}")


# ── several devices ───────────────────────────────────────────────────────────────────────────────────────


class Keys:
    """A policy of numbers: `decide`, with what it compares multiplied by a factor for each model's each activation."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.factors: dict[tuple[str, int, str], float] = {}

    def changed(self, model_ids: Sequence[str]) -> dict[tuple[str, int, str], float]:
        factors = dict(self.factors)
        for _ in range(self._rng.randint(1, 4)):
            key = (self._rng.choice(model_ids), self._rng.randint(0, 8), self._rng.choice(("come", "go")))
            factors[key] = 10 ** self._rng.uniform(-2, 2)
        return factors


def follow(factors: dict[tuple[str, int, str], float]) -> Policy:
    counts: dict[str, int] = {}

    def policy(standings: Sequence[Standing], capacities: Sequence[int]) -> Activate | None:
        moved = [
            replace(
                s,
                waiting_s=s.waiting_s * factors.get((s.model_id, counts.get(s.model_id, 0), "come"), 1.0),
                return_s=s.return_s * factors.get((s.model_id, counts.get(s.model_id, 0), "go"), 1.0),
            )
            for s in standings
        ]
        action = decide(moved, capacities)
        if action is not None:
            counts[action.model_id] = counts.get(action.model_id, 0) + 1
        return action

    return policy


def search_locally(task: tuple[int, int, float]) -> tuple[Drawn, float, float, float, int]:
    """From the rule's own order: change a few factors, keep what isn't worse."""
    seed, devices, seconds = task
    drawn = draw(seed, devices=devices, sharing="turns")
    ids = [model.model_id for model in drawn.instance.models]
    ours = best = simulate(drawn.instance).makespan_s
    keys, tries, began = Keys(seed), 0, time.monotonic()
    while time.monotonic() - began < seconds:
        factors = keys.changed(ids)
        made = simulate(drawn.instance, follow(factors)).makespan_s
        tries += 1
        if made <= best:
            best, keys.factors = made, factors
    return drawn, ours, best, lower_bound(drawn.instance).seconds, tries


def part_devices(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    tasks = [(1000 + n, 2 + n % 2 * 2, arguments.search_s) for n in range(arguments.searched)]
    for drawn, ours, best, bound, tries in pool.map(search_locally, tasks):
        print(
            f"   seed {drawn.seed}: {drawn.what}: ours {ours:.0f} s, local search {best:.0f} s ({tries} tries in "
            f"{arguments.search_s:.0f} s), bound {bound:.0f} s; ours ÷ search {ours / best:.3f}, "
            f"÷ bound {ours / bound:.3f}"
        )
    found = list(pool.map(measure_devices, [(seed, 2 + seed % 2 * 2) for seed in range(100)], chunksize=2))
    for devices in (2, 4):
        ratios = [ratio for number, ratio in found if number == devices]
        print(f"   {len(ratios)} instances on {devices} devices, makespan ÷ bound: {spread(ratios)}")


def measure_devices(task: tuple[int, int]) -> tuple[int, float]:
    seed, devices = task
    instance = draw(seed, devices=devices, sharing="turns").instance
    return devices, simulate(instance).makespan_s / lower_bound(instance).seconds


# ── activations, the nearest public workload, a decision's time ───────────────────────────────────────────


def equal_models(models: int, fitting: int, rounds: int, questions: int, sharing: Sharing) -> Instance:
    rng = random.Random(models * 1000 + fitting * 100 + rounds * 10 + questions)
    turns = tuple(
        tuple(tuple(Turn(200, rng.randint(20, 200)) for _ in range(models)) for _ in range(rounds))
        for _ in range(questions)
    )
    equal = tuple(Model(f"m{i}", (0,), 10, Speed(0.01, 0.0005, 0.0001), 16, 30.0, 15.0, 1.0) for i in range(models))
    return Instance((10 * fitting,), equal, tuple(range(models)), turns, sharing)


def part_activations(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    number = wrong = 0
    for models in range(2, 9):
        for fitting in range(1, models + 1):
            for rounds in range(1, 5):
                for questions in (20, 200):
                    instance = equal_models(models, fitting, rounds, questions, SHARINGS[number % 2])
                    number += 1
                    wrong += simulate(instance).num_activations != models + (rounds - 1) * (models - fitting)
    print(f"   K + (R − 1)(K − C) for K to 8, all C, R to 4, 20 and 200 questions: {number - wrong} of {number}")


def part_seven(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    for questions in (20, 100, 500):
        for sleeps in (True, False):
            instance, sizes = seven_seats(questions, sleeps=sleeps, sharing="turns")
            ours = simulate(instance)
            bound = lower_bound(instance).seconds
            words = "with sleep" if sleeps else "without sleep"
            print(
                f"   {questions} questions, three rounds, {words}: ours {ours.makespan_s:.0f} s with "
                f"{ours.num_activations} activations ({ours.makespan_s / bound:.3f} of the bound)"
            )
            for name, stages in (
                ("operators as listed, as its scheduler does on one device", per_operator(instance)),
                ("its constant penalty asked of all ready operators", by_constant_penalty(instance, sizes, 512)),
            ):
                made = one_after_another(instance, stages, sleeps=False, keeps=False)
                print(
                    f"     Halo, {name}: {made.makespan_s:.0f} s with {made.num_activations} activations, "
                    f"{made.makespan_s / ours.makespan_s:.2f} × ours"
                )


def many_engines(running: int) -> list[Standing]:
    """16 awake engines, two on each device, and 48 asleep for which requests wait."""
    rng = random.Random(1)
    return [
        Standing(
            f"m{n}",
            "awake" if n < 16 else "asleep",
            (n % 8,),
            awake_bytes=(30 if n < 16 else 65) * 2**30,
            asleep_bytes=2**29,
            running=running if n < 16 else 0,
            waiting=0 if n < 16 else 2084,
            waiting_s=60.0 + n,
            rest_s=3.0 * running,
            activate_s=5.0,
            return_s=rng.uniform(5, 60),
            rows=64,
        )
        for n in range(64)
    ]


def part_decision(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    for name, running in (("16 are dry", 0), ("16 linger, nothing can be done", 1), ("16 work", 40)):
        standings = many_engines(running)
        times = []
        for _ in range(500):
            began = time.perf_counter()
            decide(standings, [80 * 2**30] * 8)
            times.append(time.perf_counter() - began)
        waiting = sum(s.waiting for s in standings)
        milliseconds = [t * 1000 for t in times]
        print(f"   64 engines, 8 devices, {waiting:,} requests wait, {name}: {spread(milliseconds)} ms")
    instance = equal_models(4, 2, 3, 50, "turns")
    began = time.perf_counter()
    simulate(instance)
    print(f"   a simulation of 50 questions, 4 seats, 3 rounds: {(time.perf_counter() - began) * 1000:.0f} ms")


PARTS = {
    "bound": part_bound,
    "exact": part_exact,
    "devices": part_devices,
    "activations": part_activations,
    "seven": part_seven,
    "decision": part_decision,
}


if __name__ == "__main__":
    main()
