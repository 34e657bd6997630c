//! The life of a key.

mod revoke;
mod rotate;

pub use self::revoke::Revocation;
use claviger_core::decide::{Access, Credential, KeyAction, Missing, Refusal, authenticate};
use claviger_core::key::{
    Actor, CreatedVia, Effect, KeyEntry, KeyPatch, KeyRecord, KeySecret, Metadata, Rights,
};
use claviger_core::lifecycle::{Standing, Status, is_expired};
use claviger_core::name::Name;
use claviger_core::permit::RecordRef;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::{Action, ScopeSet};
use claviger_core::{KeyId, Kind, Subject, Timestamp, UnixSeconds};
use claviger_store::{KeyFilter, Page, StoredKey};

use crate::allowance::Made;
use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;

const ROTATE: Action<'static> = Action::literal("key", "rotate");

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: Name,
    /// What it stands for.
    pub subject: Subject,
    /// What it may do; the kind's default if absent.
    pub scopes: Option<ScopeSet>,
    /// The second from which it is refused.
    pub expires_at: Option<UnixSeconds>,
    /// The name of its format; the kind's default if absent.
    pub format: Option<String>,
    /// From where and how often.
    pub restrictions: Restrictions,
    /// For the host's own use.
    pub metadata: Metadata,
    /// By which door.
    pub via: CreatedVia,
}

/// A key that was just made: the only time that its text is at hand.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its text.
    pub secret: KeySecret,
    /// Its record.
    pub key: StoredKey,
}

/// Which keys to list.
#[derive(Debug, Clone, Default)]
pub struct KeyQuery {
    /// Those of this subject, by its reference.
    pub subject: Option<Subject>,
    /// Those of this kind.
    pub kind: Option<Kind>,
    /// Those of this standing now.
    pub standing: Option<Standing>,
    /// Those made by.
    pub created_by: Option<Actor>,
    /// Those not used since.
    pub unused_since: Option<Timestamp>,
}

/// What a credential is and may do.
#[derive(Debug, Clone)]
pub enum Whoami {
    /// A key.
    Key(Box<StoredKey>),
    /// A signed-in account.
    Account(claviger_core::AccountId),
}

fn on_key(id: KeyId, rights: &Rights) -> On {
    On::new(format_args!("key:{id}"), &rights.subject)
}

impl Authority {
    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// Refused to those who do not manage such keys or would win more than they have; a conflict at the limit.
    pub async fn create_key(&self, caller: &Caller, new: NewKey) -> Result<Changed<CreatedKey>> {
        self.create_key_once(caller, new, None).await
    }

    /// Makes a key, unless this very request was carried out before.
    ///
    /// # Errors
    /// As [`Authority::create_key`]; the conflict `idempotency_replayed`, which tells the identifier of the
    /// key that was made, never its text; `idempotency_mismatch` if it was another request.
    pub async fn create_key_once(
        &self,
        caller: &Caller,
        new: NewKey,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        let taken = self.allowance(caller, Made::Changes, 1).await?;
        let step = |deciding| self.key_created(deciding, new.clone(), idempotency.as_ref());
        let created = self.attempts(caller, &[], &Condition::Always, step).await?;
        taken.spend(1);
        Ok(created)
    }

    async fn key_created(
        &self,
        mut deciding: Deciding<'_>,
        new: NewKey,
        idempotency: Option<&Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        let (since, action) = (self.now(), KeyAction::Create.action());
        let kind = new.subject.kind();
        let rights = Rights {
            scopes: self.scopes_or_default(deciding.caller(), kind, new.scopes)?,
            subject: new.subject,
            expires_at: new.expires_at,
            restrictions: new.restrictions,
        };
        deciding.key(KeyAction::Create, None, &rights)?;
        deciding.exists(action, &rights.subject)?;
        // Before anything that time changes: what was good then may have passed by now.
        self.refuse_repeat(deciding.caller(), action, idempotency).await?;
        if is_expired(rights.expires_at, since) {
            return Err(Error::invalid(
                "expires_at",
                "must be in the future, such as \"2027-01-31T12:00:00Z\"",
            ));
        }
        let (format_name, secret, preview) = self.mint(kind, new.format.as_deref())?;
        let record = KeyRecord {
            digest: secret.digest(),
            preview,
            entry: KeyEntry { id: self.new_id(), status: Status::Active, rights },
            name: new.name,
            format: Some(format_name),
            created_at: since,
            created_by: deciding.permitted()?.actor,
            created_via: new.via,
            replaces: None,
            metadata: new.metadata,
            revision: 1,
        };
        let on = on_key(record.entry.id, &record.entry.rights);
        let detail = format!("name: {}", record.name);
        let once = deciding.once(idempotency, record.entry.id)?;
        let audit = deciding.audit(action, on, detail)?.once(once);
        let limit = self.settings().keys_per_subject_max;
        let committed = self.shared.store.create_key(record.clone(), limit, audit).await?;
        let Changed { change, .. } = self.made(committed, since, false);
        let key = StoredKey { record, last_used_at: None, last_used_from: None };
        Ok(Changed { value: CreatedKey { secret, key }, change })
    }

    fn scopes_or_default(&self, caller: &Caller, kind: Kind, scopes: Option<ScopeSet>) -> Result<ScopeSet> {
        if let Some(scopes) = scopes {
            return Ok(scopes);
        }
        let default = self.settings().defaults_of(kind).and_then(|defaults| defaults.scopes.clone());
        match default {
            Some(scopes) => Ok(scopes),
            None => {
                // Only those who may make such a key are told what is missing.
                self.accepts(caller, KeyAction::Create.action())?;
                Err(Error::invalid("scopes", format_args!("name the scopes of a key of kind {kind}")))
            }
        }
    }

    /// The text of a new key, with the name of its format and its preview.
    pub(crate) fn mint(
        &self,
        kind: Kind,
        format: Option<&str>,
    ) -> Result<(Box<str>, KeySecret, claviger_core::key::Preview)> {
        let default = || self.settings().defaults_of(kind).map(|defaults| defaults.format.clone());
        let name: Box<str> = match format {
            Some(name) => name.into(),
            None => default().unwrap_or_default(),
        };
        let formats = self.formats();
        let Some(format) = formats.get(&name) else {
            let known = formats.names().collect::<Vec<_>>().join("`, `");
            return Err(Error::invalid("format", format_args!("unknown format; use one of `{known}`")));
        };
        let secret = format.mint(|buffer| self.shared.ports.random.fill(buffer));
        let preview = format.preview(&secret);
        Ok((name, secret, preview))
    }

    /// A key, for those who manage it and for itself.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<StoredKey> {
        self.accepts(caller, KeyAction::Read.action())?;
        // Absent from what the store had committed is absent from the index, too, by the time of the answer.
        let stored = self.shared.store.key(id).await?.ok_or_else(Error::not_found)?;
        let rights = &stored.record.entry.rights;
        if let Err(error) = self.deciding(caller).key(KeyAction::Read, Some(id), rights) {
            // What it stands for may be gone from the index, and the key about to go.
            return Err(self.in_force(error).await?);
        }
        Ok(stored)
    }

    /// Keys, the newest first. A caller that is not an operator names a subject that it manages; a key that
    /// names none means its own.
    ///
    /// # Errors
    /// Refused to those who do not manage keys of that authority.
    pub async fn keys(&self, caller: &Caller, query: KeyQuery, page: Page<KeyId>) -> Result<Vec<StoredKey>> {
        let action = KeyAction::Read.action();
        let subject = match query.subject {
            Some(subject) => Some(subject),
            None => self.own_subject(caller, action)?,
        };
        // Listing everybody's keys is what reading operators' keys is: for operators.
        let rights = Rights {
            subject: subject.clone().unwrap_or(Subject::Operator),
            scopes: ScopeSet::default(),
            expires_at: None,
            restrictions: Restrictions::default(),
        };
        self.deciding(caller).key(KeyAction::Read, None, &rights).map_err(|error| {
            if subject.is_none() { forbidden_unless_refused(error, action) } else { error }
        })?;
        let filter = KeyFilter {
            subjects: subject.map(|subject| vec![subject.to_string()]),
            kind: query.kind,
            standing: query.standing.map(|standing| (standing, self.now())),
            created_by: query.created_by,
            unused_since: query.unused_since,
        };
        Ok(self.shared.store.keys(filter, page).await?)
    }

    /// The subject that a caller means that names none; nothing for operators, who mean all.
    pub(crate) fn own_subject(&self, caller: &Caller, action: Action<'_>) -> Result<Option<Subject>> {
        self.accepts(caller, action)?;
        self.read(|view| match caller.credential(view) {
            Credential::SignedIn(id) => Ok(Some(Subject::Account(id))),
            Credential::Key(key) => match key.rights.subject {
                Subject::Operator => Ok(None),
                Subject::Resource(_) => {
                    Err(Error::refused(Refusal::Forbidden(Missing::Access(Access::Administer)), action))
                }
                other => Ok(Some(other.to_subject())),
            },
            Credential::Anonymous | Credential::Unknown => {
                Err(Error::refused(Refusal::CredentialsRequired, action))
            }
        })?
    }

    /// Changes a key, if it meets the condition.
    ///
    /// # Errors
    /// Not found for those who do not manage it; refused if the change would win more than the caller has.
    pub async fn update_key(
        &self,
        caller: &Caller,
        id: KeyId,
        patch: KeyPatch,
        condition: impl Into<Condition>,
    ) -> Result<Changed<StoredKey>> {
        let condition = condition.into();
        let step = |deciding| self.key_patched(deciding, id, &patch, &condition);
        self.attempts(caller, &[RecordRef::Key(id)], &condition, step).await
    }

    async fn key_patched(
        &self,
        mut deciding: Deciding<'_>,
        id: KeyId,
        patch: &KeyPatch,
        condition: &Condition,
    ) -> Result<Changed<StoredKey>> {
        let (since, action) = (self.now(), KeyAction::Update.action());
        deciding.accepted(action)?;
        let mut stored = self.shared.store.key(id).await?.ok_or_else(Error::not_found)?;
        let before = stored.record;
        deciding.key(KeyAction::Update, Some(id), &before.entry.rights)?;
        condition.check(before.revision)?;
        let (next, effect) = before.patched(patch.clone(), since).map_err(unpatched)?;
        if effect.widens {
            deciding.key(KeyAction::Widen, Some(id), &next.entry.rights)?;
        }
        stored.record = next.clone();
        if !effect.changes {
            return deciding.unchanged(stored, since, patch.status == Some(Status::Disabled)).await;
        }
        // Nobody is kept from taking rights away.
        let taken = match effect.revokes {
            true => None,
            false => Some(self.allowance(deciding.caller(), Made::Changes, 1).await?),
        };
        // One of the same period goes on with what it has counted.
        let (had, quota) = (before.entry.rights.restrictions.quota, next.entry.rights.restrictions.quota);
        let quota = quota.filter(|quota| had.is_none_or(|had| had.period != quota.period));
        let begun = match quota {
            Some(quota) => Some(self.begin_quota(id, quota).await?),
            None => None,
        };
        let audit = deciding.audit(action, on_key(id, &next.entry.rights), describe(&before, &next))?;
        let committed = self.shared.store.update_key(next, before.revision, audit).await?;
        if let Some(begun) = begun {
            begun.end();
        }
        if let Some(taken) = taken {
            taken.spend(1);
        }
        Ok(self.with(committed, stored, since, effect))
    }

    fn with<T>(
        &self,
        committed: claviger_store::Committed<()>,
        value: T,
        since: Timestamp,
        effect: Effect,
    ) -> Changed<T> {
        let Changed { change, .. } = self.made(committed, since, effect.revokes);
        Changed { value, change }
    }

    /// Deletes a key, if it meets the condition. Nothing of it remains but its history.
    ///
    /// # Errors
    /// Not found for those who do not manage it.
    pub async fn delete_key(
        &self,
        caller: &Caller,
        id: KeyId,
        condition: impl Into<Condition>,
    ) -> Result<Changed<()>> {
        let condition = condition.into();
        let step = |deciding| self.key_deleted(deciding, id, &condition);
        self.attempts(caller, &[RecordRef::Key(id)], &condition, step).await
    }

    async fn key_deleted(
        &self,
        mut deciding: Deciding<'_>,
        id: KeyId,
        condition: &Condition,
    ) -> Result<Changed<()>> {
        let (since, action) = (self.now(), KeyAction::Delete.action());
        deciding.accepted(action)?;
        let stored = self.shared.store.key(id).await?.ok_or_else(Error::not_found)?;
        let rights = &stored.record.entry.rights;
        deciding.key(KeyAction::Delete, Some(id), rights)?;
        condition.check(stored.record.revision)?;
        let audit = deciding.audit(action, on_key(id, rights), format!("name: {}", stored.record.name))?;
        let committed =
            self.shared.store.delete_key(id, condition.pinned(stored.record.revision), audit).await?;
        Ok(self.made(committed, since, true))
    }

    /// Deletes the key that the caller has presented, whatever its scopes, and returns which one it was.
    ///
    /// # Errors
    /// Refused to keys of a resource, which stand in public pages; not found for people.
    pub async fn delete_own_key(&self, caller: &Caller) -> Result<Changed<KeyId>> {
        let Whoami::Key(stored) = self.whoami(caller).await? else { return Err(Error::not_found()) };
        let id = stored.record.entry.id;
        let Changed { change, .. } = self.delete_key(caller, id, None).await?;
        Ok(Changed { value: id, change })
    }

    /// What the caller's credential is.
    ///
    /// # Errors
    /// Whatever keeps the credential from being accepted.
    pub async fn whoami(&self, caller: &Caller) -> Result<Whoami> {
        let action = KeyAction::Read.action();
        let now = self.now();
        let found = self.read(|view| {
            let credential = caller.credential(view);
            let mut reasons = claviger_core::decide::Reasons::default();
            authenticate(view, credential, caller.place(), now, &mut reasons).inspect_err(|_| {
                if let Credential::Key(key) = credential {
                    self.shared.time.refused(key.rights.expires_at);
                }
            })?;
            match credential {
                Credential::SignedIn(id) => Ok(Err(id)),
                Credential::Key(key) => Ok(Ok(key.id)),
                Credential::Anonymous | Credential::Unknown => Err(Refusal::CredentialsRequired),
            }
        })?;
        let found = match found.map_err(|refusal| Error::refused(refusal, action))? {
            Ok(key) => key,
            Err(account) => return Ok(Whoami::Account(account)),
        };
        let stored = self.shared.store.key(found).await?;
        // Deleted between the two look-ups.
        stored
            .map(|key| Whoami::Key(Box::new(key)))
            .ok_or_else(|| Error::refused(Refusal::InvalidKey, action))
    }
}

/// A caller that may not list everybody's keys is told so; there is nothing to hide about the list itself.
fn forbidden_unless_refused(error: Error, action: Action<'_>) -> Error {
    match error {
        Error::Refused { refusal: Refusal::NotFound, .. } => {
            Error::refused(Refusal::Forbidden(Missing::Operator), action)
        }
        other => other,
    }
}

fn unpatched(error: claviger_core::key::PatchError) -> Error {
    use claviger_core::key::PatchError;
    let field = match error {
        PatchError::NotAResourceKey => "versions",
        PatchError::PastExpiry => "expires_at",
        PatchError::Expired | PatchError::Retires => "status",
        PatchError::Retired => {
            let detail = "This key was replaced and stays retired; only its `name` and `metadata` can be changed. Use the key that replaces it, or create a new one.";
            return Error::Conflict { code: "key_replaced", detail: detail.to_owned() };
        }
    };
    Error::invalid(field, error)
}

/// What changed, in words without secrets.
fn describe(before: &KeyRecord, after: &KeyRecord) -> String {
    let mut parts = Vec::new();
    let mut note = |what: &str, old: String, new: String| {
        if old != new {
            parts.push(format!("{what}: {old} -> {new}"));
        }
    };
    let expiry = |record: &KeyRecord| {
        record.entry.rights.expires_at.map_or("never".to_owned(), |at| at.get().to_string())
    };
    note("name", before.name.to_string(), after.name.to_string());
    note("status", before.entry.status.as_str().to_owned(), after.entry.status.as_str().to_owned());
    note("expires_at", expiry(before), expiry(after));
    note("scopes", before.entry.rights.scopes.to_string(), after.entry.rights.scopes.to_string());
    if before.entry.rights.subject != after.entry.rights.subject {
        parts.push("versions or grants".to_owned());
    }
    if before.entry.rights.restrictions != after.entry.rights.restrictions {
        parts.push("restrictions".to_owned());
    }
    if before.metadata != after.metadata {
        parts.push("metadata".to_owned());
    }
    parts.join("; ")
}
