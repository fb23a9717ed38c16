"""What a panel has said, from wherever it is kept: a store, a transcript, one transcript a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtable.errors import ConfigError

if TYPE_CHECKING:
    from localtable.analysis.compare import Panel


def read_panel(path: Path, wanted: str | None) -> Panel:
    """One side of a comparison.

    Args:
        path: A store, a transcript, or a file with one transcript a line.
        wanted: A condition's name. None: the only one that is there, else the debate.

    Raises:
        ConfigError: The file is none of these, or has no such condition, or several of that name.
        StoreError: The store is damaged.
    """
    from localtable.store.file import is_sqlite

    return _of_store(path, wanted) if is_sqlite(path) else _of_file(path, wanted)


def _of_store(path: Path, wanted: str | None) -> Panel:
    from localtable.analysis.compare import PanelReader
    from localtable.protocol import DEBATE
    from localtable.report.stored import held_run
    from localtable.runner import finished_transcripts
    from localtable.runner.inputs import choose_conditions
    from localtable.store.reading import count_states
    from localtable.transcript import to_json

    with held_run(path) as (store, conditions):
        names = [condition.name for condition in choose_conditions(conditions, [wanted or DEBATE]).values()]
        _require_one(names, path)
        reader = PanelReader(path.name)
        for transcript in finished_transcripts(store, names):
            reader.add(to_json(transcript))
        states = count_states(store, names)
    reader.leave_out("failed", states["failed"])
    reader.leave_out("unfinished", states["open"])
    return reader.panel()


def _of_file(path: Path, wanted: str | None) -> Panel:
    from localtable.analysis.compare import PanelReader
    from localtable.protocol import DEBATE

    readers: dict[str, PanelReader] = {}
    for data in _transcripts(path):
        readers.setdefault(data["condition"], PanelReader(path.name)).add(data)
    name = wanted or (next(iter(readers)) if len(readers) == 1 else DEBATE)
    if name not in readers:
        if wanted is None:
            _require_one(readers, path)
        raise ConfigError(f"{path} has no debate of the condition {name!r}", hint=f"It has {next(iter(readers))!r}.")
    return readers[name].panel()


def _require_one(names: Iterable[str], path: Path) -> None:
    listed = list(names)
    if len(listed) > 1:
        raise ConfigError(
            f"{path} has several conditions to choose from: {', '.join(listed[:10])}",
            hint=f"Name one, as --condition {listed[0]!r}; given twice it is of A and then of B.",
        )


def _transcripts(path: Path) -> Iterator[Mapping[str, Any]]:
    """Each transcript of a file: of all of it, as `--json` writes one, or of every line, as `export` does."""
    from localtable.transcript import parse_transcript, read_transcript

    if not _has_one_a_line(path):
        yield read_transcript(path)
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            yield parse_transcript(line, f"{path}, line {number}")


def _has_one_a_line(path: Path) -> bool:
    """Whether the first line that holds anything is a whole object; what can't be read is none."""
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"").strip()
    except OSError:
        return False
    return first.startswith(b"{") and first.endswith(b"}")
