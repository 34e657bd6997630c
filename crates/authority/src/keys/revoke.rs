//! Ending many keys at once.

use claviger_core::decide::{KeyAction, Refusal};
use claviger_core::key::Rights;
use claviger_core::limit::REVOKE_KEYS_MAX;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::{Authority as KeyAuthority, KeyId};
use claviger_store::{Audit, StoredKey};

use super::on_key;
use crate::authority::{Authority, Changed, On, Permitted};
use crate::caller::Caller;
use crate::error::{Error, Result};

/// Which keys to revoke.
#[derive(Debug, Clone)]
pub enum Revocation {
    /// These, at most 1,000.
    Keys(Vec<KeyId>),
    /// All that stand for this, whatever their status; of a resource, at whatever versions. Rows of imports
    /// that are under way go, too.
    Authority(KeyAuthority),
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
            Revocation::Authority(authority) => self.revoke_of(caller, authority).await,
        }
    }

    async fn revoke_by_ids(&self, caller: &Caller, mut ids: Vec<KeyId>) -> Result<Changed<u64>> {
        let since = self.now();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() || ids.len() > REVOKE_KEYS_MAX {
            return Err(Error::invalid("ids", format_args!("name 1 to {REVOKE_KEYS_MAX} keys")));
        }
        let found = self.shared.store.keys_by_ids(ids.clone()).await?;
        let permits = found.iter().map(|key| self.may_delete(caller, key)).collect::<Vec<_>>();
        let foreign = permits.iter().any(|permit| matches!(permit, Err(error) if is_not_found(error)));
        if found.len() < ids.len() || foreign {
            // Perhaps they are being deleted by somebody else: "not found" has to mean that they are gone.
            self.settle().await?;
            return Err(Error::not_found());
        }
        let mut audit: Option<Audit> = None;
        for (key, by) in found.iter().zip(permits) {
            let rights = &key.record.entry.rights;
            let detail = format!("name: {}", key.record.name);
            let on = on_key(key.record.entry.id, rights);
            let entry = self.entry(caller, by?, KeyAction::Delete.action(), on, detail);
            audit = Some(match audit {
                None => Audit::new(entry),
                Some(audit) => audit.and(entry),
            });
        }
        let audit = audit.ok_or_else(Error::not_found)?;
        let committed = self.shared.store.delete_keys(ids, audit).await?;
        let deleted = committed.value;
        let Changed { change, .. } = self.made(committed, since, true);
        Ok(Changed { value: deleted, change })
    }

    fn may_delete(&self, caller: &Caller, key: &StoredKey) -> Result<Permitted> {
        let entry = &key.record.entry;
        self.decide_key(caller, KeyAction::Delete, Some(entry.id), &entry.rights)
    }

    async fn revoke_of(&self, caller: &Caller, authority: KeyAuthority) -> Result<Changed<u64>> {
        let since = self.now();
        if authority == KeyAuthority::Operator {
            let detail = "operator keys are revoked one by one, so that nobody is locked out by mistake";
            return Err(Error::invalid("authority", detail));
        }
        let rights = Rights {
            authority,
            scopes: ScopeSet::default(),
            expires_at: None,
            restrictions: Restrictions::default(),
        };
        let by = self.decide_key(caller, KeyAction::Delete, None, &rights)?;
        let reference = rights.authority.to_string();
        let on = On::new(&reference, &reference);
        let audit = self.audit(caller, by, KeyAction::Delete.action(), on, "all of its keys".to_owned());
        let committed = self.shared.store.delete_keys_of(reference, audit).await?;
        let deleted = committed.value;
        let Changed { change, .. } = self.made(committed, since, true);
        Ok(Changed { value: deleted, change })
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Refused { refusal: Refusal::NotFound, .. })
}
