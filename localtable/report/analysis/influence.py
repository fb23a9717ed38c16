"""Influence that was measured: who moves whom, beside what seats say of it and beside what happens without peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localtable.analysis.contrasts import SOLO
from localtable.analysis.findings import Analysis, Finding
from localtable.report.analysis.changes import print_found
from localtable.report.analysis.figures import Figures, value, with_bounds
from localtable.report.analysis.sheet import Row, Sheet

MOST_READERS = 8
"""Seats that have a column; of more there is what peers do to all of them together."""
_KINDS: Mapping[str, str] = {
    "direct": "direct: by what is read of a peer, before a word is said",
    "total": "total: by what is read of a peer, and what the seat then says",
}


def print_influence(analysis: Analysis, figures: Figures, condition: str, sheet: Sheet) -> None:
    """A table for each kind; nothing where none was measured."""
    kinds = [kind for kind in _KINDS if figures.some((f"{kind}_influence",), condition=condition)]
    if not kinds:
        return
    sheet.heading(f"Influence, measured ({condition})")
    found: list[tuple[str, Finding]] = []
    readers = [
        seat.name for seat in next(c for c in analysis.facts.conditions if c.name == condition).panel.model_seats
    ]
    for kind in kinds:
        _print_peers(figures, condition, kind, readers if len(readers) <= MOST_READERS else [], sheet)
        for label, name in (
            (f"{kind}: the peer that a seat names has moved it most", "persuaded_by_measured"),
            ("… a peer named at random", "persuaded_by_chance"),
        ):
            claim = figures.find(name, condition=condition, kind=kind)
            found += [] if claim is None else [(label, claim)]
    alone = next((c.name for c in analysis.facts.conditions if c.debate == condition and c.control == SOLO), None)
    for label, control in (("votes changed, of all turns", condition), (f"… of {SOLO}, which reads no peer", alone)):
        changed = None if control is None else figures.find("change_rate", condition=control, round="last")
        found += [] if changed is None else [(label, changed)]
    print_found(found, sheet)
    sheet.line(
        "Points of probability of what the peer had voted, with it − without it. Tests of pairs, and by model:"
        " `localtable influence`.",
        dim=True,
    )


def _print_peers(figures: Figures, condition: str, kind: str, readers: Sequence[str], sheet: Sheet) -> None:
    """A row for each peer that was read, a column for each seat that read."""
    name, of = f"{kind}_influence", {"condition": condition}
    pairs = {(f.by["peer"], f.by["seat"]): f for f in figures.all(name, **of) if "seat" in f.by}
    rows = []
    for finding in (figures.find(name, **of), *figures.each(name, "peer", **of)):
        if finding is not None:
            peer = finding.by.get("peer", "")
            cells = [value(pairs.get((peer, reader))) for reader in readers]
            rows.append(Row(str(peer or "all"), [with_bounds(finding), f"{finding.estimate.n:,}", *cells]))
    sheet.line(_KINDS[kind])
    sheet.rows(["peer", "all readers", "n", *readers], rows)
