//! Limits of the domain. Each says its unit in its name and its reason beside it.

/// Characters of a name: long enough for a sentence, short enough for one line of a table.
pub const NAME_CHARACTERS_MAX: usize = 128;
/// Scopes of one key: more is a role in disguise, and each decision walks them.
pub const SCOPES_MAX: usize = 64;
/// Bytes of each side of a scope.
pub const SCOPE_WORD_BYTES_MAX: usize = 32;
/// Bytes of a resource id.
pub const RESOURCE_ID_BYTES_MAX: usize = 128;
/// Characters of the identifier that an application has of its own: a UUID, an e-mail address or a URN fits.
pub const EXTERNAL_ID_CHARACTERS_MAX: usize = 128;
/// Shortest text that is looked up as a key: 22 characters of base 62 carry 128 bits, and no format may have less.
pub const KEY_TEXT_BYTES_MIN: usize = 16;
/// Longest text that is looked up as a key: what is longer is somebody's JWT or a mistake.
pub const KEY_TEXT_BYTES_MAX: usize = 256;
/// Pairs of `metadata` on one key.
pub const METADATA_PAIRS_MAX: usize = 16;
/// Bytes of a metadata name.
pub const METADATA_NAME_BYTES_MAX: usize = 64;
/// Bytes of a metadata value.
pub const METADATA_VALUE_BYTES_MAX: usize = 512;
/// Address blocks in one key's restrictions.
pub const ADDRESSES_MAX: usize = 64;
/// Origins in one key's restrictions.
pub const ORIGINS_MAX: usize = 64;
/// Bytes of an origin (a DNS name has at most 253, scheme and port come on top).
pub const ORIGIN_BYTES_MAX: usize = 300;
/// Members of one team or project: the record is swapped whole at each change.
pub const MEMBERS_MAX: usize = 10_000;
/// Versions of one resource that say what they reference.
pub const VERSIONS_MAX: usize = 10_000;
/// Secrets or databases that one version references.
pub const REFERENCES_MAX: usize = 64;
/// Bytes of the name of a secret or a database.
pub const REFERENCE_NAME_BYTES_MAX: usize = 128;
/// Keys of one account, team, project or resource, whatever their status: expired ones are stored and listed as
/// well. It guards against runaways only: people may create as many keys as they like.
pub const KEYS_PER_SUBJECT_MAX: u32 = 10_000;
/// What part of the limit of keys a rotation may go beyond it: a tenth, enough to replace secrets in an emergency
/// and too little to fill anything.
pub const ROTATION_RESERVE: u32 = 10;
/// Teams created for one account, closed ones included: people have a few, an application that mirrors its own
/// perhaps hundreds.
pub const TEAMS_PER_ACCOUNT_MAX: u32 = 1_000;
/// Projects of one account or team, closed ones included.
pub const PROJECTS_PER_OWNER_MAX: u32 = 1_000;
/// Days for which an expired key stays listed.
pub const EXPIRED_KEY_RETENTION_DAYS: u32 = 30;
/// The longest period of a rate, in seconds: 31 days, so that "a month" can be said. See [`crate::rate`].
pub const RATE_PERIOD_SECONDS_MAX: u32 = 31 * 86_400;
/// How long an old key may go on beside the one that replaces it, in seconds: a quarter of a year is the
/// longest release cycle that one waits for.
pub const ROTATION_OVERLAP_SECONDS_MAX: u64 = 92 * 86_400;
/// Keys revoked by one list of identifiers.
pub const REVOKE_KEYS_MAX: usize = 1_000;
/// Rows of an import handed in at once: they are held in memory, and each has an outcome in the answer.
pub const IMPORT_ROWS_MAX: usize = 5_000;
/// Imports that one account, with its projects and the teams that were created for it, has under way at the same time,
/// dry runs included.
pub const IMPORTS_OPEN_PER_TENANT_MAX: usize = 2;
/// Imports under way at the same time that are not an operator's: each holds what it has seen in memory.
pub const IMPORTS_OPEN_MAX: usize = 8;
/// Imports of operators under way at the same time. They have this room for themselves.
pub const IMPORTS_OPEN_OF_OPERATORS_MAX: usize = 8;
/// Rows of one import that is not an operator's, refused ones included: a dry run remembers each.
pub const IMPORT_ROWS_IN_ALL_MAX: u64 = 100_000;
/// Seconds after which an import that nobody goes on with is abandoned.
pub const IMPORT_IDLE_SECONDS_MAX: u64 = 3_600;
/// Bytes of an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header names no limit; a UUID has 36).
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
/// Seconds for which a repeat is recognised: a day outlasts every client's retries.
pub const IDEMPOTENCY_SECONDS: u64 = 86_400;
/// Resources of a type that are described at once, all there are. They are compared in memory and written in
/// one transaction, which other changes wait for.
pub const RECONCILE_RESOURCES_MAX: usize = 200_000;
/// Differences that are named in the answer to such a list; all of them are counted.
pub const RECONCILE_DIFFERENCES_NAMED_MAX: usize = 1_000;
/// Rows of the history that a host reports at once.
pub const HISTORY_ENTRIES_MAX: usize = 1_000;
/// Rows for the history that one account reports at once, its projects and the teams created for it included, and how
/// many each second after that. Operators are not limited.
pub const REPORTED_ROWS_BURST: u64 = 10_000;
/// See [`REPORTED_ROWS_BURST`]. Nine million rows a day are more than any site of one customer has to say.
pub const REPORTED_ROWS_PER_SECOND: u64 = 100;
/// Changes that one account makes at once, at least, its projects and the teams created for it included; twice the
/// limit of keys, if that is more. Enough for two batches of an import.
pub const CHANGES_BURST_MIN: u64 = 2 * IMPORT_ROWS_MAX as u64;
/// Changes of one account each second after that.
pub const CHANGES_PER_SECOND: u64 = 10;
/// Characters of the detail of such a row.
pub const HISTORY_DETAIL_CHARACTERS_MAX: usize = 512;
/// Rows of one answer about usage: a day of minutes, or more than a year of hours.
pub const USAGE_ROWS_MAX: u64 = 10_000;
/// Days for which a row of the history is kept: a year and a month, so that one can compare with last year.
pub const HISTORY_RETENTION_DAYS: u32 = 400;
/// Days for which the counters of each hour are kept, for the same reason.
pub const USAGE_RETENTION_DAYS: u32 = 400;
/// Hours for which the counters of each minute are kept.
pub const USAGE_MINUTES_RETENTION_HOURS: u32 = 25;
/// Days for which the journal of revocations reaches back: who restores a backup that is older than a quarter of a
/// year has more to look at than its keys.
pub const JOURNAL_RETENTION_DAYS: u32 = 90;
/// Change rows that are kept: a node that is further behind loads everything anew, which is quicker by then.
pub const CHANGE_ROWS_KEPT: u64 = 100_000;
