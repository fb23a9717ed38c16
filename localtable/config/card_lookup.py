"""The card that a panel's `model` means: by its id, as a file, as a model's folder, or as a model of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from localtable.config.card import CARD_ID, parse_card
from localtable.config.model_folder import card_from_hf_config
from localtable.errors import ConfigError
from localtable.loading import nearest, path_from, read_mapping
from localtable.places import home, packaged
from localtable.types import Card


def card_folders() -> tuple[Path, ...]:
    """Where cards are looked for by id: the user's own first, then the packaged ones."""
    return (home() / "cards", packaged("model_cards"))


def packaged_card_ids() -> list[str]:
    """The ids of every card that can be named without a path."""
    return sorted({path.stem for folder in card_folders() if folder.is_dir() for path in folder.glob("*.yaml")})


def find_card_file(card_id: str) -> Path | None:
    """The file of the card that has this id; None where none has."""
    if not re.match(CARD_ID, card_id):
        return None
    files = (folder / f"{card_id}.yaml" for folder in card_folders())
    return next((path for path in files if path.is_file()), None)


def load_card(reference: str, base: Path | None = None) -> Card:
    """The card that a panel's `model` means.

    Args:
        reference: A card's id, the path of a card file or of a Hugging Face folder (relative ones are read from
            `base`), or `hub:org/name[@revision]` of a model that was added.
        base: Folder of the file that holds the reference; the working folder by default.

    Raises:
        ConfigError: Unknown, ambiguous or invalid.
    """
    base = base or Path.cwd()
    on_hub = reference.startswith("hub:")
    card_id = hub_card_id(reference) if on_hub else reference
    known = find_card_file(card_id)
    if known is not None:
        return parse_card(read_mapping(known), str(known), known.parent)
    if on_hub:
        raise ConfigError(
            f"no card has been made for {reference}",
            hint=f"`localtable models add {reference}` makes one, from the model's own config.json.",
        )
    path = path_from(reference, base)
    if path.is_dir():
        return card_from_hf_config(path)
    if path.suffix in (".yaml", ".yml", ".json"):
        return parse_card(read_mapping(path), str(path), path.parent)
    raise ConfigError(
        f"unknown model {reference!r}: no card has this id, and no card file or model folder lies at {path}",
        hint=nearest(reference, packaged_card_ids(), kind="models")
        + " `localtable models add FOLDER|hub:org/name` makes a card for another model.",
    )


def hub_card_id(reference: str) -> str:
    """The card id that stands for `hub:org/name[@revision]`."""
    repo, _, revision = reference.removeprefix("hub:").partition("@")
    slug = re.sub(r"[^a-z0-9._-]+", "-", repo.split("/")[-1].lower()).strip("-.")
    return f"{slug}-{revision[:8].lower()}" if revision else slug
