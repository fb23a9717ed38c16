"""Two panels side by side as a page: what `comparison_page.html.j2` is given."""

from __future__ import annotations

from localtable.analysis.compare import Compared
from localtable.report.comparison import lay_out, sides
from localtable.report.html.environment import render
from localtable.report.html.sheet import HtmlSheet


def comparison_page(compared: Compared) -> str:
    """A comparison as HTML: one file that needs nothing else and runs nothing."""
    sheet = HtmlSheet()
    lay_out(compared, sheet)
    names = (compared.first.where, compared.second.where)
    return render("comparison_page.html.j2", {"names": names, "sides": sides(compared), "sections": sheet.sections})
