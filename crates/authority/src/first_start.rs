//! The first start: the operator key that everything else begins with.

use std::path::{Path, PathBuf};

use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{
    Actor, CreatedVia, KeyEntry, KeyRecord, KeySecret, Metadata, Preview, Rights, UnacceptableKey,
};
use claviger_core::lifecycle::Status;
use claviger_core::name::Name;
use claviger_core::permit::{Undecided, WritePermit};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::{CONTROL_TYPES, ScopeSet};
use claviger_core::{Kind, Subject, Timestamp};
use claviger_store::{Audit, Restored, StoreError};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::error::Error;
use crate::keyring::write_private;
use crate::ports::Ports;

/// The file in the data folder that the first operator key is written to.
pub const OPERATOR_KEY_FILE: &str = "operator-key";

/// What the first start found or did.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// The installation has its operator key already.
    Done,
    /// A key was made and written to this file.
    Written(PathBuf),
    /// The key that was supplied was installed.
    Supplied,
}

/// Why the first start failed.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// The key that was supplied could never be accepted, or is too easily guessed.
    #[error(
        "CLAVIGER_OPERATOR_KEY: {0}. Make one with `openssl rand -hex 24`, or unset the variable to have one made"
    )]
    Unacceptable(#[from] UnacceptableKey),
    /// The file could not be written.
    #[error("the operator key could not be written to {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Authority {
    /// Makes sure that there is an operator key: installs the one supplied, else makes one and writes it to
    /// `operator-key` in the data folder, readable by its owner alone. An installation that ever had one is
    /// left as it is.
    ///
    /// The file is written before the key is installed: after a crash in between the next start makes
    /// another one, and no installation ever has a key that nobody knows.
    ///
    /// # Errors
    /// [`FirstStartError`] says what is in the way.
    pub async fn first_start(
        &self,
        data: &Path,
        supplied: Option<String>,
    ) -> Result<FirstStart, FirstStartError> {
        if self.shared.store.setting(INSTALLED).await?.is_some() {
            return Ok(FirstStart::Done);
        }
        let path = data.join(OPERATOR_KEY_FILE);
        let (secret, format, preview, done) = match supplied {
            Some(text) => {
                let text = Zeroizing::new(text);
                self.formats().accept(&text)?;
                let secret = KeySecret::from_text(text.to_string()).map_err(UnacceptableKey::from)?;
                let preview = Preview::of(self.formats().prefix_of(secret.expose()), secret.expose());
                (secret, None, preview, FirstStart::Supplied)
            }
            None => {
                let (name, secret, preview) = self.mint(Kind::Operator, None)?;
                let write = |source| FirstStartError::Write { path: path.clone(), source };
                // Left by a start that did not get further: that key was never installed.
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(write(error)),
                    Ok(()) | Err(_) => {}
                }
                write_private(&path, format!("{}\n", secret.expose()).as_bytes()).map_err(write)?;
                (secret, Some(name), preview, FirstStart::Written(path))
            }
        };
        let record = self.operator_record("First operator key", &secret, format, preview)?;
        let audit = self.system_audit(Undecided::FirstStart, &record, "the first operator key");
        let installed = self.shared.store.install_operator_key(record, audit).await?;
        Ok(if installed.value { done } else { FirstStart::Done })
    }

    /// Recovers from the loss of the operator key, on the machine itself and while nothing else has the
    /// store open: makes another one, writes it to `operator-key` in the data folder in place of what is
    /// there, and returns that path. The operator keys that there are stay as they were: whoever fears that
    /// one is in wrong hands revokes it with the new one.
    ///
    /// The text is on the disk before the key is installed, and gets its name after: a crash in between
    /// leaves `operator-key.new`, which is valid or harmless.
    ///
    /// # Errors
    /// [`FirstStartError`] says what is in the way.
    pub async fn operator_reset(&self, data: &Path) -> Result<PathBuf, FirstStartError> {
        let path = data.join(OPERATOR_KEY_FILE);
        let fresh = data.join(format!("{OPERATOR_KEY_FILE}.new"));
        let write = |source| FirstStartError::Write { path: path.clone(), source };
        let (format, secret, preview) = self.mint(Kind::Operator, None)?;
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(write(error)),
            Ok(()) | Err(_) => {}
        }
        write_private(&fresh, format!("{}\n", secret.expose()).as_bytes()).map_err(write)?;
        let record = self.operator_record("Operator key after a reset", &secret, Some(format), preview)?;
        let audit = self.system_audit(Undecided::OperatorReset, &record, "operator reset");
        if !self.shared.store.install_operator_key(record.clone(), audit.clone()).await?.value {
            // No limit: it guards against runaways, and this must always work.
            self.shared.store.create_key(record, u32::MAX, audit).await?;
        }
        std::fs::rename(&fresh, &path).and_then(|()| std::fs::File::open(data)?.sync_all()).map_err(write)?;
        Ok(path)
    }

    /// Copies the store, while it serves, to a file that must not exist yet (mode 0600). The keyring and the
    /// journal of revocations are beside the database and not in it; keep them, too. For the machine itself:
    /// no caller is asked for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file exists or cannot be written.
    pub async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        self.shared.store.backup_to(path).await
    }

    /// Puts a backup in the place of a store that nobody has open, and applies the journal of revocations
    /// that lies beside it: what was revoked since the backup was made stays revoked. Where the journal is
    /// absent or has a gap, every active key is disabled, unless `trust` says that none was revoked since.
    ///
    /// # Errors
    /// What [`claviger_store::Store::restore`] says.
    pub async fn restore(
        backup: &Path,
        database: &Path,
        trust: bool,
        ports: &Ports,
    ) -> Result<Restored, StoreError> {
        let detail = if trust { "unvouched keys stay as they are" } else { "unvouched keys are disabled" };
        let audit = system_entry(ports.clock.now(), "operator:restore", "operator".into(), detail);
        let audit = Audit::new(WritePermit::without_decision(Undecided::Restore), audit);
        let random = ports.random.clone();
        let random = Box::new(move |buffer: &mut [u8]| random.fill(buffer));
        claviger_store::Store::restore(backup, database, trust, random, audit).await
    }

    /// Takes the wall clock for right in a store that nobody has open, after a time at which it was far ahead: keys
    /// that expired only by that are valid again. Returns what the latest time was until now, if there was any.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a program has it open.
    pub async fn reset_clock(database: &Path, ports: &Ports) -> Result<Option<Timestamp>, StoreError> {
        let now = ports.clock.now();
        let detail = "the latest time is taken from the clock";
        let permit = WritePermit::without_decision(Undecided::ClockReset);
        let audit = Audit::new(permit, system_entry(now, "operator:reset-clock", "operator".into(), detail));
        claviger_store::Store::reset_time(database, now, audit).await
    }

    fn operator_record(
        &self,
        name: &str,
        secret: &KeySecret,
        format: Option<Box<str>>,
        preview: Preview,
    ) -> Result<KeyRecord, Error> {
        let scopes = CONTROL_TYPES.map(|kind| format!("{kind}:*"));
        let scopes =
            ScopeSet::parse(scopes.iter().map(String::as_str)).map_err(|e| Error::invalid("scopes", e))?;
        let name = Name::parse(name).map_err(|e| Error::invalid("name", e))?;
        let rights = Rights {
            subject: Subject::Operator,
            scopes,
            expires_at: None,
            restrictions: Restrictions::default(),
        };
        Ok(KeyRecord {
            entry: KeyEntry { id: self.new_id(), status: Status::Active, rights },
            digest: secret.digest(),
            preview,
            name,
            format,
            created_at: self.now(),
            created_by: Actor::System,
            created_via: CreatedVia::Cli,
            replaces: None,
            metadata: Metadata::default(),
            revision: 1,
        })
    }

    fn system_audit(&self, why: Undecided, record: &KeyRecord, detail: &str) -> Audit {
        let target = format!("key:{}", record.entry.id);
        Audit::new(WritePermit::without_decision(why), system_entry(self.now(), "key:create", target, detail))
    }
}

fn system_entry(at: Timestamp, action: &str, target: String, detail: &str) -> HistoryEntry {
    HistoryEntry {
        at,
        actor: Actor::System,
        key: None,
        action: action.into(),
        target: target.into(),
        subject: "operator".into(),
        origin: Origin::Cli,
        address: None,
        request_id: None,
        outcome: "done".into(),
        detail: detail.into(),
        reasons: Default::default(),
    }
}

/// The setting by which the store remembers that there was an operator key.
const INSTALLED: &str = "operator_key_installed";
