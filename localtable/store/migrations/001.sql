-- A store of localtable: one run, from its inputs to every token that decided something. docs/store.md explains it.

CREATE TABLE run (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL,
    created TEXT NOT NULL,                -- UTC, ISO 8601
    engine TEXT NOT NULL,                 -- vllm, transformers or scripted
    panel TEXT NOT NULL,                  -- JSON, as a panel's file
    cards TEXT NOT NULL,                  -- JSON: card id -> the card as in its file
    weights TEXT NOT NULL,                -- JSON: card id -> {weights: hash, source}
    prompts_name TEXT NOT NULL,
    prompts_sha256 TEXT NOT NULL,
    prompts TEXT NOT NULL,                -- JSON, as a wording's file
    controls TEXT NOT NULL,               -- JSON: names as given
    repeats INTEGER NOT NULL CHECK (repeats >= 1),
    questions_sha256 TEXT NOT NULL,       -- over all questions, in order
    shard INTEGER NOT NULL,               -- 1-based
    num_shards INTEGER NOT NULL CHECK (shard BETWEEN 1 AND num_shards)
);

CREATE TABLE questions (
    id INTEGER PRIMARY KEY,               -- 1-based place in the suite
    name TEXT NOT NULL UNIQUE,            -- the question's id
    question TEXT NOT NULL,
    options TEXT NOT NULL,                -- JSON: texts in the question's own order
    num_options INTEGER NOT NULL,
    context TEXT,
    answer TEXT,                          -- a letter
    tags TEXT NOT NULL                    -- JSON
);

CREATE TABLE conditions (
    id INTEGER PRIMARY KEY,               -- 1 is the debate
    name TEXT NOT NULL UNIQUE,
    left_out INTEGER NOT NULL DEFAULT 0   -- questions without a partner (noise-peers)
);

CREATE TABLE sessions (                   -- one for each time that a process worked on the run
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    started TEXT NOT NULL,
    ended TEXT,                           -- NULL: at work, or killed
    facts TEXT NOT NULL DEFAULT '{}',     -- JSON: versions, device, engines as they were started, templates
    seconds TEXT NOT NULL DEFAULT '{}',   -- JSON: total, generating, loading, outside_engines
    activations TEXT NOT NULL DEFAULT '{}'-- JSON: model -> loads
);

CREATE TABLE debates (
    id INTEGER PRIMARY KEY,
    question INTEGER NOT NULL REFERENCES questions (id),
    condition INTEGER NOT NULL REFERENCES conditions (id),
    repeat INTEGER NOT NULL,
    partner INTEGER REFERENCES debates (id),  -- whose turns are the noise
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'finished', 'failed')),
    reason TEXT,                          -- why it failed
    rounds INTEGER,                       -- the rest: its verdict
    verdict TEXT CHECK (verdict IN ('unanimous', 'majority', 'plurality', 'tie')),
    leading TEXT,                         -- JSON: the leading options' letters
    votes INTEGER,                        -- of each leading option
    of INTEGER,                           -- votes in all
    agreement INTEGER,
    session INTEGER REFERENCES sessions (id),
    UNIQUE (question, condition, repeat)
);
CREATE INDEX debates_by_state ON debates (state, id);

CREATE TABLE texts (                      -- what was said and what was asked, each once
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL
);

CREATE TABLE generations (                -- what engines gave: equal requests share one
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,             -- SHA-256 of all that decides, docs/store.md
    model TEXT NOT NULL,
    identity TEXT NOT NULL,               -- hash of weights, engine, versions and numerics: part of the key
    request_sha256 BLOB NOT NULL,         -- hash of sampling, constraint and stop ids: part of the key
    prompt_sha256 BLOB NOT NULL,          -- hash of the prompt's token ids: part of the key
    seed INTEGER,                         -- part of the key where anything is drawn; else NULL
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    token_ids BLOB NOT NULL,              -- unsigned 32 bit, little endian
    finish_reason TEXT NOT NULL CHECK (finish_reason IN ('stop', 'length')),
    stop_token_id INTEGER,
    logprobs TEXT NOT NULL,               -- JSON: token id -> natural log-probability
    seconds REAL,                         -- from its hand-over to the engine to its end
    session INTEGER NOT NULL REFERENCES sessions (id),
    origin TEXT                           -- the run (uuid) that it was taken over from
);

CREATE TABLE turns (
    id INTEGER PRIMARY KEY,
    debate INTEGER NOT NULL REFERENCES debates (id),
    round INTEGER NOT NULL,
    seat TEXT NOT NULL,
    model TEXT NOT NULL,
    position INTEGER NOT NULL,            -- place in the order in which the next round shows it
    prompt_shared INTEGER NOT NULL REFERENCES texts (id),  -- the statement's prompt: what all seats read
    prompt_own INTEGER NOT NULL REFERENCES texts (id),     -- and what this one read behind it
    statement INTEGER NOT NULL REFERENCES texts (id),
    reasoning INTEGER REFERENCES texts (id),
    reasoning_truncated INTEGER NOT NULL,
    stated TEXT,
    changed_mind INTEGER NOT NULL,
    finish_reason TEXT NOT NULL,
    truncated INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    names_letter INTEGER NOT NULL,
    peers_cut INTEGER NOT NULL,
    reused INTEGER NOT NULL,              -- 1: no engine worked for it
    finished TEXT NOT NULL,
    session INTEGER NOT NULL REFERENCES sessions (id),
    UNIQUE (debate, round, seat)
);

CREATE TABLE steps (                      -- which generations make up a turn
    turn INTEGER NOT NULL REFERENCES turns (id),
    number INTEGER NOT NULL,
    step TEXT NOT NULL,                   -- before, thinking, statement, ballot, persuaded
    generation INTEGER NOT NULL REFERENCES generations (id),
    PRIMARY KEY (turn, number)
) WITHOUT ROWID;

CREATE TABLE ballots (
    turn INTEGER NOT NULL REFERENCES turns (id),
    at TEXT NOT NULL CHECK (at IN ('after', 'before')),
    counts INTEGER NOT NULL,              -- 1: this one is the turn's vote
    vote TEXT NOT NULL,
    tied TEXT NOT NULL,                   -- JSON: letters that shared the first place
    distribution TEXT NOT NULL,           -- JSON: letter -> probability
    persuaded_by TEXT,
    label_mass REAL,
    PRIMARY KEY (turn, at)
) WITHOUT ROWID;

CREATE VIEW votes AS                      -- the flat table that most questions start from
SELECT
    debates.id AS debate, conditions.name AS condition, questions.name AS question, debates.repeat,
    turns.round, turns.seat, turns.model, ballots.vote, questions.answer,
    CASE WHEN questions.answer IS NULL THEN NULL ELSE ballots.vote = questions.answer END AS correct,
    json_extract(ballots.distribution, '$.' || ballots.vote) AS confidence,
    turns.stated, turns.changed_mind, turns.truncated, debates.state
FROM ballots
JOIN turns ON turns.id = ballots.turn
JOIN debates ON debates.id = turns.debate
JOIN conditions ON conditions.id = debates.condition
JOIN questions ON questions.id = debates.question
WHERE ballots.counts = 1;
