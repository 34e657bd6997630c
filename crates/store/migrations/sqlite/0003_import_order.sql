-- By identifier rather than by digest within an import: identifiers come in the order of time, so a staged row is
-- added at the end of this index rather than anywhere in it.
DROP INDEX keys_by_import;
CREATE INDEX keys_by_import ON keys (import, id) WHERE import > 0;
