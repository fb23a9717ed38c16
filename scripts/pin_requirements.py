"""Write requirements/*.txt from pyproject.toml: complete pinned lists that name no index address.

Run by `make pin`. uv resolves; what uv can't express is dropped here, each with its reason.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "requirements"
COMMON = [
    *("--universal", "--python-version", "3.11", "--quiet"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"),
]

DROPPED = {
    "never": re.compile(r"sys_platform == 'never'"),  # torch's companions, overridden in pyproject.toml
    "emscripten": re.compile(r"sys_platform == 'emscripten'"),  # browsers run no engine
}
DROPPED_ON_CPU = {
    # 1 GB that only xgrammar asks for; vLLM's CPU build switches it off.
    "triton": re.compile(r"^triton=="),
    # CUDA libraries of architectures that the CPU build of torch doesn't serve.
    "nvidia": re.compile(r"^nvidia-(?!ml-py)"),
}


def pin(name: str, arguments: list[str], drop: dict[str, re.Pattern[str]]) -> None:
    target = OUT / f"{name}.txt"
    command = ["uv", "pip", "compile", *arguments, *COMMON, "--output-file", str(target)]
    subprocess.run(command, cwd=ROOT, check=True)
    kept = [line for line in target.read_text().splitlines() if not any(p.search(line) for p in drop.values())]
    target.write_text("\n".join(kept) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(kept)} packages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--find-links", help="folder that holds the CPU build of torch")
    links = parser.parse_args().find_links
    where = ["--find-links", links] if links else ["--torch-backend", "cpu"]
    OUT.mkdir(exist_ok=True)
    pin("cpu", ["pyproject.toml", "--extra", "cpu", *where], DROPPED | DROPPED_ON_CPU)
    pin("gpu", ["pyproject.toml", "--extra", "gpu"], DROPPED)
    pin("dev", ["--group", "pyproject.toml:dev", "--constraint", "requirements/cpu.txt"], DROPPED)


if __name__ == "__main__":
    main()
