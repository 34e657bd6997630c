//! Rotation.

use claviger_authority::keys::KeyQuery;
use claviger_authority::{Error, Page};
use claviger_core::key::KeyPatch;
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::restriction::{Quota, QuotaPeriod, Rate, Restrictions};
use claviger_core::{KeyId, UnixSeconds};

use super::support::*;

#[tokio::test]
async fn without_an_overlap_the_old_key_is_refused_at_once() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "notebook:read").await;
    let id = old.key.record.entry.id;
    let changed = house.authority.rotate_key(&house.ada(), id, 0, Some(1), None).await.unwrap();
    assert!(changed.change.revokes && changed.change.id.is_some());
    assert_eq!(house.whoami(old.secret.expose()).await, "key_retired");
    let new = changed.value;
    assert_eq!(house.whoami(new.secret.expose()).await, "ok");
    let (before, after) = (&old.key.record, &new.key.record);
    assert_eq!(after.replaces, Some(id));
    assert_eq!((&after.entry.rights, &after.name), (&before.entry.rights, &before.name));
    assert_ne!((after.entry.id, after.digest), (id, before.digest));
    assert_eq!((&after.metadata, &after.format, after.revision), (&before.metadata, &before.format, 1));
    let row = &house.history("key:rotate").await[0];
    assert_eq!(&*row.target, format!("key:{id}"));
    assert!(row.detail.contains(&after.entry.id.to_string()));
    let again = house.authority.rotate_key(&house.ada(), id, 0, None, None).await;
    assert_replaced_by(again, after.entry.id);
    let stored = house.authority.key(&house.ada(), id).await.unwrap().record;
    assert_eq!((stored.entry.status, stored.entry.rights.expires_at), (Status::Retired, None));
}

/// The conflict names the key that took over.
fn assert_replaced_by<T: std::fmt::Debug>(result: Result<T, Error>, successor: KeyId) {
    match result {
        Err(Error::Conflict { code: "key_replaced", detail }) => {
            assert!(detail.contains(&successor.to_string()), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_clock_and_no_change_brings_a_retired_key_back() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "notebook:read");
    new.expires_at = Some(house.seconds_from_now(100));
    let old = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let id = old.key.record.entry.id;
    let new = house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap().value;
    house.pass(-3_600_000);
    assert_eq!(house.whoami(old.secret.expose()).await, "key_retired");
    let house = house.reopened().await;
    assert_eq!(house.whoami(old.secret.expose()).await, "key_retired", "nor does a restart");
    for caller in [house.ada(), house.operator()] {
        for patch in [
            KeyPatch { status: Some(Status::Active), ..KeyPatch::default() },
            KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() },
            KeyPatch { expires_at: Some(None), ..KeyPatch::default() },
            KeyPatch { expires_at: Some(None), status: Some(Status::Active), ..KeyPatch::default() },
        ] {
            assert_eq!(code(house.authority.update_key(&caller, id, patch, None).await), "key_replaced");
        }
    }
    let name = KeyPatch { name: claviger_core::name::Name::parse("old").ok(), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), id, name, None).await.unwrap();
    assert_eq!(house.whoami(old.secret.expose()).await, "key_retired");
    let listed = |standing| KeyQuery { standing: Some(standing), ..KeyQuery::default() };
    let ids = async |standing| {
        let keys = house.authority.keys(&house.ada(), listed(standing), Page::first(9)).await.unwrap();
        keys.iter().map(|key| key.record.entry.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Standing::Retired).await, [id]);
    assert_eq!(ids(Standing::Active).await, [new.key.record.entry.id]);
    house.pass(3_600_000 + 100_000);
    assert_eq!((ids(Standing::Retired).await.len(), ids(Standing::Expired).await.len()), (0, 2));
    assert_eq!(house.whoami(old.secret.expose()).await, "key_expired");
    house.authority.delete_key(&house.ada(), id, None).await.unwrap();
    assert_eq!(house.whoami(old.secret.expose()).await, "invalid_key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_rotations_at_once_one_makes_a_key() {
    for overlap in [0, 60] {
        let house = std::sync::Arc::new(House::build().await);
        let id = house.key(house.of_ada(), "notebook:read").await.key.record.entry.id;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let house = std::sync::Arc::clone(&house);
            tasks.spawn(async move {
                code(house.authority.rotate_key(&house.ada(), id, overlap, None, None).await)
            });
        }
        let codes = tasks.join_all().await;
        assert_eq!(codes.iter().filter(|code| **code == "ok").count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == "key_replaced").count(), 9, "{codes:?}");
        let keys = house.authority.keys(&house.ada(), KeyQuery::default(), Page::first(99)).await.unwrap();
        assert_eq!(keys.len(), 2);
    }
}

#[tokio::test]
async fn a_key_is_rotated_again_once_nothing_that_replaces_it_lives() {
    let house = House::build().await;
    let rotate = async |id, overlap| house.authority.rotate_key(&house.ada(), id, overlap, None, None).await;
    let first = house.key(house.of_ada(), "notebook:read").await.key.record.entry.id;
    let second = rotate(first, 600).await.unwrap().value.key.record.entry.id;
    assert_replaced_by(rotate(first, 600).await, second);
    // The one that took over was replaced in turn: that one counts.
    let third = rotate(second, 0).await.unwrap().value.key.record.entry.id;
    assert_replaced_by(rotate(first, 0).await, third);
    // Disabled it may come back, so it is still in the way.
    let disable = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), third, disable, None).await.unwrap();
    assert_replaced_by(rotate(first, 0).await, third);
    house.authority.delete_key(&house.ada(), third, None).await.unwrap();
    rotate(first, 0).await.unwrap();
    assert_eq!(code(rotate(second, 0).await), "key_replaced", "a retired one never");
}

#[tokio::test]
async fn disabled_and_expired_keys_are_replaced_by_people_and_operators() {
    let house = House::build().await;
    let manager = house.key(house.of_ada(), "notebook:read key:create key:update").await;
    let manager = house.with_key(manager.secret.expose());
    let rotate = async |caller: &claviger_authority::Caller, id, overlap| {
        house.authority.rotate_key(caller, id, overlap, None, None).await
    };
    for caller in [house.ada(), house.operator()] {
        let mut ending = house.new_key(house.of_ada(), "notebook:read");
        ending.expires_at = Some(house.seconds_from_now(1_000));
        let expired = house.authority.create_key(&house.ada(), ending).await.unwrap().value;
        let disabled = house.key(house.of_ada(), "notebook:read").await;
        let disable = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
        let id = disabled.key.record.entry.id;
        house.authority.update_key(&house.ada(), id, disable, None).await.unwrap();
        house.pass(2_000_000);
        for (old, told, lives) in [(&disabled, "key_retired", None), (&expired, "key_expired", Some(1_000))] {
            let id = old.key.record.entry.id;
            assert_eq!(code(rotate(&manager, id, 0).await), "key_not_active");
            assert_eq!(code(rotate(&caller, id, 60).await), "key_not_active");
            let changed = rotate(&caller, id, 0).await.unwrap();
            assert!(!changed.change.revokes, "nobody could use it");
            let stored = house.authority.key(&house.ada(), id).await.unwrap().record;
            assert_eq!(stored.entry.status, Status::Retired);
            assert_eq!(house.whoami(old.secret.expose()).await, told);
            assert_eq!(house.whoami(changed.value.secret.expose()).await, "ok");
            let until = lives.map(|seconds| house.seconds_from_now(seconds));
            assert_eq!(
                changed.value.key.record.entry.rights.expires_at, until,
                "as long as the old one lived"
            );
        }
    }
}

#[tokio::test]
async fn what_is_used_up_goes_over_to_the_new_key() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.restrictions.rate = Some(Rate { limit: 5, period_seconds: 3_600 });
    new.restrictions.quota = Some(Quota { limit: 7, period: QuotaPeriod::Month });
    let mut key = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record.entry;
    let use_once = |house: &House, key: &claviger_core::key::KeyEntry| {
        let metered = house.authority.check_rate(key, house.authority.now()).unwrap();
        house.authority.record_use(key.id, None, house.authority.now(), metered.allowed(), Some(&metered));
        metered.code().to_owned() + if metered.allowed() { " passes" } else { "" }
    };
    let rotate = async |house: &House, id| {
        let changed = house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap();
        changed.value.key.record.entry
    };
    for _ in 0..4 {
        assert_eq!(use_once(&house, &key), "rate_limited passes");
        key = rotate(&house, key.id).await;
    }
    assert_eq!(use_once(&house, &key), "rate_limited passes");
    key = rotate(&house, key.id).await;
    assert_eq!(use_once(&house, &key), "rate_limited", "five in an hour, over as many keys");
    house.pass(3_600_000);
    assert_eq!(use_once(&house, &key), "rate_limited passes");
    // A restart forgets rates; the quota goes on, over all rotations.
    let house = house.reopened().await;
    key = rotate(&house, key.id).await;
    let house = house.reopened().await;
    assert_eq!(use_once(&house, &key), "rate_limited passes");
    assert_eq!(use_once(&house, &key), "quota_exceeded");
    // A quota of another period finds what was carried, too: two were used in the last hour, all on this day.
    let patch = |limit, period| KeyPatch {
        restrictions: Some(Restrictions { quota: Some(Quota { limit, period }), ..Restrictions::default() }),
        ..KeyPatch::default()
    };
    let changed = house.authority.update_key(&house.ada(), key.id, patch(8, QuotaPeriod::Day), None).await;
    key = changed.unwrap().value.record.entry;
    assert_eq!(use_once(&house, &key), "rate_limited passes");
    assert_eq!(use_once(&house, &key), "quota_exceeded");
    house.authority.flush_usage().await.unwrap();
    let (from, until) = (house.authority.now().seconds(), house.seconds_from_now(60));
    let shown =
        house.authority.usage(&house.ada(), key.id, from, until, claviger_authority::UsageStep::Day).await;
    assert_eq!(shown.unwrap()[0].allowed, 2, "the counters of each key are its own");
}

#[tokio::test]
async fn retired_keys_are_purged_like_expired_ones() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "notebook:read").await;
    let id = old.key.record.entry.id;
    house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap();
    house.pass(29 * 86_400_000);
    house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(house.whoami(old.secret.expose()).await, "key_retired");
    house.pass(2 * 86_400_000);
    house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(house.whoami(old.secret.expose()).await, "invalid_key");
}

#[tokio::test]
async fn with_an_overlap_both_share_one_rate_and_one_quota() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.restrictions.rate = Some(Rate { limit: 5, period_seconds: 3_600 });
    new.restrictions.quota = Some(Quota { limit: 8, period: QuotaPeriod::Day });
    let first = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record.entry;
    let use_once = |house: &House, key: &claviger_core::key::KeyEntry| {
        let metered = house.authority.check_rate(key, house.authority.now()).unwrap();
        house.authority.record_use(key.id, None, house.authority.now(), metered.allowed(), Some(&metered));
        if metered.allowed() { "passes" } else { metered.code() }
    };
    let rotate = async |id| {
        let changed = house.authority.rotate_key(&house.ada(), id, 7_200, None, None).await.unwrap();
        changed.value.key.record.entry
    };
    assert_eq!(use_once(&house, &first), "passes");
    let second = rotate(first.id).await;
    let third = rotate(second.id).await;
    for key in [&first, &second, &third, &first] {
        assert_eq!(use_once(&house, key), "passes");
    }
    for key in [&first, &second, &third] {
        assert_eq!(use_once(&house, key), "rate_limited");
    }
    house.pass(3_600_000);
    for key in [&first, &third, &third] {
        assert_eq!(use_once(&house, key), "passes");
    }
    for key in [&first, &second, &third] {
        assert_eq!(use_once(&house, key), "quota_exceeded");
    }
    // Nor does the end of the overlap give anything back, or a round of jobs.
    house.pass(3_600_000);
    house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(use_once(&house, &third), "quota_exceeded");
    house.pass(86_400_000);
    house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(house.authority.limited_keys(), 0);
    assert_eq!(use_once(&house, &third), "passes");
}

#[tokio::test]
async fn keys_that_share_a_quota_do_so_after_a_restart() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.restrictions.quota = Some(Quota { limit: 4, period: QuotaPeriod::Month });
    let old = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record.entry;
    let use_once = |house: &House, key: &claviger_core::key::KeyEntry| {
        let metered = house.authority.check_rate(key, house.authority.now()).unwrap();
        house.authority.record_use(key.id, None, house.authority.now(), metered.allowed(), Some(&metered));
        if metered.allowed() { "passes" } else { metered.code() }
    };
    assert_eq!(use_once(&house, &old), "passes");
    let rotated = house.authority.rotate_key(&house.ada(), old.id, 7_200, None, None).await.unwrap();
    let new = rotated.value.key.record.entry;
    assert_eq!(use_once(&house, &new), "passes");
    let house = house.reopened().await;
    assert_eq!([use_once(&house, &old), use_once(&house, &new)], ["passes"; 2]);
    assert_eq!([use_once(&house, &old), use_once(&house, &new)], ["quota_exceeded"; 2]);
}

#[tokio::test]
async fn with_an_overlap_both_work_until_the_second() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "notebook:read").await;
    let id = old.key.record.entry.id;
    let changed = house.authority.rotate_key(&house.ada(), id, 60, None, None).await.unwrap();
    assert!(changed.change.revokes, "the old one ends earlier than it would have");
    let end = house.seconds_from_now(60).start().millis();
    house.pass(end - 1 - START);
    assert_eq!(house.whoami(old.secret.expose()).await, "ok");
    house.pass(1);
    assert_eq!(house.whoami(old.secret.expose()).await, "key_expired");
    assert_eq!(house.whoami(changed.value.secret.expose()).await, "ok");
    let too_long = house.authority.rotate_key(&house.ada(), id, u64::MAX, None, None).await;
    assert_eq!(code(too_long), "overlap_seconds");
}

#[tokio::test]
async fn an_earlier_date_of_its_own_stays() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "notebook:read");
    new.expires_at = Some(house.seconds_from_now(30));
    let old = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record;
    let changed = house.authority.rotate_key(&house.ada(), old.entry.id, 60, None, None).await.unwrap();
    assert!(!changed.change.revokes);
    let expires = |record: &claviger_core::key::KeyRecord| record.entry.rights.expires_at;
    assert_eq!(expires(&changed.value.key.record), expires(&old));
    let stored = house.authority.key(&house.ada(), old.entry.id).await.unwrap();
    assert_eq!(expires(&stored.record), expires(&old));
}

#[tokio::test]
async fn only_at_the_revision_seen() {
    let house = House::build().await;
    let key = house.key(house.of_ada(), "notebook:read").await.key.record;
    let rotate = async |revision| {
        code(house.authority.rotate_key(&house.ada(), key.entry.id, 0, revision, None).await)
    };
    assert_eq!(rotate(Some(7)).await, "stale");
    let disable = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), key.entry.id, disable, None).await.unwrap();
    assert_eq!(rotate(None).await, "ok", "its manager replaces a disabled one");
    assert_eq!(
        code(house.authority.rotate_key(&house.ada(), KeyId::from_bits(1), 0, None, None).await),
        "not_found"
    );
}

/// Whoever wins a secret must hold at least its rights.
#[tokio::test]
async fn nobody_wins_more_than_it_has() {
    let house = House::build().await;
    let wide = house.key(house.of_ada(), "*:*").await.key.record.entry.id;
    let narrow = house.key(house.of_ada(), "notebook:read").await.key.record.entry.id;
    let mut brief = house.new_key(house.of_ada(), "notebook:read key:create key:update");
    brief.expires_at = UnixSeconds::new(house.authority.now().seconds().get() + 100);
    let brief = house.authority.create_key(&house.ada(), brief).await.unwrap().value;
    let manager = house.key(house.of_ada(), "notebook:read key:create key:update").await;
    let creator = house.key(house.of_ada(), "notebook:read key:create").await;
    let check = async |caller: &claviger_authority::Caller, id, expect: &str| {
        assert_eq!(code(house.authority.rotate_key(caller, id, 0, None, None).await), expect);
    };
    check(&house.bob(), narrow, "not_found").await;
    check(&house.with_key(creator.secret.expose()), narrow, "forbidden").await;
    check(&house.with_key(manager.secret.expose()), wide, "forbidden").await;
    check(&house.with_key(brief.secret.expose()), narrow, "forbidden").await;
    assert_eq!(
        house.authority.key(&house.ada(), wide).await.unwrap().record.revision,
        1,
        "and nothing was changed"
    );
    check(&house.with_key(manager.secret.expose()), narrow, "ok").await;
    // Itself, too.
    check(&house.with_key(manager.secret.expose()), manager.key.record.entry.id, "ok").await;
    assert_eq!(house.whoami(manager.secret.expose()).await, "key_retired");
    check(&house.operator(), wide, "ok").await;
}
