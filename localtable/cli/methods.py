"""`localtable methods`: how a store's figures came about, as a paper has to say it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.argument("store_text", metavar="DB")
@click.option("--condition", "wanted", multiple=True, metavar="NAME", help="In place of all; repeatable.")
@click.option("--cluster", metavar="TAG", help="As of `localtable analyze`.")
def methods(store_text: str, wanted: Sequence[str], cluster: str | None) -> None:
    """Write the methods paragraph of a run and its analysis, and the BibTeX of what it cites.

    Models with their weights by hash, engine and versions, panel, prompts, sampling, seeds, conditions, and the
    statistics that were used; nothing is cited that wasn't.
    """
    from localtable.analysis.analyze import analyze
    from localtable.analysis.methods import write_methods
    from localtable.loading import path_from
    from localtable.report.stored import read_run
    from localtable.report.words import printable

    table, facts = read_run(path_from(store_text, Path.cwd()), wanted)
    written = write_methods(analyze(table, facts, families=("outcome", "dynamics"), cluster=cluster))
    click.echo(printable("\n\n".join((*written.paragraphs, *(r.bibtex for r in written.references)))))
