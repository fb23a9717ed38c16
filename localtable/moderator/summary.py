"""What a transcript says of itself: turning points and, where no moderator wrote one, a summary from templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localtable.moderator.facts import find_facts
from localtable.moderator.templates import from_templates
from localtable.transcript import summary_to_json, to_data, turning_point_to_json
from localtable.types import Summary, Transcript


def summed_up(transcript: Transcript, summary: Summary | None = None) -> Transcript:
    """A transcript with its turning points and its summary.

    Args:
        transcript: As it was held, finished or not.
        summary: What a moderator has written of it; from templates where there is none.
    """
    data = to_data(transcript)
    facts = find_facts(data)
    written = from_templates(data, facts) if summary is None else summary
    return replace(transcript, turning_points=facts.turning_points, summary=written)


def in_words(transcript: Mapping[str, Any], summary: Summary | None = None) -> dict[str, Any]:
    """The same of a transcript as JSON data: its keys `turning_points` and `summary`."""
    facts = find_facts(transcript)
    written = from_templates(transcript, facts) if summary is None else summary
    points = [turning_point_to_json(point) for point in facts.turning_points]
    return {"turning_points": points, "summary": summary_to_json(written)}
