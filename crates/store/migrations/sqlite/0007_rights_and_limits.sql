-- The first half of the digest of every key that was deleted, kept for good: its text never becomes a key again.
CREATE TABLE deleted_keys (
    digest_head BLOB NOT NULL PRIMARY KEY CHECK (length(digest_head) = 16)
) STRICT, WITHOUT ROWID;

-- Since when its owner owns a resource: the last row that the history had before, and the instant. A name can be
-- used again after a deletion, and a resource can be handed over; the new owner reads only what came after.
ALTER TABLE resources ADD COLUMN owned_after_row INTEGER NOT NULL DEFAULT 0 CHECK (owned_after_row >= 0);
ALTER TABLE resources ADD COLUMN owned_since INTEGER NOT NULL DEFAULT 0;

-- For which account a team was created, whoever owns it now: what counts towards the limit of that account.
ALTER TABLE teams ADD COLUMN created_for BLOB CHECK (created_for IS NULL OR length(created_for) = 16);
UPDATE teams SET created_for =
    (SELECT min(account) FROM team_members WHERE team = teams.id AND role = 'owner');
CREATE INDEX teams_by_created_for ON teams (created_for) WHERE created_for IS NOT NULL;
