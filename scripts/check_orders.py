"""Does the order of the options decide a vote, and does asking in several orders free it? Real models, real questions.

    python scripts/check_orders.py --suite SUITE.jsonl… --questions 200

Each seat makes one statement, then its ballot is asked in two sets of orders: the rotations of the question's own order
and those of another one, drawn at random. Between single orders of the two sets votes flip as often as they do when
options are re-ordered at random; between the two sets' means, as often as they do after pooling.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from bench_closing import loaded

from localtable.analysis.statistics.bootstrap import bootstrap
from localtable.analysis.statistics.option_order import recall_spread
from localtable.analysis.statistics.statistic import Statistic, difference, ratio
from localtable.ballots import ballot_orders, pooled, read_choice
from localtable.config import load_card, load_suite
from localtable.engines.base import Completion, Constraint, EngineSpec, Request, Tokens
from localtable.places import home
from localtable.prompts import HfTokenizer, load_wording
from localtable.runner.models import Model, build_models, longest_turns
from localtable.runner.turns import BALLOT_SAMPLING
from localtable.scheduler.worker import Events, Workers
from localtable.seeds import derive
from localtable.types import LETTERS, BallotRule, Letter, OrderedBallot, Panel, Question, Sampling, Seat, Stop
from localtable.weights import WeightStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct")
RULE = BallotRule(orders=None)
CACHE_BYTES = 1 << 30
ROWS = 64


class Engine:
    """One loaded model that completes batches."""

    def __init__(self, workers: Workers, spec: EngineSpec) -> None:
        self._handle = loaded(workers, spec)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self._handle.submit(requests)
        done: dict[str, Completion] = {}
        while len(done) < len(requests):
            wait([self._handle])  # type: ignore[list-item]  # anything with a fileno will do
            for message in self._handle.poll():
                assert isinstance(message, Events), message
                for event in message.events:
                    assert isinstance(event, Completion | Tokens), event
                    if isinstance(event, Completion):
                        done[event.request_id] = event
        return [done[request.request_id] for request in requests]

    def kill(self) -> None:
        self._handle.kill()


def two_sets(question: Question, seed: int) -> tuple[tuple[tuple[Letter, ...], ...], ...]:
    """The rotations of the question's own order, and those of another one, drawn."""
    drawn = list(question.letters)
    random.Random(derive("orders", seed, question.id)).shuffle(drawn)
    return ballot_orders(question.letters, RULE), ballot_orders(tuple(drawn), RULE)


def ask(engine: Engine, model: Model, questions: Sequence[Question], seed: int) -> list[list[list[OrderedBallot]]]:
    """By question and set: the answers, order by order."""
    (seat,) = model.seats
    prompts = [model.renderer.statement(question, seat, ()) for question in questions]
    said = engine.complete(
        [
            Request(f"s{i}", prompt, seat.sampling, derive("said", seed, questions[i].id), model.renderer.stop_ids)
            for i, prompt in enumerate(prompts)
        ]
    )
    requests: list[Request] = []
    places: list[tuple[int, int, tuple[Letter, ...]]] = []
    for i, question in enumerate(questions):
        labels = model.labels_for_vote(len(question.options))
        constraint = Constraint(labels.regex, labels.allowed_ids)
        for j, orders in enumerate(two_sets(question, seed)):
            for order in orders:
                asked = model.renderer.ballot_after(question, seat, order) + labels.prefix_ids
                prompt = prompts[i] + said[i].token_ids + asked
                requests.append(Request(f"b{len(requests)}", prompt, BALLOT_SAMPLING, 1, constraint=constraint))
                places.append((i, j, order))
    answers: list[list[list[OrderedBallot]]] = [[[], []] for _ in questions]
    for (i, j, order), done in zip(places, engine.complete(requests), strict=True):
        question = questions[i]
        labels = model.labels_for_vote(len(question.options))
        choice = read_choice(labels, done.logprobs, order, 0)
        answers[i][j].append(OrderedBallot(order, {x: choice.distribution[x] for x in question.letters}))
    return answers


def votes_of(answers: Sequence[OrderedBallot]) -> list[Letter]:
    return [max(answer.distribution, key=answer.distribution.__getitem__) for answer in answers]


def pooled_vote(answers: Sequence[OrderedBallot]) -> Letter:
    mean = pooled(answers, RULE)
    return max(mean, key=mean.__getitem__)


def report(name: str, questions: Sequence[Question], answers: list[list[list[OrderedBallot]]]) -> None:
    import numpy as np

    count = len(questions)
    flips, pairs, right = np.zeros(count), np.zeros(count), np.zeros(count)
    pooled_votes = [[pooled_vote(answers[i][j]) for j in (0, 1)] for i in range(count)]
    first_slot, slots = np.zeros(count), np.zeros(count)
    for i, (own, drawn) in enumerate(answers):
        one, two = votes_of(own), votes_of(drawn)
        # The question's own order stands in both sets where it was drawn: no re-ordering.
        apart = [
            (a, b) for a, x in zip(one, own, strict=True) for b, y in zip(two, drawn, strict=True) if x.order != y.order
        ]
        flips[i], pairs[i] = sum(a != b for a, b in apart), len(apart)
        right[i] = sum(vote == questions[i].answer for vote in one) / len(one)
        chosen = [answer.order.index(vote) for answer, vote in zip(own, one, strict=True)]
        first_slot[i] = sum(place == 0 for place in chosen) - len(chosen) / len(own)
        slots[i] = len(chosen)
    ones = np.ones(count)
    pooled_flips = np.array([a != b for a, b in pooled_votes], float)
    pooled_right = np.array([votes[0] == q.answer for votes, q in zip(pooled_votes, questions, strict=True)], float)
    answered = np.array([question.answer is not None for question in questions])
    before, after = ratio(flips, pairs), ratio(pooled_flips, ones)
    figures: dict[str, Statistic] = {
        "votes that flip when re-ordered, one order": before,
        "the same, mean of all rotations": after,
        "less by pooling": difference(before, after),
        "votes for the first place, above its share": ratio(first_slot, slots, -1.0, 1.0),
        "right, one order": ratio(right[answered], ones[answered]),
        "right, mean of all rotations": ratio(pooled_right[answered], ones[answered]),
        "spread of recall over letters, own order": _recall(questions, [votes_of(own)[0] for own, _ in answers]),
        "spread of recall, mean of all rotations": _recall(questions, [votes[0] for votes in pooled_votes]),
    }
    print(f"{name}, {count} questions, one statement each")
    for (label, _), estimate in zip(figures.items(), bootstrap(list(figures.values())), strict=True):
        value = "–" if estimate.value is None else f"{estimate.value:.3f}"
        bounds = estimate.reason if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
        print(f"  {label}: {value} ({bounds}; n = {estimate.n})", flush=True)


def _recall(questions: Sequence[Question], votes: Sequence[Letter]) -> Statistic:
    return recall_spread(_places(votes), _places([question.answer for question in questions]))


def _places(letters: Sequence[Letter | None]) -> NDArray[np.int64]:
    import numpy as np

    return np.array([-1 if letter is None else LETTERS.index(letter) for letter in letters], np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, nargs="+", required=True)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64, help="of a statement at most")
    parser.add_argument("--model", action="append", help="in place of the two smaller demo models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    each = -(-arguments.questions // len(arguments.suite))
    read = [list(islice(load_suite(path), each)) for path in arguments.suite]
    questions = [question for suite in read for question in suite][: arguments.questions]
    with Workers(home()) as workers:
        workers.prepare("vllm", "cpu")
        for name in arguments.model or MODELS:
            card = load_card(name)
            files = WeightStore(home() / "weights").find(card)
            assert files is not None, f"fetch it first: localtable models fetch {name}"
            seat = Seat("Ada", card, Sampling(max_tokens=arguments.tokens))
            panel = Panel("orders", (seat,), rounds=1, ballot=RULE, stop=Stop())
            tokenizer = HfTokenizer(files.folder)
            models = build_models(panel, {card.id: tokenizer}, load_wording(panel.prompts), real_templates=True)
            length = longest_turns([models], questions)[card.id]
            length = -(-length // 32) * 32
            engine = Engine(workers, EngineSpec("vllm", card.id, files.folder, card.dtype, length, ROWS, CACHE_BYTES))
            try:
                report(name, questions, ask(engine, models[card.id], questions, arguments.seed))
            finally:
                engine.kill()


if __name__ == "__main__":
    main()
