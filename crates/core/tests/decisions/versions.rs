//! Nobody opens a version, or makes a key that reads one, that they do not reach themselves.

use claviger_core::decide::{
    Credential, KeyAction, Place, Policy, Reasons, Request, Target, authenticate, decide, decide_key,
    decide_opening,
};
use claviger_core::key::KeyEntry;
use claviger_core::resource::{Owner, Resource, ResourceName, Visibility};
use claviger_core::scope::Action;
use claviger_core::selector::{Grants, Version};
use claviger_core::{AccountId, Subject};
use proptest::prelude::*;

use crate::world::{ATLAS, Cast, LAB, MIA, NOW, OLGA, PAM, World, cast, resource_key, version, world};

const NOTEBOOK: &str = "notebook:teamlate";
/// Versions that are looked at: beyond everything that the strategies make.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=9;

fn visibilities() -> impl Strategy<Value = Visibility> {
    prop_oneof![
        Just(Visibility::Private),
        Just(Visibility::Shared),
        Just(Visibility::Public),
        (2_u32..8, any::<bool>()).prop_map(|(first, before_shared)| Visibility::PublicFrom {
            first: version(first),
            before_shared
        }),
    ]
}

fn owners() -> impl Strategy<Value = Owner> {
    prop_oneof![
        4 => Just(Owner::Team(LAB)),
        1 => Just(Owner::Account(OLGA)),
        1 => Just(Owner::Project(ATLAS)),
    ]
}

fn resources(creator: Option<AccountId>) -> impl Strategy<Value = Resource> {
    (visibilities(), owners(), 1_u32..8).prop_map(move |(visibility, owner, latest)| Resource {
        owner,
        creator,
        visibility,
        latest: version(latest),
        ..world().resources[NOTEBOOK].clone()
    })
}

/// The same world with this notebook.
fn with(resource: &Resource) -> World {
    let mut world = world();
    world.resources.insert(NOTEBOOK.to_owned(), resource.clone());
    world
}

fn reads(world: &World, policy: Policy, who: Credential<'_>, version: Version) -> bool {
    let target = Target::Resource(ResourceName::parse(NOTEBOOK).unwrap(), Some(version));
    // What is public, everybody reads.
    let request = Request { anonymous: true, ..Request::new(Action::literal("notebook", "read"), target) };
    decide(world, policy, who, &request, NOW).outcome.is_ok()
}

/// Everybody who can act; operators may open what they like.
fn makers<'c>(world: &World, cast: &'c Cast) -> Vec<Credential<'c>> {
    let acts = |who: &Credential<'_>| {
        let operator = matches!(who, Credential::Key(key) if key.rights.subject == Subject::Operator);
        let nobody = matches!(who, Credential::Anonymous);
        let accepted = authenticate(world, *who, Place::default(), NOW, &mut Reasons::default()).is_ok();
        accepted && !nobody && !operator
    };
    cast.credentials().into_iter().map(|(_, who)| who).filter(acts).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What a key that somebody mints can read, at whatever version, its maker can read.
    #[test]
    fn a_minted_key_reads_only_what_its_maker_reads(
        resource in resources(Some(MIA)),
        selector in prop_oneof![Just(String::new()), (1_u32..9).prop_map(|n| format!("@{n}")), (1_u32..9).prop_map(|n| format!("@{n}..."))],
        reach_teams in any::<bool>(),
        widen in any::<bool>(),
    ) {
        let policy = Policy { account_keys_reach_teams: reach_teams };
        let now = with(&resource);
        // As it will be once all those versions exist: a key may select versions that are still to come.
        let later = with(&Resource { latest: version(*VERSIONS.end()), ..resource });
        let minted: KeyEntry = resource_key("teamlate", &selector, Grants::default());
        let cast = cast();
        for maker in makers(&now, &cast) {
            let action = if widen { KeyAction::Widen } else { KeyAction::Create };
            let decided = decide_key(&now, policy, maker, Place::default(), action, (None, &minted.rights), NOW);
            if decided.is_ok() {
                for n in VERSIONS {
                    let key = reads(&later, policy, Credential::Key((&minted).into()), version(n));
                    prop_assert!(!key || reads(&later, policy, maker, version(n)), "{maker:?} at {n}");
                }
            }
        }
    }

    /// What anybody can read after a change and could not before, whoever made the change could read before.
    #[test]
    fn a_change_opens_only_what_its_maker_reads(
        (before, after) in prop_oneof![Just(Some(MIA)), Just(Some(PAM)), Just(None)].prop_flat_map(|creator| (resources(creator), resources(creator))),
        reach_teams in any::<bool>(),
    ) {
        let policy = Policy { account_keys_reach_teams: reach_teams };
        let (was, is) = (with(&before), with(&after));
        let existing = with(&Resource { latest: version(*VERSIONS.end()), ..before.clone() });
        let cast = cast();
        for maker in makers(&was, &cast) {
            if decide_opening(&was, policy, maker, &before, &after).is_ok() {
                for n in VERSIONS {
                    let opened = cast.credentials().into_iter().find(|(_, reader)| {
                        reads(&is, policy, *reader, version(n)) && !reads(&was, policy, *reader, version(n))
                    });
                    // A person reads with every scope, so a key with few of them is judged by what it reaches.
                    let scoped = matches!(maker, Credential::Key(key) if !key.rights.scopes.cover(&Action::literal("notebook", "read")));
                    prop_assert!(opened.is_none() || scoped || reads(&existing, policy, maker, version(n)), "{maker:?} opens {n} to {opened:?}");
                }
            }
        }
    }
}
