//! Nobody gets more by a change, a key or a name than they have.

use claviger_authority::accounts::{AccountPatch, NewAccount};
use claviger_authority::imports::{ImportKey, ImportOptions, ImportOutcome, ImportRow};
use claviger_authority::keys::Revocation;
use claviger_authority::resources::{Audience, ResourceDescription};
use claviger_authority::{Caller, HistoryFilter, Page};
use claviger_core::name::Email;
use claviger_core::resource::{Owner, References, ResourceRef};
use claviger_core::restriction::{Quota, QuotaPeriod, Rate, Restrictions};
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;
use claviger_core::{AccountId, Subject};

use super::support::*;

fn version(n: u32) -> Version {
    Version::new(n).unwrap()
}

fn notebook(owner: Owner, audience: Audience) -> ResourceDescription {
    let references = [1, 7].map(|n| References {
        version: version(n),
        secrets: Box::new([format!("S{n}").into()]),
        databases: Box::default(),
    });
    ResourceDescription {
        reference: ResourceRef::parse("notebook:late").unwrap(),
        owner,
        creator: None,
        audience,
        latest: version(7),
        references: references.into(),
    }
}

fn reading(selector: &str) -> Subject {
    let selector = if selector.is_empty() { Selector::Any } else { selector.parse().unwrap() };
    let reference = ResourceRef::parse("notebook:late").unwrap();
    Subject::Resource(Box::new(ResourceSubject { reference, selector, grants: Grants::default() }))
}

/// A notebook of the team, private up to version 4 and public from 5 on, and a key of the team that can do
/// everything.
async fn late(house: &House) -> Caller {
    let public = notebook(Owner::Team(house.team), Audience::Public(Some(version(5))));
    house.authority.put_resource(&house.operator(), public, None).await.unwrap();
    let words = "*:* key:create key:read key:update resource:read resource:update";
    house.with_key(house.key(Subject::Team(house.team), words).await.secret.expose())
}

#[tokio::test]
async fn a_key_reads_only_versions_that_its_maker_reaches() {
    let house = House::build().await;
    let team = late(&house).await;
    let create = async |by: &Caller, selector: &str| {
        let new = house.new_key(reading(selector), "notebook:read");
        house.authority.create_key(by, new).await.map(|made| made.value.key.record)
    };
    for hidden in ["", "@1", "@1...", "@4", "@4..."] {
        assert_eq!(code(create(&team, hidden).await), "forbidden", "{hidden}");
        create(&house.ada(), hidden).await.unwrap();
    }
    let wide = create(&house.ada(), "").await.unwrap();
    for own in ["@5", "@5...", "@7", "@8"] {
        create(&team, own).await.unwrap();
    }
    // Nor does it win the secret of one that reads more, or widens it.
    let rotated = house.authority.rotate_key(&team, wide.entry.id, 0, None, None).await;
    assert_eq!(code(rotated), "forbidden");
    let narrow = create(&team, "@5").await.unwrap();
    let patch =
        |selector: Selector| claviger_core::key::KeyPatch { selector: Some(selector), ..Default::default() };
    let widen = async |selector| {
        code(house.authority.update_key(&team, narrow.entry.id, patch(selector), None).await)
    };
    assert_eq!(widen(Selector::Any).await, "forbidden");
    assert_eq!(widen(Selector::From(version(4))).await, "forbidden");
    assert_eq!(widen(Selector::From(version(5))).await, "ok");
}

#[tokio::test]
async fn a_change_opens_only_versions_that_its_maker_reaches() {
    let house = House::build().await;
    let team = late(&house).await;
    let (seen, _) =
        house.authority.resource(&team, ResourceRef::parse("notebook:late").unwrap()).await.unwrap();
    let versions = seen.resource.references.iter().map(|of| of.version.get()).collect::<Vec<_>>();
    assert_eq!(versions, [7], "what hidden versions reference is hidden, too");
    let put = async |audience, latest: u32| {
        let mut description = notebook(Owner::Team(house.team), audience);
        description.references.remove(0);
        description.latest = version(latest);
        code(house.authority.put_resource(&team, description, None).await)
    };
    assert_eq!(put(Audience::Public(Some(version(5))), 7).await, "ok", "as it is");
    for opened in [Audience::Public(None), Audience::Public(Some(version(4))), Audience::Shared] {
        assert_eq!(put(opened, 7).await, "forbidden", "{opened:?}");
    }
    assert_eq!(put(Audience::Public(Some(version(6))), 9).await, "ok");
    let stored =
        house.authority.resource(&house.operator(), seen.resource.reference.clone()).await.unwrap().0;
    assert_eq!(stored.resource.references.len(), 2, "nothing that it does not see is lost");
    assert_eq!(put(Audience::Private, 9).await, "ok", "closing needs nothing");
    assert_eq!(put(Audience::Public(Some(version(6))), 9).await, "forbidden", "as if it did not exist");
}

#[tokio::test]
async fn only_operators_state_who_created_a_resource() {
    let house = House::build().await;
    let by = house.operator();
    let put = async |by: &Caller, creator: Option<AccountId>| {
        let mut description = notebook(Owner::Account(house.ada), Audience::Private);
        description.creator = creator;
        let made = house.authority.put_resource(by, description, None).await;
        made.map(|made| made.value.resource.creator)
    };
    assert_eq!(put(&by, Some(house.bob)).await.unwrap(), Some(house.bob));
    assert_eq!(code(put(&house.ada(), Some(house.ada)).await), "creator", "not even oneself");
    assert_eq!(put(&house.ada(), Some(house.bob)).await.unwrap(), Some(house.bob));
    assert_eq!(put(&house.ada(), None).await.unwrap(), Some(house.bob), "left out, it stays");
    assert_eq!(put(&by, None).await.unwrap(), Some(house.bob));
    assert_eq!(put(&by, Some(house.ada)).await.unwrap(), Some(house.ada));
}

#[tokio::test]
async fn only_operators_state_addresses_and_nobody_learns_who_has_one() {
    let house = House::build().await;
    let email = |text: &str| Some(Email::parse(text).unwrap());
    let new = NewAccount { email: email("vic@example.org"), ..NewAccount::default() };
    house.authority.create_account(&house.operator(), new).await.unwrap();
    let key = house.key(house.of_ada(), "account:read account:update").await;
    let patch = |email| AccountPatch { email: Some(email), ..AccountPatch::default() };
    for by in [house.ada(), house.with_key(key.secret.expose())] {
        let told = async |email| {
            format!(
                "{:?}",
                house.authority.update_account(&by, house.ada, patch(email), None).await.unwrap_err()
            )
        };
        let taken = told(email("vic@example.org")).await;
        assert!(taken.contains("email"), "{taken}");
        for other in [email("free@example.org"), email("ｖic@example.org"), None] {
            assert_eq!(told(other).await, taken);
        }
    }
    let by_operator = async |text: &str| {
        code(house.authority.update_account(&house.operator(), house.ada, patch(email(text)), None).await)
    };
    assert_eq!(by_operator("ＶＩＣ@example.org").await, "email_taken", "another spelling of the same");
    assert_eq!(by_operator("ada@example.org").await, "ok");
}

#[tokio::test]
async fn a_deleted_key_cannot_be_imported() {
    let house = House::build().await;
    let bob = house.bob();
    let text = house.key(house.of_ada(), "a:read").await.secret.expose().to_owned();
    let all = Revocation::Subject(house.of_ada());
    house.authority.revoke_keys(&house.ada(), all).await.unwrap();
    for dry_run in [true, false] {
        let options = ImportOptions { dry_run, ..ImportOptions::default() };
        let import = house.authority.begin_import(&bob, options).await.unwrap();
        let row = ImportRow {
            key: ImportKey::Text(text.clone().into()),
            name: "mine now".into(),
            subject: format!("account:{}", house.bob),
            versions: None,
            grants: None,
            scopes: Some(vec!["a:read".into()]),
            expires_at: None,
            created_at: None,
            preview: None,
            metadata: Vec::new(),
            restrictions: Restrictions::default(),
            status: None,
        };
        let outcome = house.authority.stage_rows(&bob, import, vec![row]).await.unwrap().remove(0);
        let ImportOutcome::Refused { code, detail } = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, "key_deleted");
        assert!(!detail.contains("acct_"), "{detail}");
        house.authority.abandon_import(&bob, import).await.unwrap();
    }
    assert_eq!(house.whoami(&text).await, "invalid_key");
}

#[tokio::test]
async fn the_new_owner_of_a_name_reads_what_came_after() {
    let house = House::build().await;
    let operator = house.operator();
    let reference = ResourceRef::parse("notebook:late").unwrap();
    let put = async |owner| {
        let description = notebook(owner, Audience::Private);
        house.authority.put_resource(&operator, description, None).await.unwrap();
    };
    let key = async |by: &Caller| {
        house.authority.create_key(by, house.new_key(reading(""), "notebook:read")).await.unwrap();
    };
    let seen = async |by: &Caller| {
        let filter = HistoryFilter { subject: Some("notebook:late".to_owned()), ..HistoryFilter::default() };
        house.authority.history(by, filter, Page::first(100)).await.map(|rows| rows.len())
    };
    put(Owner::Account(house.ada)).await;
    key(&house.ada()).await;
    key(&house.ada()).await;
    assert_eq!(seen(&house.ada()).await.unwrap(), 2);
    // Handed over.
    put(Owner::Account(house.bob)).await;
    assert_eq!(seen(&house.bob()).await.unwrap(), 0);
    key(&house.bob()).await;
    assert_eq!((seen(&house.bob()).await.unwrap(), code(seen(&house.ada()).await)), (1, "not_found"));
    // Deleted, and made again for somebody else.
    house.pass(1_000);
    house.authority.delete_resource(&operator, reference, None).await.unwrap();
    put(Owner::Account(house.ada)).await;
    assert_eq!(seen(&house.ada()).await.unwrap(), 0);
    key(&house.ada()).await;
    assert_eq!(seen(&house.ada()).await.unwrap(), 1);
    assert_eq!(seen(&operator).await.unwrap(), 4, "operators see all of it");
}

#[tokio::test]
async fn a_key_with_a_rate_or_a_quota_makes_no_keys() {
    let house = House::build().await;
    let rate =
        Restrictions { rate: Some(Rate { limit: 1_000, period_seconds: 1 }), ..Restrictions::default() };
    let quota = Quota { limit: 1_000, period: QuotaPeriod::Day };
    let quota = Restrictions { quota: Some(quota), ..Restrictions::default() };
    for restrictions in [rate, quota] {
        let mut new = house.new_key(house.of_ada(), "a:read key:create key:update");
        new.restrictions = restrictions.clone();
        let own = house.authority.create_key(&house.ada(), new).await.unwrap().value;
        let by = house.with_key(own.secret.expose());
        let mut sibling = house.new_key(house.of_ada(), "a:read");
        sibling.restrictions = restrictions;
        assert_eq!(code(house.authority.create_key(&by, sibling.clone()).await), "forbidden");
        let id = own.key.record.entry.id;
        assert_eq!(code(house.authority.rotate_key(&by, id, 60, None, None).await), "forbidden");
        let made = house.authority.create_key(&house.ada(), sibling).await.unwrap().value.key.record.entry.id;
        let disabled = |status| claviger_core::key::KeyPatch { status: Some(status), ..Default::default() };
        let set = async |status| code(house.authority.update_key(&by, made, disabled(status), None).await);
        assert_eq!(set(claviger_core::lifecycle::Status::Disabled).await, "ok");
        assert_eq!(set(claviger_core::lifecycle::Status::Active).await, "forbidden");
    }
}
