"""What engines will have to read: a panel's debates, played without engines or weights by the run's own turns.

Every request that a turn or a summary makes is made here, so nothing of ballots, orders, thinking or visibility is
reckoned twice. A cache of whole blocks is kept as an engine keeps one. Where a model's tokenizer isn't here its words
are counted in bytes, at four to a token.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from localtable.engines.base import Completion, Request
from localtable.errors import PlacementError
from localtable.moderator.templates import from_templates
from localtable.moderator.writing import MAX_ITEMS
from localtable.prompts import ByteTokenizer, PromptTokenizer, Wording
from localtable.prompts.render import BYTES_PER_TOKEN
from localtable.protocol import DEBATE, Condition, Debate
from localtable.runner.confederates import confederate_turn
from localtable.runner.models import Model, build_models
from localtable.runner.summarizing import begin_summary, fitting_message, length_for, told
from localtable.runner.turns import TurnAtWork, begin_turn
from localtable.types import Letter, Panel, Participant, Question, Seat, Stop, Turn

UNBOUNDED = 2**40
"""Tokens of context: what doesn't fit is the plan's to say, not a rehearsal's, whose tokens are bytes."""
CHANGED = 1 / 3
"""Of the votes of later rounds those that change, so that the seat is asked who persuaded it: a third to two thirds of
the demo models' did."""
ASKED_AGAIN = 1 / 2
"""Of a moderator's texts those that are asked for once more. Two small models' were 0.7, but shorter than is reckoned:
with a half what they read and wrote came to within 15 % (docs/benchmarks.md)."""
WORDS = ("seldom", "green", "because", "stone", "the", "winter", "further", "a", "count", "on", "reason", "river")
"""What statements are made of: no two alike, nothing in them that a quote would make longer."""
REPLY = '{"vote": "A"}'
"""A ballot answered in a seat's own words, which nobody reads here."""
Asked = Sequence[tuple[float, tuple[int, ...], tuple[int, ...]]]
"""Requests: how often each is made, its prompt's ids, and its answer's."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Prompt tokens that an engine has to compute for a turn, all its requests together."""

    kept: int
    """What earlier rounds have left in its cache is there."""
    anew: int
    """The cache was lost since the round before."""


@dataclass(frozen=True, slots=True)
class Summing:
    """What a moderator has to do for a debate."""

    reads: int
    """Prompt tokens that its engine has to compute."""
    writes: int
    """Tokens that it may write at most, with what it is asked for again."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a debate takes."""

    turns: tuple[tuple[Reading, ...], ...]
    """By round and seat, confederates left out."""
    summing: Summing | None
    """None: nobody sums up, or its facts alone are too long for who does."""


def rehearse(
    panel: Panel,
    wording: Wording,
    questions: Sequence[Question],
    tokenizers: Mapping[str, PromptTokenizer],
    *,
    block_tokens: int,
    said: float,
    noise: bool = False,
    moderator: Model | None = None,
) -> Rehearsed:
    """What each turn of a debate has to read, and what its summary takes.

    Args:
        panel: Who sits there.
        wording: Of the prompts.
        questions: Two: the second one's debate is reckoned with, behind the first one's.
        tokenizers: By card id; of models that are loaded here all real, or all of bytes.
        block_tokens: Of the engines' caches; only whole blocks are found again.
        said: How long a statement is, as a share of its bound.
        noise: Whether what peers say comes from the other debate.
        moderator: Who sums up.
    """
    panel = _unbounded(panel, tokenizers)
    players = _Players(panel, wording, tokenizers, said)
    debates = [Debate(question, panel, noise=noise) for question in questions]
    renderers = {card_id: model.renderer for card_id, model in players.models.items()}
    if moderator is not None:
        renderers.setdefault(moderator.card.id, moderator.renderer)
    units = {card_id: _units(renderer.tokenizer) for card_id, renderer in renderers.items()}
    kept, anew = _Cache(block_tokens, units), _Cache(block_tokens, units)
    rounds = []
    for number in range(1, panel.rounds + 1):
        anew.clear()
        turns: list[dict[str, Turn]] = []
        for place, debate in enumerate(debates):
            partner = debates[1 - place] if noise else None
            turns.append({})
            found = []
            for seat in panel.seats:
                if not isinstance(seat, Seat):
                    turns[-1][seat.name] = confederate_turn(debate, seat, number)
                    continue
                asked, turns[-1][seat.name] = players.play(replace(debate, partner=partner), seat, number)
                found.append(Reading(kept.read(seat.card.id, asked), anew.read(seat.card.id, asked)))
        rounds.append(tuple(found))
        debates = [debate.close_round(spoken) for debate, spoken in zip(debates, turns, strict=True)]
    summing = None if moderator is None else _sum_up(debates[-1], moderator, kept.read)
    return Rehearsed(tuple(rounds), summing)


def _sum_up(debate: Debate, moderator: Model, read: Callable[[str, Asked], int]) -> Summing | None:
    """A debate's summary, in which the template's own sentences stand in for what a model would write."""
    transcript = told(Condition(DEBATE, debate.panel), debate)
    task = begin_summary(0, transcript, moderator)
    renderer = moderator.renderer
    try:
        task.message = fitting_message(renderer, task.writing, length_for(moderator) * _units(renderer.tokenizer))
    except PlacementError:
        return None  # the run says so of each debate, and goes on
    template = from_templates(transcript, task.writing.facts)
    said = [" ".join(sentence.sentence for sentence in template.text)]
    said += [argument.sentence for argument in template.arguments[:MAX_ITEMS]]
    said += [point.sentence for point in template.turning_points[:MAX_ITEMS]]
    asked: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = []
    writes = 0.0
    while (request := task.next_request()) is not None:
        if task.writing.attempt == 0:
            answer = tuple(renderer.tokenizer.encode_plain(said[task.writing.place - 1] + '"'))
            asked += [(1.0, request.prompt_token_ids, answer), (ASKED_AGAIN, request.prompt_token_ids, answer)]
            writes += (1 + ASKED_AGAIN) * request.sampling.max_tokens
        task.take(request, Completion(request.request_id, answer, "stop", 0, 0, 0))
    return Summing(read(moderator.card.id, asked), round(writes))


def length_of(question: Question) -> int:
    """Characters that every seat reads of it."""
    return len(question.question) + len(question.context or "") + sum(map(len, question.options))


def typical(questions: Sequence[Question]) -> list[Question]:
    """Two questions, the second one of the middle length."""
    ordered = sorted(questions, key=length_of)
    middle = ordered[len(ordered) // 2]
    first = ordered[len(ordered) // 2 - 1]
    if first is middle:
        # What two questions have in common is their frame, not their words.
        first = replace(middle, id=f"{middle.id} ", question="~" * len(middle.question))
    return [first, middle]


class _Cache:
    """Which beginnings of prompts engines still have."""

    def __init__(self, block_tokens: int, units: Mapping[str, int]) -> None:
        self._block_tokens = block_tokens
        self._units = units
        """How many ids of a model's make a token."""
        self._known: defaultdict[str, set[int]] = defaultdict(set)

    def clear(self) -> None:
        self._known.clear()

    def read(self, model_id: str, asked: Asked) -> int:
        """Tokens of these prompts that are new; from then on they are known, and what was answered."""
        known, units = self._known[model_id], self._units[model_id]
        block = self._block_tokens * units
        return round(sum(weight * self._read_one(known, prompt, said, block) for weight, prompt, said in asked) / units)

    def _read_one(self, known: set[int], prompt: tuple[int, ...], answer: tuple[int, ...], block: int) -> int:
        found, so_far, met = 0, 0, True
        whole = prompt + answer
        for end in range(block, len(whole), block):
            so_far = hash((so_far, whole[end - block : end]))
            met = met and so_far in known
            # The last token of a prompt is computed in any case: it says what comes next.
            found = end if met and end < len(prompt) else found
            known.add(so_far)
        return len(prompt) - found


class _Players:
    """Plays turns: statements of noise, votes that change in every round."""

    def __init__(self, panel: Panel, wording: Wording, tokenizers: Mapping[str, PromptTokenizer], said: float) -> None:
        self.models = build_models(panel, tokenizers, wording, real_templates=False)
        self._said = said
        self._rng = random.Random(0)

    def play(self, debate: Debate, seat: Seat, number: int) -> tuple[Asked, Turn]:
        """A seat's turn, and what was asked for it."""
        letters = debate.question.letters
        vote = letters[number % len(letters)]
        turn = begin_turn(0, debate, seat, self.models[seat.card.id], stream=False)
        asked: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = []
        while (request := turn.next_request()) is not None:
            weight = CHANGED if turn.step == "persuaded" else 1.0
            answer = self._answer(turn, request, vote)
            asked.append((weight, request.prompt_token_ids, answer.token_ids))
            turn.take(request, answer)
        return asked, turn.finish()

    def _answer(self, turn: TurnAtWork, request: Request, vote: Letter) -> Completion:
        encode, text, length = turn.model.renderer.tokenizer.encode_plain, "", 0
        if turn.step in ("thinking", "statement"):
            length = max(int(self._said * request.sampling.max_tokens), request.sampling.min_tokens, 1)
            text = " ".join(self._rng.choices(WORDS, k=length))
        elif turn.step == "free_reply":
            text, length = REPLY, request.sampling.max_tokens
        token_ids = tuple(encode(text)[:length])
        shares: dict[int, float] = {}
        if request.constraint is not None:
            by_id = dict(zip(request.constraint.token_ids, request.constraint.labels, strict=True))
            first = next((i for i, name in by_id.items() if name == vote), next(iter(by_id)))
            shares = {i: 0.5 / len(by_id) + (0.5 if i == first else 0.0) for i in by_id}
            token_ids = (first,)
        elif request.logprob_token_ids:
            shares = dict.fromkeys(request.logprob_token_ids, 0.5 / len(request.logprob_token_ids))
        logprobs = {i: math.log(share) for i, share in shares.items()}
        return Completion(request.request_id, token_ids, "stop", 0, 0, 0, logprobs=logprobs)


def _units(tokenizer: PromptTokenizer) -> int:
    """How many of its ids stand for a token."""
    return BYTES_PER_TOKEN if isinstance(tokenizer, ByteTokenizer) else 1


def _unbounded(panel: Panel, tokenizers: Mapping[str, PromptTokenizer]) -> Panel:
    """With every round, room for everything, all of it here, and lengths that count ids."""
    seats, peers = tuple(_in_units(seat, tokenizers) for seat in panel.seats), panel.peers
    if peers.max_tokens is None:
        # Nor is a turn too long for whom counts it in other ids than who said it.
        peers = replace(peers, max_tokens=UNBOUNDED)
    else:
        # What is longer the run refuses, if it is to. Readers at endpoints are not reckoned with.
        units = max(_units(tokenizers[card.id]) for card in panel.cards if card.endpoint is None)
        peers = replace(peers, max_tokens=peers.max_tokens * units, over="head_tail")
    return replace(panel, seats=seats, peers=peers, stop=Stop("never"), engine={}, moderator=None)


def _in_units(seat: Participant, tokenizers: Mapping[str, PromptTokenizer]) -> Participant:
    if not isinstance(seat, Seat):
        # Which option it votes for is no matter of lengths, and may be told of other questions alone.
        return replace(seat, vote="A", confidence=1.0)
    sampling, thinking, units = seat.sampling, seat.thinking, _units(tokenizers[seat.card.id])
    return replace(
        seat,
        card=replace(seat.card, context_length=UNBOUNDED, endpoint=None, engine={}),
        sampling=replace(sampling, max_tokens=sampling.max_tokens * units, min_tokens=sampling.min_tokens * units),
        thinking=replace(thinking, max_tokens=thinking.max_tokens * units),
    )
