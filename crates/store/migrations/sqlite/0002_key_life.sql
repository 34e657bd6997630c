-- Imports: rows are staged among the keys themselves, under the number of an open import, and are seen by
-- nobody while that import is open. Ending it is one row, whatever it staged. 0: not imported.
ALTER TABLE keys ADD COLUMN import INTEGER NOT NULL DEFAULT 0 CHECK (import >= 0);
CREATE INDEX keys_by_import ON keys (import) WHERE import > 0;

CREATE TABLE open_imports (
    -- AUTOINCREMENT: a number that was committed never opens again, or its keys would vanish.
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL,
    started_by TEXT NOT NULL,
    -- No more rows: it is being committed.
    sealed     INTEGER NOT NULL CHECK (sealed IN (0, 1))
) STRICT;

-- Requests that were carried out, so that a repeat is recognised.
CREATE TABLE once (
    -- SHA-256 of the caller and the key that it sent.
    name        BLOB NOT NULL PRIMARY KEY CHECK (length(name) = 32),
    -- SHA-256 of the request.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- What it made: an identifier.
    reference   TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_time ON once (at);

-- Counters of each key. Starts are seconds since 1970.
CREATE TABLE usage_hours (
    key     BLOB NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    start   INTEGER NOT NULL CHECK (start % 3600 = 0),
    allowed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (key, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hours_by_start ON usage_hours (start);

CREATE TABLE usage_minutes (
    key     BLOB NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    start   INTEGER NOT NULL CHECK (start % 60 = 0),
    allowed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (key, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_minutes_by_start ON usage_minutes (start);
