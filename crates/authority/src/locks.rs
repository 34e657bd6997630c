//! Who may change a record next, in this process.
//!
//! A change reads a record, decides, and writes what it made of it. Where several do so with one record, all but
//! one come too late and begin again, and somebody who is being revoked could keep the revoker in that loop. So
//! a change holds the lock of its record from the reading to the writing; locks are handed on in the order in
//! which they were asked for. A caller has one place in the line of a record, however many requests it sends.
//!
//! These locks decide nothing: the permit and the revision do, also against other processes.

use std::hash::{DefaultHasher, Hash, Hasher};

use claviger_core::permit::RecordRef;
use tokio::sync::{Mutex, MutexGuard};

use crate::caller::CallerCredential;

/// Locks of each sort; more than changes under way, so that two records rarely share one.
const STRIPES: usize = 4_096;

/// The locks of all records and of all places in their lines.
pub(crate) struct Locks {
    records: Box<[Mutex<()>]>,
    places: Box<[Mutex<()>]>,
}

impl Default for Locks {
    fn default() -> Self {
        let stripes = || (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { records: stripes(), places: stripes() }
    }
}

impl Locks {
    /// The caller's place in the line of these records. To be taken before their locks, once for a use case.
    pub(crate) async fn place(
        &self,
        caller: CallerCredential,
        records: &[RecordRef],
    ) -> Option<MutexGuard<'_, ()>> {
        let first = records.first()?;
        let caller = match caller {
            CallerCredential::Key(digest) => digest.as_bytes()[..16].to_vec(),
            CallerCredential::Account(id) => id.to_string().into_bytes(),
            CallerCredential::Anonymous | CallerCredential::Unknown => Vec::new(),
        };
        Some(self.places[stripe(&(caller, first))].lock().await)
    }

    /// The locks of these records, taken in one order by everybody.
    pub(crate) async fn hold(&self, records: &[RecordRef]) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes = records.iter().map(stripe).collect::<Vec<_>>();
        stripes.sort_unstable();
        stripes.dedup();
        let mut held = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            held.push(self.records[stripe].lock().await);
        }
        held
    }
}

fn stripe(of: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    // The remainder fits, and the hash is as good in its low bits as anywhere.
    (hasher.finish() % STRIPES as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_core::{AccountId, KeyId};

    use super::*;

    /// A moment in which nothing happens.
    const MOMENT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_record_is_held_by_one_and_others_pass() {
        let locks = Locks::default();
        let [one, other] = [1, 2].map(|bits| RecordRef::Key(KeyId::from_bits(bits)));
        let held = locks.hold(&[other.clone(), one.clone(), one.clone()]).await;
        assert_eq!(held.len(), 2);
        assert!(tokio::time::timeout(MOMENT, locks.hold(std::slice::from_ref(&one))).await.is_err());
        drop(held);
        let _one = locks.hold(&[one]).await;
        let _other = locks.hold(&[other]).await;
    }

    #[tokio::test]
    async fn a_caller_has_one_place_in_a_line() {
        let locks = Locks::default();
        let records = [RecordRef::Account(AccountId::from_bits(1))];
        let [one, other] = [1, 2].map(|bits| CallerCredential::Account(AccountId::from_bits(bits)));
        let first = locks.place(one, &records).await;
        assert!(first.is_some());
        assert!(tokio::time::timeout(MOMENT, locks.place(one, &records)).await.is_err());
        assert!(locks.place(other, &records).await.is_some());
        assert!(locks.place(one, &[]).await.is_none(), "what has no record to wait for waits for nobody");
    }
}
