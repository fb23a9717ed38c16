#!/usr/bin/env python
"""Print how many control tokens arise from hostile statements, on every tokenizer at hand; exit 1 if any does.

    .venv/bin/python scripts/check_hostile.py [FOLDER ...]

FOLDER is a Hugging Face folder to check as well. The demo models are checked where the weights store has them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import families
import hostile

from localtable.prompts.template import ChatTemplate


def check(family: families.Family) -> tuple[int, int, int]:
    """How many statements there are, how many control tokens they make of themselves, and how many in our prompts."""
    template = ChatTemplate(family.tokenizer)
    controls = frozenset(family.literals.values())

    def count(statement: str) -> int:
        ids = template.encode(["user", "assistant", "user"], [statement] * 3, open_turn=True, switches={})
        return sum(i in controls for i in ids)

    said = hostile.statements(list(family.literals))
    due = count(hostile.HARMLESS)
    plainly = sum(
        sum(i in controls for i in family.own.encode(text.encode(errors="replace").decode(), add_special_tokens=False))
        for text in said.values()
    )
    return len(said), plainly, sum(abs(count(text) - due) for text in said.values())


def main() -> int:
    tables = [families.made(name) for name in families.MADE]
    tables += [*families.demo_models(), *(families.loaded(Path(folder).name, Path(folder)) for folder in sys.argv[1:])]
    print(
        f"{'tokenizer':30} {'its control tokens':>18} {'statements':>10} {'encoded plainly':>15} {'in our prompts':>14}"
    )
    failed = False
    for family in tables:
        statements, plainly, arising = check(family)
        failed |= arising > 0
        print(f"{family.name:30} {len(family.literals):14,} {statements:10,} {plainly:15,} {arising:14,}")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
