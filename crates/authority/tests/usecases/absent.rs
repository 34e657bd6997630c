//! "Not found" can be relied on: by the time somebody hears it, nothing accepts what is gone.

use std::sync::Arc;

use claviger_authority::keys::CreatedKey;
use claviger_authority::{Authority, Caller, Changed, Error};
use claviger_core::KeyId;
use claviger_core::key::KeyPatch;
use claviger_core::name::Name;
use claviger_core::resource::{Owner, ResourceRef};
use claviger_core::scope::Action;

use super::support::*;

/// Deletions that are looked at while they happen, for each way to look.
const DELETIONS: usize = 60;

/// What somebody else asks about a key.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Read,
    Rename,
    Rotate,
    Delete,
}

/// What verification says of a key: it asks the index alone.
fn accepted(house: &House, text: &str) -> &'static str {
    code(house.authority.accepts(&house.with_key(text), Action::literal("key", "read")))
}

async fn about_key(authority: &Authority, caller: &Caller, id: KeyId, ask: Ask) -> Result<(), Error> {
    // Always another revision than it has: nothing but its absence ends the asking.
    let never = Some(u64::MAX);
    match ask {
        Ask::Read => authority.key(caller, id).await.map(drop),
        Ask::Rename => {
            let patch = KeyPatch { name: Name::parse("Another").ok(), ..KeyPatch::default() };
            authority.update_key(caller, id, patch, never).await.map(drop)
        }
        Ask::Rotate => authority.rotate_key(caller, id, 0, never, None).await.map(drop),
        Ask::Delete => authority.delete_key(caller, id, never).await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_not_found_is_not_accepted() {
    let house = Arc::new(House::build().await);
    for ask in [Ask::Read, Ask::Rename, Ask::Rotate, Ask::Delete] {
        for _ in 0..DELETIONS {
            let keys = notebook_keys(&house).await;
            let id = keys[0].key.record.entry.id;
            let deleting = deleting_the_notebook(&house);
            while code(about_key(&house.authority, &house.ada(), id, ask).await) != "not_found" {}
            assert_eq!(accepted(&house, keys[0].secret.expose()), "invalid_key", "{ask:?}");
            deleting.await.unwrap().unwrap();
            house.put_notebook("notebook:a", Owner::Account(house.ada)).await;
        }
    }
}

/// Many keys that go together, so that it takes a while.
async fn notebook_keys(house: &House) -> Vec<CreatedKey> {
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(house.key(house.notebook(), "notebook:read").await);
    }
    keys
}

fn deleting_the_notebook(house: &Arc<House>) -> tokio::task::JoinHandle<Result<Changed<u64>, Error>> {
    let (house, reference) = (Arc::clone(house), ResourceRef::parse("notebook:a").unwrap());
    tokio::spawn(async move { house.authority.delete_resource(&house.operator(), reference, None).await })
}

/// Asks about a resource, in one way or another; nothing but its absence is "not found".
async fn about_resource(house: &House, reference: &ResourceRef, read: bool) -> Result<(), Error> {
    let (authority, reference) = (&house.authority, reference.clone());
    if read {
        authority.resource(&house.ada(), reference).await.map(drop)
    } else {
        authority.delete_resource(&house.ada(), reference, Some(u64::MAX)).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_keys_of_a_resource_that_is_not_found_are_not_accepted() {
    let house = Arc::new(House::build().await);
    let reference = ResourceRef::parse("notebook:a").unwrap();
    for read in [true, false] {
        for _ in 0..DELETIONS {
            let keys = notebook_keys(&house).await;
            let deleting = deleting_the_notebook(&house);
            while code(about_resource(&house, &reference, read).await) != "not_found" {}
            for key in keys {
                assert_eq!(accepted(&house, key.secret.expose()), "invalid_key");
            }
            deleting.await.unwrap().unwrap();
            house.put_notebook("notebook:a", Owner::Account(house.ada)).await;
        }
    }
}
