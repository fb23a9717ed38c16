"""Rules as the command line names them: `supermajority:share=0.75`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localtable.analysis.rules.registry import RULES
from localtable.analysis.rules.rule import ChosenRule, Name, Rule
from localtable.errors import ConfigError
from localtable.loading import nearest


def every_rule() -> list[ChosenRule]:
    """All rules with the defaults of their parameters; those that need to be told a name are not among them."""
    return [
        choose_rule(name)
        for name, rule in RULES.items()
        if not any(isinstance(parameter, Name) for parameter in rule.parameters)
    ]


def parse_rule(text: str) -> ChosenRule:
    """`supermajority:share=0.75` → the rule with its parameters.

    A name may have commas in it: a new parameter begins only where `,NAME=` is one of the rule's own.

    Raises:
        ConfigError: An unknown rule or parameter, one that is missing or stands twice, a value out of bounds.
    """
    name, colon, rest = text.partition(":")
    rule = _find(name.strip())
    if colon and not rest.strip():
        raise ConfigError(f"the rule {text!r} ends in a colon", hint=f"{rule.name} takes {_parameters(rule)}.")
    values: dict[str, str] = {}
    own = "|".join(re.escape(parameter.name) for parameter in rule.parameters)
    for part in re.split(rf",(?=\s*(?:{own})\s*=)", rest) if own else rest.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not part.strip() and not colon:
            continue
        if not equals:
            raise ConfigError(
                f"{rule.name}: {part.strip()!r} has no NAME=VALUE form", hint=f"{rule.name} takes {_parameters(rule)}."
            )
        if key in values:
            raise ConfigError(f"{rule.name}: {key} stands twice", hint="Give it once.")
        values[key] = value
    return choose_rule(rule.name, **values)


def choose_rule(name: str, **values: Any) -> ChosenRule:
    """A rule by its name, with parameters as text or as numbers.

    Raises:
        ConfigError: As `parse_rule`.
    """
    rule = _find(name)
    known = {parameter.name: parameter for parameter in rule.parameters}
    for key in values:
        if key not in known:
            raise ConfigError(f"{name}: unknown parameter {key!r}", hint=f"{name} takes {_parameters(rule)}.")
    read: dict[str, Any] = {}
    for parameter in rule.parameters:
        if parameter.name in values:
            read[parameter.name] = parameter.read(values[parameter.name], name)
        elif isinstance(parameter, Name):
            raise ConfigError(
                f"{name}: {parameter.name} is missing", hint=f"Say {parameter.meaning}: {name}:{parameter.name}=…"
            )
        else:
            read[parameter.name] = parameter.default
    return ChosenRule(rule, read, _written(rule, read))


def _find(name: str) -> Rule:
    if name not in RULES:
        raise ConfigError(f"unknown rule {name!r}", hint=nearest(name, list(RULES), kind="rules"))
    return RULES[name]


def _written(rule: Rule, values: Mapping[str, Any]) -> str:
    given = []
    for parameter in rule.parameters:
        value = values[parameter.name]
        if isinstance(parameter, Name):
            given.append(f"{parameter.name}={value}")
        elif value != parameter.default:
            given.append(f"{parameter.name}={value:.12g}")
    return f"{rule.name}:{','.join(given)}" if given else rule.name


def _parameters(rule: Rule) -> str:
    return ", ".join(f"{p.name} ({p.bounds})" for p in rule.parameters) or "no parameter"
