"""Rules as texts: what is read, what is refused, and what the page says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ballot_profiles import voted
from builders import refused

from localtable.analysis.rules import RULES, choose_rule, every_rule, parse_rule
from localtable.analysis.rules.rule import Name, Number, Rule

PAGE = Path(__file__).resolve().parents[2] / "docs/rules.md"


@pytest.mark.parametrize(
    ("text", "values", "written"),
    [
        ("plurality", {}, "plurality"),
        ("supermajority:share=0.75", {"share": 0.75}, "supermajority:share=0.75"),
        (" log_pool : floor = 1e-3 ", {"floor": 0.001}, "log_pool:floor=0.001"),
        ("log_pool:floor=1e-6", {"floor": 1e-6}, "log_pool"),
        ("cumulative:points=7", {"points": 7}, "cumulative:points=7"),
        ("approval", {"threshold": None}, "approval"),
        ("approval:threshold=1", {"threshold": 1.0}, "approval:threshold=1"),
        (
            "trajectory:leave=0,keep=5",
            {"initial": 20, "leave": 0.0, "adopt": 30, "keep": 5.0},
            "trajectory:leave=0,keep=5",
        ),
        ("judge:seat=Ada", {"seat": "Ada"}, "judge:seat=Ada"),
        ("judge:seat=Lovelace, Ada: the first=best", {"seat": "Lovelace, Ada: the first=best"}, None),
    ],
)
def test_a_rule_is_read_with_its_parameters(text: str, values: dict[str, object], written: str | None) -> None:
    chosen = parse_rule(text)
    assert dict(chosen.values) == values
    assert chosen.text == (written or text)
    assert parse_rule(chosen.text) == chosen


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("majorty", "unknown rule 'majorty'", "Did you mean 'majority'?"),
        ("", "unknown rule ''", "Known rules: plurality"),
        ("majority:share=0.6", "unknown parameter 'share'", "majority takes no parameter."),
        ("supermajority:shares=0.6", "'shares=0.6'"[1:7], "share (above 0.5 to 1)"),
        ("supermajority:0.6", "no NAME=VALUE form", "share (above 0.5 to 1)"),
        ("supermajority:", "ends in a colon", "share (above 0.5 to 1)"),
        ("supermajority:share=0.5", "share is '0.5', and has to be above 0.5 to 1", "supermajority:share=0.667"),
        ("supermajority:share=1.01", "has to be above 0.5 to 1", "share"),
        ("supermajority:share=nan", "has to be above 0.5 to 1", "share"),
        ("supermajority:share=two thirds", "share is 'two thirds'", "supermajority:share=0.667"),
        ("supermajority:share=0.6,share=0.7", "share stands twice", "once"),
        ("approval:threshold=0", "above 0 to 1", "approval:threshold=1"),
        ("log_pool:floor=0", "above 0 to 0.03", "log_pool:floor=1e-06"),
        ("log_pool:floor=0.1", "above 0 to 0.03", "floor"),
        ("cumulative:points=0", "a whole number from 1 to 100", "cumulative:points=10"),
        ("cumulative:points=2.5", "a whole number from 1 to 100", "points"),
        ("cumulative:points=inf", "a whole number from 1 to 100", "points"),
        ("trajectory:leave=-1", "from 0 to 1000", "leave"),
        ("judge", "seat is missing", "judge:seat="),
        ("judge:seat=", "seat is empty", "whose vote decides"),
        ("judge:seat= ,seat=Ada", "seat stands twice", "once"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_bounds(text: str, said: str, hint: str) -> None:
    error = refused(parse_rule, text)
    assert said in error.message
    assert hint in error.hint


def test_a_rule_is_chosen_from_python_with_numbers() -> None:
    assert choose_rule("supermajority", share=0.8) == parse_rule("supermajority:share=0.8")
    assert "share is 2" in refused(choose_rule, "supermajority", share=2).message


def test_a_judge_who_does_not_sit_there_is_refused() -> None:
    error = refused(parse_rule("judge:seat=seat 7").decide, voted(2, 0, 1))
    assert "no seat 'seat 7'" in error.message
    assert "seat 0" in error.hint or "seat 1" in error.hint


def test_a_default_lies_within_its_bounds() -> None:
    for rule in every_rule():
        for parameter in rule.rule.parameters:
            assert isinstance(parameter, Number)
            assert parameter.read(parameter.example, rule.text) is not None
            if parameter.default is not None:
                assert parameter.read(parameter.default, rule.text) == parameter.default


def written_out(rule: Rule) -> str:
    """A rule's part of the page."""
    lines = [f"### {rule.name}", f"Reads {rule.reads}. Wins: {rule.formula}.", ""]
    for parameter in rule.parameters:
        default = ""
        if isinstance(parameter, Number) and parameter.default is not None:
            default = f", default {parameter.default:.3g}"
        bounds = parameter.bounds if isinstance(parameter, Name) else f"{parameter.bounds}{default}"
        lines.append(f"- `{parameter.name}`: {parameter.meaning} ({bounds}).")
    lines += [f"- Margin: {rule.margin}.", f"- Source: {rule.source}."]
    return "\n".join(lines)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_the_page_says_what_the_rules_say(rule: Rule) -> None:
    text = written_out(rule)
    assert f"\n{text}\n" in PAGE.read_text("utf-8"), f"docs/rules.md should have\n{text}"
