"""The command line: finds a command's module when it is asked for, and turns errors into one message and a hint."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from localtable import __version__
from localtable.errors import LocaltableError, PrerequisiteError

COMMANDS = {
    "debate": "Hold one debate and print its result.",
    "suite": "Hold a debate on every question of a file.",
    "sweep": "Hold a suite under every combination of a file's factors.",
    "resume": "Go on with a suite that was stopped.",
    "plan": "Say what a panel will need and how long it will take.",
    "merge": "Merge the shards of a run into one store.",
    "verify": "Derive everything in a store once more and say what disagrees.",
    "export": "Write a store's debates as transcripts, or as flat tables.",
    "summarize": "Sum up debates that have ended, from templates or by a model.",
    "influence": "Measure how far peers have moved each other in a store's debates.",
    "analyze": "Say what a run shows, and what it can't.",
    "compare": "Compare two panels on the questions that both were asked.",
    "tally": "Apply decision rules to a store's ballots.",
    "report": "Write a debate or a run as a page for a browser.",
    "history": "List or clear the debates that were held here.",
    "show": "Print a debate that was held here once more.",
    "open": "Show the page of a debate that was held here in the browser.",
    "methods": "Write the paragraph and the references that a paper needs.",
    "models": "List, add, fetch and check models.",
    "import": "Turn published data into this program's files.",
    "doctor": "Say what is here, what would run, and what is missing.",
}
"""Each in a module of its own name, with a command of its own name; those in `MODULES` aside."""

MODULES = {"import": "importing", "open": "opening"}
"""Commands that can't be called so in Python: the name of the module, and of the command in it."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = MODULES.get(name, name)
        command = getattr(importlib.import_module(f"localtable.cli.{module}"), module)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click would import every command's module for its first line.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="localtable")
@click.option("--debug", is_flag=True, help="Show the traceback of an error; may stand anywhere.")
def cli(debug: bool) -> None:
    """Debates between open-weight models, on your own hardware."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit code."""
    # `--debug` is looked for by hand so that it may stand behind a command, too.
    debug = "--debug" in arguments
    try:
        result = cli.main([a for a in arguments if a != "--debug"], prog_name="localtable", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except LocaltableError as error:
        _say(error.message, error.hint, debug)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted", "", debug)
        return 130
    except BrokenPipeError:
        return 1  # whoever read our output has seen enough; nothing more can be said to them
    except Exception as error:  # noqa: BLE001  the last stop before a traceback
        hint = "This is a defect: run it again with --debug and report it."
        _say(f"unexpected {type(error).__name__}: {error}", hint, debug)
        return 1


def _say(message: str, hint: str, debug: bool) -> None:
    # Messages quote files and engines, and neither may steer the terminal.
    from localtable.report.words import printable

    if debug:
        traceback.print_exc()
    click.echo(f"Error: {printable(message)}", err=True)
    if hint:
        click.echo(f"  → {printable(hint)}", err=True)


def main() -> None:
    """The console script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A result with a dash in it is better off with an escape than lost, where the terminal has no dash.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    sys.exit(_flush() or code)


def _flush() -> int:
    """Write out what stdout still holds; the exit code of failing at that, 0 where all is well.

    Python would do so by itself when it ends, and tell a failure in a way that nobody asked for.
    """
    if sys.stdout is None:
        return 0
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 1
        _say(f"the output can't be written: {error.strerror}", "Make room, or send it elsewhere.", debug=False)
        return PrerequisiteError.exit_code
    return 0


if __name__ == "__main__":
    main()
