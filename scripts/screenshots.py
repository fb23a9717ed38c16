"""Pictures of a debate's page for the docs: both themes, wide and narrow.

    python scripts/screenshots.py debate.json --out docs/images
    python scripts/screenshots.py run.db --out docs/images --name run

The pages are those that `localtable report` writes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browsers import launched, opened

from localtable.cli.main import run as run_command

WINDOWS = {"wide": (1280, 1120), "narrow": (390, 1120)}
THEMES = ("light", "dark")
MOST_BYTES = 200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a transcript or a store")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--name", default="debate")
    parser.add_argument("--whole", action="store_true", help="the whole page, not only its first window")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    too_large = 0
    with tempfile.TemporaryDirectory() as name, launched() as browser:
        page = Path(name) / "page.html"
        if code := run_command(["report", arguments.source, "--html", str(page)]):
            return code
        for theme in THEMES:
            for window, (width, height) in WINDOWS.items():
                target = arguments.out / f"{arguments.name}-{window}-{theme}.png"
                with opened(browser, page, width=width, height=height, color_scheme=theme) as found:
                    found.page.screenshot(path=str(target), full_page=arguments.whole)
                size = target.stat().st_size
                too_large += size > MOST_BYTES
                print(f"{target}: {size / 1e3:.0f} kB")
    return 1 if too_large and not arguments.whole else 0


if __name__ == "__main__":
    sys.exit(main())
