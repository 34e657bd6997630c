//! Keys that end or become weaker, against what they do meanwhile.

use claviger_authority::imports::{ImportKey, ImportOptions, ImportRow};
use claviger_authority::keys::Revocation;
use claviger_authority::leaks::{LeakOutcome, LeakReport, LeakSource};
use claviger_core::key::{Actor, Digest, KeyPatch};
use claviger_core::lifecycle::Status;

use super::*;

const MANAGES: &str = "key:create key:update key:delete key:read a:read b:read";

fn id(key: &CreatedKey) -> claviger_core::KeyId {
    key.key.record.entry.id
}

/// Makes a key of the same account.
async fn mint(attack: &Attack, subject: Subject, words: &str) -> u64 {
    let new = claviger_authority::keys::NewKey {
        name: attack.name(),
        subject,
        scopes: Some(scopes(words)),
        expires_at: None,
        format: None,
        restrictions: claviger_core::restriction::Restrictions::default(),
        metadata: claviger_core::key::Metadata::default(),
        via: claviger_core::key::CreatedVia::Api,
    };
    u64::from(attack.authority.create_key(&attack.caller, new).await.is_ok())
}

/// Enables a key, under another name.
async fn enable(attack: &Attack, key: claviger_core::KeyId) -> u64 {
    let name = Some(attack.name());
    let patch = KeyPatch { name, status: Some(Status::Active), ..KeyPatch::default() };
    u64::from(attack.authority.update_key(&attack.caller, key, patch, None).await.is_ok())
}

/// Imports a key of the same account.
async fn import(attack: &Attack, subject: &Subject) -> u64 {
    let Attack { authority: claviger, caller, .. } = attack;
    let Ok(import) = claviger.begin_import(caller, ImportOptions::default()).await else { return 0 };
    let text =
        Digest::of(&format!("{subject} {}", attack.name())).as_bytes().map(|byte| format!("{byte:02x}"));
    let row = ImportRow {
        key: ImportKey::Text(format!("old-{}", text.concat()).into()),
        name: attack.name().to_string(),
        subject: subject.to_string(),
        scopes: Some(vec!["a:read".to_owned()]),
        versions: None,
        grants: None,
        expires_at: None,
        created_at: None,
        preview: None,
        metadata: Vec::new(),
        restrictions: claviger_core::restriction::Restrictions::default(),
        status: None,
    };
    let staged = claviger.stage_rows(caller, import, vec![row]).await;
    let committed = claviger.commit_import(caller, import).await;
    if committed.is_err() {
        // As nobody may go on with it, the operator's job would.
        let _gone = claviger.abandon_import(caller, import).await;
    }
    // The commit of an import that has lost its only row stands in the history, too.
    let _rows = staged;
    u64::from(committed.is_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revoking_all_keys_of_an_account_leaves_none_that_they_made() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let of = Subject::Account(account(&house, race_number).await);
        let key = house.key(of.clone(), MANAGES).await;
        let other = house.key(of.clone(), "a:read").await;
        let attack = Attack::by(&house, &key);
        let revoke = async || {
            let which = Revocation::Subject(of.clone());
            house.authority.revoke_keys(&house.operator(), which).await
        };
        let (target, sibling) = (of.clone(), id(&other));
        let changes = race(revoke, &attack, move |attack| {
            let of = target.clone();
            async move {
                match attack.turn(8) {
                    0 => import(&attack, &of).await,
                    1 => {
                        let made =
                            attack.authority.rotate_key(&attack.caller, sibling, 3_600, None, None).await;
                        u64::from(made.is_ok())
                    }
                    _ => mint(&attack, of, "a:read").await,
                }
            }
        })
        .await;
        let query = claviger_authority::keys::KeyQuery { subject: Some(of.clone()), ..Default::default() };
        let left = house.authority.keys(&house.operator(), query, Page::first(10)).await.unwrap();
        assert_eq!(left.len(), 0, "race {race_number}: keys live on");
        let row = row_of(&house, "key:delete", &of.to_string()).await;
        lost(&house, Actor::Key(id(&key)), row, changes).await;
        // What was abandoned by nobody must not stand in the way of the next race.
        house.pass(60 * 60 * 1_000);
        house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_revoked_by_its_identifier_makes_no_more_keys() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let of = Subject::Account(account(&house, race_number).await);
        let key = house.key(of.clone(), MANAGES).await;
        let attack = Attack::by(&house, &key);
        let revoke = async || {
            let which = Revocation::Keys(vec![id(&key)]);
            house.authority.revoke_keys(&house.operator(), which).await
        };
        let changes = race(revoke, &attack, move |attack| {
            let of = of.clone();
            async move { mint(&attack, of, "a:read").await }
        })
        .await;
        let row = row_of(&house, "key:delete", &format!("key:{}", id(&key))).await;
        lost(&house, Actor::Key(id(&key)), row, changes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_rotated_without_overlap_makes_no_more_keys() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let of = Subject::Account(account(&house, race_number).await);
        let key = house.key(of.clone(), MANAGES).await;
        let attack = Attack::by(&house, &key);
        let rotate = async || house.authority.rotate_key(&house.operator(), id(&key), 0, None, None).await;
        let changes = race(rotate, &attack, move |attack| {
            let of = of.clone();
            async move { mint(&attack, of, "a:read").await }
        })
        .await;
        let row = row_of(&house, "key:rotate", &format!("key:{}", id(&key))).await;
        lost(&house, Actor::Key(id(&key)), row, changes).await;
    }
}

/// Patches the attacking key, by the operator.
async fn patched(house: &House, key: &CreatedKey, patch: &KeyPatch) -> Result<(), Error> {
    house.authority.update_key(&house.operator(), id(key), patch.clone(), None).await.map(|_| ())
}

/// The number of the row that the operator left at the key.
async fn row_of_operator(house: &House, key: &CreatedKey, action: &str) -> u64 {
    let operator = Actor::Key(
        house
            .authority
            .whoami(&house.operator())
            .await
            .map(|who| match who {
                claviger_authority::keys::Whoami::Key(stored) => stored.record.entry.id,
                claviger_authority::keys::Whoami::Account(_) => unreachable!("the operator has a key"),
            })
            .unwrap(),
    );
    let filter = HistoryFilter {
        actor: Some(operator),
        action: Some(action.to_owned()),
        target: Some(format!("key:{}", id(key))),
        ..HistoryFilter::default()
    };
    house.authority.history(&house.operator(), filter, Page::first(1)).await.unwrap()[0].0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_being_disabled_neither_enables_itself_nor_makes_others() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let of = Subject::Account(account(&house, race_number).await);
        let key = house.key(of.clone(), MANAGES).await;
        let (attack, own) = (Attack::by(&house, &key), id(&key));
        let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
        let changes = race(
            async || patched(&house, &key, &patch).await,
            &attack,
            move |attack| {
                let of = of.clone();
                async move {
                    match attack.turn(7) {
                        0 => {
                            // With an overlap, so that it goes on.
                            let made =
                                attack.authority.rotate_key(&attack.caller, own, 3_600, None, None).await;
                            u64::from(made.is_ok())
                        }
                        1 | 2 => mint(&attack, of, "a:read").await,
                        _ => enable(&attack, own).await,
                    }
                }
            },
        )
        .await;
        assert_eq!(house.whoami(key.secret.expose()).await, "key_disabled", "race {race_number}");
        let row = row_of_operator(&house, &key, "key:update").await;
        lost(&house, Actor::Key(own), row, changes).await;
    }
}

/// Narrows the attacking key, while it makes keys with what it loses.
async fn narrowing(house: &House, race_number: u64, patch: KeyPatch) {
    let of = Subject::Account(account(house, race_number).await);
    let key = house.key(of.clone(), MANAGES).await;
    let attack = Attack::by(house, &key);
    let changes = race(
        async || patched(house, &key, &patch).await,
        &attack,
        move |attack| {
            let of = of.clone();
            async move { mint(&attack, of, "b:read").await }
        },
    )
    .await;
    let row = row_of_operator(house, &key, "key:update").await;
    lost(house, Actor::Key(id(&key)), row, changes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_loses_a_scope_makes_no_more_keys_with_it() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let patch = KeyPatch { scopes: Some(scopes("key:create a:read")), ..KeyPatch::default() };
        narrowing(&house, race_number, patch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_gets_an_end_makes_no_more_keys_without_one() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let expires_at = Some(Some(house.seconds_from_now(3_600)));
        narrowing(&house, race_number, KeyPatch { expires_at, ..KeyPatch::default() }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_reported_as_leaked_neither_enables_itself_nor_makes_others() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let of = Subject::Account(account(&house, race_number).await);
        let key = house.key(of.clone(), MANAGES).await;
        let (attack, own) = (Attack::by(&house, &key), id(&key));
        let report = async || {
            let digest = Digest::of(key.secret.expose());
            let report =
                LeakReport { digest, source: LeakSource::Unconfirmed(None), place: "here".to_owned() };
            let nobody = caller(claviger_authority::CallerCredential::Anonymous);
            let outcome = house.authority.report_leaks(&nobody, vec![report]).await?;
            assert_eq!(outcome, [LeakOutcome::Disabled]);
            Ok(())
        };
        let changes = race(report, &attack, move |attack| {
            let of = of.clone();
            async move {
                match attack.turn(3) {
                    0 => mint(&attack, of, "a:read").await,
                    _ => enable(&attack, own).await,
                }
            }
        })
        .await;
        assert_eq!(house.whoami(key.secret.expose()).await, "key_disabled", "race {race_number}");
        let row = row_of(&house, "key:leaked", &format!("key:{own}")).await;
        lost(&house, Actor::Key(own), row, changes).await;
    }
}
