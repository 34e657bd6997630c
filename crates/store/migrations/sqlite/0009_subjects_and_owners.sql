-- What a key acts for is its subject; who a resource or a project belongs to is its owner.
ALTER TABLE keys RENAME COLUMN authority TO subject;
DROP INDEX keys_by_authority;
CREATE INDEX keys_by_subject ON keys (subject, id, expires_at);

ALTER TABLE history RENAME COLUMN authority TO subject;
DROP INDEX history_by_authority;
CREATE INDEX history_by_subject ON history (subject, row);

ALTER TABLE projects RENAME COLUMN holder_account TO owner_account;
ALTER TABLE projects RENAME COLUMN holder_team TO owner_team;
DROP INDEX projects_by_holder_account;
DROP INDEX projects_by_holder_team;
CREATE INDEX projects_by_owner_account ON projects (owner_account, id) WHERE owner_account IS NOT NULL;
CREATE INDEX projects_by_owner_team ON projects (owner_team, id) WHERE owner_team IS NOT NULL;

ALTER TABLE resources RENAME COLUMN holder_account TO owner_account;
ALTER TABLE resources RENAME COLUMN holder_team TO owner_team;
ALTER TABLE resources RENAME COLUMN holder_project TO owner_project;
DROP INDEX resources_by_holder_account;
DROP INDEX resources_by_holder_team;
DROP INDEX resources_by_holder_project;
CREATE INDEX resources_by_owner_account ON resources (owner_account, reference) WHERE owner_account IS NOT NULL;
CREATE INDEX resources_by_owner_team ON resources (owner_team, reference) WHERE owner_team IS NOT NULL;
CREATE INDEX resources_by_owner_project ON resources (owner_project, reference) WHERE owner_project IS NOT NULL;
