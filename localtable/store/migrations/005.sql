-- Models may be spoken to at an endpoint, which need not give probabilities: a ballot's distribution can be JSON's null.

ALTER TABLE ballots ADD COLUMN source TEXT NOT NULL DEFAULT 'exact'  -- what the vote was read from, docs/endpoints.md
    CHECK (source IN ('exact', 'logprobs', 'structured', 'parsed'));
ALTER TABLE ballots ADD COLUMN listed_mass REAL;  -- of 'logprobs': probability of all listed letters together
