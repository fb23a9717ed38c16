"""Statistics on plain arrays: estimates with intervals, tests, agreement, calibration. A question is a cluster.

Nothing here knows a debate or a store: rows come in, a `Statistic` says what it sums of each, `by_cluster` adds them up
by question and `bootstrap` gives estimates. docs/analysis.md says what is used when, and why.
"""
