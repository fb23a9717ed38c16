"""Print how long it takes to render a second round's prompt and its ballot, on every tokenizer at hand.

python scripts/bench_rendering.py [FOLDER ...]

FOLDER is a Hugging Face folder to measure as well. The demo models are measured where the weights store has them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "prompts"))

import families
import setting

from localtable.prompts import Renderer, load_wording
from localtable.types import ShownTurn

REPEATS = 200
BOUND_MS = 1.5
SAID = (
    "The Volga is the longest of them: its course measures about 3,500 km from the Valdai Hills to the Caspian Sea, "
    "while the Danube has some 2,850 km and the Rhine little more than 1,230 km. Whoever counts tributaries as well "
    "comes to the same order, since the Kama alone would add another 1,800 km to the Volga's system.\n"
)


def milliseconds(render: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        render()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def main() -> int:
    # The one trained on a page spells most words out, so that the same text is twice as many tokens.
    tables = [families.made(name) for name in families.MADE if name != "unigram-nfkc"]
    tables += [*families.demo_models(), *(families.loaded(Path(p).name, Path(p)) for p in sys.argv[1:])]
    print(f"{'':30} {'':>6} {'statement, ms':^26} {'ballot, ms':>10}")
    print(f"{'tokenizer':30} {'tokens':>6} {'median':>8} {'fastest':>8} {'per 800':>8} {'median':>10}")
    slow = False
    for family in tables:
        renderer = Renderer(setting.CARD, family.tokenizer, load_wording("argue"))
        turns = [ShownTurn(seat.name, setting.QUESTION.options[1], SAID * 2) for seat in setting.SEATS]
        seat = setting.SEATS[1]
        tokens = len(renderer.statement(setting.QUESTION, seat, turns))
        statement = milliseconds(partial(renderer.statement, setting.QUESTION, seat, turns))
        ballot = milliseconds(partial(renderer.ballot_after, setting.QUESTION, seat, "ABC"))
        median = statistics.median(statement)
        per_800 = median * 800 / tokens
        slow |= per_800 > BOUND_MS
        fastest, asked = min(statement), statistics.median(ballot)
        print(f"{family.name:30} {tokens:6} {median:8.2f} {fastest:8.2f} {per_800:8.2f} {asked:10.2f}")
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
