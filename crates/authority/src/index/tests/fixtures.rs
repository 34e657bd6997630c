//! Digests and keys to test with.

use claviger_core::id::{AccountId, KeyId};
use claviger_core::key::{Digest, KeyEntry, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::resource::ResourceRef;
use claviger_core::restriction::{Rate, Restrictions};
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;
use claviger_core::{Subject, UnixSeconds};

/// A digest like those of real keys.
pub(super) fn spread(n: u64) -> Digest {
    Digest::of(&n.to_string())
}

/// A digest beside all others of its sort: they crowd at the very end of the last shard.
pub(super) fn crowded(n: u64) -> Digest {
    let mut bytes = [0xff; 32];
    bytes[8..16].copy_from_slice(&n.to_be_bytes());
    Digest::from_bytes(bytes)
}

/// A key at a version. Everything about it that can change tells the version. Odd ones are keys of a
/// resource, which have decisions of their own.
pub(super) fn entry(id: u64, version: u64) -> KeyEntry {
    let scope = format!("notebook:v{}", version % 5);
    let rate =
        (!version.is_multiple_of(3)).then_some(Rate { limit: (version % 3) as u32, period_seconds: 1 });
    let subject = if id.is_multiple_of(2) {
        Subject::Account(AccountId::from_bits(id.into()))
    } else {
        Subject::Resource(Box::new(ResourceSubject {
            reference: ResourceRef::parse(&format!("notebook:{id}")).unwrap(),
            selector: Version::new(version as u32).map_or(Selector::Any, Selector::Only),
            grants: Grants::default(),
        }))
    };
    KeyEntry {
        id: KeyId::from_bits(id.into()),
        status: if version.is_multiple_of(2) { Status::Active } else { Status::Disabled },
        rights: Rights {
            subject,
            scopes: ScopeSet::parse([scope.as_str()]).unwrap(),
            expires_at: UnixSeconds::new(version),
            restrictions: Restrictions { rate, ..Restrictions::default() },
        },
    }
}
