"""What a transcript says of itself: turning points and, where no moderator wrote one, a summary from templates."""

from __future__ import annotations

from dataclasses import replace

from localtable.moderator.facts import find_facts
from localtable.moderator.templates import from_templates
from localtable.transcript import to_data
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
