"""Activations of real engines that don't fit side by side, counted over whole runs and held against the fewest.

    python scripts/count_activations.py --suite SUITE.jsonl --questions 20 200

Three copies of SmolLM2 under ids of their own, of which one fits: K + (R − 1)(K − C), however many questions there are.
Then the demo trio under a cap that holds the two small ones or the large one, against the fewest that a search over
what may be awake together finds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path

from check_plan import measured, new_home

from localtable.config import load_card, load_suite
from localtable.runner.planning import plan_inputs, tokenizers_here
from localtable.scheduler.calibration import Calibration
from localtable.scheduler.devices import GIB, find_machine
from localtable.scheduler.plan import make_plan
from localtable.types import Card, Panel, Question, Sampling, Seat

ROUNDS = 3
SMALL = "smollm2-135m-instruct"
TRIO = (SMALL, "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
CACHE = "300MiB"
"""Of each copy: with its weights one of them fits into 1 GiB, and two don't."""

Run = tuple[str, list[Card], int, int, dict[str, str]]
"""Its name, models, number of questions, bytes of memory, engine's arguments."""


def panel_of(cards: list[Card], tokens: int, **engine: str) -> Panel:
    # Every statement of one length, so that no seat is quick by chance.
    said = Sampling(max_tokens=tokens, min_tokens=tokens)
    seats = tuple(Seat(f"Seat {number}", card, said) for number, card in enumerate(cards, start=1))
    return Panel("activations", seats, rounds=ROUNDS, engine=engine)


def fewest(sizes: Mapping[str, int], capacity: int) -> int:
    """The fewest activations for a debate of all these models, by search over what is awake and what is said."""
    models = frozenset(sizes)
    fitting = [
        frozenset(chosen)
        for number in range(1, len(models) + 1)
        for chosen in combinations(sorted(models), number)
        if sum(sizes[model] for model in chosen) <= capacity
    ]

    def settled(awake: frozenset[str], rounds: int, said: frozenset[str]) -> tuple[int, frozenset[str]]:
        """Whatever the engines that are awake can do, done."""
        while rounds < ROUNDS and said | awake == models:
            rounds, said = rounds + 1, frozenset()
        return rounds, said | awake if rounds < ROUNDS else said

    start = (frozenset[str](), 0, frozenset[str]())
    costs, waiting = {start: 0}, deque([start])
    while waiting:
        awake, rounds, said = state = waiting.popleft()
        if rounds == ROUNDS:
            continue
        for following in fitting:
            new = (following, *settled(following, rounds, said))
            cost = costs[state] + len(following - awake)
            if cost < costs.get(new, 1 << 30):
                costs[new] = cost
                waiting.append(new)
    return min(cost for (_, rounds, _), cost in costs.items() if rounds == ROUNDS)


def sizes_of(panel: Panel, questions: list[Question], cap: int, base: Path) -> dict[str, int]:
    machine = find_machine(cap)
    known = tokenizers_here(panel.cards, base)
    wishes, workloads = plan_inputs(panel, machine, "vllm", questions, len(questions), known)
    plan = make_plan(wishes, workloads, machine, Calibration(base))
    return {card_id: seat.spot.total_bytes for card_id, seat in plan.seated.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--questions", type=int, nargs="+", default=[20])
    parser.add_argument("--tokens", type=int, default=16, help="of every statement")
    parser.add_argument("--trio", type=int, default=3, help="questions of the demo trio's run; 0 leaves it out")
    arguments = parser.parse_args()
    questions = list(islice(load_suite(arguments.suite), max(*arguments.questions, arguments.trio)))
    small = load_card(SMALL)
    copies = [replace(small, id=f"{SMALL}-{letter}") for letter in "abc"]
    runs: list[Run] = [
        ("three copies, one fits", copies, number, GIB, {"kv_cache_memory_bytes": CACHE})
        for number in arguments.questions
    ]
    if arguments.trio:
        runs.append(("demo trio", [load_card(name) for name in TRIO], arguments.trio, int(3.9 * GIB), {}))
    with tempfile.TemporaryDirectory() as folder:
        return count(runs, questions, arguments.tokens, new_home(Path(folder)))


def count(runs: list[Run], questions: list[Question], tokens: int, base: Path) -> int:
    """Hold each run and print its activations beside the fewest."""
    missed = 0
    for name, cards, number, cap, engine in runs:
        panel = panel_of(cards, tokens, **engine)
        asked = questions[:number]
        least = fewest(sizes_of(panel, asked, cap, base), cap)
        seconds, totals = measured(panel, asked, cap, base)
        made, turns = totals["activations"], totals["turns"]
        missed += sum(made.values()) != least
        print(
            f"{name}, {number} questions, {ROUNDS} rounds, {cap / GIB:.1f} GiB: {sum(made.values())} activations of "
            f"{least} at least ({', '.join(f'{model} {count}' for model, count in made.items())}); {turns:,} turns, "
            f"{seconds:.0f} s",
            flush=True,
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
