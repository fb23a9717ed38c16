"""Is a ballot's distribution the model's own? Constrained against unconstrained, and engine against engine.

    python scripts/check_distributions.py --suite SUITE.jsonl

Each ballot's prompt is completed twice in one batch: under the constraint, and free, with the labels' log-probabilities
over the whole vocabulary, renormalised over the labels. Within one engine and batch the two must be equal to 3 places.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path

from localtable.ballots import VOTE_KEY, LabelSet, probe_labels, read_choice
from localtable.config import load_card, load_suite
from localtable.engines.base import Completion, Constraint, EngineSpec, Failure, Request
from localtable.places import home
from localtable.prompts import HfTokenizer, Renderer, load_wording
from localtable.runner.turns import BALLOT_SAMPLING
from localtable.scheduler.messages import Died, Events
from localtable.scheduler.worker import EngineHandle, Workers
from localtable.types import Card, Question, Sampling, Seat, ShownTurn
from localtable.weights import WeightStore

SPOKEN = (
    "I have read the options twice. The first that comes to mind is not always right, so I went through them one by "
    "one and kept the option that fits the facts in the question."
)
"""Said in every prompt: real length, and the same for all engines."""
MAX_LEN = 1024
BATCH = 32


def complete(handle: EngineHandle, requests: Sequence[Request]) -> list[Completion]:
    handle.submit(requests)
    done: dict[str, Completion] = {}
    while len(done) < len(requests):
        wait([handle], 1.0)  # type: ignore[list-item]
        for message in handle.poll():
            if isinstance(message, Died):
                raise message.error
            for event in message.events if isinstance(message, Events) else ():
                if isinstance(event, Failure):
                    raise SystemExit(event.message)
                if isinstance(event, Completion):
                    done[event.request_id] = event
    return [done[request.request_id] for request in requests]


def ballots(
    card: Card, folder: Path, questions: Sequence[Question]
) -> list[tuple[Question, LabelSet, tuple[int, ...]]]:
    """By question: the ballot's labels and its prompt."""
    tokenizer = HfTokenizer(folder)
    renderer = Renderer(card, tokenizer, load_wording("argue"))
    seat = Seat("Ada", card, Sampling())
    found = []
    for question in questions:
        labels = probe_labels(tokenizer, VOTE_KEY, len(question.options))
        turns = [ShownTurn(name, vote, SPOKEN) for name, vote in zip(("Ada", "Bo"), question.options, strict=False)]
        said = tuple(tokenizer.encode_plain(SPOKEN))
        asked = renderer.ballot_after(question, seat, question.letters)
        found.append((question, labels, renderer.statement(question, seat, turns) + said + asked + labels.prefix_ids))
    return found


def measure(
    handle: EngineHandle, cases: Sequence[tuple[Question, LabelSet, tuple[int, ...]]]
) -> tuple[list[list[float]], float]:
    """The constrained distributions, and the largest difference from the free ones."""
    distributions: list[list[float]] = []
    worst = 0.0
    for start in range(0, len(cases), BATCH // 2):
        part = cases[start : start + BATCH // 2]
        requests = []
        for i, (_, labels, prompt) in enumerate(part):
            constraint = Constraint(labels.regex, labels.allowed_ids)
            requests.append(Request(f"c{i}", prompt, BALLOT_SAMPLING, 0, constraint=constraint))
            requests.append(Request(f"f{i}", prompt, BALLOT_SAMPLING, 0, logprob_token_ids=labels.allowed_ids))
        answers = complete(handle, requests)
        for (question, labels, _), held, free in zip(part, answers[::2], answers[1::2], strict=True):
            distribution = list(read_choice(labels, held.logprobs, question.letters, 0).distribution.values())
            masses = [math.fsum(math.exp(free.logprobs[i]) for i in ids) for ids in labels.token_ids]
            worst = max(worst, *(abs(p - m / math.fsum(masses)) for p, m in zip(distribution, masses, strict=True)))
            distributions.append(distribution)
    return distributions, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--engines", nargs="+", default=["vllm", "transformers"])
    args = parser.parse_args()
    card = load_card(args.model)
    files = WeightStore(home() / "weights").find(card)
    if files is None:
        raise SystemExit(f"localtable models fetch {args.model}")
    cases = ballots(card, files.folder, list(islice(load_suite(args.suite), args.questions)))
    print(
        f"{len(cases)} ballots of {args.model}, prompts of {min(len(p) for *_, p in cases)} to "
        f"{max(len(p) for *_, p in cases)} tokens"
    )
    by_engine: dict[str, list[list[float]]] = {}
    failed = False
    for engine in args.engines:
        dtype = "float32" if engine == "transformers" else card.dtype
        spec = EngineSpec(engine, card.id, files.folder, dtype, MAX_LEN, BATCH, 4 * 1024**3)
        with Workers(home()) as workers:
            by_engine[engine], worst = measure(workers.start(spec), cases)
        failed |= worst >= 5e-4
        print(f"{engine:14} constrained against free, same batch: largest difference {worst:.2e}")
    if len(by_engine) == 2:
        first, second = by_engine.values()
        gaps = [max(abs(a - b) for a, b in zip(x, y, strict=True)) for x, y in zip(first, second, strict=True)]
        votes = sum(x.index(max(x)) != y.index(max(y)) for x, y in zip(first, second, strict=True))
        print(
            f"{' against '.join(by_engine)}: median of the largest difference {statistics.median(gaps):.4f}, "
            f"largest {max(gaps):.4f}, votes that differ {votes} of {len(gaps)}"
        )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
