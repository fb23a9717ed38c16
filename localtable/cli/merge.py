"""`localtable merge`: the shards of a run become one store."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.store import Store


@click.command()
@click.argument("source_texts", metavar="DB...", nargs=-1, required=True)
@click.option("--store", "target_text", metavar="DB", required=True, help="The new store.")
def merge(source_texts: tuple[str, ...], target_text: str) -> None:
    """Merge the shards of a run into one store.

    The sources are only read. What is open or missing stays so: `resume` goes on with what is open.
    """
    from localtable.loading import path_from
    from localtable.runner.keys import combine
    from localtable.store import Store, holds_run, locked
    from localtable.store.merging import merge as merge_stores
    from localtable.store.merging import missing_shards, require_apart

    target = path_from(target_text, Path.cwd())
    with ExitStack() as stack:
        sources = [path_from(text, Path.cwd()) for text in source_texts]
        stores = [stack.enter_context(Store.open(path, write=False)) for path in sources]
        _require_one_run(stores)
        require_apart(stores)
        stack.enter_context(locked(target))
        if holds_run(target):
            raise ConfigError(f"{target} holds a run already", hint="Name another --store.")
        merge_stores(stores, target, combine)
        missing = missing_shards(stores)
        num_shards = stores[0].run().num_shards
    with Store.open(target, write=False) as merged:
        counts = merged.counts().debates
    said = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    click.echo(f"{target}: {sum(counts.values()):,} debates ({said or 'none'})", err=True)
    if missing:
        named = ", ".join(map(str, missing))
        one = len(missing) == 1
        absent = "is missing: its" if one else "are missing: their"
        click.echo(f"shard{'' if one else 's'} {named} of {num_shards} {absent} debates are absent", err=True)
    if counts["open"]:
        click.echo(f"`localtable resume {target}` goes on with what is open", err=True)


def _require_one_run(stores: list[Store]) -> None:
    """Refuse stores of different runs.

    Raises:
        ConfigError: Says what differs.
    """
    from localtable.runner.inputs import require_same

    first = replace(stores[0].run(), shard=1)
    for store in stores[1:]:
        try:
            require_same(first, replace(store.run(), shard=1), str(stores[0].path))
        except ConfigError as error:
            raise ConfigError(
                f"{store.path} is of another run: {error.message}",
                hint="Only shards of one run can be merged: the same suite, panel, controls, repeats and --shard …/n.",
            ) from None
