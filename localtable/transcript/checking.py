"""Written transcripts held against the schema, and against what it can't say: that their numbers and names agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from localtable.errors import ConfigError
from localtable.transcript.schema import SCHEMA_VERSION, schema_error
from localtable.types import LETTERS

MIN_OPTIONS = 2
SUM_TOLERANCE = 1e-6


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
    error = schema_error(data)
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


def _known(letters: list[str]) -> str:
    return f"the options are {letters[0]} to {letters[-1]}" if letters else "there are no options"
