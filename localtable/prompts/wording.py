"""The wording of prompts as data: packaged presets, or a user's file in the same form.

A wording has slots in braces (`{question}`), filled in one pass: what fills a slot is never read for slots again. A
line whose only slot is empty disappears. The layout is fixed by the keys, so that every wording keeps what seats
share in front (rules, question, options, previous turns) and what is one seat's own behind it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from localtable.errors import ConfigError
from localtable.loading import nearest, read_mapping, validate

SLOT = re.compile(r"\{([a-z_]+)\}")
PRESETS = Path(__file__).parent / "presets"
SHARED = Path(__file__).parent / "shared.yaml"
"""Words that every wording has unless its own file says them otherwise."""

_SHARED = frozenset({"question", "context", "options"})
_OWN = frozenset({"seat", "persona", "options"})
SLOTS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"seat", "persona"}),
    "few_shot": frozenset(),
    "statement.shared": _SHARED,
    "statement.own": _OWN,
    "later_round.shared": frozenset({"turns"}),
    "later_round.own": _OWN,
    "peer": frozenset({"name", "vote", "statement"}),
    "peer_without_vote": frozenset({"name", "statement"}),
    "cut": frozenset({"count"}),
    "ballot.after": frozenset({"seat", "lettered_options"}),
    "ballot.before": frozenset({"seat", "persona", "lettered_options"}),
    "ballot.persuaded": frozenset({"seat", "old_vote", "new_vote", "lettered_peers"}),
    "ballot.own_reasoning": frozenset(),
    "participant": frozenset({"number"}),
    "same_model": frozenset({"model", "number"}),
    "confidence": frozenset({"percent"}),
    "tally": frozenset({"counts"}),
    "tally_line": frozenset({"option", "votes"}),
    "neutral_turn": frozenset(),
}
"""Which slots each part may have."""

REQUIRED: Mapping[str, frozenset[str]] = {
    "statement.shared": frozenset({"question", "options"}),
    "later_round.shared": frozenset({"turns"}),
    "peer": frozenset({"name", "statement"}),
    "peer_without_vote": frozenset({"name", "statement"}),
    "ballot.after": frozenset({"lettered_options"}),
    "ballot.before": frozenset({"lettered_options"}),
    "ballot.persuaded": frozenset({"lettered_peers"}),
    **{part: SLOTS[part] for part in ("participant", "same_model", "confidence", "tally", "tally_line")},
}
"""Without these a prompt would not say what it is about."""

LATER = ("participant", "same_model", "confidence", "tally", "tally_line", "neutral_turn", "roles")
"""Parts that wordings did not have from the beginning."""
FIRST_LATER = "683a989a6ddec97d5a96bc808b0b1ab038c5b5e13a4d70b07705da58c2d538bd"
"""The hash of these parts in their first words. A wording that has those leaves them out of its own hash, which then is
what it was before: a run begun earlier can be resumed and verified. With any other words they are part of it.
"""

Part = Annotated[str, StringConstraints(min_length=1)]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class _File(BaseModel):
    """Strict: an unknown key is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TurnWording(_File):
    """What a seat reads before it speaks."""

    shared: Part
    """What all seats read, the same for each of them."""
    own: Part
    """What one seat reads after it."""


class BallotWording(_File):
    """What a seat reads before it votes."""

    after: Part
    before: Part
    persuaded: Part
    own_reasoning: Part
    """The label, among the peers' names, of a mind changed without a peer."""


@lru_cache(maxsize=1)
def _shared() -> dict[str, Any]:
    return read_mapping(SHARED)


def _as_shared(name: str) -> Any:
    return Field(default_factory=lambda: _shared()[name])


class WordingFile(_File):
    """The written form of a wording."""

    name: Part
    description: str = ""
    system: str | None = None
    few_shot: str | None = None
    statement: TurnWording
    later_round: TurnWording
    peer: Part
    peer_without_vote: Part = "{name} said:\n{statement}"
    """In the control that shows statements and no votes."""
    cut: Part = "[… {count} tokens left out …]"
    ballot: BallotWording
    participant: Part = _as_shared("participant")
    """What a seat is called where names are neutral."""
    same_model: Part = _as_shared("same_model")
    """What one of several seats of a model is called where seats go by their models' names."""
    confidence: Part = _as_shared("confidence")
    """Stands behind a vote, or behind a name where votes are not shown."""
    tally: Part = _as_shared("tally")
    tally_line: Part = _as_shared("tally_line")
    neutral_turn: Part = _as_shared("neutral_turn")
    """What stands in a peer's place where its influence is measured: as often as it takes, and cut, so that it is as
    long as what the peer said."""
    roles: dict[RoleName, Part] = _as_shared("roles")
    """What a seat of a role is told, behind its persona."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A wording and the hash that names it in stores and manifests."""

    parts: WordingFile
    sha256: str

    @property
    def name(self) -> str:
        return self.parts.name


def parse_wording(parts: WordingFile, where: str) -> Wording:
    """Check a wording's slots.

    Raises:
        ConfigError: An unknown slot, or one that is needed and missing.
    """
    for path, allowed in SLOTS.items():
        text = _part(parts, path) or ""
        found = set(SLOT.findall(text))
        for name in sorted(found - allowed):
            raise ConfigError(
                f"{where}: unknown slot {{{name}}} in {path!r}",
                hint=nearest(name, sorted(allowed), kind="slots", how=partial(_slots_of, path)),
            )
        for name in sorted(REQUIRED.get(path, frozenset()) - found):
            raise ConfigError(f"{where}: {path!r} lacks the slot {{{name}}}", hint=f"Put {{{name}}} where it belongs.")
    for role, text in parts.roles.items():
        for name in SLOT.findall(text):
            raise ConfigError(
                f"{where}: unknown slot {{{name}}} in 'roles.{role}'", hint="What a role is told has no slots."
            )
    return Wording(parts, _hash(parts))


def _hash(parts: WordingFile) -> str:
    content = parts.model_dump(exclude={"description"})
    later = {name: content.pop(name) for name in LATER}
    return _sha256(content if _sha256(later) == FIRST_LATER else {**content, **later})


def _sha256(content: Mapping[str, Any]) -> str:
    written = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()


def _slots_of(path: str) -> str:
    return f"Slots of this part: {', '.join(sorted(SLOTS[path])) or 'none'}."


def _part(parts: WordingFile, path: str) -> str | None:
    value: object = parts
    for name in path.split("."):
        value = getattr(value, name)
    return value if isinstance(value, str) else None


def preset_names() -> list[str]:
    """The packaged wordings."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


@lru_cache(maxsize=64)
def _lines(template: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((line, tuple(SLOT.findall(line))) for line in template.strip("\n").split("\n"))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put `values` into the slots of `template`, each once; a line of nothing but empty slots disappears."""
    kept: list[str] = []
    for line, slots in _lines(template):
        if slots and not any(values[name] for name in slots) and not SLOT.sub("", line).strip():
            continue
        kept.append(SLOT.sub(lambda match: values[match.group(1)], line) if slots else line)
    return "\n".join(kept).strip()


def load_wording(name: str) -> Wording:
    """A preset by its name, or a user's file by its path.

    Raises:
        ConfigError: Unknown preset, or a file that is no wording.
    """
    path = Path(name) if name.endswith((".yaml", ".yml", ".json")) else PRESETS / f"{name}.yaml"
    if path.parent == PRESETS and not path.is_file():
        raise ConfigError(
            f"unknown prompts {name!r}",
            hint=nearest(name, preset_names(), kind="presets", how=lambda: f"Presets: {', '.join(preset_names())}."),
        )
    return parse_wording(validate(WordingFile, read_mapping(path), str(path)), str(path))
