"""Transcripts and their parts → plain data, with every default written out; and the way back of some parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localtable.errors import ConfigError, LocaltableError
from localtable.transcript.checking import check
from localtable.transcript.schema import SCHEMA_VERSION
from localtable.types import (
    ArgumentSentence,
    Ballot,
    BallotRule,
    Card,
    Confederate,
    Endpoint,
    Influence,
    Panel,
    Participant,
    Question,
    Round,
    Sampling,
    Sentence,
    Summary,
    Transcript,
    Turn,
    TurningPoint,
    TurningPointSentence,
    TurnPlace,
    Usage,
    Visibility,
)

PARTS = ("thinking", "statement", "ballot")
"""Of a turn: what its tokens are counted by."""


def to_json(transcript: Transcript) -> dict[str, Any]:
    """A transcript as plain data, validated.

    Raises:
        LocaltableError: The transcript breaks its own schema: a defect of this program.
    """
    data = to_data(transcript)
    try:
        check(data, "the transcript")
    except ConfigError as error:
        raise LocaltableError(error.message, hint="A defect of localtable: please report it.") from error
    return data


def to_data(transcript: Transcript) -> dict[str, Any]:
    """A transcript as plain data that is not held against the schema: for what is computed from it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "question": question_to_json(transcript.question),
        "panel": panel_to_json(transcript.panel),
        "repeat": transcript.repeat,
        "rounds": [_round_to_json(round_) for round_ in transcript.rounds],
        "verdict": _verdict_to_json(transcript),
        "turning_points": [turning_point_to_json(point) for point in transcript.turning_points],
        "summary": None if transcript.summary is None else summary_to_json(transcript.summary),
        "source": transcript.source,
        "condition": transcript.condition,
        "manifest": dict(transcript.manifest),
    }


def question_to_json(question: Question) -> dict[str, Any]:
    """A question as plain data."""
    return {
        "id": question.id,
        "question": question.question,
        "options": list(question.options),
        "context": question.context,
        "answer": question.answer,
        "tags": list(question.tags),
    }


def question_from_json(data: Mapping[str, Any]) -> Question:
    """The way back."""
    return Question(**{**data, "options": tuple(data["options"]), "tags": tuple(data["tags"])})


def panel_to_json(panel: Panel) -> dict[str, Any]:
    """A panel as plain data, every default written out; `config.parse_panel` reads it back."""
    return {
        "name": panel.name,
        "rounds": panel.rounds,
        "seats": [_seat_to_json(seat) for seat in panel.seats],
        "prompts": panel.prompts,
        "visibility": {name: getattr(panel.visibility, name) for name in Visibility.__dataclass_fields__},
        "peers": {"max_tokens": panel.peers.max_tokens, "over": panel.peers.over},
        "ballot": _ballot_rule_to_json(panel.ballot),
        "engine": dict(panel.engine),
        "stop": {"when": panel.stop.when, "share": panel.stop.share if panel.stop.when == "threshold" else None},
        "moderator": None if panel.moderator is None else panel.moderator.id,
        "seed": panel.seed,
    }


def _ballot_rule_to_json(rule: BallotRule) -> dict[str, Any]:
    return {
        "at": rule.at,
        "orders": "all_rotations" if rule.orders is None else rule.orders,
        "pool": rule.pool,
        "floor": rule.floor if rule.pool == "geometric" else None,
        "label_mass": rule.label_mass,
        "free_reply": rule.free_reply,
    }


def _seat_to_json(seat: Participant) -> dict[str, Any]:
    if isinstance(seat, Confederate):
        return {"name": seat.name, "confederate": _confederate_to_json(seat)}
    return {
        "name": seat.name,
        "model": seat.card.id,
        "persona": seat.persona,
        "role": seat.role,
        "thinking": {"on": seat.thinking.on, "max_tokens": seat.thinking.max_tokens},
        "sampling": sampling_to_json(seat.sampling),
    }


def _confederate_to_json(seat: Confederate) -> dict[str, Any]:
    return {
        "vote": seat.vote if isinstance(seat.vote, str) else {"by_question": dict(seat.vote)},
        "statement": seat.statement,
        "counts": seat.counts,
        "together": seat.together,
        "poses_as": seat.poses_as,
        "confidence": seat.confidence,
    }


def sampling_to_json(sampling: Sampling) -> dict[str, Any]:
    """Sampling as plain data."""
    return {name: getattr(sampling, name) for name in Sampling.__dataclass_fields__}


def _round_to_json(round_: Round) -> dict[str, Any]:
    return {
        "number": round_.number,
        "turns": [_turn_to_json(turn) for turn in round_.turns],
        "tally": dict(round_.tally),
    }


def _turn_to_json(turn: Turn) -> dict[str, Any]:
    data: dict[str, Any] = {
        "seat": turn.seat,
        "position": turn.position,
        "statement": turn.statement,
        "reasoning": turn.reasoning,
        "reasoning_truncated": turn.reasoning_truncated,
        "stated": turn.stated,
        "ballot": _ballot_to_json(turn.ballot),
        "changed_mind": turn.changed_mind,
        "finish_reason": turn.finish_reason,
        "truncated": turn.truncated,
        "attempts": turn.attempts,
        "names_letter": turn.names_letter,
        "peers_cut": turn.peers_cut,
        "seed": turn.seed,
        "usage": None if turn.usage is None else _usage_to_json(turn.usage),
    }
    if turn.ballot_before is not None:
        data["ballot_before"] = _ballot_to_json(turn.ballot_before)
    if turn.token_ids is not None:
        data["token_ids"] = list(turn.token_ids)
    if turn.influence:
        data["influence"] = [_influence_to_json(influence) for influence in turn.influence]
    return data


def _influence_to_json(influence: Influence) -> dict[str, Any]:
    data: dict[str, Any] = {"peer": influence.peer, "option": influence.option, "direct": influence.direct}
    if influence.total is not None:
        data["total"] = influence.total
        data["total_standard_error"] = influence.total_standard_error
        data["samples"] = influence.samples
    return data


def _ballot_to_json(ballot: Ballot) -> dict[str, Any]:
    data: dict[str, Any] = {
        "vote": ballot.vote,
        "tied": list(ballot.tied),
        "distribution": None if ballot.distribution is None else dict(ballot.distribution),
        "confidence": ballot.confidence,
        "persuaded_by": ballot.persuaded_by,
    }
    if ballot.orders:
        data["orders"] = [{"order": list(o.order), "distribution": dict(o.distribution)} for o in ballot.orders]
    if ballot.label_mass is not None:
        data["label_mass"] = ballot.label_mass
    if ballot.source != "exact":
        data["source"] = ballot.source
        data["unlisted"] = list(ballot.unlisted)
        data["listed_mass"] = ballot.listed_mass
    if ballot.free_reply is not None:
        data["free_reply"] = {"text": ballot.free_reply.text, "vote": ballot.free_reply.vote}
    return data


def _usage_to_json(by_part: Mapping[str, Usage]) -> dict[str, Any]:
    total = sum(by_part.values(), Usage())
    parts = {part: _tokens_to_json(by_part.get(part, Usage())) for part in PARTS}
    return {**_tokens_to_json(total), "by_part": parts}


def _tokens_to_json(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
    }


def _verdict_to_json(transcript: Transcript) -> dict[str, Any] | None:
    verdict = transcript.verdict
    if verdict is None:
        return None
    return {
        "kind": verdict.kind,
        "options": list(verdict.options),
        "votes": verdict.votes,
        "of": verdict.of,
        "agreement": verdict.agreement,
        "rounds": verdict.rounds,
    }


def turning_point_to_json(point: TurningPoint) -> dict[str, Any]:
    """A turning point as plain data."""
    without = point.verdict_without
    return {
        "round": point.round,
        "seat": point.seat,
        "before": point.before,
        "after": point.after,
        "kind": point.kind,
        "verdict_without": None if without is None else list(without),
        "shift": point.shift,
    }


def summary_to_json(summary: Summary) -> dict[str, Any]:
    """A summary as plain data."""
    return {
        "by": summary.by,
        "text": [{"sentence": s.sentence, "turns": [turn._asdict() for turn in s.turns]} for s in summary.text],
        "arguments": [{"option": a.option, **_place(a.turn), "sentence": a.sentence} for a in summary.arguments],
        "turning_points": [{**_place(p.turn), "sentence": p.sentence} for p in summary.turning_points],
        "templated": list(summary.templated),
        "dropped": summary.dropped,
        "asked_again": summary.asked_again,
    }


def summary_from_json(data: Mapping[str, Any]) -> Summary:
    """The way back."""
    return Summary(
        data["by"],
        tuple(Sentence(s["sentence"], tuple(TurnPlace(**turn) for turn in s["turns"])) for s in data["text"]),
        tuple(ArgumentSentence(a["option"], _turn_place(a), a["sentence"]) for a in data["arguments"]),
        tuple(TurningPointSentence(_turn_place(p), p["sentence"]) for p in data["turning_points"]),
        tuple(data["templated"]),
        data["dropped"],
        data["asked_again"],
    )


def _place(turn: TurnPlace | None) -> dict[str, Any]:
    return {"round": None, "seat": None} if turn is None else turn._asdict()


def _turn_place(data: Mapping[str, Any]) -> TurnPlace | None:
    return None if data["round"] is None or data["seat"] is None else TurnPlace(data["round"], data["seat"])


def cards_to_json(cards: tuple[Card, ...], hashes: Mapping[str, str], sources: Mapping[str, str]) -> dict[str, Any]:
    """What the manifest keeps of the models: licence, weights by hash, where they came from."""
    return {
        card.id: {
            "name": card.name,
            "license": card.license,
            "parameters": card.parameters or None,
            "dtype": card.dtype if card.endpoint is None else None,
            "quantization": card.quantization,
            "weights": hashes.get(card.id),
            "source": sources.get(card.id),
            **({} if card.endpoint is None else {"endpoint": _endpoint_to_json(card.endpoint)}),
        }
        for card in cards
    }


def _endpoint_to_json(endpoint: Endpoint) -> dict[str, str]:
    """Who was spoken to: what stands behind the address, and how large it is, nobody but its owner knows."""
    return {"base_url": endpoint.base_url, "model": endpoint.model}
