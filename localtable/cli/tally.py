"""`localtable tally`: decision rules over a store's ballots, with no new inference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.cli.output import STDOUT, json_output, write_json
from localtable.report.stored import held_run

if TYPE_CHECKING:
    from localtable.analysis.rules import ChosenRule, Tally
    from localtable.analysis.table import RunTable

SCHEMA_VERSION = 1


@click.command()
@click.argument("store_text", metavar="DB")
@click.option("--rule", "rule_texts", multiple=True, metavar="RULE", help="Say supermajority:share=0.75; repeatable.")
@click.option("--round", "round_number", type=click.IntRange(1), metavar="N", help="In place of each one's last.")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="In place of the debate; repeatable.")
@click.option("--json", "json_text", metavar="FILE|-", help="Write all figures; - puts them in the table's place.")
@click.option("--explain", is_flag=True, help="Say each rule's formula, margin and source.")
def tally(
    store_text: str,
    rule_texts: Sequence[str],
    round_number: int | None,
    wanted: Sequence[str],
    json_text: str | None,
    explain: bool,
) -> None:
    """Apply decision rules to stored ballots: how often each decides, how often rightly, where they differ.

    Without --rule: all of them. DB may still be worked on: what is tallied is its state at one moment.
    """
    from localtable.analysis.rules import every_rule, parse_rule
    from localtable.analysis.rules import tally as tally_condition
    from localtable.loading import path_from

    # What is wrong with a rule is said before anything is read.
    rules = _distinct([parse_rule(text) for text in rule_texts]) or every_rule()
    path = path_from(store_text, Path.cwd())
    out = json_output(json_text, path)
    table = _read(path, wanted)
    tallies = [tally_condition(condition, rules, round_number) for condition in table.conditions]
    if json_text is not None:
        _write(out, table.uuid, tallies)
    if json_text != STDOUT:
        _print(tallies, explain)
    _tell(tallies, asked_for=bool(rule_texts))


def _distinct(rules: Sequence[ChosenRule]) -> list[ChosenRule]:
    return list({rule.text: rule for rule in rules}.values())


def _read(path: Path, wanted: Sequence[str]) -> RunTable:
    """The conditions that were asked for."""
    from localtable.analysis.table import load_table
    from localtable.protocol import DEBATE
    from localtable.runner.inputs import choose_conditions

    with held_run(path) as (store, conditions):
        return load_table(store, choose_conditions(conditions, wanted or [DEBATE]))


def _write(out: Path | None, uuid: str, tallies: Sequence[Tally]) -> None:
    from localtable.analysis.rules.writing import tally_to_json

    conditions = [tally_to_json(one) for one in tallies]
    write_json(out, {"schema_version": SCHEMA_VERSION, "run": uuid, "conditions": conditions})


def _print(tallies: Sequence[Tally], explain: bool) -> None:
    from rich.console import Console

    from localtable.report.tally import print_tally

    console = Console(highlight=False)
    for place, one in enumerate(tallies):
        if place:
            console.print()
        # A rule is the same in every condition.
        print_tally(one, console, explain=explain and place == len(tallies) - 1)


def _tell(tallies: Sequence[Tally], *, asked_for: bool) -> None:
    from localtable.analysis.rules.notes import notes
    from localtable.report.words import one_line, printable

    for one in tallies:
        for note in notes(one):
            click.echo(printable(one_line(f"{one.condition}: {note}" if len(tallies) > 1 else note)), err=True)
    if not asked_for:
        click.echo("The rule judge has to be told whose vote decides: --rule judge:seat=NAME.", err=True)
