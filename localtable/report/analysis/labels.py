"""A sweep's conditions under short names, V1 and V1/solo-revise: nobody reads `names=seats,tally=hidden,rounds=2` in
every line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from localtable.analysis.findings import Analysis, Comparison
from localtable.types import short_factors


def with_short_names(analysis: Analysis) -> Analysis:
    """The same analysis, its variants numbered in the store's order; of a plain suite as it is.

    The header says which levels each number stands for. Contrasts of levels name their factor once, by the last part
    of its name: `tally shown − hidden`.
    """
    sweep = analysis.facts.run.sweep
    if sweep is None:
        return analysis
    names = _condition_names(analysis)
    sides = _sides(sweep["factors"])
    tests = tuple(_renamed(test, names, sides) for test in analysis.tests)
    longer = {test.name: short.name for test, short in zip(analysis.tests, tests, strict=True)}
    in_words = _replacing({**longer, **names})
    asked = replace(analysis.asked, conditions=tuple(names[name] for name in analysis.asked.conditions))
    conditions = tuple(replace(c, name=names[c.name], debate=names[c.debate]) for c in analysis.facts.conditions)
    findings = (
        replace(f, by={key: names[str(v)] if key == "condition" else v for key, v in f.by.items()})
        for f in analysis.findings
    )
    return replace(
        analysis,
        facts=replace(analysis.facts, conditions=conditions),
        asked=asked,
        findings=tuple(findings),
        tests=tests,
        notes=tuple(map(in_words, analysis.notes)),
    )


def _condition_names(analysis: Analysis) -> dict[str, str]:
    """By a condition's name its short one."""
    conditions = analysis.facts.conditions
    numbers = {name: f"V{n}" for n, name in enumerate((c.name for c in conditions if c.is_debate), start=1)}
    return {c.name: numbers[c.debate] + c.name.removeprefix(c.debate) for c in conditions}


def _sides(factors: Mapping[str, Mapping[str, object]]) -> dict[str, tuple[str, str]]:
    """By what a contrast calls one of its sides: the factor's short name, and the level."""
    short = short_factors(factors)
    return {f"{factor} {level}": (short[factor], level) for factor, levels in factors.items() for level in levels}


def _renamed(test: Comparison, names: Mapping[str, str], sides: Mapping[str, tuple[str, str]]) -> Comparison:
    if not test.condition:  # level against level
        (factor, first), (_, second) = sides[test.first], sides[test.second]
        return replace(test, first=f"{factor} {first}", second=second)
    name = names[test.condition]
    first, second = (text.replace(test.condition, name) for text in (test.first, test.second))
    return replace(test, condition=name, first=first, second=second)


def _replacing(names: Mapping[str, str]) -> Callable[[str], str]:
    """What puts short names in place of the others in a text, the longest first."""
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    return lambda text: pattern.sub(lambda found: names[found[0]], text)
