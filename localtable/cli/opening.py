"""`localtable open`: a debate's page in the browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("name", metavar="last|ID")
def opening(name: str) -> None:
    """Write the page of a kept debate and show it in the browser; prints where it is.

    ID is a name from `localtable history`, or the beginning of one.
    """
    from localtable.history import find
    from localtable.report.html import debate_page
    from localtable.transcript import read_transcript
    from localtable.whole_file import write_text

    one = find(name)
    write_text(one.page, debate_page(read_transcript(one.path)))
    click.echo(one.page)
    _show(one.page)


def _show(page: Path) -> None:
    """Show it where somebody can see it: without a screen, Python would begin a browser for terminals in this one."""
    import webbrowser

    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not has_screen or not webbrowser.open(page.as_uri()):
        click.echo("no browser was found here: open that file in one", err=True)
