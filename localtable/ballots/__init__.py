"""Votes: what one constrained decode step may say, and what it said."""

from localtable.ballots.form import assemble, ballot_schema
from localtable.ballots.labels import PERSUADED_KEY, VOTE_KEY, LabelSet, probe_labels
from localtable.ballots.reading import Choice, choose, read_choice
from localtable.ballots.stated import names_a_letter, stated_vote

__all__ = [
    "PERSUADED_KEY",
    "VOTE_KEY",
    "Choice",
    "LabelSet",
    "assemble",
    "ballot_schema",
    "choose",
    "names_a_letter",
    "probe_labels",
    "read_choice",
    "stated_vote",
]
