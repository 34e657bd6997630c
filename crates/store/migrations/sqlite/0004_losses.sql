-- From which records a change took authority away: a JSON list of `kind:name`. A permit that was made before
-- the change and rests on one of them is stale. NULL where that is not known, for changes of earlier versions
-- and restorations: such a change may have taken something from any record.
ALTER TABLE changes ADD COLUMN took TEXT;
