//! Ending many keys at once.

use claviger_core::decide::{KeyAction, Refusal};
use claviger_core::key::Rights;
use claviger_core::limit::REVOKE_KEYS_MAX;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::{KeyId, Subject, Timestamp};
use claviger_store::Audit;

use super::on_key;
use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};

/// Which keys to revoke.
#[derive(Debug, Clone)]
pub enum Revocation {
    /// These, at most 1,000.
    Keys(Vec<KeyId>),
    /// All that stand for this, whatever their status; of a resource, at whatever versions. Rows of imports
    /// that are under way go, too.
    Subject(Subject),
}

impl Authority {
    /// Deletes many keys in one change, all of them or none, and returns how many there were. The history
    /// has a row for each that was named.
    ///
    /// # Errors
    /// Not found, naming none, if any of them does not exist or is not the caller's to manage; refused if
    /// the caller lacks the scope `key:delete`.
    pub async fn revoke_keys(&self, caller: &Caller, which: Revocation) -> Result<Changed<u64>> {
        self.accepts(caller, KeyAction::Delete.action())?;
        match which {
            Revocation::Keys(ids) => self.revoke_by_ids(caller, ids).await,
            Revocation::Subject(subject) => self.revoke_of(caller, subject).await,
        }
    }

    async fn revoke_by_ids(&self, caller: &Caller, mut ids: Vec<KeyId>) -> Result<Changed<u64>> {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() || ids.len() > REVOKE_KEYS_MAX {
            return Err(Error::invalid("ids", format_args!("name 1 to {REVOKE_KEYS_MAX} keys")));
        }
        self.attempts(caller, &[], &Condition::Always, |deciding| self.keys_revoked(deciding, ids.clone()))
            .await
    }

    async fn keys_revoked(&self, mut deciding: Deciding<'_>, ids: Vec<KeyId>) -> Result<Changed<u64>> {
        let (since, action) = (self.now(), KeyAction::Delete.action());
        let found = self.shared.store.keys_by_ids(ids.clone()).await?;
        if found.len() < ids.len() {
            return Err(Error::not_found());
        }
        let mut refused = None;
        for key in &found {
            let entry = &key.record.entry;
            match deciding.key(KeyAction::Delete, Some(entry.id), &entry.rights) {
                // What the caller does not manage outweighs what it may not do with the others.
                Err(error) if is_not_found(&error) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
                Ok(()) => {}
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        let mut audit: Option<Audit> = None;
        for key in &found {
            let on = on_key(key.record.entry.id, &key.record.entry.rights);
            let entry = deciding.entry(action, on, format!("name: {}", key.record.name))?;
            audit = Some(match audit {
                None => Audit::new(deciding.write()?, entry),
                Some(audit) => audit.and(entry),
            });
        }
        let audit = audit.ok_or_else(Error::not_found)?;
        let committed = self.shared.store.delete_keys(ids, audit).await?;
        let deleted = committed.value;
        let Changed { change, .. } = self.made(committed, since, true);
        Ok(Changed { value: deleted, change })
    }

    async fn revoke_of(&self, caller: &Caller, subject: Subject) -> Result<Changed<u64>> {
        let since = self.now();
        if subject == Subject::Operator {
            let detail = "operator keys are revoked one by one, so that nobody is locked out by mistake";
            return Err(Error::invalid("subject", detail));
        }
        let rights = Rights {
            subject,
            scopes: ScopeSet::default(),
            expires_at: None,
            restrictions: Restrictions::default(),
        };
        let step = |deciding| self.revoked_of(deciding, &rights, since);
        self.attempts(caller, &[], &Condition::Always, step).await
    }

    async fn revoked_of(
        &self,
        mut deciding: Deciding<'_>,
        rights: &Rights,
        since: Timestamp,
    ) -> Result<Changed<u64>> {
        deciding.key(KeyAction::Delete, None, rights)?;
        let reference = rights.subject.to_string();
        let on = On::new(&reference, &reference);
        let audit = deciding.audit(KeyAction::Delete.action(), on, "all of its keys".to_owned())?;
        let committed = self.shared.store.delete_keys_of(reference, audit).await?;
        let deleted = committed.value;
        let Changed { change, .. } = self.made(committed, since, true);
        Ok(Changed { value: deleted, change })
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Refused { refusal: Refusal::NotFound, .. })
}
