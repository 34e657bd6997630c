//! Requests that are carried out once.

use std::sync::Arc;

use claviger_core::id::KeyId;
use claviger_core::limit::IDEMPOTENCY_SECONDS;
use claviger_core::time::Timestamp;
use claviger_store::{Conflict, Once, StoreError};

use super::support::*;

fn request(name: u8, fingerprint: u8, reference: &str, after_seconds: u64) -> Once {
    let at = Timestamp::from_millis(NOW.millis() + after_seconds.cast_signed() * 1_000);
    Once { name: [name; 32], fingerprint: [fingerprint; 32], reference: reference.to_owned(), at }
}

#[tokio::test]
async fn a_repeat_is_told_what_the_first_one_made() {
    let fresh = furnished().await;
    let create = async |n, once: Once| {
        let audit = audit("key:create").once(Some(once));
        fresh.store.create_key(key(n), LIMIT, audit).await.map(|_| ())
    };
    create(1, request(1, 1, "key_1", 0)).await.unwrap();
    let replayed = create(2, request(1, 1, "key_2", 1)).await.unwrap_err();
    assert!(matches!(&replayed, StoreError::Replayed { reference } if reference == "key_1"), "{replayed}");
    let reused = create(2, request(1, 2, "key_2", 1)).await.unwrap_err();
    assert!(matches!(reused, StoreError::NameReused), "{reused}");
    assert!(fresh.store.key(KeyId::from_bits(2)).await.unwrap().is_none());
    // What failed was not carried out, so its repeat is not one.
    let taken = create(1, request(2, 1, "key_1", 1)).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict(Conflict::Id | Conflict::Digest)), "{taken}");
    fresh.store.check_once(request(2, 1, "key_2", 1)).await.unwrap();
    create(2, request(2, 1, "key_2", 1)).await.unwrap();
    let reused = fresh.store.check_once(request(2, 9, "key_2", 1)).await.unwrap_err();
    assert!(matches!(reused, StoreError::NameReused), "{reused}");
}

#[tokio::test]
async fn a_request_is_remembered_for_a_day() {
    let fresh = furnished().await;
    let create = async |n, once: Once| {
        let audit = audit("key:create").once(Some(once));
        fresh.store.create_key(key(n), LIMIT, audit).await.map(|_| ())
    };
    create(1, request(1, 1, "key_1", 0)).await.unwrap();
    create(2, request(1, 1, "key_2", IDEMPOTENCY_SECONDS - 1)).await.unwrap_err();
    create(2, request(1, 1, "key_2", IDEMPOTENCY_SECONDS)).await.unwrap();
    let again = create(3, request(1, 1, "key_3", IDEMPOTENCY_SECONDS)).await.unwrap_err();
    assert!(matches!(&again, StoreError::Replayed { reference } if reference == "key_2"), "{again}");
    assert_eq!(fresh.store.prune_once(NOW, 9, TASK).await.unwrap(), 0);
    let later = request(1, 1, "", IDEMPOTENCY_SECONDS).at;
    assert_eq!(fresh.store.prune_once(later, 9, TASK).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_repeats_at_once_exactly_one_wins() {
    let fresh = Arc::new(furnished().await);
    let mut repeats = tokio::task::JoinSet::new();
    for n in 1..=50_u128 {
        let fresh = Arc::clone(&fresh);
        repeats.spawn(async move {
            let audit = audit("key:create").once(Some(request(1, 1, &n.to_string(), 0)));
            (n, fresh.store.create_key(key(n), LIMIT, audit).await)
        });
    }
    let (mut winners, mut told) = (Vec::new(), Vec::new());
    while let Some(result) = repeats.join_next().await {
        match result.unwrap() {
            (n, Ok(_)) => winners.push(n.to_string()),
            (_, Err(StoreError::Replayed { reference })) => told.push(reference),
            (_, Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!((winners.len(), told.len()), (1, 49));
    assert!(told.iter().all(|reference| *reference == winners[0]));
    assert_eq!(fresh.loaded().await.keys.len(), 1);
}
