//! Which changes of a record take subject away from somebody.
//!
//! One rule for the answer that calls a change a revocation and for the writer that refuses permits made
//! before it. When in doubt, yes: a permit that is refused without need is decided again. But what plainly
//! takes nothing (a rename, another member, a wider scope) must not count, or those who are being revoked
//! could hold up their revocation by harmless writes.

use crate::key::KeyEntry;
use crate::lifecycle::Status;
use crate::name::ExternalId;
use crate::principal::{Account, Members, Project, Role, Team};
use crate::resource::{Resource, Visibility};

/// Whether the account was closed, or is no longer what its external id names.
#[must_use]
pub fn by_account(before: &Account, after: &Account) -> bool {
    (!before.closed && after.closed)
        || by_external_id(before.external_id.as_ref(), after.external_id.as_ref())
}

/// Whether something is no longer what its external id names: whatever was decided by that name was decided about
/// something else.
#[must_use]
pub fn by_external_id(before: Option<&ExternalId>, after: Option<&ExternalId>) -> bool {
    before.is_some() && before != after
}

/// Whether the team was closed, somebody has a weaker role in it or none any more, or its external id names it no
/// more.
#[must_use]
pub fn by_team(before: &Team, after: &Team) -> bool {
    (!before.closed && after.closed)
        || by_members(&before.members, &after.members)
        || by_external_id(before.external_id.as_ref(), after.external_id.as_ref())
}

/// The same for a project, and whether it has another owner.
#[must_use]
pub fn by_project(before: &Project, after: &Project) -> bool {
    (!before.closed && after.closed)
        || before.owner != after.owner
        || by_members(&before.members, &after.members)
        || by_external_id(before.external_id.as_ref(), after.external_id.as_ref())
}

/// Whether somebody has a weaker role than before, or none any more.
#[must_use]
pub fn by_members<R: Role>(before: &Members<R>, after: &Members<R>) -> bool {
    before.iter().any(|(account, role)| after.role(account).is_none_or(|now| now < role))
}

/// Whether the resource has another owner or creator, fewer see it, or there is less to see.
#[must_use]
pub fn by_resource(before: &Resource, after: &Resource) -> bool {
    let seen_by_as_many = before.visibility == after.visibility || after.visibility == Visibility::Public;
    let kept = |references| after.references.contains(references);
    before.owner != after.owner
        || before.creator != after.creator
        || !seen_by_as_many
        || before.latest > after.latest
        || !before.references.iter().all(kept)
}

/// Whether the key is not active any more, or may do less than before.
#[must_use]
pub fn by_key(before: &KeyEntry, after: &KeyEntry) -> bool {
    (before.status != after.status && after.status != Status::Active) || !after.rights.include(&before.rights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subject;
    use crate::id::{AccountId, KeyId, TeamId};
    use crate::key::Rights;
    use crate::principal::TeamRole;
    use crate::resource::{Owner, References, ResourceRef};
    use crate::restriction::Restrictions;
    use crate::scope::ScopeSet;
    use crate::selector::Version;
    use crate::time::UnixSeconds;

    const ADA: AccountId = AccountId::from_bits(1);
    const BEN: AccountId = AccountId::from_bits(2);

    fn team(closed: bool, members: &[(AccountId, TeamRole)]) -> Team {
        Team { id: TeamId::from_bits(1), external_id: None, closed, members: Members::new(members.to_vec()) }
    }

    #[test]
    fn closing_a_team_or_weakening_a_role_takes_and_the_reverse_does_not() {
        let one = team(false, &[(ADA, TeamRole::Admin)]);
        for (after, expect) in [
            (team(false, &[(ADA, TeamRole::Admin)]), false),
            (team(false, &[(ADA, TeamRole::Owner), (BEN, TeamRole::Member)]), false),
            (team(true, &[(ADA, TeamRole::Admin)]), true),
            (team(false, &[(ADA, TeamRole::Member)]), true),
            (team(false, &[(BEN, TeamRole::Admin)]), true),
        ] {
            assert_eq!(by_team(&one, &after), expect, "{after:?}");
        }
        assert!(!by_team(&team(true, &[]), &team(false, &[])));
    }

    #[test]
    fn less_of_a_resource_takes_and_more_does_not() {
        let references = |version: u32| References {
            version: Version::new(version).unwrap(),
            secrets: ["s".into()].into(),
            databases: [].into(),
        };
        let before = Resource {
            reference: ResourceRef::parse("notebook:a").unwrap(),
            owner: Owner::Account(ADA),
            creator: Some(ADA),
            visibility: Visibility::Shared,
            latest: Version::new(2).unwrap(),
            references: [references(1)].into(),
        };
        let check = |change: &dyn Fn(&mut Resource), expect| {
            let mut after = before.clone();
            change(&mut after);
            assert_eq!(by_resource(&before, &after), expect, "{after:?}");
        };
        check(&|_| {}, false);
        check(&|next| next.latest = Version::new(3).unwrap(), false);
        check(&|next| next.visibility = Visibility::Public, false);
        check(&|next| next.references = [references(1), references(2)].into(), false);
        check(&|next| next.latest = Version::FIRST, true);
        check(&|next| next.visibility = Visibility::Private, true);
        check(&|next| next.references = [].into(), true);
        check(&|next| next.owner = Owner::Account(BEN), true);
        check(&|next| next.creator = None, true);
    }

    #[test]
    fn a_weaker_key_was_taken_from_and_a_stronger_one_was_not() {
        let before = KeyEntry {
            id: KeyId::from_bits(1),
            status: Status::Active,
            rights: Rights {
                subject: Subject::Account(ADA),
                scopes: ScopeSet::parse(["a:read"]).unwrap(),
                expires_at: UnixSeconds::new(2_000_000_000),
                restrictions: Restrictions::default(),
            },
        };
        let check = |change: &dyn Fn(&mut KeyEntry), expect| {
            let mut after = before.clone();
            change(&mut after);
            assert_eq!(by_key(&before, &after), expect, "{after:?}");
        };
        check(&|_| {}, false);
        check(&|next| next.rights.expires_at = None, false);
        check(&|next| next.rights.scopes = ScopeSet::parse(["*:*"]).unwrap(), false);
        check(&|next| next.status = Status::Disabled, true);
        check(&|next| next.rights.expires_at = UnixSeconds::new(1_900_000_000), true);
        check(&|next| next.rights.scopes = ScopeSet::default(), true);
        let disabled = KeyEntry { status: Status::Disabled, ..before.clone() };
        assert!(!by_key(&disabled, &before));
        assert!(!by_key(&disabled, &disabled));
    }

    #[test]
    fn an_external_id_that_names_something_else() {
        let named = |text: &str| ExternalId::parse(text).ok();
        let account =
            |text: Option<&str>| Account { id: ADA, external_id: text.and_then(named), closed: false };
        let check = |before: Option<&str>, after: Option<&str>, expect: bool| {
            assert_eq!(by_account(&account(before), &account(after)), expect, "{before:?} {after:?}");
        };
        check(None, Some("a"), false);
        check(Some("a"), Some("a"), false);
        check(Some("a"), Some("b"), true);
        check(Some("a"), None, true);
        let lab = |text: &str| Team { external_id: named(text), ..team(false, &[]) };
        assert!(by_team(&lab("a"), &lab("b")) && !by_team(&lab("a"), &lab("a")));
    }
}
