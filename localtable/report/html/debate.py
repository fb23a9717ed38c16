"""One debate as a page: what `debate.html.j2` is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localtable.report.html.environment import render
from localtable.report.html.persuasion import find_persuasion
from localtable.report.html.vote_flow import find_vote_flow
from localtable.report.view import DebateView
from localtable.report.words import written_by

BY_NOBODY = "Put together from the computed facts, by no model"
"""What a page says of a summary from templates."""


def debate_page(data: Mapping[str, Any], home: str | None = None) -> str:
    """A debate as HTML: one file that needs nothing else and runs nothing.

    Args:
        data: A transcript that `transcript.check` lets pass.
        home: The page of the run that it belongs to, if any.
    """
    return render("debate_page.html.j2", {**debate_context(DebateView(data)), "home": home})


def debate_context(view: DebateView, prefix: str = "") -> dict[str, Any]:
    """What the debate's part of a page shows.

    Args:
        view: The debate.
        prefix: Of its anchors, where a page has several debates; settings are then the page's own.
    """
    return {
        "view": view,
        "prefix": prefix,
        "persuasion": find_persuasion(view),
        "flow": find_vote_flow(view),
        "written_by": written_by(view.summary) or BY_NOBODY,
    }
