"""The paragraphs that a paper needs to say how its figures came about, and the entries that it cites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from localtable import __version__
from localtable.analysis.findings import Analysis
from localtable.analysis.methods.design import design_paragraph
from localtable.analysis.methods.inference import inference_paragraph
from localtable.analysis.methods.run import run_paragraph
from localtable.analysis.methods.words import HASHED_BY, Used
from localtable.analysis.references import Reference


class Methods(NamedTuple):
    """What goes into a paper."""

    paragraphs: tuple[str, ...]
    """Pandoc's Markdown: `[@key]` cites."""
    references: tuple[Reference, ...]
    """Of what was used, and of nothing else."""


def write_methods(analysis: Analysis) -> Methods:
    """The methods of a run and of its analysis."""
    used = Used(analysis)
    paragraphs = (
        run_paragraph(analysis, used),
        design_paragraph(analysis, used),
        inference_paragraph(analysis, used),
    )
    return Methods(paragraphs, (*used.cited, *_models(analysis), _software()))


def _models(analysis: Analysis) -> Iterator[Reference]:
    run = analysis.facts.run
    for card_id, card in run.cards.items():
        fields = {"title": str(card["name"]), "author": f"{{{card['publisher']}}}"}
        kept = run.weights.get(card_id)
        if kept:
            notes = [f"source: {kept['source']}", f"weights SHA-256 {kept['weights'].removeprefix(HASHED_BY)}"]
        elif "endpoint" in card:
            notes = [f"{card['endpoint']['model']} at {card['endpoint']['base_url']}, weights not known"]
        else:
            notes = ["scripted, no weights"]
        hub = next((source for source in card.get("sources", ()) if "hub" in source), None)
        if hub is not None:
            repo, _, revision = str(hub["hub"]).partition("@")
            fields["howpublished"] = f"\\url{{https://huggingface.co/{repo}}}"
            revision = revision or str(hub.get("revision") or "")
            notes += [f"revision {revision}"] if revision else []
        yield Reference(card_id, "misc", {**fields, "note": ", ".join([*notes, f"license {card['license']}"])})


def _software() -> Reference:
    title = "localtable: a local-first debate harness on open-weight models"
    return Reference("localtable", "software", {"title": title, "version": __version__, "author": "{localtable}"})
