"""The transcript's JSON Schema as it ships with the package, and what it finds wrong with written data.

It is `localtable/schemas/transcript.schema.json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    Test = Callable[[Any], bool]

SCHEMA_VERSION = 1


@lru_cache(maxsize=1)
def transcript_schema() -> dict[str, Any]:
    """The JSON Schema of a transcript."""
    text = files("localtable").joinpath("schemas/transcript.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def schema_error(data: Any) -> ValidationError | None:
    """What the schema finds wrong with written data, at its innermost place; None where it allows all of it."""
    # jsonschema takes milliseconds over a debate, most of them for token ids: it judges what the quick test turns away.
    if quick_test()(data):
        return None
    error = next(iter(sorted(_validator().iter_errors(data), key=lambda e: len(e.absolute_path))), None)
    return None if error is None else _innermost(error)


@lru_cache(maxsize=1)
def _validator() -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(transcript_schema())


def _innermost(error: ValidationError) -> ValidationError:
    """Of what may have one of several forms: the fault inside the form that it comes nearest to."""
    inner = max(error.context or (), key=lambda e: len(e.absolute_path), default=error)
    return error if len(inner.absolute_path) <= len(error.absolute_path) else _innermost(inner)


# ── the schema as a quick test ──────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def quick_test() -> Test:
    """The whole schema as one function (`compiled`)."""
    schema = transcript_schema()
    return compiled(schema, {f"#/$defs/{name}": part for name, part in schema["$defs"].items()})


_ANNOTATIONS = {"$schema", "title", "description", "$defs"}
_KEYWORDS = {
    "string": {"pattern"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "patternProperties", "additionalProperties", "required", "minProperties"},
}
"""What the quick test understands beside each type; the schema has no more, and could not without a line here."""


def compiled(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Test:
    """A test that passes only what the schema allows. It may turn away more: 1.0 for an integer, say."""
    rules = schema.keys() - _ANNOTATIONS
    assert len(rules) == 1 or rules <= {"type"} | _KEYWORDS[schema["type"]], sorted(rules)
    match schema:
        case {"$ref": name}:
            return compiled(named[name], named)
        case {"anyOf": parts}:
            tests = [compiled(part, named) for part in parts]
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
    known = {name: compiled(part, named) for name, part in schema.get("properties", {}).items()}
    matched = [(re.compile(p).search, compiled(part, named)) for p, part in schema.get("patternProperties", {}).items()]
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
    each = compiled(schema["items"], named) if "items" in schema else None
    return lambda value: type(value) is list and least <= len(value) <= most and (each is None or all(map(each, value)))


def _compiled_number(schema: Mapping[str, Any]) -> Test:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if schema["type"] == "integer":
        return lambda value: type(value) is int and least <= value <= most
    return lambda value: type(value) in (int, float) and least <= value <= most
