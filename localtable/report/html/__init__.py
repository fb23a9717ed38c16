"""Pages that open from a disk: one file, no network, nothing in them that anybody said can act."""

from localtable.report.html.debate import debate_page

__all__ = ["debate_page"]
