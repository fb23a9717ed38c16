"""The hosted service's own example page, where it is here: imported exactly. Made-up pages stand for it elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localtable.roundtable import parse_page
from tests.roundtable.copied_pages import LUNCH, render

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/check_import.py"
PAGES = sorted((ROOT.parent / "shared/reference").glob("*.txt"))


@pytest.mark.skipif(not PAGES, reason="the page is not published with the program")
def test_the_reference_page_is_imported_exactly() -> None:
    ended = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(ended.stdout.splitlines()) == 16
    for line in ended.stdout.splitlines():
        exact, of = line.split()[-4], line.split()[-2]
        assert exact == of, line


def test_another_page_is_told_from_it(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(render(LUNCH), "utf-8")
    assert parse_page(page.read_text("utf-8"), "the page").num_models == 4
    ended = subprocess.run([sys.executable, str(SCRIPT), str(page)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "another page?" in ended.stderr
