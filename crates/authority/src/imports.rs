//! Imports: keys that were made elsewhere, by their texts or their digests.
//!
//! An import is begun, its rows are staged in batches, each with its outcome, and then it is committed:
//! all of it becomes valid in one change, or, if it is abandoned, nothing. Staging a batch makes other
//! writers wait for that batch at most, the commit for a single row, whatever the size. What is staged and
//! not committed is seen by nobody, and cleared away after the next start.

mod abandon;
mod room;
mod row;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::decide::{Credential, KeyAction, Missing, Refusal};
use claviger_core::key::{Actor, KeyRecord, Rights};
use claviger_core::limit::{IMPORT_IDLE_SECONDS_MAX, IMPORT_ROWS_MAX};
use claviger_core::scope::Action;
use claviger_core::{KeyId, Timestamp};
use claviger_store::{Audit, Committed, Staged, StoreError, Taken};

use self::room::{Opening, Room};
pub use self::row::{ImportKey, ImportRow};
use crate::allowance::Made;
use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};

/// Rows of one transaction: at some ten microseconds each, others wait for about ten milliseconds.
const BATCH_ROWS: usize = 1_000;
/// Subjects of one import that get a history row each; the rest is summed up.
const SUBJECTS_LISTED_MAX: usize = 1_000;
/// Set in the names of dry runs, which the store knows nothing of.
const DRY_RUN: u64 = 1 << 62;
const IMPORT: Action<'static> = Action::literal("key", "import");

/// The name of an import that is under way: `imp_` and digits. It is no secret; it is good only for whoever
/// began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImportId(u64);

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "imp_{}", self.0)
    }
}

impl FromStr for ImportId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("imp_").and_then(|digits| digits.parse().ok());
        digits.map(Self).ok_or_else(Error::not_found)
    }
}

/// How to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Only say what would become of each row.
    pub dry_run: bool,
    /// The importer's statement that every digest is of a text with at least 128 random bits. Rows with
    /// digests are invalid without it.
    pub digests_are_strong: bool,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It is imported under this identifier, once the import is committed.
    Imported(KeyId),
    /// It would be imported.
    WouldImport,
    /// There is this key already, or another row with it.
    Duplicate,
    /// It cannot be: which field, and why.
    Invalid(String),
    /// Nothing is wrong with it but that nobody has stated that the keys behind digests are strong.
    Unvouched,
    /// The caller may not import it.
    Refused {
        /// The stable code of the refusal.
        code: &'static str,
        /// What is missing.
        detail: String,
    },
}

impl ImportOutcome {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Imported(_) => "imported",
            Self::WouldImport => "would_import",
            Self::Duplicate => "duplicate",
            Self::Invalid(_) | Self::Unvouched => "invalid",
            Self::Refused { .. } => "refused",
        }
    }
}

/// A row, or why it could not be read.
pub type ReadRow = std::result::Result<ImportRow, String>;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportProgress {
    /// Rows that are staged; in a dry run, those that would be.
    pub staged: u64,
    /// Rows that are there already.
    pub duplicate: u64,
    /// Rows that cannot be.
    pub invalid: u64,
    /// Rows that the caller may not import.
    pub refused: u64,
    /// Whether nothing will be imported.
    pub dry_run: bool,
}

/// The imports that are under way in this process.
#[derive(Default)]
pub(crate) struct Imports {
    sessions: Mutex<HashMap<ImportId, Session>>,
    /// Who has how many of them.
    opening: Opening,
    /// Those that earlier processes have left staged, until they are cleared away.
    stale: tokio::sync::Mutex<Vec<u64>>,
}

struct Session {
    /// Who began it.
    caller: Caller,
    by: Actor,
    /// The rights of the key that began it. A commit needs them still.
    rights: Option<Rights>,
    /// The rights of the rows that were handed to the store, each once: at the commit they are decided again, with whatever was
    /// taken away meanwhile. None for operators, whose keys include everybody's rights.
    granted: HashSet<Rights>,
    /// Held by the request that stages, commits or abandons: one step after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
    operator: bool,
    options: ImportOptions,
    progress: ImportProgress,
    /// How many rows there are of each authority, for the history; the rest under `rest`.
    subjects: BTreeMap<String, u64>,
    rest: u64,
    /// Halves of digests, in a dry run: what the store would recognise by itself.
    seen: HashSet<[u8; 16]>,
    last_at: Timestamp,
    /// Given back when the session ends.
    _room: Room,
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, HashMap<ImportId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With what earlier processes have left staged.
    pub(crate) fn after(stale: Vec<u64>) -> Self {
        Self { stale: tokio::sync::Mutex::new(stale), ..Self::default() }
    }

    /// Those that nobody goes on with.
    pub(crate) fn idle(&self, now: Timestamp) -> Vec<ImportId> {
        let idle = (IMPORT_IDLE_SECONDS_MAX * 1_000).cast_signed();
        let sessions = self.lock();
        let old = sessions.iter().filter(|(_, session)| now.millis() - session.last_at.millis() > idle);
        old.map(|(id, _)| *id).collect()
    }
}

fn not_open() -> Error {
    let detail = "This import is not open: it was committed or abandoned.".to_owned();
    Error::Conflict { code: "import_closed", detail }
}

impl Authority {
    /// Begins an import. Whoever stages rows needs what creating each of those keys would need.
    ///
    /// # Errors
    /// Refused to keys without the scope `key:create`; the conflict `too_many_imports` while the caller's subject,
    /// or all who are not operators, have too many under way.
    pub async fn begin_import(&self, caller: &Caller, options: ImportOptions) -> Result<ImportId> {
        let (authority, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move {
            authority
                .attempts(&caller, &[], &Condition::Always, |deciding| {
                    authority.import_begun(deciding, options)
                })
                .await
        })
        .await
    }

    async fn import_begun(&self, mut deciding: Deciding<'_>, options: ImportOptions) -> Result<ImportId> {
        let (now, action) = (self.now(), KeyAction::Create.action());
        let (rights, subject) = deciding.look(action, |_, credential| match credential {
            Credential::Key(key) => (Some(key.rights.to_rights()), Some(key.rights.subject.to_subject())),
            Credential::SignedIn(id) => (None, Some(claviger_core::Subject::Account(id))),
            Credential::Anonymous | Credential::Unknown => (None, None),
        })?;
        let subject = subject.ok_or_else(|| Error::refused(Refusal::CredentialsRequired, action))?;
        if rights.as_ref().is_some_and(|rights| !rights.scopes.cover(&action)) {
            return Err(Error::refused(Refusal::Forbidden(Missing::Scope), action));
        }
        let operator = subject == claviger_core::Subject::Operator;
        let by = deciding.permitted()?.actor;
        // Its rows could be among those, and would be taken for duplicates.
        self.clear_stale_imports().await?;
        let room = self.room_for(deciding.caller()).await?;
        let id = if options.dry_run {
            ImportId(DRY_RUN | (u64::from_be_bytes(self.ports().bytes()) >> 3))
        } else {
            ImportId(self.shared.store.open_import(now, by, deciding.write()?).await?)
        };
        let session = Session {
            caller: deciding.caller().clone(),
            by,
            rights,
            granted: HashSet::new(),
            turn: Arc::default(),
            operator,
            options,
            progress: ImportProgress { dry_run: options.dry_run, ..ImportProgress::default() },
            subjects: BTreeMap::new(),
            rest: 0,
            seen: HashSet::new(),
            last_at: now,
            _room: room,
        };
        self.shared.imports.lock().insert(id, session);
        Ok(id)
    }

    /// Stages rows and says of each, in order, what becomes of it. Nothing is valid before the commit.
    /// Only operators go beyond the limit of keys per authority, which guards against runaways, and import keys
    /// that have expired already.
    ///
    /// # Errors
    /// Not found for everyone but whoever began the import; the conflict `import_closed`;
    /// [`Error::Invalid`] for more than 5,000 rows at once; the conflict `import_too_large` for more than 100,000 in
    /// all, unless an operator imports.
    pub async fn stage_rows(
        &self,
        caller: &Caller,
        import: ImportId,
        rows: Vec<ImportRow>,
    ) -> Result<Vec<ImportOutcome>> {
        self.stage_read_rows(caller, import, rows.into_iter().map(Ok).collect()).await
    }

    /// Stages rows of which some could not even be read: why not is the outcome of such a row.
    ///
    /// # Errors
    /// As [`Authority::stage_rows`].
    pub async fn stage_read_rows(
        &self,
        caller: &Caller,
        import: ImportId,
        rows: Vec<ReadRow>,
    ) -> Result<Vec<ImportOutcome>> {
        self.with_import(caller, import, |_| ())?;
        if rows.len() > IMPORT_ROWS_MAX {
            return Err(Error::invalid("rows", format_args!("hand in at most {IMPORT_ROWS_MAX} at once")));
        }
        let (authority, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move { authority.stage_in_turn(&caller, import, &rows).await }).await
    }

    async fn stage_in_turn(
        &self,
        caller: &Caller,
        import: ImportId,
        rows: &[ReadRow],
    ) -> Result<Vec<ImportOutcome>> {
        let _turn = self.turn(caller, import).await?;
        let dry = self.with_import(caller, import, |session| session.takes(rows.len()))??;
        // All of them before any of them, so that nobody has to find out which ones were staged.
        let stored = if dry { 0 } else { rows.iter().filter(|row| row.is_ok()).count() };
        let taken = self.allowance(caller, Made::Changes, stored as u64).await?;
        let mut outcomes = Vec::with_capacity(rows.len());
        for batch in rows.chunks(BATCH_ROWS) {
            let step = |deciding| self.batch_staged(deciding, import, batch);
            outcomes.extend(self.attempts(caller, &[], &Condition::Always, step).await?);
        }
        taken
            .spend(outcomes.iter().filter(|outcome| matches!(outcome, ImportOutcome::Imported(_))).count()
                as u64);
        Ok(outcomes)
    }

    /// Decides about the rows of a batch and stages those that may be imported, with one permit for all of them.
    async fn batch_staged(
        &self,
        mut deciding: Deciding<'_>,
        import: ImportId,
        rows: &[ReadRow],
    ) -> Result<Vec<ImportOutcome>> {
        let caller = deciding.caller();
        let (options, operator) =
            self.with_import(caller, import, |session| (session.options, session.operator))?;
        deciding.accepted(KeyAction::Create.action())?;
        let (now, formats) = (self.now(), self.formats());
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut records = Vec::new();
        for row in rows {
            let row = row.as_ref().map_err(|why| ImportOutcome::Invalid(why.clone()));
            match row.and_then(|row| self.imported(&mut deciding, (options, operator), &formats, row, now)) {
                Ok(record) => {
                    records.push((outcomes.len(), record));
                    outcomes.push(ImportOutcome::WouldImport);
                }
                Err(outcome) => outcomes.push(outcome),
            }
        }
        if !records.is_empty() {
            // Before the rows are handed over: of a batch that failed nobody may know whether it is staged, and the
            // commit has to decide about its rights as well.
            self.with_import(caller, import, |session| session.grant(&records))?;
            let keys = records.iter().map(|(_, record)| record.clone()).collect();
            let staged = if options.dry_run {
                self.would_stage(caller, import, keys).await?
            } else {
                let limit = (!operator).then_some(self.settings().keys_per_subject_max);
                let (store, permit) = (&self.shared.store, deciding.write()?);
                store.stage_keys(import.0, keys, limit, permit).await.map_err(closed)?
            };
            for ((at, record), staged) in records.iter().zip(staged) {
                outcomes[*at] = outcome(staged, options, record);
            }
        }
        self.with_import(caller, import, |session| session.count(&outcomes, &records, now))?;
        Ok(outcomes)
    }

    /// What the store would say, in a dry run.
    async fn would_stage(
        &self,
        caller: &Caller,
        import: ImportId,
        records: Vec<KeyRecord>,
    ) -> Result<Vec<Staged>> {
        let digests = records.iter().map(|record| record.digest).collect::<Vec<_>>();
        let taken = self.shared.store.digests_taken(digests.clone()).await?;
        self.with_import(caller, import, |session| {
            let fresh = digests.iter().map(|digest| session.seen.insert(half(digest))).collect::<Vec<_>>();
            let staged = |(taken, fresh): (Option<Taken>, bool)| match taken {
                Some(Taken::Deleted) => Staged::Deleted,
                None if fresh => Staged::Staged,
                Some(Taken::Key) | None => Staged::Duplicate,
            };
            taken.into_iter().zip(fresh).map(staged).collect()
        })
    }

    /// How far an import is.
    ///
    /// # Errors
    /// Not found for everyone but whoever began it; the conflict `import_closed`.
    pub fn import_progress(&self, caller: &Caller, import: ImportId) -> Result<ImportProgress> {
        self.with_import(caller, import, |session| session.progress)
    }

    /// Makes everything that was staged valid at once, and returns the final count. The history has a row
    /// for each authority (up to 1,000 of them, then one for the rest). A dry run just ends.
    ///
    /// # Errors
    /// As [`Authority::import_progress`]; the conflict `import_rights_changed` if whoever began it lost
    /// rights meanwhile. A commit that failed may be tried again.
    pub async fn commit_import(&self, caller: &Caller, import: ImportId) -> Result<Changed<ImportProgress>> {
        self.with_import(caller, import, |_| ())?;
        let (authority, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move {
            let _turn = authority.turn(&caller, import).await?;
            authority
                .attempts(&caller, &[], &Condition::Always, |deciding| {
                    authority.import_committed(deciding, import)
                })
                .await
        })
        .await
    }

    async fn import_committed(
        &self,
        mut deciding: Deciding<'_>,
        import: ImportId,
    ) -> Result<Changed<ImportProgress>> {
        let since = self.now();
        self.may_commit(&mut deciding, import)?;
        // It stays in the list until it is committed, so that nobody hears that it is closed before its keys are
        // valid; any other request that goes on with it waits for its turn.
        let (mut progress, rows) = self.with_import(deciding.caller(), import, |session| {
            let rest = Some(("operator".to_owned(), session.rest));
            // What is not listed, and an import of nothing, stands with the operators.
            let rest = rest.filter(|(_, keys)| *keys > 0 || session.subjects.is_empty());
            let listed = session.subjects.iter().map(|(name, keys)| (name.clone(), *keys));
            (session.progress, listed.chain(rest).collect::<Vec<_>>())
        })?;
        let committed = if progress.dry_run {
            deciding.unchanged(progress, since, false).await
        } else {
            let audit = import_audit(&deciding, import, rows)?;
            let committed = self.shared.store.commit_import(import.0, audit).await.map_err(closed);
            committed.map(|Committed { sequence, id, value }| {
                // What vanished meanwhile, with what it stood for, was not imported.
                progress.staged = value;
                self.made(Committed { sequence, id, value: progress }, since, false)
            })
        };
        if matches!(committed, Ok(_) | Err(Error::Conflict { .. })) {
            self.shared.imports.lock().remove(&import);
        }
        committed
    }

    /// Whether the rights that the rows were judged by are still there.
    fn may_commit(&self, deciding: &mut Deciding<'_>, import: ImportId) -> Result<()> {
        let changed = || {
            let detail = "The rights of the caller that began this import have changed. Abandon it and begin a new one.";
            Error::Conflict { code: "import_rights_changed", detail: detail.to_owned() }
        };
        let (began_with, granted) = self.with_import(deciding.caller(), import, |session| {
            (session.rights.clone(), session.granted.iter().cloned().collect::<Vec<_>>())
        })?;
        let own = deciding.look(KeyAction::Create.action(), |_, credential| match credential {
            Credential::Key(key) => Some(key.rights.to_rights()),
            Credential::SignedIn(_) | Credential::Anonymous | Credential::Unknown => None,
        })?;
        if let (Some(began_with), Some(own)) = (&began_with, &own)
            && !own.include(began_with)
        {
            return Err(changed());
        }
        for rights in &granted {
            let decided = deciding
                .key(KeyAction::Create, None, rights)
                .and_then(|()| deciding.exists(KeyAction::Create.action(), &rights.subject));
            match decided {
                Err(Error::Refused { .. }) => return Err(changed()),
                decided => decided?,
            }
        }
        Ok(())
    }

    /// Waits until nobody else stages, commits or abandons this import of the caller's own.
    async fn turn(&self, caller: &Caller, import: ImportId) -> Result<tokio::sync::OwnedMutexGuard<()>> {
        let turn = self.with_import(caller, import, |session| session.turn.clone())?;
        let held = turn.lock_owned().await;
        // It may have ended meanwhile.
        self.with_import(caller, import, |_| ())?;
        Ok(held)
    }

    /// Goes on with an import of the caller's own.
    fn with_import<T>(
        &self,
        caller: &Caller,
        import: ImportId,
        go_on: impl FnOnce(&mut Session) -> T,
    ) -> Result<T> {
        self.own_import(&mut self.deciding(caller), import, go_on)
    }

    /// The same as one of the decisions of a use case.
    fn own_import<T>(
        &self,
        deciding: &mut Deciding<'_>,
        import: ImportId,
        go_on: impl FnOnce(&mut Session) -> T,
    ) -> Result<T> {
        deciding.accepted(KeyAction::Create.action())?;
        let by = deciding.permitted()?.actor;
        let mut sessions = self.shared.imports.lock();
        match sessions.get_mut(&import) {
            Some(session) if by == session.by => Ok(go_on(session)),
            // Somebody else's and one that never was are the same.
            Some(_) | None => Err(not_open()),
        }
    }
}

fn import_audit(deciding: &Deciding<'_>, import: ImportId, rows: Vec<(String, u64)>) -> Result<Audit> {
    let row = |(subject, keys): (String, u64)| {
        deciding.entry(IMPORT, On::new(import, subject), format!("keys: {keys}"))
    };
    let mut rows = rows.into_iter();
    let first = rows.next().ok_or_else(not_open)?;
    rows.try_fold(Audit::new(deciding.write()?, row(first)?), |audit, other| Ok(audit.and(row(other)?)))
}

/// The store knows no such import any more.
fn closed(error: StoreError) -> Error {
    match error {
        StoreError::NotFound => not_open(),
        other => other.into(),
    }
}

impl Session {
    /// Remembers the rights of rows that may be staged, for the decision at the commit.
    fn grant(&mut self, records: &[(usize, KeyRecord)]) {
        if !self.operator && !self.options.dry_run {
            self.granted.extend(records.iter().map(|(_, record)| record.entry.rights.clone()));
        }
    }

    fn count(&mut self, outcomes: &[ImportOutcome], records: &[(usize, KeyRecord)], now: Timestamp) {
        for outcome in outcomes {
            *match outcome {
                ImportOutcome::Imported(_) | ImportOutcome::WouldImport => &mut self.progress.staged,
                ImportOutcome::Duplicate => &mut self.progress.duplicate,
                ImportOutcome::Invalid(_) | ImportOutcome::Unvouched => &mut self.progress.invalid,
                ImportOutcome::Refused { .. } => &mut self.progress.refused,
            } += 1;
        }
        let imported = records.iter().filter(|(at, _)| matches!(outcomes[*at], ImportOutcome::Imported(_)));
        for (_, record) in imported {
            let name = record.entry.rights.subject.to_string();
            if let Some(keys) = self.subjects.get_mut(&name) {
                *keys += 1;
            } else if self.subjects.len() < SUBJECTS_LISTED_MAX {
                self.subjects.insert(name, 1);
            } else {
                self.rest += 1;
            }
        }
        self.last_at = now;
    }
}

fn half(digest: &claviger_core::key::Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_bytes()[..16]);
    half
}

fn outcome(staged: Staged, options: ImportOptions, record: &KeyRecord) -> ImportOutcome {
    match staged {
        Staged::Staged if options.dry_run => ImportOutcome::WouldImport,
        Staged::Staged => ImportOutcome::Imported(record.entry.id),
        Staged::Duplicate => ImportOutcome::Duplicate,
        Staged::Deleted => ImportOutcome::Refused {
            code: "key_deleted",
            detail: "This key was deleted, and a deleted key never works again. Create a new one.".to_owned(),
        },
        Staged::Missing => {
            ImportOutcome::Refused { code: "not_found", detail: Refusal::NotFound.detail("key:create") }
        }
        Staged::Limit => ImportOutcome::Refused {
            code: "key_limit_reached",
            detail: "The limit of keys is reached here; expired and disabled keys count.".to_owned(),
        },
    }
}
