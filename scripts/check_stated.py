"""How many statements say their vote, and whether the ballot agrees: preset `answer`, round 1, the demo models.

python scripts/check_stated.py --suite SUITE.jsonl --questions 100
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

from localtable import run_suite
from localtable.config import load_suite, parse_panel
from localtable.types import Stop, Transcript

DEMO = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, required=True, nargs="+", help="JSONL files of questions")
    parser.add_argument("--questions", type=int, default=100, help="this many in all, the same number of each file")
    parser.add_argument("--models", nargs="+", default=DEMO)
    parser.add_argument("--prompts", default="answer")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--show", type=int, default=0, help="print this many statements of each model")
    args = parser.parse_args()
    per_file = -(-args.questions // len(args.suite))
    questions = [q for suite in args.suite for q in islice(load_suite(suite), per_file)][: args.questions]
    data = {
        "name": "stated",
        "rounds": 1,
        "prompts": args.prompts,
        "seats": [{"name": model.split("-")[0] + str(i), "model": model} for i, model in enumerate(args.models)],
        "sampling": {"max_tokens": args.max_tokens},
    }
    panel = parse_panel(data, "the panel", Path.cwd(), default_stop=Stop("never"))
    arguments = {"max_num_seqs": str(args.batch)}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "run.db"
        held = list(run_suite(questions, store=store, panel=panel, engine=args.engine, engine_arguments=arguments))
    report(held, args.show)


def report(held: list[Transcript], show: int) -> None:
    print(f"{'model':32} {'n':>4} {'stated':>7} {'agrees':>7} {'right':>6} {'cut':>5} {'empty':>6} {'letter':>7}")
    for seat in held[0].panel.model_seats:
        turns = [(t, turn) for t in held for turn in t.rounds[0].turns if turn.seat == seat.name]
        counts = Counter[str]()
        for transcript, turn in turns:
            counts["stated"] += turn.stated is not None
            counts["agrees"] += turn.stated == turn.ballot.vote
            counts["right"] += turn.ballot.vote == transcript.question.answer
            counts["cut"] += turn.truncated
            counts["empty"] += not turn.statement
            counts["letter"] += turn.names_letter
        n = len(turns)
        agrees = counts["agrees"] / counts["stated"] if counts["stated"] else float("nan")
        print(
            f"{seat.card.id:32} {n:4} {counts['stated'] / n:7.1%} {agrees:7.1%} {counts['right'] / n:6.1%} "
            f"{counts['cut'] / n:5.0%} {counts['empty']:6} {counts['letter'] / n:7.0%}"
        )
        for transcript, turn in turns[:show]:
            print(f"\n--- {transcript.question.id}: {transcript.question.options}\n{turn.statement}")
            print(f"--- stated {turn.stated}, voted {turn.ballot.vote}, right {transcript.question.answer}\n")


if __name__ == "__main__":
    main()
