-- A key that was replaced without an overlap is retired: `retired_at` is set once, in seconds, and never cleared. Its
-- `status` says `disabled`, so that whatever looks for active keys passes it over.
ALTER TABLE keys ADD COLUMN retired_at INTEGER CHECK (retired_at >= 0);
CREATE INDEX keys_by_retirement ON keys (retired_at) WHERE retired_at IS NOT NULL;
-- From a key to the one that replaces it.
CREATE INDEX keys_by_replaced ON keys (replaces) WHERE replaces IS NOT NULL;
-- Until now such a key had a date in the past only.
UPDATE keys SET status = 'disabled', retired_at = expires_at
    WHERE EXISTS (SELECT 1 FROM keys AS next WHERE next.replaces = keys.id AND keys.expires_at <= next.created_at / 1000);

-- What a key took over from the one that it replaces, for its quota: uses of the day and of the month of the
-- rotation. Starts are seconds since 1970.
CREATE TABLE usage_carried (
    key     BLOB NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    start   INTEGER NOT NULL CHECK (start % 86400 = 0),
    allowed INTEGER NOT NULL,
    PRIMARY KEY (key, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_carried_by_start ON usage_carried (start);
