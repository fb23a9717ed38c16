"""One request and its scripted turn → a completion in the byte vocabulary.

Pure: everything that is drawn comes from the request's seed. Free text is spoken as it is written, a constrained
token is a label of the ballot, and log-probabilities are exact for a scripted distribution.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from localtable.engines.base import Completion, Request
from localtable.engines.guides import Guides
from localtable.engines.script import ScriptedTurn
from localtable.engines.scripted_follower import followed_statement, swayed
from localtable.engines.scripted_rule import scores, sentences
from localtable.scripted_vocabulary import END_OF_TURN, VOCAB_SIZE, encode
from localtable.types import FinishReason

LABEL_MASS = 0.9
"""What a scripted distribution's labels hold together of the whole vocabulary where nothing constrains them."""
VOTE_LEAD = 2.0
"""How far a scripted vote's score lies above the others: it then holds more than two thirds of four labels."""

_RULE = ScriptedTurn()


def answer(request: Request, turn: ScriptedTurn | None, guides: Guides) -> Completion:
    """What the scripted engine answers to `request`.

    Raises:
        ValueError: The script names a label that this ballot does not have, or the regex can't be followed.
    """
    turn = turn or _RULE
    if request.constraint is not None and not request.constraint.token_ids:
        return _formed(request, turn, guides)
    if request.constraint is not None:
        return _constrained(request, turn, guides)
    token_ids, stop_token_id = _spoken(request, turn)
    logprobs = _over_vocabulary(request, turn) if request.logprob_token_ids else {}
    if logprobs and _reads(request, turn):
        logprobs = swayed(request, turn, logprobs)
    return _completion(request, token_ids, stop_token_id, logprobs)


def _completion(
    request: Request, token_ids: Sequence[int], stop_token_id: int | None, logprobs: dict[int, float]
) -> Completion:
    reason: FinishReason = "length" if stop_token_id is None else "stop"
    return Completion(
        request_id=request.request_id,
        token_ids=tuple(token_ids),
        finish_reason=reason,
        prompt_tokens=len(request.prompt_token_ids),
        cached_tokens=0,
        completion_tokens=len(token_ids) + (stop_token_id is not None),
        stop_token_id=stop_token_id,
        logprobs=logprobs,
    )


# ── free text ───────────────────────────────────────────────────────────────────────────────────────────────


def _spoken(request: Request, turn: ScriptedTurn) -> tuple[Sequence[int], int | None]:
    """The text's ids and the stop id that ended it, None where it was cut."""
    step = request.origin.step if request.origin is not None else "statement"
    thinking = step == "thinking"
    scripted = turn.reasoning if thinking else turn.statement
    if step == "free_reply":
        vote = json.dumps({"vote": turn.vote}) if turn.vote is not None else None
        scripted = turn.free_reply if turn.free_reply is not None else vote
    elif step == "statement" and turn.follows is not None:
        followed = followed_statement(request, turn.follows)
        scripted = scripted if followed is None else followed
    min_tokens, max_tokens = request.sampling.min_tokens, request.sampling.max_tokens
    text = sentences(request.seed, min_bytes=min_tokens, max_bytes=max_tokens) if scripted is None else scripted
    token_ids = list(encode(text))
    if scripted is None:
        _avoid_early_stop(token_ids, request)
    for place, token_id in enumerate(token_ids[:max_tokens]):
        if token_id in request.stop_token_ids and place >= min_tokens:
            return token_ids[:place], token_id
    if len(token_ids) >= max_tokens:
        return token_ids[:max_tokens], None
    if turn.finish_reason == "length" and not thinking:
        return token_ids, None
    return token_ids, _end_id(request, thinking)


def _avoid_early_stop(token_ids: list[int], request: Request) -> None:
    """Keep the promise of `min_tokens` where a stop id is a byte that the rule's sentences hold."""
    if not any(stop < END_OF_TURN for stop in request.stop_token_ids):
        return
    other = next(byte for byte in b"-_.~" + bytes(range(256)) if byte not in request.stop_token_ids)
    for place in range(min(request.sampling.min_tokens, len(token_ids))):
        if token_ids[place] in request.stop_token_ids:
            token_ids[place] = other


def _end_id(request: Request, thinking: bool) -> int:
    """The stop id that follows the text: thinking ends at the marker it was given, a statement at the turn's end."""
    others = [token_id for token_id in request.stop_token_ids if token_id != END_OF_TURN]
    if others and (thinking or END_OF_TURN not in request.stop_token_ids):
        return others[0]
    return END_OF_TURN


def _formed(request: Request, turn: ScriptedTurn, guides: Guides) -> Completion:
    """A text of the constraint's form: as the script has it, or sentences, and then what closes it.

    Raises:
        ValueError: The script's text is not of the form.
    """
    assert request.constraint is not None
    guide = guides.start(request.constraint)
    max_tokens = request.sampling.max_tokens
    rule = sentences(request.seed, min_bytes=0, max_bytes=max_tokens - 1)
    token_ids = encode((rule if turn.summary is None else turn.summary) + '"')
    for place, token_id in enumerate(token_ids[:max_tokens]):
        if token_id not in guide.get_tokens():
            raise ValueError(f"{chr(token_id)!r}, at place {place} of what the script writes, is not of the form")
        guide.advance(token_id)
    if len(token_ids) >= max_tokens:
        return _completion(request, token_ids[:max_tokens], None, {})
    return _completion(request, token_ids, guides.end_id, {})


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Scripted(NamedTuple):
    """What a turn scripts for one ballot, by token id."""

    token_id: int | None
    shares: dict[int, float] | None


def _read_turn(request: Request, turn: ScriptedTurn) -> _Scripted:
    """The part of the turn that is about this ballot.

    Raises:
        ValueError: It names a label that the ballot does not have.
    """
    step = request.origin.step if request.origin else ""
    label, shares = turn.vote, turn.distribution
    if step == "persuaded":
        label, shares = turn.persuaded_by, None
    elif step == "before" and turn.vote_before is not None:
        label, shares = turn.vote_before, None
    ids = _ids_by_label(request)
    if turn.label is not None and step != "persuaded":
        return _Scripted(ord(turn.label), None)
    return _Scripted(
        token_id=_id_of(label, ids) if label is not None else None,
        shares={_id_of(letter, ids): share for letter, share in shares.items() if share > 0} if shares else None,
    )


def _ids_by_label(request: Request) -> dict[str, int]:
    """What the ids of this request stand for; a byte stands for its character where nothing says otherwise."""
    if request.constraint is None:
        return {chr(token_id): token_id for token_id in request.logprob_token_ids}
    token_ids = request.constraint.token_ids
    return dict(zip(request.constraint.labels or map(chr, token_ids), token_ids, strict=True))


def _id_of(label: str, ids: dict[str, int]) -> int:
    if label not in ids:
        raise ValueError(f"the script names {label!r}; this ballot has {', '.join(map(repr, ids))}")
    return ids[label]


def _constrained(request: Request, turn: ScriptedTurn, guides: Guides) -> Completion:
    assert request.constraint is not None
    guide = guides.start(request.constraint)
    scripted = _read_turn(request, turn)
    logprobs = _over_labels(request, scripted)
    rng = random.Random(request.seed)
    chosen = scripted.token_id
    if _reads(request, turn):
        logprobs, chosen = swayed(request, turn, logprobs), None
    token_ids = [chosen if chosen is not None else _choose(request, logprobs, rng)]
    guide.advance(token_ids[0])
    while len(token_ids) < request.sampling.max_tokens:
        token_id = rng.choice(sorted(guide.get_tokens()))
        if token_id == guides.end_id or token_id in request.stop_token_ids:
            return _completion(request, token_ids, token_id, logprobs)
        token_ids.append(token_id)
        guide.advance(token_id)
    return _completion(request, token_ids, None, logprobs)


def _reads(request: Request, turn: ScriptedTurn) -> bool:
    """Whether this ballot's prompt has a say in its answer."""
    step = request.origin.step if request.origin else ""
    return step != "persuaded" and (turn.follows is not None or turn.noise > 0)


def _over_labels(request: Request, scripted: _Scripted) -> dict[int, float]:
    """Log-probabilities over the ballot's ids; their probabilities sum to 1."""
    assert request.constraint is not None
    token_ids = request.constraint.token_ids
    if scripted.shares is not None:
        return {i: math.log(scripted.shares[i]) if i in scripted.shares else -math.inf for i in token_ids}
    values = scores(request.seed)  # [vocab_size]
    label_scores = {i: float(values[i]) for i in token_ids}
    if scripted.token_id is not None:
        label_scores[scripted.token_id] = max(label_scores.values()) + VOTE_LEAD
    return _log_softmax(label_scores)


def _over_vocabulary(request: Request, turn: ScriptedTurn) -> dict[int, float]:
    """Log-probabilities of `logprob_token_ids` over the whole vocabulary.

    They agree with the constrained ones: renormalised over the labels the two are equal.
    """
    scripted = _read_turn(request, turn)
    wanted = request.logprob_token_ids
    if scripted.shares is not None:
        rest = math.log((1 - LABEL_MASS) / (VOCAB_SIZE - len(scripted.shares)))
        return {i: math.log(LABEL_MASS * scripted.shares[i]) if i in scripted.shares else rest for i in wanted}
    values = dict(enumerate(scores(request.seed).tolist()))
    if scripted.token_id is not None:
        values[scripted.token_id] = max(values[i] for i in wanted) + VOTE_LEAD
    logprobs = _log_softmax(values)
    return {i: logprobs[i] for i in wanted}


def _choose(request: Request, logprobs: dict[int, float], rng: random.Random) -> int:
    temperature = request.sampling.temperature
    if temperature == 0:
        return max(logprobs, key=lambda i: logprobs[i])
    best = max(logprobs.values())
    weights = [math.exp((value - best) / temperature) for value in logprobs.values()]
    return rng.choices(list(logprobs), weights)[0]


def _log_softmax(values: dict[int, float]) -> dict[int, float]:
    best = max(values.values())
    total = best + math.log(sum(math.exp(value - best) for value in values.values()))
    return {i: value - total for i, value in values.items()}
