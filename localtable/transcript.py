"""A debate in its written form: to JSON, checked against the schema that ships with the package.

Every write is validated. The schema is `localtable/schemas/transcript.schema.json`; docs/contracts.md explains it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtable.errors import ConfigError, LocaltableError
from localtable.loading import read_text, refuse_odd
from localtable.types import (
    LETTERS,
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

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    Test = Callable[[Any], bool]

SCHEMA_VERSION = 1
MAX_TRANSCRIPT_BYTES = 256 * 1024 * 1024
"""A debate of 64 seats and 100 rounds at 1,000 tokens a turn."""
PARTS = ("thinking", "statement", "ballot")
SUM_TOLERANCE = 1e-6


@lru_cache(maxsize=1)
def transcript_schema() -> dict[str, Any]:
    """The JSON Schema of a transcript."""
    text = files("localtable").joinpath("schemas/transcript.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@lru_cache(maxsize=1)
def _validator() -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(transcript_schema())


def check(data: Any, where: str) -> None:
    """Hold written transcript data against the schema, and its numbers against each other.

    Raises:
        ConfigError: Another version, or anything that the schema does not allow, with its place.
    """
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ConfigError(
            f"{where} is a transcript of version {version}; this program reads up to {SCHEMA_VERSION}",
            hint="Update localtable.",
        )
    # jsonschema takes milliseconds over a debate, most of them for token ids: it judges what the quick test turns away.
    error = None if _quick_test()(data) else _first_error(data)
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "the top level"
        raise ConfigError(
            f"{where} is no transcript: {error.message[:200]} (at {place})", hint="See docs/contracts.md."
        )
    if data["source"] == "run":
        _check_whole(data, where)
    letters = list(LETTERS[: len(data["question"]["options"])])
    _check_places(data, letters, where)
    for round_data in data["rounds"]:
        for turn in round_data["turns"]:
            for ballot in (turn["ballot"], turn.get("ballot_before")):
                if ballot is not None:
                    _check_ballot(ballot, letters, f"{where}: {turn['seat']}")


def _check_places(data: Mapping[str, Any], letters: list[str], where: str) -> None:
    """Rounds ascend, turns are of seats that sit there, once each, and nobody counts an option that there is not."""
    names = [seat["name"] for seat in data["panel"]["seats"]]
    numbers = [round_["number"] for round_ in data["rounds"]]
    if len(set(names)) < len(names):
        raise ConfigError(f"{where} has two seats of one name", hint="Seats go by their names: they differ.")
    if numbers != sorted(set(numbers)):
        raise ConfigError(f"{where} has rounds in the order {numbers}", hint="Their numbers ascend.")
    for round_ in data["rounds"]:
        seats = [turn["seat"] for turn in round_["turns"]]
        if len(set(seats)) < len(seats) or not set(seats) <= set(names):
            raise ConfigError(
                f"{where}, round {round_['number']}: turns of {', '.join(seats)[:200]}",
                hint="Each is of a seat of the panel, and no seat has two.",
            )
    named = {letter for round_ in data["rounds"] for letter in round_["tally"] or ()}
    named |= {data["question"]["answer"], *(data["verdict"] or {}).get("options", ())}
    named |= {argument["option"] for argument in (data.get("summary") or {}).get("arguments", ())}
    turns = [turn for round_ in data["rounds"] for turn in round_["turns"]]
    named |= {turn.get("previous_vote") for turn in turns}
    named |= {measured.get("option") for turn in turns for measured in turn.get("influence", ())}
    for point in data["turning_points"]:
        named |= {point["before"], point["after"], *(point["verdict_without"] or ())}
    wrong = named - {None, *letters}
    if wrong:
        raise ConfigError(
            f"{where} names option {max(wrong)}; {_known(letters)}",
            hint="Answer, votes, tallies, verdict, turning points and summary name options of the question.",
        )


def _known(letters: list[str]) -> str:
    return f"the options are {letters[0]} to {letters[-1]}" if letters else "there are no options"


def _first_error(data: Any) -> ValidationError | None:
    error = next(iter(sorted(_validator().iter_errors(data), key=lambda e: len(e.absolute_path))), None)
    return None if error is None else _innermost(error)


def _innermost(error: ValidationError) -> ValidationError:
    """Of what may have one of several forms: the fault inside the form that it comes nearest to."""
    inner = max(error.context or (), key=lambda e: len(e.absolute_path), default=error)
    return error if len(inner.absolute_path) <= len(error.absolute_path) else _innermost(inner)


MIN_OPTIONS = 2


def _check_whole(data: Mapping[str, Any], where: str) -> None:
    """Hold a run against what only an import may leave open."""
    if len(data["question"]["options"]) < MIN_OPTIONS:
        raise ConfigError(
            f"{where} is no transcript of a run: fewer than {MIN_OPTIONS} options (at question/options)",
            hint="See docs/contracts.md.",
        )
    turns = [turn for round_data in data["rounds"] for turn in round_data["turns"]]
    missing = [name for name in ("ballot", "truncated") if any(turn[name] is None for turn in turns)]
    missing += [name for name in ("panel", "verdict") if (data[name] or {}).get("rounds", 0) is None]
    if missing:
        raise ConfigError(
            f"{where} is no transcript of a run: null at {', '.join(missing)}",
            hint="Only an import may leave that open.",
        )


def _check_ballot(ballot: Mapping[str, Any], letters: list[str], where: str) -> None:
    if ballot["vote"] not in letters:
        raise ConfigError(f"{where} votes {ballot['vote']}; {_known(letters)}", hint="A vote is an option.")
    distribution = ballot["distribution"]
    if distribution is None:
        return
    if sorted(distribution) != letters:
        raise ConfigError(
            f"{where} has a distribution over {sorted(distribution)}, not {letters}", hint="Every option."
        )
    total = math.fsum(distribution.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise ConfigError(f"{where} has a distribution that sums to {total:.6f}, not to 1", hint="It must sum to 1.")


# ── the schema as a quick test ──────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def _quick_test() -> Test:
    schema = transcript_schema()
    return _compiled(schema, {f"#/$defs/{name}": part for name, part in schema["$defs"].items()})


_ANNOTATIONS = {"$schema", "title", "description", "$defs"}
_KEYWORDS = {
    "string": {"pattern"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "patternProperties", "additionalProperties", "required", "minProperties"},
}
"""What the quick test understands beside each type; the schema has no more, and could not without a line here."""


def _compiled(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Test:
    """A test that passes only what the schema allows. It may turn away more: 1.0 for an integer, say."""
    rules = schema.keys() - _ANNOTATIONS
    assert len(rules) == 1 or rules <= {"type"} | _KEYWORDS[schema["type"]], sorted(rules)
    match schema:
        case {"$ref": name}:
            return _compiled(named[name], named)
        case {"anyOf": parts}:
            tests = [_compiled(part, named) for part in parts]
            return lambda value: any(test(value) for test in tests)
        case {"const": only}:
            return lambda value: type(value) is type(only) and value == only
        case {"enum": words}:
            return lambda value: type(value) is str and value in words
        case {"type": "object"}:
            return _compiled_object(schema, named)
        case {"type": "array"}:
            return _compiled_array(schema, named)
        case {"type": "integer" | "number"}:
            return _compiled_number(schema)
        case {"type": "string", "pattern": pattern}:
            search = re.compile(pattern).search
            return lambda value: type(value) is str and search(value) is not None
        case _:
            only = {"string": str, "boolean": bool, "null": type(None)}[schema["type"]]
            return lambda value: type(value) is only


def _compiled_object(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Test:
    known = {name: _compiled(part, named) for name, part in schema.get("properties", {}).items()}
    matched = [
        (re.compile(p).search, _compiled(part, named)) for p, part in schema.get("patternProperties", {}).items()
    ]
    assert not (known and matched), "a key would have to pass both"
    required, least = frozenset(schema.get("required", ())), schema.get("minProperties", 0)
    is_open = schema.get("additionalProperties", True)

    def passes(value: Any) -> bool:
        if type(value) is not dict or len(value) < least or not required <= value.keys():
            return False
        for key, part in value.items():
            tests = (known[key],) if key in known else [test for search, test in matched if search(key)]
            if not (tests or is_open) or not all(test(part) for test in tests):
                return False
        return True

    return passes


def _compiled_array(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Test:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    each = _compiled(schema["items"], named) if "items" in schema else None
    return lambda value: type(value) is list and least <= len(value) <= most and (each is None or all(map(each, value)))


def _compiled_number(schema: Mapping[str, Any]) -> Test:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if schema["type"] == "integer":
        return lambda value: type(value) is int and least <= value <= most
    return lambda value: type(value) in (int, float) and least <= value <= most


# ── to JSON ─────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── on disk ─────────────────────────────────────────────────────────────────────────────────────────────────


def read_transcript(path: Path) -> dict[str, Any]:
    """A transcript's file as plain data, checked.

    Raises:
        ConfigError: Missing or damaged, of a newer version, or no transcript.
    """
    return parse_transcript(read_text(path, MAX_TRANSCRIPT_BYTES), str(path))


def parse_transcript(text: str | bytes, where: str) -> dict[str, Any]:
    """A transcript's text as plain data, checked.

    Raises:
        ConfigError: Damaged, of a newer version, or no transcript.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        data = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{where} is not valid JSON: {str(error)[:200]}", hint="A transcript is what `--json` has written."
        ) from None
    if _SURROGATE.search(text) is not None:  # half of a pair can't be written down again
        refuse_odd(data, where)
    check(data, where)
    found: dict[str, Any] = data
    return found


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text[:40]} is no number that a computer holds")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def dump(data: Mapping[str, Any]) -> str:
    """Transcript data as text; equal data gives equal bytes."""
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


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
