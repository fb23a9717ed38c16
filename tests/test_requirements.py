"""The pinned lists: complete for what pyproject.toml asks, in range, and without an address of any index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINUX = {"sys_platform": "linux", "platform_machine": "x86_64", "python_full_version": "3.11.9", "extra": ""}


def pinned(name: str) -> dict[str, Version]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line.strip()]
    here = [r for r in wanted if r.marker is None or r.marker.evaluate(LINUX)]
    return {canonicalize_name(r.name): Version(next(iter(r.specifier)).version) for r in here}


def asked(name: str) -> list[Requirement]:
    if name == "dev":
        return [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
    extras = PROJECT["project"]["optional-dependencies"]
    return [Requirement(text) for text in PROJECT["project"]["dependencies"] + extras[name]]


@pytest.mark.parametrize("name", ["cpu", "gpu", "dev"])
def test_every_requirement_is_pinned_within_its_range(name: str) -> None:
    versions = pinned(name)
    for requirement in asked(name):
        if requirement.marker is not None and not requirement.marker.evaluate(LINUX):
            continue
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements/{name}.txt: run `make pin`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


@pytest.mark.parametrize("name", ["cpu", "gpu", "dev"])
def test_a_pinned_list_names_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ ", text)


def test_the_cpu_list_leaves_out_what_breaks_vllms_cpu_build() -> None:
    assert not set(pinned("cpu")) & {"torchvision", "torchaudio", "torchcodec", "triton"}
