//! Imports: keys that were made elsewhere, by their texts or their digests.
//!
//! An import is begun, its rows are staged in batches, each with its outcome, and then it is committed:
//! all of it becomes valid in one change, or, if it is abandoned, nothing. Staging a batch makes other
//! writers wait for that batch at most, the commit for a single row, whatever the size. What is staged and
//! not committed is seen by nobody, and cleared away after the next start.

mod row;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_core::decide::{Credential, KeyAction, Missing, Refusal};
use claviger_core::key::{KeyRecord, Rights};
use claviger_core::limit::{IMPORT_IDLE_SECONDS_MAX, IMPORT_ROWS_MAX, IMPORTS_OPEN_MAX};
use claviger_core::scope::Action;
use claviger_core::{KeyId, Timestamp};
use claviger_store::{Audit, Committed, Staged, StoreError};

pub use self::row::{ImportKey, ImportRow};
use crate::authority::{Authority, Changed, On, Permitted};
use crate::caller::Caller;
use crate::error::{Error, Result};

/// Rows of one transaction: at some ten microseconds each, others wait for about ten milliseconds.
const BATCH_ROWS: usize = 1_000;
/// Authorities of one import that get a history row each; the rest is summed up.
const AUTHORITIES_LISTED_MAX: usize = 1_000;
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
            Self::Invalid(_) => "invalid",
            Self::Refused { .. } => "refused",
        }
    }
}

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
    /// Those that earlier processes have left staged, until they are cleared away.
    stale: tokio::sync::Mutex<Vec<u64>>,
}

struct Session {
    by: Permitted,
    /// The rights of the key that began it. A commit needs them still.
    rights: Option<Rights>,
    operator: bool,
    options: ImportOptions,
    progress: ImportProgress,
    /// How many rows there are of each authority, for the history; the rest under `rest`.
    authorities: BTreeMap<String, (claviger_core::Authority, u64)>,
    rest: u64,
    /// Halves of digests, in a dry run: what the store would recognise by itself.
    seen: HashSet<[u8; 16]>,
    last_at: Timestamp,
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
    /// Refused to keys without the scope `key:create`; the conflict `too_many_imports` while too many are
    /// under way.
    pub async fn begin_import(&self, caller: &Caller, options: ImportOptions) -> Result<ImportId> {
        let action = KeyAction::Create.action();
        self.accepts(caller, action)?;
        let now = self.now();
        let (rights, operator) = self.read(|view| match caller.credential(view) {
            Credential::Key(key) if !key.rights.scopes.cover(&action) => {
                Err(Error::refused(Refusal::Forbidden(Missing::Scope), action))
            }
            Credential::Key(key) => {
                let operator = key.rights.authority == claviger_core::Authority::Operator;
                Ok((Some(key.rights.to_rights()), operator))
            }
            Credential::SignedIn(_) | Credential::Anonymous | Credential::Unknown => Ok((None, false)),
        })??;
        let by = self.acting(caller)?.ok_or_else(|| Error::refused(Refusal::CredentialsRequired, action))?;
        // Its rows could be among those, and would be taken for duplicates.
        self.clear_stale_imports().await?;
        if self.shared.imports.lock().len() >= IMPORTS_OPEN_MAX {
            let detail = format!("{IMPORTS_OPEN_MAX} imports are under way; commit or abandon one first.");
            return Err(Error::Conflict { code: "too_many_imports", detail });
        }
        let id = if options.dry_run {
            ImportId(DRY_RUN | (u64::from_be_bytes(self.ports().bytes()) >> 3))
        } else {
            ImportId(self.shared.store.open_import(now, by.actor).await?)
        };
        let session = Session {
            by,
            rights,
            operator,
            options,
            progress: ImportProgress { dry_run: options.dry_run, ..ImportProgress::default() },
            authorities: BTreeMap::new(),
            rest: 0,
            seen: HashSet::new(),
            last_at: now,
        };
        self.shared.imports.lock().insert(id, session);
        Ok(id)
    }

    /// Stages rows and says of each, in order, what becomes of it. Nothing is valid before the commit.
    /// Only operators go beyond the limit of keys per authority: it guards against runaways, which their
    /// imports are not.
    ///
    /// # Errors
    /// Not found for everyone but whoever began the import; the conflict `import_closed`;
    /// [`Error::Invalid`] for more than 5,000 rows at once.
    pub async fn stage_rows(
        &self,
        caller: &Caller,
        import: ImportId,
        rows: Vec<ImportRow>,
    ) -> Result<Vec<ImportOutcome>> {
        let (options, operator) =
            self.with_import(caller, import, |session| (session.options, session.operator))?;
        if rows.len() > IMPORT_ROWS_MAX {
            return Err(Error::invalid("rows", format_args!("hand in at most {IMPORT_ROWS_MAX} at once")));
        }
        let (now, formats) = (self.now(), self.formats());
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut records = Vec::new();
        for row in rows {
            match self.imported(caller, options, &formats, row, now) {
                Ok(record) => {
                    records.push((outcomes.len(), record));
                    outcomes.push(ImportOutcome::WouldImport);
                }
                Err(outcome) => outcomes.push(outcome),
            }
        }
        for batch in records.chunks(BATCH_ROWS) {
            let keys = batch.iter().map(|(_, record)| record.clone()).collect::<Vec<_>>();
            let staged = self.stage_batch(caller, import, options, operator, keys).await?;
            for ((at, record), staged) in batch.iter().zip(staged) {
                outcomes[*at] = outcome(staged, options, record);
            }
        }
        self.with_import(caller, import, |session| session.count(&outcomes, &records, now))?;
        Ok(outcomes)
    }

    async fn stage_batch(
        &self,
        caller: &Caller,
        import: ImportId,
        options: ImportOptions,
        operator: bool,
        records: Vec<KeyRecord>,
    ) -> Result<Vec<Staged>> {
        if options.dry_run {
            let digests = records.iter().map(|record| record.digest).collect::<Vec<_>>();
            let taken = self.shared.store.digests_taken(digests.clone()).await?;
            return self.with_import(caller, import, |session| {
                let fresh =
                    digests.iter().map(|digest| session.seen.insert(half(digest))).collect::<Vec<_>>();
                let staged = |(taken, fresh): (bool, bool)| {
                    if taken || !fresh { Staged::Duplicate } else { Staged::Staged }
                };
                taken.into_iter().zip(fresh).map(staged).collect()
            });
        }
        let limit = (!operator).then_some(self.settings().keys_per_authority_max);
        let staged = self.shared.store.stage_keys(import.0, records, limit, self.now().seconds()).await;
        staged.map_err(|error| match error {
            StoreError::NotFound => not_open(),
            other => other.into(),
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
        let since = self.now();
        let by = self.with_import(caller, import, |session| session.by)?;
        self.may_commit(caller, import)?;
        let session = self.shared.imports.lock().remove(&import).ok_or_else(not_open)?;
        let mut progress = session.progress;
        if progress.dry_run {
            return self.nothing_to_do(progress, since, false).await;
        }
        let audit = self.import_audit(caller, by, import, &session);
        match self.shared.store.commit_import(import.0, audit).await {
            Ok(Committed { sequence, id, value }) => {
                // What vanished meanwhile, with what it stood for, was not imported.
                progress.staged = value;
                Ok(self.made(Committed { sequence, id, value: progress }, since, false))
            }
            Err(StoreError::NotFound) => Err(not_open()),
            Err(error) => {
                self.shared.imports.lock().insert(import, session);
                Err(error.into())
            }
        }
    }

    /// Whether the rights that the rows were judged by are still there.
    fn may_commit(&self, caller: &Caller, import: ImportId) -> Result<()> {
        let changed = || {
            let detail = "The rights of whoever began this import have changed; abandon it and begin anew.";
            Error::Conflict { code: "import_rights_changed", detail: detail.to_owned() }
        };
        let (rights, authorities) = self.with_import(caller, import, |session| {
            let authorities = session.authorities.values().map(|(authority, _)| authority.clone());
            (session.rights.clone(), authorities.collect::<Vec<_>>())
        })?;
        let unchanged = self.read(|view| {
            let credential = caller.credential(view);
            if let (Some(rights), Credential::Key(key)) = (&rights, credential)
                && !key.rights.to_rights().include(rights)
            {
                return false;
            }
            let manages =
                |authority| claviger_core::decide::manages(view, self.policy(), credential, authority);
            authorities.iter().all(manages)
        })?;
        if unchanged { Ok(()) } else { Err(changed()) }
    }

    fn import_audit(&self, caller: &Caller, by: Permitted, import: ImportId, session: &Session) -> Audit {
        let row = |authority: &str, keys: u64| {
            self.entry(caller, by, IMPORT, On::new(import, authority), format!("keys: {keys}"))
        };
        let mut rows = session.authorities.iter().map(|(name, (_, keys))| row(name, *keys));
        let first = rows.next().unwrap_or_else(|| row("operator", 0));
        let mut audit = rows.fold(Audit::new(first), Audit::and);
        if session.rest > 0 {
            audit = audit.and(row("operator", session.rest));
        }
        audit
    }

    /// Ends an import of which nothing shall stay.
    ///
    /// # Errors
    /// As [`Authority::import_progress`].
    pub async fn abandon_import(&self, caller: &Caller, import: ImportId) -> Result<()> {
        self.with_import(caller, import, |_| ())?;
        self.shared.imports.lock().remove(&import);
        self.clear_import(import).await
    }

    /// Takes away what an import has staged.
    pub(crate) async fn clear_import(&self, import: ImportId) -> Result<()> {
        self.shared.imports.lock().remove(&import);
        if import.0 & DRY_RUN != 0 {
            return Ok(());
        }
        while !self.shared.store.abandon_import(import.0, BATCH_ROWS as u32).await? {}
        Ok(())
    }

    /// Takes away what earlier processes have left staged; whoever comes second waits for the first.
    pub(crate) async fn clear_stale_imports(&self) -> Result<(), StoreError> {
        let mut stale = self.shared.imports.stale.lock().await;
        while let Some(import) = stale.last().copied() {
            tracing::info!(import, "clearing away an import that was not committed");
            while !self.shared.store.abandon_import(import, BATCH_ROWS as u32).await? {}
            stale.pop();
        }
        Ok(())
    }

    /// Does so beside everything else: nobody sees those rows, and there may be a million of them.
    pub(crate) fn clear_stale_imports_meanwhile(&self) {
        let authority = self.clone();
        tokio::spawn(async move {
            if let Err(error) = authority.clear_stale_imports().await {
                tracing::warn!(%error, "rows of earlier imports are left; the next import clears them away");
            }
        });
    }

    /// Goes on with an import of the caller's own.
    fn with_import<T>(
        &self,
        caller: &Caller,
        import: ImportId,
        go_on: impl FnOnce(&mut Session) -> T,
    ) -> Result<T> {
        self.accepts(caller, KeyAction::Create.action())?;
        let by = self.acting(caller)?;
        let mut sessions = self.shared.imports.lock();
        match sessions.get_mut(&import) {
            Some(session) if by.is_some_and(|by| by.actor == session.by.actor) => Ok(go_on(session)),
            // Somebody else's and one that never was are the same.
            Some(_) | None => Err(not_open()),
        }
    }
}

impl Session {
    fn count(&mut self, outcomes: &[ImportOutcome], records: &[(usize, KeyRecord)], now: Timestamp) {
        for outcome in outcomes {
            *match outcome {
                ImportOutcome::Imported(_) | ImportOutcome::WouldImport => &mut self.progress.staged,
                ImportOutcome::Duplicate => &mut self.progress.duplicate,
                ImportOutcome::Invalid(_) => &mut self.progress.invalid,
                ImportOutcome::Refused { .. } => &mut self.progress.refused,
            } += 1;
        }
        let imported = records.iter().filter(|(at, _)| matches!(outcomes[*at], ImportOutcome::Imported(_)));
        for (_, record) in imported {
            let authority = &record.entry.rights.authority;
            let name = authority.to_string();
            if let Some((_, keys)) = self.authorities.get_mut(&name) {
                *keys += 1;
            } else if self.authorities.len() < AUTHORITIES_LISTED_MAX {
                self.authorities.insert(name, (authority.clone(), 1));
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
        Staged::Missing => {
            ImportOutcome::Refused { code: "not_found", detail: Refusal::NotFound.detail("key:create") }
        }
        Staged::Limit => ImportOutcome::Refused {
            code: "key_limit_reached",
            detail: "There are as many unexpired keys here as are allowed.".to_owned(),
        },
    }
}
