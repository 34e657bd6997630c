-- What led to a refusal, as words of our own separated by spaces; null for what was done.
ALTER TABLE history ADD COLUMN reasons TEXT;

-- From the X-Request-Id of an answer to its row. Rows without one are not looked up by it.
CREATE INDEX history_by_request ON history (request_id) WHERE request_id IS NOT NULL;
