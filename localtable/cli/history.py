"""`localtable history`: the debates that were held here, and how to be rid of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.history import Kept

LISTED = 20


@click.group(invoke_without_command=True)
@click.pass_context
def history(context: click.Context) -> None:
    """List or clear the debates that were held on this machine; without a command, list them.

    `localtable show last` prints one again, `localtable open last` shows its page. With LOCALTABLE_HISTORY=off nothing
    is kept.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_kept)


@history.command("list")
@click.option("--limit", type=click.IntRange(0), default=LISTED, show_default=True, help="0: all.")
def list_kept(limit: int = LISTED) -> None:
    """List kept debates, the latest first."""
    from localtable.history import folder, is_on, kept

    found = kept()
    for one in found[: limit or None]:
        click.echo(_line(one))
    size = sum(one.size_bytes for one in found)
    shown = len(found[: limit or None])
    more = f", the latest {shown} shown (--limit 0: all)" if shown < len(found) else ""
    off = "" if is_on() else "; LOCALTABLE_HISTORY is off, no more are kept"
    click.echo(f"{len(found):,} kept in {folder()}, {size / 1e6:.1f} MB{more}{off}", err=True)


def _line(one: Kept) -> str:
    from localtable.report.view import DebateView
    from localtable.report.words import one_line, printable
    from localtable.transcript import read_transcript

    try:
        view = DebateView(read_transcript(one.path))
        parts = (one.name, view.result, view.question.question)
    except ConfigError as error:
        parts = (one.name, "damaged", error.message)
    return "  ".join(printable(one_line(part)) for part in parts)


@history.command("clear")
@click.option("--all", "everything", is_flag=True, help="Remove every kept debate.")
@click.option("--keep", "leave", type=click.IntRange(1), metavar="N", help="Leave the latest N.")
def clear_kept(everything: bool, leave: int | None) -> None:
    """Remove kept debates and their pages."""
    from localtable.history import clear

    if everything == (leave is not None):
        raise ConfigError("what to remove is not said", hint="Give --all, or --keep N to leave the latest N.")
    removed = clear(leave or 0)
    click.echo(f"{len(removed):,} removed, {sum(one.size_bytes for one in removed) / 1e6:.1f} MB", err=True)
