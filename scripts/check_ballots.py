"""Real ballots on the demo models: are all valid, and how many decode steps does one cost?

    python scripts/check_ballots.py --suite SUITE.jsonl --questions 40

Every ballot of two-round debates is counted: votes, and who persuaded a seat that changed. A ballot is valid when its
assembled JSON passes its schema, its vote is one of the options, and its distribution has every option and sums to 1.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

from localtable import run_suite
from localtable.ballots import VOTE_KEY, ballot_schema
from localtable.config import load_panel, load_suite
from localtable.transcript import to_json
from localtable.types import Question, Stop, Transcript, Turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, required=True, nargs="+", help="JSONL files of questions")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--panel", type=Path, default=Path("examples/panels/demo.yaml"))
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    per_file = -(-args.questions // len(args.suite))
    questions = [q for suite in args.suite for q in islice(load_suite(suite), per_file)][: args.questions]
    panel = load_panel(args.panel, default_stop=Stop("never"))
    seats = tuple(replace(s, sampling=replace(s.sampling, max_tokens=args.max_tokens)) for s in panel.model_seats)
    panel = replace(panel, seats=seats)
    arguments = {"max_num_seqs": str(args.batch)}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "run.db"
        held = list(run_suite(questions, store=store, panel=panel, engine=args.engine, engine_arguments=arguments))
    report(held)


def is_valid(question: Question, turn: Turn) -> bool:
    """Judged by the written form alone."""
    from jsonschema import Draft202012Validator

    letters = list(question.letters)
    text = json.dumps({VOTE_KEY: turn.ballot.vote})
    in_schema = Draft202012Validator(ballot_schema(VOTE_KEY, letters)).is_valid(json.loads(text))
    distribution = turn.ballot.distribution or {}
    whole = sorted(distribution) == letters and math.isclose(math.fsum(distribution.values()), 1, abs_tol=1e-6)
    return in_schema and whole and distribution[turn.ballot.vote] == max(distribution.values())


def report(held: list[Transcript]) -> None:
    for transcript in held:
        to_json(transcript)  # the whole transcript against its schema, too
    print(f"{'model':32} {'ballots':>8} {'valid':>7} {'steps':>6} {'changed':>8} {'expected steps':>15} {'ties':>5}")
    bad = 0
    for seat in held[0].panel.model_seats:
        counts = Counter[str]()
        for transcript in held:
            for round_ in transcript.rounds:
                turn = next(turn for turn in round_.turns if turn.seat == seat.name)
                counts["n"] += 1
                counts["valid"] += is_valid(transcript.question, turn)
                counts["steps"] += turn.usage["ballot"].completion_tokens if turn.usage else 0
                counts["changed"] += turn.changed_mind
                counts["ties"] += bool(turn.ballot.tied)
        expected = counts["n"] + counts["changed"]
        bad += counts["n"] - counts["valid"] + abs(counts["steps"] - expected)
        print(
            f"{seat.card.id:32} {counts['n']:8} {counts['valid'] / counts['n']:7.1%} {counts['steps']:6} "
            f"{counts['changed']:8} {expected:15} {counts['ties']:5}"
        )
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
