"""YAML and JSON files → plain data, with hostile files refused before anything is built from them.

Scalars stay text until the models in this room give them a type. That is how an option `No` stays "No" (YAML 1.1
would make it false), `1.50` keeps its zero and `2027` is an option like any other.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from localtable.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Far above any card, panel or question; a suite is read line by line instead."""
MAX_DEPTH = 40

Model = TypeVar("Model", bound=BaseModel)


class _TextLoader(yaml.SafeLoader):
    """A YAML loader that knows text and null only, and neither aliases, tags nor repeated keys."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "aliases (*name) are not allowed",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"tags are not allowed, found {event.tag}", event.start_mark
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.constructor.ConstructorError(
                None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_TextLoader.yaml_implicit_resolvers = {}
_TextLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key!r} stands twice")
        data[key] = value
    return data


def parse_json(text: str, where: str) -> Any:
    """JSON text → plain data, numbers kept as the text they were written in.

    Raises:
        ConfigError: Broken JSON, a key that stands twice, nesting too deep.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON value")

    try:
        data = json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse, object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise ConfigError(f"{where} is not valid JSON: {error}", hint="Mend the file at that place.") from None
    except RecursionError:
        raise ConfigError(f"{where} is nested deeper than {MAX_DEPTH} levels", hint="Flatten it.") from None
    refuse_odd(data, where)
    return data


def parse_yaml(text: str, where: str) -> Any:
    """YAML text → plain data: mappings, lists, text and null.

    Raises:
        ConfigError: Broken YAML, aliases, tags, a key that stands twice, nesting too deep.
    """
    try:
        data = yaml.load(text, Loader=_TextLoader)  # noqa: S506  a SafeLoader with less, not more
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        parts = (getattr(error, "context", None), getattr(error, "problem", None))
        problem = ", ".join(part for part in parts if part) or str(error).splitlines()[0]
        raise ConfigError(f"{where}{place}: {problem}", hint="Mend the file at that place.") from None
    except (ValueError, OverflowError) as error:
        # PyYAML turns `\UFFFFFFFF` and a %YAML version of 5,000 digits into numbers without asking whether that works.
        raise ConfigError(f"{where} is not valid YAML: {error}", hint="Look for escapes such as \\U.") from None
    refuse_odd(data, where)
    return data


def refuse_odd(data: Any, where: str, depth: int = 0) -> None:
    """Refuse what both formats can hold and nothing behind them can take: half characters, endless nesting.

    Raises:
        ConfigError: It holds such.
    """
    if depth > MAX_DEPTH:
        raise ConfigError(f"{where} is nested deeper than {MAX_DEPTH} levels", hint="Flatten it.")
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"{where} holds half of a surrogate pair, which is no character: {data[:40]!r}",
                hint="Write the whole character instead.",
            ) from None
    elif isinstance(data, Mapping):
        for key, value in data.items():
            refuse_odd(key, where, depth)
            refuse_odd(value, where, depth + 1)
    elif isinstance(data, list):
        for value in data:
            refuse_odd(value, where, depth + 1)


def read_text(path: Path, max_bytes: int = MAX_FILE_BYTES) -> str:
    """A UTF-8 text file that is small, or no larger than it may be.

    Raises:
        ConfigError: Missing, a folder, unreadable, empty, too big, binary or not UTF-8.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder, not a file", hint="Name a file.")
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)  # a pipe or a device says nothing of its size
        if len(raw) > max_bytes:
            raise ConfigError(
                f"{path} has more than {max_bytes:,} bytes, the most that are read",
                hint="A suite of questions is a JSONL file.",
            )
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", hint="Check the path.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start})", hint="Save it as UTF-8, or name another file."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", hint="Check its permissions.") from None
    if "\0" in text:
        raise ConfigError(f"{path} is binary, not text", hint="Name a YAML or JSON file.")
    if not text.strip():
        raise ConfigError(f"{path} is empty", hint="See docs/contracts.md for what belongs there.")
    return text


def path_from(text: str, base: Path) -> Path:
    """A path as a user wrote it; a relative one is read from `base`.

    Raises:
        ConfigError: The text can't be a path: too long, a NUL in it, the home of an unknown user.
    """
    try:
        path = (base / Path(text).expanduser()).resolve()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{_shorten(text)} is no path: {reason}", hint="Check the path.") from None
    return path


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file whose top level is a mapping.

    Raises:
        ConfigError: As `read_text`, `parse_json` and `parse_yaml`; a top level that is no mapping.
    """
    text = read_text(path)
    data = parse_json(text, str(path)) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path} holds {_kind_of(data)} at its top level; a mapping of keys to values is needed",
            hint="See docs/contracts.md.",
        )
    return data


def _kind_of(data: Any) -> str:
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(data), type(data).__name__)


def validate(model: type[Model], data: Any, where: str) -> Model:
    """`data` as a `model`.

    Raises:
        ConfigError: With every fault by its place; an unknown key comes with the nearest known one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key leaves another one missing: the misspelling is what to say first.
        ordered = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        faults = [_describe(fault, model) for fault in ordered]
        more = f" (and {len(faults) - 1} more: {'; '.join(f[0] for f in faults[1:4])})" if len(faults) > 1 else ""
        raise ConfigError(f"{where}: {faults[0][0]}{more}", hint=faults[0][1]) from None


def _describe(fault: Any, model: type[BaseModel]) -> tuple[str, str]:
    keys, parent = _walk(fault["loc"], model)
    place = ".".join(keys)
    got = fault.get("input")
    shown = "" if isinstance(got, dict | list) else f", got {_shorten(got)}"
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        known = sorted(parent.model_fields) if parent is not None else []
        return f"unknown key {_shorten('.'.join([*keys, key]))}", nearest(key, known, kind="keys")
    if fault["type"] == "missing":
        return f"the key {place!r} is missing", f"Add {place!r}; docs/contracts.md shows the form."
    message = fault["msg"].removeprefix("Value error, ").replace(" after validation", "")
    hint = _remedy(fault) or "docs/contracts.md shows what is allowed."
    return f"{place}: {message[0].lower() + message[1:]}{shown}" if place else f"{message}{shown}", hint


_REMEDIES = {
    "too_short": "Give at least {min_length}.",
    "too_long": "Give at most {max_length}.",
    "greater_than": "Give more than {gt}.",
    "greater_than_equal": "Give {ge} or more.",
    "less_than": "Give less than {lt}.",
    "less_than_equal": "Give {le} or less.",
    "int_parsing": "Write a whole number.",
    "float_parsing": "Write a number.",
    "bool_parsing": "Write true or false.",
}


def _remedy(fault: Any) -> str:
    bounds = fault.get("ctx", {})
    if fault["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", bounds["expected"])
        return nearest(str(fault["input"]), known, kind="values")
    return _REMEDIES.get(fault["type"], "").format(**bounds)


def _walk(loc: tuple[Any, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """The keys on the way to a place, without pydantic's names for the branches of a union, and the model there."""
    keys: list[str] = []
    current: type[BaseModel] | None = model
    for part in loc:
        fields = current.model_fields if current is not None else {}
        if part in fields:
            current = next(iter(_models_in(fields[part].annotation)), None)
        elif fields and not isinstance(part, int):
            continue
        keys.append(str(part))
    return keys, current


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]


def _shorten(value: Any, limit: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """Every key of a written form, those of mappings inside it behind their own: `sampling`, `sampling.top_p` …"""
    found = []
    for name, field in model.model_fields.items():
        found.append(name)
        for inner in _models_in(field.annotation):
            found += [f"{name}.{key}" for key in dotted_keys(inner)]
    return found


def nearest(name: str, known: list[str], *, kind: str, how: Callable[[], str] | None = None) -> str:
    """A hint for a name that is not known."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return how() if how else f"Known {kind}: {', '.join(known)}."
