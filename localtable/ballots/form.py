"""The ballot as JSON: assembled from the fixed part and the decoded label, and checked against its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from localtable.ballots.labels import LabelSet
from localtable.errors import BallotError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def ballot_schema(key: str, labels: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of a ballot: one key, one of the labels."""
    return {
        "type": "object",
        "properties": {key: {"enum": list(labels)}},
        "required": [key],
        "additionalProperties": False,
    }


@lru_cache(maxsize=256)
def _validator(key: str, labels: tuple[str, ...]) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(ballot_schema(key, labels))


@lru_cache(maxsize=4096)  # what is valid once is valid for every ballot with these labels
def assemble(labels: LabelSet, label: str) -> str:
    """The ballot's text, validated although its decoding was constrained.

    Raises:
        BallotError: The text is no JSON, or not what the schema allows.
    """
    text = labels.form.format(key=labels.key, label=label)
    try:
        error = next(_validator(labels.key, labels.labels).iter_errors(json.loads(text)), None)
    except ValueError as problem:
        raise BallotError(f"the ballot {text!r} is no JSON: {problem}", hint="A defect: please report it.") from None
    if error is not None:
        raise BallotError(f"the ballot {text!r} is not valid: {error.message}", hint="A defect: please report it.")
    return text
