"""The scripts are no package: their folder is put where modules are looked for."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = str(Path(__file__).parent.parent.parent / "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)
