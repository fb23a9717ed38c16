"""`localtable verify`: does a store still say what follows from its own turns?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from localtable.runner.verify import Disagreement


@click.command()
@click.argument("store_text", metavar="DB")
@click.option("--prompts", is_flag=True, help="Also render every prompt once more; needs the models' tokenizers.")
@click.option("--json", "as_json", is_flag=True, help="Disagreements as a JSON array.")
def verify(store_text: str, prompts: bool, as_json: bool) -> int:
    """Derive everything in a store once more and report what disagrees.

    The exit code is 1 where anything does, else 0. Nothing is written.
    """
    from localtable.loading import path_from
    from localtable.places import home
    from localtable.runner.verify import Replay, verify_store
    from localtable.runner.verify.whole import read_inputs
    from localtable.store import Store

    store = path_from(store_text, Path.cwd())
    with Store.open(store, write=False) as opened:
        replay = Replay(*read_inputs(opened), home()) if prompts else None
        found = verify_store(opened, replay=replay)
        count = _print_json(found) if as_json else _print_lines(found)
        (debates,), (turns,) = (next(opened.query(f"SELECT count(*) FROM {table}")) for table in ("debates", "turns"))
    disagree = "no disagreement" if count == 0 else f"{count:,} disagreement{'s' if count > 1 else ''}"
    click.echo(f"{store}: {debates:,} debates, {turns:,} turns: {disagree}", err=True)
    return 1 if count else 0


def _print_lines(found: Iterable[Disagreement]) -> int:
    from localtable.report.words import one_line, printable

    count = 0
    for disagreement in found:
        count += 1
        click.echo(printable(one_line(disagreement.line())))
    return count


def _print_json(found: Iterable[Disagreement]) -> int:
    """An array, written as it comes: memory holds one disagreement."""
    count = 0
    # Nothing is written before the first one is there: an error on the way to it leaves no half of an array.
    for count, disagreement in enumerate(found, start=1):
        click.echo(("[" if count == 1 else ",") + "\n" + json.dumps(disagreement.to_json(), default=str), nl=False)
    click.echo("\n]" if count else "[]")
    return count
