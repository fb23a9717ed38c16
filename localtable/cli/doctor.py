"""`localtable doctor`: what is here, what would run, and for each shortfall its remedy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from localtable.types import Endpoint


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    topic: str
    said: str
    remedy: str = ""
    """What to do; empty where all is well."""


@click.command()
@click.option("--import", "imports", is_flag=True, help="Also import the engines' packages: a minute at most.")
def doctor(imports: bool) -> int:
    """Say what is here, what would run, and what is missing.

    The exit code is 3 where no engine could run a model, else 0.
    """
    from localtable.places import home

    findings = [*_program(home()), *_engines(imports), *_devices(), *_weights(home())]
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        click.echo(f"{'!' if finding.remedy else ' '} {finding.topic:<{width}}  {finding.said}")
        if finding.remedy:
            click.echo(f"  {'':<{width}}  → {finding.remedy}")
    runnable, line = _would_run()
    click.echo(f"\n{line}")
    return 0 if runnable else 3


def _program(home: Path) -> list[Finding]:
    from localtable.runner.manifest import package_versions

    versions = package_versions()
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    findings = [Finding("versions", said), Finding("system", f"{platform.system()} {platform.machine()}")]
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".probe").touch()
        (home / ".probe").unlink()
        free = shutil.disk_usage(home).free / 1024**3
        low = "Make room, or set LOCALTABLE_HOME to a bigger disk." if free < 10 else ""
        findings.append(Finding("home", f"{home} ({free:.0f} GiB free)", low))
    except OSError as error:
        findings.append(
            Finding("home", f"{home} can't be written: {error.strerror}", "Set LOCALTABLE_HOME to another folder.")
        )
    return findings


def _engines(imports: bool) -> list[Finding]:
    from localtable.engines.registry import KINDS, available

    findings = []
    for kind in KINDS:
        there, sentence = available(kind)
        remedy = "" if there else f"`make setup` installs it; without it {_instead(kind)}."
        if there and imports and kind != "scripted":
            error = _import_error(kind)
            if error:
                sentence, remedy = f"{kind} does not import: {error}", "Run `make setup` again."
        findings.append(Finding(f"engine {kind}", sentence, remedy))
    if sys.platform == "linux" and available("vllm")[0] and shutil.which("lscpu") is None:
        findings.append(Finding("lscpu", "missing, and vLLM's CPU build asks for it", "Install util-linux."))
    return findings


def _instead(kind: str) -> str:
    return "the transformers engine is used" if kind == "vllm" else "only the scripted engine runs"


def _import_error(name: str) -> str:
    result = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False)
    return result.stderr.strip().splitlines()[-1] if result.returncode else ""


def _devices() -> list[Finding]:
    from localtable.scheduler.devices import GIB, find_machine

    findings = []
    for device in find_machine().devices:
        cores = f", {device.cores} cores" if device.cores else ""
        free, total = device.free_bytes / GIB, device.total_bytes / GIB
        said = f"{device.torch_name}: {device.name}{cores}, {free:.1f} of {total:.1f} GiB free"
        few = device.kind == "cpu" and device.free_bytes < 8 * GIB
        findings.append(Finding("device", said, "The demo panel wants 8 GiB: close other programs." if few else ""))
    return findings


def _weights(home: Path) -> list[Finding]:
    from localtable.config import load_card, packaged_card_ids
    from localtable.weights import WeightStore

    store = WeightStore(home / "weights")
    findings = []
    for card_id in packaged_card_ids():
        card = load_card(card_id)
        if card.endpoint is not None:
            findings.append(_endpoint(card_id, card.endpoint))
            continue
        files = store.find(card)
        if files is None:
            findings.append(Finding(f"model {card_id}", "not fetched", f"localtable models fetch {card_id}"))
        else:
            size = sum(file.size_bytes for file in files.files) / 1024**3
            findings.append(Finding(f"model {card_id}", f"{size:.2f} GiB from {files.source}"))
    return findings


def _endpoint(card_id: str, endpoint: Endpoint) -> Finding:
    """What can be said of an endpoint without asking it."""
    from localtable.cli.models import endpoint_state

    unset = endpoint.key_env is not None and not os.environ.get(endpoint.key_env)
    return Finding(f"model {card_id}", endpoint_state(endpoint), f"Set {endpoint.key_env}." if unset else "")


def _would_run() -> tuple[bool, str]:
    from localtable.engines.registry import choose
    from localtable.errors import PrerequisiteError

    try:
        chosen = choose("auto")
    except PrerequisiteError as error:
        return False, f"No engine could run a model: {error.message}\n→ {error.hint}"
    return True, f"`localtable debate` would use {chosen.kind} ({chosen.reason})."
