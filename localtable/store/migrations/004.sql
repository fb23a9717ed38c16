-- A finished debate may be summed up by a model.

CREATE TABLE summaries (                  -- what a moderator has written of a debate
    debate INTEGER PRIMARY KEY REFERENCES debates (id),
    model TEXT NOT NULL,                  -- the moderator's card id
    summary TEXT NOT NULL,                -- JSON, as in the transcript
    session INTEGER NOT NULL REFERENCES sessions (id)
);

CREATE TABLE summary_steps (              -- which generations a summary is made of
    debate INTEGER NOT NULL REFERENCES summaries (debate),
    number INTEGER NOT NULL,
    step TEXT NOT NULL,
    generation INTEGER NOT NULL REFERENCES generations (id),
    PRIMARY KEY (debate, number)
) WITHOUT ROWID;

-- It may be summed up behind the run, too: a session of a kind of its own.

ALTER TABLE sessions ADD COLUMN work TEXT NOT NULL DEFAULT 'run' CHECK (work IN ('run', 'influence', 'summary'));
UPDATE sessions SET work = kind;
ALTER TABLE sessions DROP COLUMN kind;
ALTER TABLE sessions RENAME COLUMN work TO kind;
