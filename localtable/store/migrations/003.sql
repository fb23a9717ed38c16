-- A request that was taken back to make room goes on later from what it had said, drawn from another seed.

ALTER TABLE generations ADD COLUMN preempted_at TEXT NOT NULL DEFAULT '[]';  -- JSON: tokens said each time

-- A ballot may be asked in several orders of its options, whose mean is its distribution, and answered freely.

ALTER TABLE ballots ADD COLUMN free_reply TEXT;   -- what was said where nothing constrained it
ALTER TABLE ballots ADD COLUMN free_vote TEXT;    -- the letter that a documented parser made of that

CREATE TABLE ballot_orders (              -- of ballots that were asked in more than one
    turn INTEGER NOT NULL,
    at TEXT NOT NULL,
    number INTEGER NOT NULL,              -- 0 is the question's own order
    listed TEXT NOT NULL,                 -- the options' letters as the ballot listed them
    distribution TEXT NOT NULL,           -- JSON: letter -> probability
    PRIMARY KEY (turn, at, number),
    FOREIGN KEY (turn, at) REFERENCES ballots (turn, at)
) WITHOUT ROWID;

-- How far a peer has moved a seat is measured behind the run, by asking the seat once more without that peer.

ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'run' CHECK (kind IN ('run', 'influence'));

CREATE TABLE probes (                     -- a turn's ballot, asked once more: as it was read, or with a peer replaced
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns (id),
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'total')),
    replaced TEXT,                        -- the peer in whose place a neutral turn was shown; NULL: nobody
    sample INTEGER NOT NULL,              -- from 0; of 'direct' there is one
    distribution TEXT NOT NULL,           -- JSON: letter -> probability
    session INTEGER NOT NULL REFERENCES sessions (id)
);
CREATE UNIQUE INDEX probes_once ON probes (turn, kind, coalesce(replaced, ''), sample);

CREATE TABLE probe_steps (                -- which generations make up a probe
    probe INTEGER NOT NULL REFERENCES probes (id),
    number INTEGER NOT NULL,
    step TEXT NOT NULL,
    generation INTEGER NOT NULL REFERENCES generations (id),
    PRIMARY KEY (probe, number)
) WITHOUT ROWID;

CREATE TABLE influences (                 -- what the probes of a turn come to, peer by peer
    turn INTEGER NOT NULL REFERENCES turns (id),
    peer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'total')),
    option TEXT NOT NULL,                 -- the letter that the peer had voted for in the round that was read
    base TEXT NOT NULL,                   -- JSON: letter -> probability, everybody shown; the mean over samples
    without TEXT NOT NULL,                -- JSON: the same with the peer replaced
    value REAL NOT NULL,                  -- base - without, of the option
    standard_error REAL,                  -- of the mean over samples; NULL of 'direct'
    samples INTEGER NOT NULL,
    PRIMARY KEY (turn, peer, kind)
) WITHOUT ROWID;

-- A sweep holds several variants of a panel in one run. A plain suite has none of this.

ALTER TABLE run ADD COLUMN sweep TEXT;    -- JSON: name, factors with what their levels say, controls_for, primary

CREATE TABLE variants (                   -- of a sweep: each combination of levels that is held
    id INTEGER PRIMARY KEY,               -- 1 is the baseline, whose panel and wording are also the run's
    name TEXT NOT NULL UNIQUE,            -- that of its debate's condition
    levels TEXT NOT NULL,                 -- JSON: factor -> level
    panel TEXT NOT NULL,                  -- JSON, as a panel's file
    prompts_name TEXT NOT NULL,
    prompts_sha256 TEXT NOT NULL,
    prompts TEXT NOT NULL                 -- JSON, as a wording's file
);

ALTER TABLE conditions ADD COLUMN variant INTEGER REFERENCES variants (id);  -- whose debate or control it is
