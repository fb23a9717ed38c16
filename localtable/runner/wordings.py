"""The wordings of a run: each condition's own, as the store keeps it, and as it is where the panel names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localtable.errors import ConfigError
from localtable.prompts import Wording, load_wording
from localtable.prompts.wording import WordingFile, parse_wording
from localtable.protocol import Condition
from localtable.store import Run, VariantRow


def row_of(run: Run, condition: Condition) -> Run | VariantRow:
    """What keeps a condition's wording: its variant in a sweep, else the run."""
    return next((variant for variant in run.variants if variant.name == condition.debate), run)


def kept_wordings(run: Run, conditions: Mapping[int, Condition]) -> dict[int, Wording]:
    """The store's own wordings, by condition: the files that they came from needn't be here.

    Raises:
        ConfigError: What is kept is no wording.
    """
    by_text: dict[str, Wording] = {}
    return {number: _parsed(row_of(run, condition), by_text) for number, condition in conditions.items()}


def _parsed(row: Run | VariantRow, known: dict[str, Wording]) -> Wording:
    # One value for equal wordings, so that their renderers are shared.
    if row.prompts_sha256 not in known:
        where = "run.prompts" if isinstance(row, Run) else f"the prompts of {row.name}"
        known[row.prompts_sha256] = parse_kept(row.prompts, where)
    return known[row.prompts_sha256]


def parse_kept(prompts: Mapping[str, Any], where: str) -> Wording:
    """A wording out of a store.

    Raises:
        ConfigError, ValueError: It is none.
    """
    return parse_wording(WordingFile.model_validate(prompts), where)


def current_wordings(run: Run, conditions: Mapping[int, Condition]) -> dict[int, Wording]:
    """The wordings of a run's prompts from where its panels name them, by condition.

    Raises:
        ConfigError: One is not what the run was begun with.
    """
    loaded: dict[str, Wording] = {}
    found = {}
    for number, condition in conditions.items():
        prompts = condition.panel.prompts
        wording = loaded[prompts] = loaded.get(prompts) or load_wording(prompts)
        kept = row_of(run, condition)
        if wording.sha256 != kept.prompts_sha256:
            place = "run.prompts" if isinstance(kept, Run) else "variants.prompts"
            raise ConfigError(
                f"the prompts {prompts!r} are not what this run was begun with: their hash is "
                f"{wording.sha256[:12]}, the run's {kept.prompts_sha256[:12]}",
                hint=f"Put the wording back as it was (the store keeps it in {place}), or begin a new store.",
            )
        found[number] = wording
    return found
