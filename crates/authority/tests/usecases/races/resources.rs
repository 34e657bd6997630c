//! Resources that are handed over or deleted.

use claviger_authority::keys::KeyQuery;
use claviger_authority::resources::{Audience, ResourceDescription};
use claviger_core::key::Actor;
use claviger_core::resource::{Owner, ResourceRef};
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;

use super::*;

fn described(reference: &ResourceRef, owner: Owner, audience: Audience) -> ResourceDescription {
    ResourceDescription {
        reference: reference.clone(),
        owner,
        creator: None,
        audience,
        latest: Version::FIRST,
        references: Vec::new(),
    }
}

fn of(reference: &ResourceRef) -> Subject {
    Subject::Resource(Box::new(ResourceSubject {
        reference: reference.clone(),
        selector: Selector::Any,
        grants: Grants::default(),
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_former_owner_of_a_resource_neither_changes_it_nor_makes_keys_for_it() {
    let house = House::build().await;
    let new_owner = Owner::Account(house.bob);
    for race_number in 0..RACES {
        let former = account(&house, race_number).await;
        let key = house
            .key(Subject::Account(former), "resource:update resource:delete key:create notebook:read")
            .await;
        let reference = ResourceRef::parse(&format!("notebook:race-{race_number}")).unwrap();
        house.put_notebook(reference.as_str(), Owner::Account(former)).await;
        let attack = Attack::by(&house, &key);
        let hand_over = async || {
            let description = described(&reference, new_owner, Audience::Private);
            house.authority.put_resource(&house.operator(), description, None).await
        };
        let target = reference.clone();
        let sample = house.new_key(of(&reference), "notebook:read");
        let changes = race(hand_over, &attack, move |attack| {
            let (reference, new) = (target.clone(), sample.clone());
            async move {
                let Attack { authority, caller, .. } = &attack;
                let turn = attack.turn(17);
                if turn == 0 {
                    return u64::from(authority.delete_resource(caller, reference, None).await.is_ok());
                }
                if turn == 1 {
                    // The revision that it will have once it is handed over.
                    let coming = attack.turn(20);
                    return u64::from(
                        authority.delete_resource(caller, reference, Some(coming)).await.is_ok(),
                    );
                }
                if turn < 9 {
                    return u64::from(authority.create_key(caller, new).await.is_ok());
                }
                let audience = if turn % 2 == 0 { Audience::Public(None) } else { Audience::Private };
                let description = described(&reference, Owner::Account(former), audience);
                let changed = authority.put_resource(caller, description, None).await;
                changed.map_or(0, |changed| u64::from(changed.change.id.is_some()))
            }
        })
        .await;
        let (record, _) = house.authority.resource(&house.operator(), reference.clone()).await.unwrap();
        assert_eq!(record.resource.owner, new_owner, "race {race_number}");
        let filter = HistoryFilter {
            target: Some(reference.to_string()),
            subject: Some(format!("account:{}", house.bob)),
            ..HistoryFilter::default()
        };
        let rows = house.authority.history(&house.operator(), filter, Page::first(1)).await.unwrap();
        lost(&house, Actor::Key(key.key.record.entry.id), rows[0].0, changes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resource_that_is_being_deleted_gets_no_more_keys() {
    let house = House::build().await;
    for race_number in 0..RACES {
        let owner = account(&house, race_number).await;
        let key = house.key(Subject::Account(owner), "key:create notebook:read").await;
        let reference = ResourceRef::parse(&format!("notebook:race-{race_number}")).unwrap();
        house.put_notebook(reference.as_str(), Owner::Account(owner)).await;
        let of = of(&reference);
        let attack = Attack::by(&house, &key);
        let delete = async || {
            house.authority.delete_resource(&house.operator(), reference.clone(), None).await?;
            // Made again, as a host would: nothing of the earlier one may come with it.
            house.put_notebook(reference.as_str(), Owner::Account(house.bob)).await;
            Ok(())
        };
        let sample = house.new_key(of.clone(), "notebook:read");
        let changes = race(delete, &attack, move |attack| {
            let new = sample.clone();
            async move { u64::from(attack.authority.create_key(&attack.caller, new).await.is_ok()) }
        })
        .await;
        let query = KeyQuery { subject: Some(of), ..KeyQuery::default() };
        let left = house.authority.keys(&house.operator(), query, Page::first(10)).await.unwrap();
        assert_eq!(left.len(), 0, "race {race_number}: keys live on");
        let row = row_of(&house, "resource:delete", reference.as_str()).await;
        lost(&house, Actor::Key(key.key.record.entry.id), row, changes).await;
    }
}
