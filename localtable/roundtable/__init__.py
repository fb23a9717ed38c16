"""A copied page of the hosted roundtable → a transcript: what the page says, null for what it doesn't, nothing lost.

`page` reads the text, `transcript` writes what was read in this program's form. Both are pure.
"""

from localtable.roundtable.page import Page, parse_page
from localtable.roundtable.transcript import to_transcript

__all__ = ["Page", "parse_page", "to_transcript"]
