//! External ids that move while a request is under way.

use claviger_authority::accounts::AccountPatch;
use claviger_core::name::ExternalId;
use claviger_core::principal::{Container, ContainerId};
use claviger_core::{AccountId, Subject};

use super::support::*;

fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap()
}

impl House {
    async fn rename(&self, account: AccountId, external_id: &str) {
        let patch =
            AccountPatch { external_id: Some(Some(external(external_id))), ..AccountPatch::default() };
        self.authority.update_account(&self.operator(), account, patch, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_named_by_an_external_id_has_it_when_the_change_is_made() {
    let house = House::build().await;
    let caller = house.operator();
    let named = house.authority.named_by(&caller, Container::Account, external("ada")).unwrap();
    assert_eq!(named, ContainerId::Account(house.ada));
    let create = async |caller| {
        let new = house.new_key(Subject::Account(house.ada), "notebook:read");
        code(house.authority.create_key(caller, new).await)
    };
    assert_eq!(create(&caller).await, "ok");
    house.rename(house.ada, "ada-2").await;
    assert_eq!(create(&caller).await, "contended", "the name went away");
    house.rename(house.bob, "ada").await;
    assert_eq!(create(&caller).await, "contended", "the name means another");
    assert_eq!(create(&house.operator()).await, "ok", "named by its identifier, it is meant");
    let fresh = house.operator();
    let named = house.authority.named_by(&fresh, Container::Account, external("ada")).unwrap();
    assert_eq!(named, ContainerId::Account(house.bob));
    let unknown = house.authority.named_by(&fresh, Container::Account, external("nobody")).unwrap();
    assert_eq!(unknown, ContainerId::Account(AccountId::UNKNOWN));
}
