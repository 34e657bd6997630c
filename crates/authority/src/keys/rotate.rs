//! Rotation: another secret for the same rights.

use claviger_core::decide::KeyAction;
use claviger_core::history::Origin;
use claviger_core::key::{CreatedVia, KeyEntry, KeyRecord};
use claviger_core::lifecycle::{Standing, Status, is_expired};
use claviger_core::limit::{ROTATION_OVERLAP_SECONDS_MAX, ROTATION_RESERVE};
use claviger_core::permit::RecordRef;
use claviger_core::{KeyId, Timestamp, UnixSeconds};
use claviger_store::StoredKey;

use super::{CreatedKey, on_key};
use crate::allowance::Made;
use crate::authority::{Authority, Changed};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;

/// What a key lives that replaces one that had expired when it was made: a day, in which its manager can change that.
const LIFETIME_OTHERWISE_SECONDS: u64 = 86_400;
/// What a key lives at most that replaces an imported one which had expired: a quarter of a year.
const LIFETIME_OF_IMPORTED_SECONDS_MAX: u64 = 90 * 86_400;

impl Authority {
    /// Makes a key that replaces another: a new identifier and text, everything else copied, also what is used up of
    /// rate and quota, and `replaces` set. With an overlap the old one expires at the earlier of its own date and
    /// `overlap_seconds` from now, rounded down to the second, and both count together until then; without one it is retired at once, which no clock
    /// undoes. The condition is that of the old key.
    ///
    /// A key that rotates needs both `key:create` and `key:update`, since it makes one key and ends another,
    /// and its own rights have to include the target's. The change counts as a revocation if the old key
    /// ends earlier than it would have. The old key stays listed and counts towards the limit of keys; a rotation may
    /// go a tenth beyond that limit, so that a secret can still be replaced where no key can be created.
    ///
    /// A disabled or expired key is replaced by signed-in managers and operators only, and without an overlap. The
    /// key that replaces an expired one lives as long as that one did; of an imported one, 90 days at most.
    ///
    /// # Errors
    /// Not found for those who do not manage it; refused if the caller would win more than it has; the
    /// conflicts `key_replaced` for a key that has a live successor or was retired, and `key_not_active` for a
    /// disabled or expired key.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        overlap_seconds: u64,
        condition: impl Into<Condition>,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        let condition = condition.into();
        self.accepts(caller, KeyAction::Create.action())?;
        if overlap_seconds > ROTATION_OVERLAP_SECONDS_MAX {
            let detail = format!("must be at most {ROTATION_OVERLAP_SECONDS_MAX}, which is 92 days");
            return Err(Error::invalid("overlap_seconds", detail));
        }
        // The first request has ended the old key, which would otherwise be all that a repeat hears.
        self.refuse_repeat(caller, KeyAction::Create.action(), idempotency.as_ref()).await?;
        let taken = self.allowance(caller, Made::Changes, 1).await?;
        let step =
            |deciding| self.key_rotated(deciding, id, overlap_seconds, &condition, idempotency.as_ref());
        let rotated = self.attempts(caller, &[RecordRef::Key(id)], &condition, step).await?;
        taken.spend(1);
        Ok(rotated)
    }

    async fn key_rotated(
        &self,
        mut deciding: Deciding<'_>,
        id: KeyId,
        overlap_seconds: u64,
        condition: &Condition,
        idempotency: Option<&Idempotency>,
    ) -> Result<Changed<CreatedKey>> {
        let since = self.now();
        let before = self.shared.store.key(id).await?.ok_or_else(Error::not_found)?.record;
        may_rotate(&mut deciding, &before)?;
        condition.check(before.revision)?;
        if let Err(error) = replaceable(&deciding, &before, overlap_seconds, since) {
            // A key that took over is the more useful answer.
            self.shared.store.check_unreplaced(id, since.seconds()).await?;
            return Err(error);
        }
        let old = ended(&before, since, overlap_seconds);
        let (secret, new) = self.successor(&mut deciding, &before, since)?;
        if new.entry.rights.restrictions.quota.is_some() {
            // What was counted until now is copied in the store.
            self.flush_usage().await?;
        }
        let revokes = before.entry.standing(since) == Standing::Active
            && (old.entry.status, old.entry.rights.expires_at)
                != (before.entry.status, before.entry.rights.expires_at);
        let once = deciding.once(idempotency, new.entry.id)?;
        let on = on_key(id, &before.entry.rights);
        let audit = deciding.audit(super::ROTATE, on, describe(&old, &new))?.once(once);
        let limit = with_rotation_reserve(self.settings().keys_per_subject_max);
        let goes_on_until = old.entry.rights.expires_at.filter(|_| old.entry.status == Status::Active);
        let committed = self.shared.store.rotate_key(old, before.revision, new.clone(), limit, audit).await?;
        // Nobody has the new text yet, so nothing of the new key was used.
        match goes_on_until {
            Some(until) => self.shared.limiter.share(id, new.entry.id, until),
            None => self.shared.limiter.carry(id, new.entry.id),
        }
        let Changed { change, .. } = self.made(committed, since, revokes);
        let key = StoredKey { record: new, last_used_at: None, last_used_from: None };
        Ok(Changed { value: CreatedKey { secret, key }, change })
    }

    /// The key that takes over.
    fn successor(
        &self,
        deciding: &mut Deciding<'_>,
        old: &KeyRecord,
        since: Timestamp,
    ) -> Result<(claviger_core::key::KeySecret, KeyRecord)> {
        let kind = old.entry.rights.subject.kind();
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
        let mut rights = old.entry.rights.clone();
        if is_expired(rights.expires_at, since) {
            rights.expires_at = rights.expires_at.map(|at| since.seconds().plus(lifetime(old, at)));
            deciding.key(KeyAction::Create, None, &rights)?;
        }
        let record = KeyRecord {
            entry: KeyEntry { id: self.new_id(), status: Status::Active, rights },
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
    deciding.exists(KeyAction::Create.action(), &rights.subject)
}

/// How many keys a subject may have for another one to be made by a rotation.
fn with_rotation_reserve(limit: u32) -> u32 {
    limit.saturating_add(limit.div_ceil(ROTATION_RESERVE))
}

/// Whether a key in this state can be replaced so.
fn replaceable(deciding: &Deciding<'_>, key: &KeyRecord, overlap_seconds: u64, now: Timestamp) -> Result<()> {
    let not_active =
        |detail: &str| Err(Error::Conflict { code: "key_not_active", detail: detail.to_owned() });
    if key.entry.status == Status::Retired {
        let detail = "This key was replaced already and is retired. Create a new key.".to_owned();
        return Err(Error::Conflict { code: "key_replaced", detail });
    }
    if key.entry.standing(now) == Standing::Active {
        return Ok(());
    }
    let by_a_key = deciding.permitted()?.key.is_some() && !deciding.is_operator()?;
    if by_a_key {
        return not_active(
            "This key is disabled or has expired. A manager who is signed in or an operator can replace it, or enable it first.",
        );
    }
    if overlap_seconds > 0 {
        return not_active(
            "This key is disabled or has expired, so it cannot stay in use beside the new one: leave out `overlap_seconds`, or write 0.",
        );
    }
    Ok(())
}

/// The old key as it ends: by its status, or with an overlap by its date.
fn ended(before: &KeyRecord, now: Timestamp, overlap_seconds: u64) -> KeyRecord {
    let mut old = before.clone();
    if overlap_seconds == 0 {
        old.entry.status = Status::Retired;
    } else {
        let end = now.seconds().plus(overlap_seconds);
        old.entry.rights.expires_at = Some(before.entry.rights.expires_at.map_or(end, |own| own.min(end)));
    }
    old.revision += 1;
    old
}

/// Seconds from a key's creation to its expiry; a day for one that was imported when it had expired. When an imported
/// key was created is what its importer has stated, so there is a limit.
fn lifetime(key: &KeyRecord, expires_at: UnixSeconds) -> u64 {
    match expires_at.get().saturating_sub(key.created_at.seconds().get()) {
        0 => LIFETIME_OTHERWISE_SECONDS,
        lifetime if key.created_via == CreatedVia::Import => lifetime.min(LIFETIME_OF_IMPORTED_SECONDS_MAX),
        lifetime => lifetime,
    }
}

fn describe(old: &KeyRecord, new: &KeyRecord) -> String {
    let end = match (old.entry.status, old.entry.rights.expires_at) {
        (Status::Retired, _) => "status: retired".to_owned(),
        (_, expires_at) => format!("expires_at: {}", expires_at.map_or(0, UnixSeconds::get)),
    };
    format!("replaced by: key:{}; {end}", new.entry.id)
}
