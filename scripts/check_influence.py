"""Is planted influence found, are direct and total told apart, and does noise stay noise?

    python scripts/check_influence.py --runs 10 --questions 40

Runs of the scripted engine on four seats. Ada follows a peer directly, Cy another one only through what it says; who,
is drawn for each run. Every ballot hangs by `--noise` on the very words of its prompt, so that no influence is exactly
0. The null is the control `noise-peers`: seats read turns on other questions, which name none of their own options.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from localtable.analysis.influence import Pair, pairs, read_measurements
from localtable.config import load_card, parse_panel
from localtable.runner import RunOptions, SuiteOptions, begin_suite, open_suite
from localtable.runner.influence import Wanted, open_measuring
from localtable.types import Card, InfluenceKind, Panel, Question, Stop

SEATS = ("Ada", "Bob", "Cy", "Dee")
LEVEL = 0.05
LIKE = "smollm2-135m-instruct"
WORDS = ("amber", "basalt", "cedar", "dune", "ember", "fjord", "grove", "heath")


@dataclass
class Found:
    """What all runs came to."""

    runs: int = 0
    named: dict[str, int] = field(default_factory=dict)
    """By kind: the planted peer has the largest mean of all peers of its follower, and is significant."""
    turns: list[tuple[int, int]] = field(default_factory=list)
    """In how many of how many of a direct follower's turns the planted peer has the largest direct influence."""
    apart: int = 0
    null: dict[str, list[Pair]] = field(default_factory=dict)
    """All pairs of seats under noise."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--samples", type=int, default=8, help="pairs of statements")
    parser.add_argument("--weight", type=float, default=0.6, help="of the followers")
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found, began = Found(), time.monotonic()
    for number in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            one_run(Path(folder), arguments, random.Random(arguments.seed * 1000 + number), found)
        print(f"run {number + 1}: {time.monotonic() - began:.0f} s", flush=True)
    report(found, arguments)
    reached = found.apart == found.runs and all(count == found.runs for count in found.named.values())
    quiet = all(share(found.null[kind], adjusted=True) <= LEVEL for kind in ("direct", "total"))
    return 0 if reached and quiet else 1


def one_run(folder: Path, arguments: argparse.Namespace, rng: random.Random, found: Found) -> None:
    direct, stated = (rng.choice([seat for seat in SEATS if seat != reader]) for reader in ("Ada", "Cy"))
    turns: list[dict[str, Any]] = [
        {"seat": "Ada", "round": 2, "follows": {"seat": direct, "how": "directly", "weight": arguments.weight}},
        {"seat": "Cy", "round": 2, "follows": {"seat": stated, "how": "by_statement", "weight": arguments.weight}},
        {},
    ]
    script = folder / "script.yaml"
    script.write_text(yaml.safe_dump({"turns": [{**turn, "noise": arguments.noise} for turn in turns]}))
    panel = build_panel(rng.randrange(2**31), str(script))
    options = RunOptions(folder / "home", "scripted")
    path = folder / "run.db"
    begin_suite(path, panel, questions(arguments.questions), options, SuiteOptions(controls=("noise-peers",)))
    with open_suite(path, options) as suite:
        for outcome in suite.run():
            if outcome.error is not None:
                raise outcome.error
    real = measured(path, options, arguments, "debate", everything=True)
    noise = measured(path, options, arguments, "noise-peers", everything=True)
    judge(real, {"Ada": direct, "Cy": stated}, found)
    for kind, matrix in noise.items():
        found.null.setdefault(kind, []).extend(matrix)
    for kind, matrix in measured(path, options, arguments, "noise-peers", everything=False).items():
        found.null.setdefault(f"{kind}, turns that moved", []).extend(matrix)
    found.turns.append(by_turn(path, options, "Ada", direct))


def measured(
    path: Path, options: RunOptions, arguments: argparse.Namespace, condition: str, *, everything: bool
) -> dict[InfluenceKind, list[Pair]]:
    """By kind: every pair of seats."""
    wanted = Wanted(True, arguments.samples, everything, (condition,))
    with open_measuring(path, wanted, options) as measuring:
        for _ in measuring.run(lambda event: None):
            pass
        measurements = read_measurements(measuring.store, [turn.id for turn in measuring.turns])
    kinds: tuple[InfluenceKind, ...] = ("direct", "total")
    return {kind: pairs(measurements, kind, "seat", SEATS) for kind in kinds}


def judge(matrices: dict[InfluenceKind, list[Pair]], planted: dict[str, str], found: Found) -> None:
    found.runs += 1
    cells = {(kind, pair.reader, pair.peer): pair for kind, matrix in matrices.items() for pair in matrix}
    for kind, reader in (("direct", "Ada"), ("total", "Ada"), ("total", "Cy")):
        mine = {peer: pair for (k, r, peer), pair in cells.items() if (k, r) == (kind, reader)}
        first = max(mine, key=lambda peer: value(mine[peer]))
        name = f"{kind} influence on a seat that follows {'directly' if reader == 'Ada' else 'by its statement'}"
        found.named.setdefault(name, 0)
        found.named[name] += first == planted[reader] and is_significant(mine[first])
    by_ada = is_significant(cells["direct", "Ada", planted["Ada"]])
    by_cy = is_significant(cells["total", "Cy", planted["Cy"]])
    found.apart += by_ada and by_cy and not is_significant(cells["direct", "Cy", planted["Cy"]], adjusted=True)


def value(pair: Pair) -> float:
    assert pair.mean.value is not None
    return pair.mean.value


def is_significant(pair: Pair, *, adjusted: bool = False) -> bool:
    p = pair.p_adjusted if adjusted else pair.test.p
    return p is not None and p < LEVEL


def by_turn(path: Path, options: RunOptions, reader: str, peer: str) -> tuple[int, int]:
    """In how many of a seat's turns a peer has the largest direct influence of all."""
    with open_measuring(path, Wanted(everything=True), options) as measuring:
        one = [m for m in read_measurements(measuring.store, [t.id for t in measuring.turns]) if m.seat == reader]
    by_turn: dict[int, dict[str, float]] = {}
    for measurement in one:
        if measurement.kind == "direct":
            by_turn.setdefault(measurement.turn, {})[measurement.peer] = measurement.value
    return sum(max(values, key=values.__getitem__) == peer for values in by_turn.values()), len(by_turn)


def share(pairs_: Sequence[Pair], *, adjusted: bool = False) -> float:
    return sum(is_significant(pair, adjusted=adjusted) for pair in pairs_) / len(pairs_)


def report(found: Found, arguments: argparse.Namespace) -> None:
    print(
        f"{found.runs} runs of {arguments.questions} questions and {len(SEATS)} seats, followers' weight "
        f"{arguments.weight}, noise {arguments.noise}, {arguments.samples} pairs of statements"
    )
    for name, count in found.named.items():
        print(f"planted peer found, {name}: {count / found.runs:.0%} of {found.runs} runs")
    first, turns = map(sum, zip(*found.turns, strict=True))
    print(f"planted peer first in single turns, direct: {first / turns:.1%} of {turns:,} turns")
    print(f"direct and total told apart: {found.apart / found.runs:.0%} of {found.runs} runs")
    for kind, of_kind in found.null.items():
        error = (LEVEL * (1 - LEVEL) / len(of_kind)) ** 0.5
        print(
            f"noise-peers, {kind}: {share(of_kind):.1%} of {len(of_kind)} pairs significant at {LEVEL:.0%} (standard "
            f"error {error:.1%}); marked in a matrix, so corrected: {share(of_kind, adjusted=True):.1%}"
        )


def build_panel(seed: int, script: str) -> Panel:
    def card(reference: str, base: Path) -> Card:
        # The scripted engine counts bytes as tokens, and takes nothing of a card but its context.
        return replace(load_card(LIKE), id=reference, name=reference, context_length=200_000)

    seats = [{"name": name, "model": f"toy-{number % 2}"} for number, name in enumerate(SEATS)]
    data = {
        "name": "planted",
        "seats": seats,
        "rounds": "2",
        "sampling": {"max_tokens": "64"},
        "seed": str(seed),
        "engine": {"script": script},
    }
    return parse_panel(data, "the panel", Path("/nowhere"), default_stop=Stop(), load=card)


def questions(number: int) -> Iterator[Question]:
    """With options that no other question has."""
    for i in range(number):
        yield Question(f"q{i}", f"Which one is it, in case {i}?", tuple(f"{word} {i}" for word in WORDS[i % 2 :: 2]))


if __name__ == "__main__":
    raise SystemExit(main())
