"""The metrics of an analysis, a file for each family, with their formulas, sources and what they read."""
