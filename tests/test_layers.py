"""The rooms of the package: who may import whom, and that nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent / "localtable"

LEVELS = (
    {"errors", "types", "seeds", "scripted_vocabulary", "loading", "places", "whole_file", "hub_errors"},
    {"config", "weights", "prompts", "ballots", "protocol", "store", "transcript"},
    {"engines", "moderator", "history", "roundtable"},
    {"scheduler"},
    {"runner", "analysis"},
    {"report", "api"},
    {"cli"},
)
"""The design's levels: a room imports from lower ones and from itself."""

EXCEPTIONS = {
    ("report", "api"): "the API reads a store and gives the result line as the commands do",
    ("errors", "loading"): "the reader of files says what is wrong with them",
    ("errors", "whole_file"): "their writer does, too",
}
"""Within one level: what is imported, by whom, and why."""

HEAVY = frozenset(
    {
        *("torch", "vllm", "transformers", "outlines", "outlines_core", "huggingface_hub", "httpx", "gguf"),
        *("numpy", "scipy", "pandas", "pyarrow", "safetensors", "tokenizers", "accelerate"),
        *("jsonschema", "rich", "pydantic", "yaml"),
    }
)
"""Never loaded by `localtable --help`."""

LAZY = frozenset({"torch", "vllm", "transformers", "outlines", "outlines_core", "huggingface_hub", "httpx", "gguf"}) | {
    *("numpy", "scipy", "pandas", "pyarrow", "safetensors", "tokenizers", "accelerate"),
}
"""Imported inside functions only, the engines that are made of them aside."""

ENGINE_MODULES = ("engines/decode/", "engines/transformers_engine.py")
"""Loaded inside a function, when their engine is made: what they are made of, they import at once."""

HELP_S = 0.3


class Import(NamedTuple):
    """One imported module, and how."""

    file: str
    line: int
    module: str
    inside: bool
    """Inside a function."""
    for_types: bool
    """Under `if TYPE_CHECKING`."""


def room_of(module: str) -> str | None:
    """`localtable.config.card` → `config`; None for the package itself, which has the version."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def level_of(room: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms)


def module_of(path: Path) -> str:
    """`…/localtable/config/card.py` → `localtable.config.card`."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = frozenset(map(module_of, ROOT.rglob("*.py")))


def imports_of(path: Path) -> Iterator[Import]:
    name = path.relative_to(ROOT).as_posix()

    def walk(node: ast.AST, inside: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(name, child.lineno, alias.name, inside, for_types)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name}:{child.lineno} has a relative import"
                for alias in child.names:
                    # `from localtable import seeds` names a room, `from localtable.seeds import derive` stands in one.
                    inner = f"{child.module}.{alias.name}"
                    is_file = child.module == "localtable" or inner in MODULES
                    yield Import(name, child.lineno, inner if is_file else str(child.module), inside, for_types)
            in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            guarded = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from walk(child, inside or in_function, for_types or guarded)

    yield from walk(ast.parse(path.read_text("utf-8")), False, False)


ALL = [found for path in sorted(ROOT.rglob("*.py")) for found in imports_of(path)]


def own_room(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def test_every_room_has_a_level() -> None:
    rooms = {own_room(path.relative_to(ROOT).as_posix()) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms <= set().union(*LEVELS)


def test_a_room_imports_from_lower_levels_and_from_itself_only() -> None:
    wrong = []
    for found in ALL:
        here, there = own_room(found.file), room_of(found.module)
        if not found.module.startswith("localtable") or there in (None, here, "__version__") or here == "__init__":
            continue
        assert there is not None
        if level_of(there) >= level_of(here) and (there, here) not in EXCEPTIONS:
            wrong.append(f"{found.file}:{found.line} ({here}) imports {found.module}")
    assert wrong == []


def test_no_files_import_each_other_in_a_ring() -> None:
    """Inside functions neither, where a ring would be hidden and not broken; the package itself may (see below)."""
    imported: dict[str, set[str]] = {}
    for found in ALL:
        if not found.for_types and found.file != "__init__.py":
            imported.setdefault(module_of(ROOT / found.file), set()).add(found.module)
    TopologicalSorter(imported).prepare()  # its error names the ring


def test_the_package_itself_imports_nothing_of_its_own_until_it_is_asked() -> None:
    own = [found for found in ALL if found.file == "__init__.py" and found.module.startswith("localtable")]
    assert [found for found in own if not found.inside and not found.for_types] == []


def test_a_report_reads_stores_and_transcripts_and_never_an_engine() -> None:
    seen = {room_of(f.module) for f in ALL if own_room(f.file) == "report" and f.module.startswith("localtable")}
    assert not seen & {"engines", "scheduler", "weights", "prompts"}


def test_a_protocol_does_no_input_or_output_and_reads_no_clock() -> None:
    allowed = {"__future__", "collections", "dataclasses", "typing", "localtable"}
    assert {f.module.split(".")[0] for f in ALL if own_room(f.file) == "protocol"} <= allowed


def test_heavy_libraries_are_imported_inside_functions_only() -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}"
        for found in ALL
        if found.module.split(".")[0] in LAZY
        and not found.inside
        and not found.for_types
        and not found.file.startswith(ENGINE_MODULES)
    ]
    assert wrong == []


def test_modules_made_of_heavy_libraries_are_themselves_imported_inside_functions_only() -> None:
    names = tuple("localtable." + name.removesuffix(".py").replace("/", ".").rstrip(".") for name in ENGINE_MODULES)
    wrong = [
        f"{found.file}:{found.line} imports {found.module}"
        for found in ALL
        if found.module.startswith(names)
        and not found.inside
        and not found.for_types
        and not found.file.startswith(ENGINE_MODULES)
    ]
    assert wrong == []


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from localtable.cli.main import run; run(['--help']); print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in answer.stdout.splitlines()[-1].split()}
    assert "click" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.timeout(60)
def test_help_answers_in_a_moment() -> None:
    """The best of several: other programs on this machine are no fault of ours."""
    best = 60.0
    for _ in range(10):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "localtable.cli.main", "--help"], capture_output=True, check=True)
        best = min(best, time.monotonic() - began)
        if best < HELP_S:
            break
    assert best < HELP_S
