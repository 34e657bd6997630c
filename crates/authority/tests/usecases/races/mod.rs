//! Whoever is being revoked races the revocation, with six requests at a time, and never wins: once the
//! revocation stands in the history, nothing stands after it that was done with what it took away.
//!
//! In every other race each attacker is in a process of its own, where only the permits stand in its way. There a
//! revocation may have to be asked for again; in one process it always succeeds.

mod groups;
mod keys;
mod resources;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_authority::accounts::{AccountPatch, NewAccount};
use claviger_authority::keys::CreatedKey;
use claviger_authority::{Authority, Caller, Error, HistoryFilter, Page};
use claviger_core::key::Actor;
use claviger_core::name::{ExternalId, Name};
use claviger_core::{AccountId, Subject};
use tokio::sync::Barrier;

use super::support::*;

/// Races of each sort.
const RACES: u64 = 200;
/// Requests at a time.
const ATTACKERS: usize = 6;
/// Requests of each attacker, at most: the history of one race fits a page.
const ATTACKS_MAX: usize = 100;

/// What an attacker works with.
#[derive(Clone)]
struct Attack {
    authority: Authority,
    /// Whether each attacker is in a process of its own.
    apart: bool,
    caller: Caller,
    counter: Arc<AtomicU64>,
}

impl Attack {
    fn new(house: &House, caller: Caller) -> Self {
        static RACE: AtomicU64 = AtomicU64::new(0);
        let apart = RACE.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        Self { authority: house.authority.clone(), apart, caller, counter: Arc::default() }
    }

    fn by(house: &House, key: &CreatedKey) -> Self {
        Self::new(house, house.with_key(key.secret.expose()))
    }

    /// Another name each time, so that no change is a repeat.
    fn name(&self) -> Name {
        Name::parse(&format!("Attack {}", self.counter.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    /// Which of several attacks is next.
    fn turn(&self, of: u64) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed) % of
    }
}

/// Runs a revocation while attackers attack, until it is done and every attack has its answer. Returns how many
/// attacks changed something.
async fn race<T, R, F, Fut>(revocation: R, attack: &Attack, how: F) -> u64
where
    R: AsyncFn() -> Result<T, Error>,
    F: Fn(Attack) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = u64> + Send + 'static,
{
    let done = Arc::new(AtomicU64::new(0));
    let start = Arc::new(Barrier::new(ATTACKERS + 1));
    let attackers = (0..ATTACKERS)
        .map(|_| {
            let (done, start, how) = (done.clone(), start.clone(), how.clone());
            let authority =
                if attack.apart { attack.authority.in_another_process() } else { attack.authority.clone() };
            let attack = Attack { authority, ..attack.clone() };
            tokio::spawn(async move {
                start.wait().await;
                let mut changes = 0;
                for _ in 0..ATTACKS_MAX {
                    changes += how(attack.clone()).await;
                    if done.load(Ordering::SeqCst) > 0 {
                        break;
                    }
                }
                changes
            })
        })
        .collect::<Vec<_>>();
    start.wait().await;
    while let Err(error) = revocation().await {
        assert!(attack.apart && matches!(error, Error::Contended), "the revocation was kept out: {error}");
    }
    done.store(1, Ordering::SeqCst);
    let mut changes = 0;
    for attacker in attackers {
        changes += attacker.await.unwrap();
    }
    changes
}

/// The numbers of the rows that an actor has left, the latest first.
async fn rows_by(house: &House, actor: Actor) -> Vec<u64> {
    let filter = HistoryFilter { actor: Some(actor), ..HistoryFilter::default() };
    let rows = house.authority.history(&house.operator(), filter, Page::first(1_000)).await.unwrap();
    rows.into_iter().map(|(number, _)| number).collect()
}

/// The number of the latest row of an action on a target.
async fn row_of(house: &House, action: &str, target: &str) -> u64 {
    let filter = HistoryFilter {
        action: Some(action.to_owned()),
        target: Some(target.to_owned()),
        ..HistoryFilter::default()
    };
    house.authority.history(&house.operator(), filter, Page::first(1)).await.unwrap()[0].0
}

/// Nothing stands after the revocation, and every change before it stands there.
async fn lost(house: &House, actor: Actor, revocation: u64, changes: u64) {
    let rows = rows_by(house, actor).await;
    let late = rows.iter().filter(|row| **row > revocation).count();
    assert_eq!(late, 0, "attacks that won");
    assert_eq!(rows.len() as u64, changes, "every change has its row, and nothing else has");
}

/// An account of its own for each race.
async fn account(house: &House, race: u64) -> AccountId {
    let external_id = ExternalId::parse(&format!("race-{race}")).ok();
    let new = NewAccount { external_id, ..NewAccount::default() };
    house.authority.create_account(&house.operator(), new).await.unwrap().value.account.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_that_is_being_closed_does_not_open_itself() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let id = account(&house, race_number).await;
        let key = house.key(Subject::Account(id), "account:update").await;
        let attack = Attack::by(&house, &key);
        let close = async || {
            let patch = AccountPatch { closed: Some(true), ..AccountPatch::default() };
            house.authority.update_account(&house.operator(), id, patch, None).await
        };
        let changes = race(close, &attack, move |attack| async move {
            let name = Some(Some(attack.name()));
            let patch = AccountPatch { name, closed: Some(false), ..AccountPatch::default() };
            u64::from(attack.authority.update_account(&attack.caller, id, patch, None).await.is_ok())
        })
        .await;
        let record = house.authority.account(&house.operator(), id).await.unwrap();
        assert!(record.account.closed, "race {race_number}");
        assert_eq!(record.revision, 2 + changes);
        assert_eq!(house.whoami(key.secret.expose()).await, "key_disabled");
        let row = row_of(&house, "account:delete", &format!("account:{id}")).await;
        lost(&house, Actor::Key(key.key.record.entry.id), row, changes).await;
    }
}

/// However many keys a subject has, it has one place in the line of a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_does_not_wait_for_a_change_of_each_key() {
    const KEYS: u64 = 60;
    let house = House::build().await;
    let id = account(&house, 0).await;
    let counter = Arc::new(AtomicU64::new(0));
    let mut attackers = Vec::new();
    for _ in 0..KEYS {
        let key = house.key(Subject::Account(id), "account:update").await;
        let attack = Attack { apart: false, counter: counter.clone(), ..Attack::by(&house, &key) };
        attackers.push(tokio::spawn(async move {
            loop {
                let patch = AccountPatch { name: Some(Some(attack.name())), ..AccountPatch::default() };
                if attack.authority.update_account(&attack.caller, id, patch, None).await.is_err() {
                    break;
                }
            }
        }));
    }
    let revision = async || house.authority.account(&house.operator(), id).await.unwrap().revision;
    // Until each of them is under way.
    while revision().await < 5 * KEYS {
        tokio::task::yield_now().await;
    }
    // The least of several: what comes between the look and the request counts, too.
    let mut waited_for = u64::MAX;
    for n in 0..20 {
        let before = revision().await;
        let patch = AccountPatch {
            name: Some(Some(claviger_core::name::Name::parse(&format!("Operator {n}")).unwrap())),
            ..AccountPatch::default()
        };
        let done = house.authority.update_account(&house.operator(), id, patch, None).await.unwrap();
        waited_for = waited_for.min(done.value.revision - before - 1);
    }
    let patch = AccountPatch { closed: Some(true), ..AccountPatch::default() };
    house.authority.update_account(&house.operator(), id, patch, None).await.unwrap();
    for attacker in attackers {
        attacker.await.unwrap();
    }
    assert!(waited_for < KEYS / 4, "{waited_for} changes came first");
}
