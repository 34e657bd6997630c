//! Requests that are carried out once.

use claviger_authority::Error;
use claviger_authority::idempotency::Idempotency;
use claviger_authority::keys::KeyQuery;
use claviger_authority::{Caller, Page};

use super::support::*;

fn named(key: &str, body: &str) -> Option<Idempotency> {
    Idempotency::new(key, &[b"POST", b"/v1/keys", body.as_bytes()]).ok()
}

async fn create(house: &House, caller: &Caller, request: Option<Idempotency>) -> Result<String, Error> {
    let new = house.new_key(house.of_ada(), "a:read");
    let created = house.authority.create_key_once(caller, new, request).await?;
    Ok(created.value.key.record.entry.id.to_string())
}

#[tokio::test]
async fn a_repeat_learns_the_identifier_and_never_the_secret() {
    let house = House::build().await;
    let made = create(&house, &house.ada(), named("k", "x")).await.unwrap();
    match create(&house, &house.ada(), named("k", "x")).await {
        Err(Error::Conflict { code: "idempotency_replayed", detail }) => {
            assert!(detail.contains(&made), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(code(create(&house, &house.ada(), named("k", "y")).await), "idempotency_mismatch");
    assert_eq!(code(create(&house, &house.operator(), named("k", "y")).await), "ok", "another caller's own");
    assert_eq!(code(create(&house, &house.ada(), named("l", "x")).await), "ok");
    house.pass(86_400_000);
    assert_eq!(
        code(create(&house, &house.ada(), named("k", "x")).await),
        "ok",
        "a day later it is forgotten"
    );
    assert_eq!(
        house.authority.keys(&house.ada(), KeyQuery::default(), Page::first(9)).await.unwrap().len(),
        4
    );
}

#[tokio::test]
async fn a_repeated_rotation_is_told_apart_from_a_key_that_is_not_active() {
    let house = House::build().await;
    let id = house.key(house.of_ada(), "a:read").await.key.record.entry.id;
    let rotate = async |request| house.authority.rotate_key(&house.ada(), id, 0, None, request).await;
    rotate(named("k", "x")).await.unwrap();
    assert_eq!(code(rotate(named("k", "x")).await), "idempotency_replayed");
    assert_eq!(code(rotate(named("k", "y")).await), "idempotency_mismatch");
    assert_eq!(code(rotate(named("l", "x")).await), "key_replaced");
}

#[tokio::test]
async fn a_repeated_creation_is_recognised_after_the_date_it_asked_for() {
    let house = House::build().await;
    let until = house.seconds_from_now(10);
    let create = async |caller: &Caller| {
        let mut new = house.new_key(house.of_ada(), "a:read");
        new.expires_at = Some(until);
        house.authority.create_key_once(caller, new, named("k", "x")).await
    };
    let made = create(&house.ada()).await.unwrap().value.key.record.entry.id.to_string();
    house.pass(20_000);
    match create(&house.ada()).await {
        Err(Error::Conflict { code: "idempotency_replayed", detail }) => {
            assert!(detail.contains(&made), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(code(create(&house.operator()).await), "expires_at", "it never asked for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_exactly_one_wins() {
    let house = std::sync::Arc::new(House::build().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let house = std::sync::Arc::clone(&house);
        tasks.spawn(async move { code(create(&house, &house.ada(), named("k", "x")).await) });
    }
    let codes = tasks.join_all().await;
    assert_eq!(codes.iter().filter(|code| **code == "ok").count(), 1);
    assert_eq!(codes.iter().filter(|code| **code == "idempotency_replayed").count(), 39);
}
