"""Votes: what one constrained decode step may say, and what it said."""

from localtable.ballots.answers import Reading, mean_mass, read_answer, read_reply, weakest
from localtable.ballots.form import assemble, ballot_schema
from localtable.ballots.labels import PERSUADED_KEY, VOTE_KEY, LabelSet, probe_labels
from localtable.ballots.orders import ballot_orders, pooled
from localtable.ballots.reading import Choice, choose, read_choice, read_label_mass
from localtable.ballots.reply import replied_vote
from localtable.ballots.stated import names_a_letter, stated_vote

__all__ = [
    "PERSUADED_KEY",
    "VOTE_KEY",
    "Choice",
    "LabelSet",
    "Reading",
    "assemble",
    "ballot_orders",
    "ballot_schema",
    "choose",
    "mean_mass",
    "names_a_letter",
    "pooled",
    "probe_labels",
    "read_answer",
    "read_choice",
    "read_label_mass",
    "read_reply",
    "replied_vote",
    "stated_vote",
    "weakest",
]
