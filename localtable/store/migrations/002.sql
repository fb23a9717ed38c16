-- What engines did when, so that a run's swaps can be read from its store.

CREATE TABLE timeline (
    session INTEGER NOT NULL REFERENCES sessions (id),
    model TEXT NOT NULL,                  -- card id
    devices TEXT NOT NULL,                -- JSON: numbers of the devices that the engine sits on
    phase TEXT NOT NULL CHECK (phase IN ('load', 'generate', 'sleep', 'wake')),
    began REAL NOT NULL,                  -- seconds since the session began; where a device has none, it was idle
    ended REAL NOT NULL CHECK (ended >= began)
);
