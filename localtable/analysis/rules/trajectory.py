"""Trajectory scoring: options gain and lose with every seat that takes, keeps or leaves them, over all rounds."""

from __future__ import annotations

from localtable.analysis.rules.profile import Outcome, Profile, by_score


def trajectory(profile: Profile, *, initial: float, leave: float, adopt: float, keep: float) -> Outcome:
    """The option with the highest score over the rounds up to the tallied one, after Free-MAD (arXiv:2509.11035).

    Round 1: `initial` to each seat's vote. Round r: a seat that votes as it did the round before gives its option
    `keep` ÷ r; one that changes takes `leave` ÷ r from its old option and gives `adopt` ÷ r to the new one. Options
    that nobody has ever voted for can't win. Margin: lead ÷ the score of an option that all seats vote for in all
    rounds.
    """
    import numpy as np

    votes = profile.trajectory  # [debates, rounds, seats]
    options = profile.options.shape[1]
    scores = np.zeros((len(votes), options))
    unbroken = np.zeros(len(votes))
    debates = np.arange(len(votes))
    for place in range(votes.shape[1]):
        held = votes[:, place, 0] >= 0
        weight = held / (place + 1)
        unbroken += weight * (keep if place else initial)
        for seat in range(votes.shape[2]):
            now = votes[:, place, seat]
            before = votes[:, place - 1, seat] if place else now
            stays = now == before
            # −1 of a round that was not held names the last option, with a weight of 0.
            scores[debates, now] += weight * (initial if place == 0 else np.where(stays, keep, adopt))
            scores[debates, before] -= weight * np.where(stays, 0.0, leave)
    voted_for = (votes[..., None] == np.arange(options)).any(axis=(1, 2))
    return by_score(scores, voted_for, len(profile.seats) * np.where(unbroken > 0, unbroken, np.nan))
