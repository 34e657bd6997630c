-- Identifiers are 16 bytes, big-endian, so they sort by creation. Instants are milliseconds since 1970, in
-- UTC; expiries are whole seconds. Nothing here holds the text of a key.

-- The one row that every mutation updates first: it is what puts them in order.
CREATE TABLE change_head (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq    INTEGER NOT NULL CHECK (seq >= 0),
    -- The oldest change row still kept; one more than seq when there is none.
    oldest INTEGER NOT NULL CHECK (oldest BETWEEN 1 AND seq + 1)
) STRICT;
INSERT INTO change_head (one, seq, oldest) VALUES (1, 0, 1);

CREATE TABLE changes (
    seq  INTEGER NOT NULL PRIMARY KEY,
    id   BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    -- What it touched: a JSON list of `kind:name`.
    what TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    closed      INTEGER NOT NULL CHECK (closed IN (0, 1)),
    name        TEXT,
    email       TEXT UNIQUE,
    password    TEXT,
    external_id TEXT UNIQUE,
    created_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE teams (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    closed      INTEGER NOT NULL CHECK (closed IN (0, 1)),
    name        TEXT NOT NULL,
    external_id TEXT UNIQUE,
    created_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE team_members (
    team    BLOB NOT NULL REFERENCES teams (id),
    account BLOB NOT NULL REFERENCES accounts (id),
    role    TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    PRIMARY KEY (team, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_members_by_account ON team_members (account, team);

CREATE TABLE projects (
    id             BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    closed         INTEGER NOT NULL CHECK (closed IN (0, 1)),
    holder_account BLOB REFERENCES accounts (id),
    holder_team    BLOB REFERENCES teams (id),
    name           TEXT NOT NULL,
    external_id    TEXT UNIQUE,
    created_at     INTEGER NOT NULL,
    revision       INTEGER NOT NULL CHECK (revision >= 1),
    CHECK ((holder_account IS NOT NULL) + (holder_team IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
CREATE INDEX projects_by_holder_account ON projects (holder_account, id) WHERE holder_account IS NOT NULL;
CREATE INDEX projects_by_holder_team ON projects (holder_team, id) WHERE holder_team IS NOT NULL;

CREATE TABLE project_members (
    project BLOB NOT NULL REFERENCES projects (id),
    account BLOB NOT NULL REFERENCES accounts (id),
    role    TEXT NOT NULL CHECK (role IN ('admin', 'collaborator', 'viewer')),
    PRIMARY KEY (project, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_members_by_account ON project_members (account, project);

CREATE TABLE resources (
    -- `type:id`
    reference      TEXT NOT NULL PRIMARY KEY CHECK (instr(reference, ':') > 1),
    holder_account BLOB REFERENCES accounts (id),
    holder_team    BLOB REFERENCES teams (id),
    holder_project BLOB REFERENCES projects (id),
    creator        BLOB REFERENCES accounts (id),
    visibility     TEXT NOT NULL CHECK (visibility IN ('private', 'shared', 'public')),
    -- Set together: public from this version on, and what the earlier ones are.
    public_from    INTEGER CHECK (public_from BETWEEN 1 AND 4294967295),
    before_shared  INTEGER CHECK (before_shared IN (0, 1)),
    latest         INTEGER NOT NULL CHECK (latest BETWEEN 1 AND 4294967295),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    revision       INTEGER NOT NULL CHECK (revision >= 1),
    CHECK ((holder_account IS NOT NULL) + (holder_team IS NOT NULL) + (holder_project IS NOT NULL) = 1),
    CHECK ((public_from IS NULL) = (before_shared IS NULL)),
    CHECK (public_from IS NULL OR visibility = 'public')
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_by_holder_account ON resources (holder_account, reference) WHERE holder_account IS NOT NULL;
CREATE INDEX resources_by_holder_team ON resources (holder_team, reference) WHERE holder_team IS NOT NULL;
CREATE INDEX resources_by_holder_project ON resources (holder_project, reference) WHERE holder_project IS NOT NULL;

CREATE TABLE resource_references (
    reference TEXT NOT NULL REFERENCES resources (reference) ON DELETE CASCADE,
    version   INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    -- JSON lists of names.
    secrets   TEXT NOT NULL,
    databases TEXT NOT NULL,
    PRIMARY KEY (reference, version)
) STRICT, WITHOUT ROWID;

-- The digest is kept in two halves: verification finds a key by the first, so that half is the primary key,
-- which makes a second key with the same 128 bits impossible and loading in the order of digests one scan.
CREATE TABLE keys (
    digest_head  BLOB NOT NULL PRIMARY KEY CHECK (length(digest_head) = 16),
    digest_tail  BLOB NOT NULL CHECK (length(digest_tail) = 16),
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    kind         TEXT NOT NULL CHECK (kind IN ('account', 'team', 'project', 'resource', 'operator')),
    -- The reference text. It names rows of four tables, so a foreign key cannot hold it: inserting looks them up.
    authority    TEXT NOT NULL,
    selector     TEXT CHECK (selector IS NULL OR kind = 'resource'),
    grants       TEXT CHECK ((grants IS NOT NULL) = (kind = 'resource')),
    -- Separated by single spaces; empty allows nothing.
    scopes       TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    -- Seconds.
    expires_at   INTEGER CHECK (expires_at >= 0),
    -- JSON; absent restricts nothing.
    restrictions TEXT,
    preview      TEXT NOT NULL,
    name         TEXT NOT NULL,
    format       TEXT,
    created_at   INTEGER NOT NULL,
    created_by   TEXT NOT NULL,
    created_via  TEXT NOT NULL,
    replaces     BLOB CHECK (length(replaces) = 16),
    -- JSON; absent is none.
    metadata     TEXT,
    revision     INTEGER NOT NULL CHECK (revision >= 1)
) STRICT, WITHOUT ROWID;
-- Carries the expiry, so that unexpired keys are counted in the index alone.
CREATE INDEX keys_by_authority ON keys (authority, id, expires_at);
CREATE INDEX keys_by_creator ON keys (created_by, id);
CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;

-- Apart from the keys: it is written all the time, and a key's row is wide.
CREATE TABLE key_last_used (
    key     BLOB NOT NULL PRIMARY KEY REFERENCES keys (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    address TEXT
) STRICT, WITHOUT ROWID;

-- Rows are only ever added. AUTOINCREMENT, so that no number is given twice even after the oldest are gone.
CREATE TABLE history (
    row        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    key        BLOB CHECK (length(key) = 16),
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    authority  TEXT NOT NULL,
    origin     TEXT NOT NULL CHECK (origin IN ('site', 'api', 'embed', 'cli')),
    address    TEXT,
    request_id TEXT,
    outcome    TEXT NOT NULL,
    detail     TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_authority ON history (authority, row);
CREATE INDEX history_by_actor ON history (actor, row);
CREATE INDEX history_by_target ON history (target, row);
CREATE INDEX history_by_key ON history (key, row) WHERE key IS NOT NULL;

-- Every key format ever configured.
CREATE TABLE formats (
    prefix   TEXT NOT NULL,
    length   INTEGER NOT NULL CHECK (length BETWEEN 1 AND 65535),
    checksum INTEGER NOT NULL CHECK (checksum IN (0, 1)),
    PRIMARY KEY (prefix, length, checksum)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
