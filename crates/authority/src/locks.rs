//! Who may change a record next, in this process.
//!
//! A change reads a record, decides, and writes what it made of it. Where several do so with one record, all but
//! one come too late and begin again, and somebody who is being revoked could keep the revoker in that loop. So
//! a change holds the lock of its record from the reading to the writing; locks are handed on in the order in
//! which they were asked for. A credential has one place in the line of a record, however many requests it sends, and
//! so has a subject, however many keys it has: a revoker waits for one change of each subject at most. A person who is
//! signed in and each operator key stand beside the line of a subject's keys.
//!
//! These locks decide nothing: the permit and the revision do, also against other processes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_core::decide::Credential;
use claviger_core::permit::RecordRef;
use claviger_core::{AccountId, KeyId, Subject};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};

/// Locks of each sort; more than changes under way, so that two records rarely share one.
const STRIPES: usize = 4_096;

/// Requests with one credential for one record at a time, at most: more of them are a mistake, or worse.
const WAITING_MAX: usize = 256;

/// The locks of all records and of all places in their lines. They are taken in the order of the fields from the last to
/// the first.
pub(crate) struct Locks {
    records: Box<[Mutex<()>]>,
    /// Of subjects.
    shared: Box<[Mutex<()>]>,
    /// Of credentials.
    places: Box<[Place]>,
}

/// Who has a place in a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Applicant {
    /// All that have no credential that is known.
    Unknown,
    /// A person.
    SignedIn(AccountId),
    /// An operator key.
    Operator(KeyId),
    /// Another key, and the reference of its subject.
    Key(KeyId, String),
}

impl Applicant {
    pub(crate) fn of(credential: Credential<'_>) -> Self {
        match credential {
            Credential::Anonymous | Credential::Unknown => Self::Unknown,
            Credential::SignedIn(id) => Self::SignedIn(id),
            Credential::Key(key) => match key.rights.subject {
                Subject::Operator => Self::Operator(key.id),
                subject => Self::Key(key.id, subject.to_string()),
            },
        }
    }
}

/// A credential's place in the line of a record.
#[derive(Default)]
struct Place {
    turn: Mutex<()>,
    /// Requests that have the place or wait for it.
    waiting: AtomicUsize,
}

/// A place that was taken.
pub(crate) struct Placed<'l> {
    _shared: Option<MutexGuard<'l, ()>>,
    _turn: MutexGuard<'l, ()>,
    _waiting: Waiting<'l>,
}

/// One request that waits, as long as this lives.
struct Waiting<'l>(&'l AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Locks {
    fn default() -> Self {
        let locks = || (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { records: locks(), shared: locks(), places: (0..STRIPES).map(|_| Place::default()).collect() }
    }
}

impl Locks {
    /// The caller's place in the line of these records. To be taken before their locks, once for a use case.
    ///
    /// # Errors
    /// [`Error::Contended`] if too many requests with this credential wait for it already.
    pub(crate) async fn place(
        &self,
        applicant: &Applicant,
        records: &[RecordRef],
    ) -> Result<Option<Placed<'_>>> {
        let Some(first) = records.first() else { return Ok(None) };
        let place = &self.places[stripe(&(applicant, first))];
        let before = place.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&place.waiting);
        if before >= WAITING_MAX {
            return Err(Error::Contended);
        }
        let turn = place.turn.lock().await;
        let shared = match applicant {
            Applicant::Key(_, subject) => Some(self.shared[stripe(&(subject, first))].lock().await),
            Applicant::Unknown | Applicant::SignedIn(_) | Applicant::Operator(_) => None,
        };
        Ok(Some(Placed { _shared: shared, _turn: turn, _waiting: waiting }))
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
    use std::task::Poll;
    use std::time::Duration;

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
        let [one, other] = [1, 2].map(|bits| Applicant::SignedIn(AccountId::from_bits(bits)));
        let first = locks.place(&one, &records).await.unwrap();
        assert!(first.is_some());
        assert!(tokio::time::timeout(MOMENT, locks.place(&one, &records)).await.is_err());
        assert!(locks.place(&other, &records).await.unwrap().is_some());
        assert!(
            locks.place(&one, &[]).await.unwrap().is_none(),
            "what has no record to wait for waits for nobody"
        );
        drop(first);
        assert!(locks.place(&one, &records).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn all_keys_of_a_subject_have_one_place_and_each_has_its_turn() {
        let locks = Locks::default();
        let records = [RecordRef::Account(AccountId::from_bits(1))];
        let key = |bits, subject: &str| Applicant::Key(KeyId::from_bits(bits), subject.to_owned());
        let [one, other, third] = [1, 2, 3].map(|bits| key(bits, "account:1"));
        let first = locks.place(&one, &records).await.unwrap();
        // One key waits with as many requests as it may, the other with one: that comes second.
        let mut waiting = Vec::new();
        for applicant in std::iter::repeat_n(&one, WAITING_MAX - 1).chain([&other]) {
            let mut place = Box::pin(locks.place(applicant, &records));
            assert!(std::future::poll_fn(|cx| Poll::Ready(place.as_mut().poll(cx))).await.is_pending());
            waiting.push(place);
        }
        assert!(matches!(locks.place(&one, &records).await, Err(Error::Contended)));
        for beside in [
            key(4, "account:2"),
            Applicant::SignedIn(AccountId::from_bits(1)),
            Applicant::Operator(KeyId::from_bits(5)),
            Applicant::Unknown,
        ] {
            let place = tokio::time::timeout(MOMENT, locks.place(&beside, &records)).await;
            assert!(place.is_ok_and(|place| place.is_ok()), "{beside:?} does not wait");
        }
        drop(first);
        let second = waiting.pop().unwrap().await.unwrap();
        assert!(tokio::time::timeout(MOMENT, locks.place(&third, &records)).await.is_err());
        drop(second);
        drop(waiting);
        assert!(locks.place(&third, &records).await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_that_sends_too_many_requests_at_once_is_refused_and_others_are_not() {
        let locks = Locks::default();
        let records = [RecordRef::Account(AccountId::from_bits(1))];
        let [one, other] = [1, 2].map(|bits| Applicant::SignedIn(AccountId::from_bits(bits)));
        let _first = locks.place(&one, &records).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 1..WAITING_MAX {
            let mut place = Box::pin(locks.place(&one, &records));
            assert!(std::future::poll_fn(|cx| Poll::Ready(place.as_mut().poll(cx))).await.is_pending());
            waiting.push(place);
        }
        assert!(matches!(locks.place(&one, &records).await, Err(Error::Contended)));
        assert!(locks.place(&other, &records).await.is_ok());
        waiting.pop();
        let mut place = Box::pin(locks.place(&one, &records));
        assert!(std::future::poll_fn(|cx| Poll::Ready(place.as_mut().poll(cx))).await.is_pending());
    }
}
