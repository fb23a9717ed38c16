"""Two runs of one seed: are the transcripts equal to the byte, but for their timings?

python scripts/check_determinism.py --engine scripted --engine transformers
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from localtable.api import DEBATE_STOP
from localtable.config import load_panel, load_question
from localtable.places import home
from localtable.runner import RunOptions, hold_debate
from localtable.runner.manifest import TIMINGS
from localtable.transcript import dump, to_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", required=True)
    parser.add_argument("--question", type=Path, default=Path("examples/questions/open-models.yaml"))
    parser.add_argument("--panel", type=Path, default=Path("examples/panels/demo.yaml"))
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    question, panel = load_question(args.question), load_panel(args.panel, default_stop=DEBATE_STOP)
    differ = False
    for engine in args.engine:
        texts = set()
        for _ in range(args.runs):
            data = to_json(hold_debate(question, panel, RunOptions(home=home(), engine=engine)))
            data["manifest"] = {k: v for k, v in data["manifest"].items() if k != TIMINGS}
            texts.add(dump(data))
        sums = ", ".join(sorted(hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts))
        differ |= len(texts) > 1
        print(f"{engine:14} {args.runs} runs, {len(texts)} different transcript{'s' if len(texts) > 1 else ''}: {sums}")
    raise SystemExit(1 if differ else 0)


if __name__ == "__main__":
    main()
