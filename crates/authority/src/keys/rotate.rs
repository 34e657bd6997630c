//! Rotation: another secret for the same rights.

use claviger_core::decide::KeyAction;
use claviger_core::history::Origin;
use claviger_core::key::{CreatedVia, KeyEntry, KeyRecord};
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::limit::ROTATION_OVERLAP_SECONDS_MAX;
use claviger_core::permit::RecordRef;
use claviger_core::{KeyId, Timestamp, UnixSeconds};
use claviger_store::StoredKey;

use super::{CreatedKey, on_key};
use crate::authority::{Authority, Changed};
use crate::caller::Caller;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;

impl Authority {
    /// Makes a key that replaces another: a new identifier and text, everything else copied, `replaces` set.
    /// The old one expires at the earlier of its own date and `overlap_seconds` from now, rounded down to
    /// the second; without an overlap it is refused from this moment on. With a revision, only if the old
    /// key is still at it.
    ///
    /// A key that rotates needs both `key:create` and `key:update`, since it makes one key and ends another,
    /// and its own rights have to include the target's. The change counts as a revocation if the old key
    /// ends earlier than it would have. Rotating works at the limit of keys, where creating does not.
    ///
    /// # Errors
    /// Not found for those who do not manage it; refused if the caller would win more than it has; the
    /// conflict `key_not_active` for a disabled or expired key.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        overlap_seconds: u64,
        revision: Option<u64>,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        self.accepts(caller, KeyAction::Create.action())?;
        if overlap_seconds > ROTATION_OVERLAP_SECONDS_MAX {
            let detail = format!("it is at most {ROTATION_OVERLAP_SECONDS_MAX} seconds");
            return Err(Error::invalid("overlap_seconds", detail));
        }
        // The first request has ended the old key, which would otherwise be all that a repeat hears.
        self.refuse_repeat(caller, KeyAction::Create.action(), idempotency.as_ref()).await?;
        let step = |deciding| self.key_rotated(deciding, id, overlap_seconds, revision, idempotency.as_ref());
        self.attempts(caller, &[RecordRef::Key(id)], revision.is_some(), step).await
    }

    async fn key_rotated(
        &self,
        mut deciding: Deciding<'_>,
        id: KeyId,
        overlap_seconds: u64,
        revision: Option<u64>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        let since = self.now();
        let before = self.shared.store.key(id).await?.ok_or_else(Error::not_found)?.record;
        may_rotate(&mut deciding, &before)?;
        if revision.is_some_and(|seen| seen != before.revision) {
            return Err(Error::Stale { current: before.revision });
        }
        if before.entry.standing(since) != Standing::Active {
            let detail = "Only an active key can be rotated; enable it or create a new one.".to_owned();
            return Err(Error::Conflict { code: "key_not_active", detail });
        }
        let old = ended(&before, since, overlap_seconds);
        let (secret, new) = self.successor(&deciding, &before, since)?;
        let revokes = old.entry.rights.expires_at != before.entry.rights.expires_at;
        let once = deciding.once(idempotency, new.entry.id)?;
        let on = on_key(id, &before.entry.rights);
        let audit = deciding.audit(super::ROTATE, on, describe(&old, &new))?.once(once);
        let limit = self.settings().keys_per_authority_max;
        let committed = self.shared.store.rotate_key(old, before.revision, new.clone(), limit, audit).await?;
        let Changed { change, .. } = self.made(committed, since, revokes);
        let key = StoredKey { record: new, last_used_at: None, last_used_from: None };
        Ok(Changed { value: CreatedKey { secret, key }, change })
    }

    /// The key that takes over.
    fn successor(
        &self,
        deciding: &Deciding<'_>,
        old: &KeyRecord,
        since: Timestamp,
    ) -> Result<(claviger_core::key::KeySecret, KeyRecord)> {
        let kind = old.entry.rights.authority.kind();
        // A format that is no longer configured, or that of an import, gives way to the kind's own.
        let known = old.format.as_deref().filter(|name| self.formats().get(name).is_some());
        let (format, secret, preview) = self.mint(kind, known)?;
        let created_via = match (&old.created_via, deciding.caller().origin) {
            // Still listed with the application that asked for it.
            (CreatedVia::App(identifier), _) => CreatedVia::App(identifier.clone()),
            (_, Origin::Site) => CreatedVia::Site,
            (_, Origin::Api | Origin::Embed) => CreatedVia::Api,
            (_, Origin::Cli) => CreatedVia::Cli,
        };
        let record = KeyRecord {
            entry: KeyEntry { id: self.new_id(), status: Status::Active, rights: old.entry.rights.clone() },
            digest: secret.digest(),
            preview,
            name: old.name.clone(),
            format: Some(format),
            created_at: since,
            created_by: deciding.permitted()?.actor,
            created_via,
            replaces: Some(old.entry.id),
            metadata: old.metadata.clone(),
            revision: 1,
        };
        Ok((secret, record))
    }
}

fn may_rotate(deciding: &mut Deciding<'_>, key: &KeyRecord) -> Result<()> {
    let (id, rights) = (Some(key.entry.id), &key.entry.rights);
    deciding.key(KeyAction::Update, id, rights)?;
    deciding.key(KeyAction::Create, id, rights)?;
    deciding.exists(KeyAction::Create.action(), &rights.authority)
}

/// The old key with its last date.
fn ended(before: &KeyRecord, now: Timestamp, overlap_seconds: u64) -> KeyRecord {
    // The second that has begun: without an overlap the date has come already.
    let end = now.seconds().plus(overlap_seconds);
    let mut old = before.clone();
    old.entry.rights.expires_at = Some(before.entry.rights.expires_at.map_or(end, |own| own.min(end)));
    old.revision += 1;
    old
}

fn describe(old: &KeyRecord, new: &KeyRecord) -> String {
    let expires_at = old.entry.rights.expires_at.map_or(0, UnixSeconds::get);
    format!("replaced by: key:{}; expires_at: {expires_at}", new.entry.id)
}
