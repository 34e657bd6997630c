-- The latest time that was acted on, in milliseconds; 0 where nothing ever was. Now is never earlier than this.
ALTER TABLE change_head ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE change_head SET at = max(0, coalesce((SELECT at FROM history ORDER BY row DESC LIMIT 1), 0));
-- The number of the latest transaction. Each one takes a number that none had before, so that a writer whose COMMIT
-- failed finds out whether it happened.
ALTER TABLE change_head ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- Counts the writes that say nothing: those that settle whether an earlier one happened.
ALTER TABLE change_head ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
-- When the change was made, in milliseconds; absent for those of earlier versions.
ALTER TABLE changes ADD COLUMN at INTEGER;

-- What a trial of whether changes can be made writes: about as much as a change.
CREATE TABLE trials (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    filler BLOB NOT NULL
) STRICT;
INSERT INTO trials (one, filler) VALUES (1, x'');
