//! Keys are made and disabled by many clients at once, each of which waits for its answer.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use claviger_authority::{Authority, Caller};
use claviger_core::KeyId;
use claviger_core::key::KeyPatch;
use claviger_core::lifecycle::Status;
use tokio::runtime::Runtime;

use crate::house::{House, new_key};
use crate::measure::Bench;

pub const CLIENTS: [usize; 3] = [1, 8, 64];
pub fn create(clients: usize) -> String {
    format!("create a key, {clients} clients at once")
}

pub fn disable(clients: usize) -> String {
    format!("disable a key, {clients} clients at once")
}

/// One reading of each.
pub fn round(bench: &mut Bench, house: &House, runtime: &Runtime) {
    for clients in CLIENTS {
        let made = Arc::new(Mutex::new(Vec::new()));
        // Not those with the imported keys, which have as many as they may.
        let accounts = Arc::new(house.accounts[crate::import::ACCOUNTS..].to_vec());
        bench.time(&create(clients), |until| {
            runtime.block_on(all(clients, until, house, {
                let made = Arc::clone(&made);
                move |authority, operator, n| {
                    let (made, account) = (Arc::clone(&made), accounts[n % accounts.len()]);
                    async move {
                        let key = authority.create_key(&operator, new_key(account)).await.expect("a key");
                        made.lock().expect("no panic").push(key.value.key.record.entry.id);
                        true
                    }
                }
            }))
        });
        let ids: Arc<[KeyId]> = made.lock().expect("no panic").as_slice().into();
        bench.time(&disable(clients), |until| {
            runtime.block_on(all(clients, until, house, move |authority, operator, n| {
                let id = ids.get(n).copied();
                async move {
                    // Until there is no key left.
                    let Some(id) = id else { return false };
                    let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
                    authority.update_key(&operator, id, patch, None).await.expect("a change");
                    true
                }
            }))
        });
    }
}

/// Lets so many clients do one thing after the other, and tells how many they have done.
async fn all<A, F>(clients: usize, until: Instant, house: &House, act: A) -> usize
where
    A: Fn(Authority, Caller, usize) -> F + Clone + Send + 'static,
    F: Future<Output = bool> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..clients).map(|_| {
        let (next, act) = (Arc::clone(&next), act.clone());
        let (authority, operator) = (house.authority.clone(), house.operator.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < until {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if !act(authority.clone(), operator.clone(), n).await {
                    break;
                }
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for client in clients.collect::<Vec<_>>() {
        done += client.await.expect("no panic");
    }
    done
}
