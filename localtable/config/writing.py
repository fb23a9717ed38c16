"""Cards as text: the other way round of `parse_card`, for cards that are derived from a model's own files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import yaml

from localtable.types import Card, Endpoint, FileSource, HubSource, Sampling, Source


def dump_card(card: Card) -> str:
    """The YAML text that `parse_card` reads back as the same card."""
    return yaml.safe_dump(card_to_data(card), sort_keys=False, allow_unicode=True, width=120)


def card_to_data(card: Card) -> dict[str, Any]:
    """A card as the plain data of its file."""
    if card.endpoint is not None:
        return _endpoint_card(card, card.endpoint)
    data: dict[str, Any] = {
        "id": card.id,
        "name": card.name,
        "publisher": card.publisher,
        "license": card.license,
        "license_url": card.license_url,
        "parameters": card.parameters,
        "active_parameters": card.active_parameters if card.active_parameters != card.parameters else None,
        "context_length": card.context_length,
        "dtype": card.dtype,
        "quantization": card.quantization,
        "architecture": _known(asdict(card.architecture)),
        "reasoning": asdict(card.reasoning) if card.reasoning else None,
        "sampling": asdict(card.sampling) if card.sampling != Sampling() else None,
        "engine": dict(card.engine) or None,
        "facts_from": card.facts_from,
        "family": card.family,
        "weights_bytes": card.weights_bytes,
        "ran": card.ran,
        "sources": [_source(source) for source in card.sources],
    }
    return _known(data)


def _endpoint_card(card: Card, endpoint: Endpoint) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": card.id,
        "name": card.name,
        "publisher": card.publisher,
        "license": card.license,
        "license_url": card.license_url,
        "parameters": card.parameters or None,
        "sampling": asdict(card.sampling) if card.sampling != Sampling() else None,
        "facts_from": card.facts_from,
        "family": card.family,
        "ran": card.ran,
        "endpoint": _known(asdict(endpoint)),
    }
    return _known(data)


def _known(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _source(source: Source) -> dict[str, Any]:
    if isinstance(source, HubSource):
        data: dict[str, Any] = {"hub": source.repo, "revision": source.revision}
    elif isinstance(source, FileSource):
        data = {"file": source.path, "sha256": source.sha256}
    else:
        data = {
            "filename": source.filename,
            "bytes": source.size_bytes,
            "sha256": source.sha256,
            "wheel": [asdict(part) for part in source.parts],
        }
    return _known(data)
