//! Rules that hold over every credential and every request.

use claviger_core::Subject;
use claviger_core::decide::{
    Context, Credential, KeyAction, Missing, Place, Policy, Reason, Refusal, Request, RoleChange, Target,
    decide, decide_key, decide_role,
};
use claviger_core::key::{KeyEntry, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::principal::{Members, ProjectRole, TeamRole};
use claviger_core::resource::ResourceName;
use claviger_core::restriction::{Restrictions, parse_block};
use claviger_core::scope::{Action, Scope, ScopeSet};
use claviger_core::{KeyId, UnixSeconds};
use proptest::prelude::*;

use crate::world::{ATLAS, LAB, MIA, NOW, OLGA, SAM, World, cast, key, version, world};

const READ: Action<'static> = Action::literal("notebook", "read");

fn read(id: &str) -> Request<'_> {
    Request::new(READ, Target::Resource(ResourceName::parse(id).unwrap(), None))
}

fn outcome(world: &World, credential: Credential<'_>, request: &Request<'_>) -> Result<(), Refusal> {
    decide(world, Policy::default(), credential, request, NOW).outcome.map(|_| ())
}

/// Actions of the host's and of ours, those that read and those that change.
const REQUESTED: [(&str, &str); 8] = [
    ("notebook", "read"),
    ("notebook", "write"),
    ("run", "create"),
    ("team", "update"),
    ("team", "read"),
    ("project", "read"),
    ("resource", "read"),
    ("resource", "update"),
];

/// Every request that the rules are tried on.
fn requests() -> Vec<Request<'static>> {
    let mut all = Vec::new();
    let names = ["own", "open", "open2", "team", "mias", "teamopen2", "atlas", "labwork", "gone", "lost"];
    let names = names.map(|id| &*Box::leak(format!("notebook:{id}").into_boxed_str()));
    let targets = names.into_iter().flat_map(|id| {
        let name = ResourceName::parse(id).unwrap();
        [None, Some(1), Some(2), Some(4)].map(|number| Target::Resource(name, number.map(version)))
    });
    let containers =
        [Target::Nothing, Target::Operator, Target::Account(OLGA), Target::Team(LAB), Target::Project(ATLAS)];
    for target in targets.chain(containers) {
        for (kind, verb) in REQUESTED {
            for (context, anonymous) in
                [(Context::Api, false), (Context::Api, true), (Context::Embed, false), (Context::Embed, true)]
            {
                let action = Some(Action::literal(kind, verb));
                all.push(Request {
                    action,
                    target,
                    context,
                    place: Place::default(),
                    anonymous,
                    to_application: false,
                });
            }
        }
    }
    all
}

/// No operator key passes to an application, whatever is asked and whoever else may pass.
#[test]
fn operator_keys_pass_to_no_application() {
    let world = world();
    let mut operator = cast().keys.into_iter().find(|(name, _)| *name == "operator key").unwrap().1;
    for scopes in ["*:* key:* account:* team:* project:* resource:* history:* operator:*", "key:verify", ""] {
        operator.rights.scopes =
            ScopeSet::parse(scopes.split(' ').filter(|scope| !scope.is_empty())).unwrap();
        for request in requests() {
            let everybody = [request, Request { action: None, ..request }];
            for request in everybody.map(|request| Request { to_application: true, ..request }) {
                let found = outcome(&world, Credential::Key((&operator).into()), &request);
                assert_eq!(found, Err(Refusal::Forbidden(Missing::NotForOperators)), "{request:?}");
            }
        }
    }
}

/// What nothing can be named like does not exist for anybody, as if it were hidden.
#[test]
fn what_cannot_be_named_is_told_as_missing() {
    let (world, cast) = (world(), cast());
    let missing = ResourceName::parse("notebook:none").unwrap();
    for (name, credential) in cast.credentials() {
        for anonymous in [false, true] {
            for action in
                [None, Some(Action::literal("notebook", "read")), Some(Action::literal("notebook", "write"))]
            {
                let request = |target| Request {
                    action,
                    target,
                    context: Context::Api,
                    place: Place::default(),
                    anonymous,
                    to_application: true,
                };
                let impossible = outcome(&world, credential, &request(Target::Impossible));
                assert_eq!(
                    impossible,
                    outcome(&world, credential, &request(Target::Resource(missing, None))),
                    "{name}"
                );
            }
        }
    }
}

/// A hidden target is explained like one that does not exist, to everybody who must not learn which it is.
#[test]
fn hidden_is_explained_as_missing() {
    let (world, cast) = (world(), cast());
    for (name, credential) in cast.credentials() {
        for request in requests() {
            let Target::Resource(_, version) = request.target else { continue };
            let shown = |request: &Request<'_>| {
                let verdict = decide(&world, Policy::default(), credential, request, NOW);
                let hidden = verdict.outcome.as_ref().is_err_and(|refusal| *refusal == Refusal::NotFound);
                hidden.then(|| verdict.reasons.without_existence(true))
            };
            let missing = ResourceName::parse("notebook:none").unwrap();
            let missing = Request { target: Target::Resource(missing, version), ..request };
            if let (Some(one), Some(other)) = (shown(&request), shown(&missing)) {
                // A key of one resource knows which one that is.
                let own = one.iter().chain(other.iter()).any(|reason| reason == Reason::AnotherResource);
                assert!(own || one == other, "{name} {request:?}: {one:?} {other:?}");
            }
        }
    }
}

/// A hidden target and one that does not exist are told the same, to everybody.
#[test]
fn hidden_is_told_as_missing() {
    let (world, cast) = (world(), cast());
    for (name, credential) in cast.credentials() {
        for id in ["notebook:own", "notebook:mias", "notebook:atlas"] {
            for context in [Context::Api, Context::Embed] {
                for anonymous in [false, true] {
                    let request = |id| Request { context, anonymous, ..read(id) };
                    let hidden = outcome(&world, credential, &request(id));
                    if hidden == Err(Refusal::NotFound) {
                        assert_eq!(
                            hidden,
                            outcome(&world, credential, &request("notebook:nope")),
                            "{name} {id}"
                        );
                    }
                }
            }
        }
    }
}

/// Outside embeds, a credential that authenticates is never worse than none.
#[test]
fn a_good_credential_is_never_worse_than_none() {
    let (world, cast) = (world(), cast());
    for request in requests().iter().filter(|request| request.anonymous && request.context == Context::Api) {
        let none = outcome(&world, Credential::Anonymous, request);
        for (name, credential) in cast.credentials() {
            let with = outcome(&world, credential, request);
            let unauthenticated = matches!(
                with,
                Err(Refusal::InvalidKey | Refusal::KeyDisabled | Refusal::KeyExpired | Refusal::KeyRetired)
            );
            assert!(none.is_err() || with.is_ok() || unauthenticated, "{name} {request:?}: {with:?}");
        }
    }
}

/// An empty set of scopes allows nothing but what everybody may do.
#[test]
fn no_scopes_allow_nothing() {
    let world = world();
    for (_, full) in cast().keys {
        let mut bare = full.clone();
        bare.rights.scopes = ScopeSet::default();
        for request in requests() {
            let verdict = decide(&world, Policy::default(), Credential::Key((&bare).into()), &request, NOW);
            let own = verdict.outcome.is_ok_and(|permit| permit.key().is_some());
            assert!(!own, "{:?} {request:?}", full.rights.subject);
        }
    }
}

/// Disabled and expired keys are refused everywhere, whatever they ask.
#[test]
fn keys_that_are_not_active_are_refused_everywhere() {
    let world = world();
    for (_, full) in cast()
        .keys
        .into_iter()
        .filter(|(_, key)| key.standing(NOW) == claviger_core::lifecycle::Standing::Active)
    {
        let disabled = KeyEntry { status: Status::Disabled, ..full.clone() };
        let mut expired = full.clone();
        expired.rights.expires_at = Some(NOW.seconds());
        for request in requests() {
            assert_eq!(
                outcome(&world, Credential::Key((&disabled).into()), &request),
                Err(Refusal::KeyDisabled)
            );
            assert_eq!(
                outcome(&world, Credential::Key((&expired).into()), &request),
                Err(Refusal::KeyExpired)
            );
        }
    }
}

/// Memberships are looked up at each decision: a member who was removed is a stranger at once.
#[test]
fn a_removed_member_is_a_stranger() {
    let mut world = world();
    let mia = Credential::SignedIn(MIA);
    assert_eq!(outcome(&world, mia, &read("notebook:mias")), Ok(()));
    world.teams.get_mut(&LAB).unwrap().members = Members::new(vec![(OLGA, TeamRole::Owner)]);
    assert_eq!(outcome(&world, mia, &read("notebook:mias")), Err(Refusal::NotFound));
    assert_eq!(outcome(&world, mia, &read("notebook:team")), Err(Refusal::NotFound));
}

/// Closing an account, a team or a project ends every key that stands for it.
#[test]
fn closing_ends_the_keys() {
    let mut world = world();
    let cast = cast();
    world.accounts.get_mut(&OLGA).unwrap().closed = true;
    world.teams.get_mut(&LAB).unwrap().closed = true;
    world.projects.get_mut(&ATLAS).unwrap().closed = true;
    for (name, key) in &cast.keys {
        let told = outcome(&world, Credential::Key(key.into()), &read("notebook:own"));
        let expect = match key.rights.subject {
            Subject::Account(id) if id == OLGA && *name != "key of olga, expired" => Refusal::KeyDisabled,
            Subject::Team(_) => Refusal::KeyDisabled,
            Subject::Project(id) if id == ATLAS => Refusal::KeyDisabled,
            _ => continue,
        };
        assert_eq!(told, Err(expect), "{name}");
    }
    let resource = cast.keys.iter().find(|(name, _)| *name == "key of notebook own").unwrap();
    assert_eq!(
        outcome(&world, Credential::Key((&resource.1).into()), &read("notebook:own")),
        Err(Refusal::NotFound)
    );
}

#[test]
fn restrictions_come_before_everything_that_is_asked() {
    let world = world();
    let mut office = key(Subject::Account(OLGA), "*:read");
    office.rights.restrictions.addresses = Some(Box::new([parse_block("192.0.2.0/24").unwrap()]));
    let from = |address: &str| Request {
        place: Place { address: address.parse().ok(), origin: None },
        ..read("notebook:own")
    };
    assert_eq!(outcome(&world, Credential::Key((&office).into()), &from("192.0.2.1")), Ok(()));
    for address in ["198.51.100.1", ""] {
        assert!(matches!(
            outcome(&world, Credential::Key((&office).into()), &from(address)),
            Err(Refusal::Restricted(_))
        ));
    }
}

/// A version outside the selector is refused alike whether the resource exists or not.
#[test]
fn the_selector_comes_before_existence() {
    let world = world();
    for id in ["own", "lost"] {
        let pinned = crate::world::resource_key(id, "@2", Default::default());
        let name = format!("notebook:{id}");
        let request =
            Request::new(READ, Target::Resource(ResourceName::parse(&name).unwrap(), Some(version(3))));
        assert_eq!(
            outcome(&world, Credential::Key((&pinned).into()), &request),
            Err(Refusal::Forbidden(Missing::Version))
        );
    }
}

/// A key that only the host can judge further: scopes and selector count, existence does not.
#[test]
fn hosted_resources() {
    let world = world();
    let name = ResourceName::parse("sample:anything").unwrap();
    let request = |version| Request::new(Action::literal("sample", "read"), Target::Hosted(name, version));
    assert_eq!(
        outcome(&world, Credential::Key((&key(Subject::Account(OLGA), "*:read")).into()), &request(None)),
        Ok(())
    );
    let narrow = key(Subject::Account(OLGA), "notebook:read");
    assert_eq!(
        outcome(&world, Credential::Key((&narrow).into()), &request(None)),
        Err(Refusal::Forbidden(Missing::Scope))
    );
    assert_eq!(outcome(&world, Credential::Anonymous, &request(None)), Err(Refusal::CredentialsRequired));
}

/// Which version of a hosted resource is the latest only the host knows: a key with a selector has to be asked
/// about a version by name, or the host would serve it one that it does not select.
#[test]
fn hosted_versions() {
    let world = world();
    let name = ResourceName::parse("notebook:own").unwrap();
    let request = |version| Request::new(Action::literal("notebook", "read"), Target::Hosted(name, version));
    let outside = Err(Refusal::Forbidden(Missing::Version));
    for (selector, unnamed, first, second) in
        [("", Ok(()), Ok(()), Ok(())), ("@2", outside, outside, Ok(())), ("@2...", outside, outside, Ok(()))]
    {
        let own = crate::world::resource_key("own", selector, Default::default());
        let decide = |n| outcome(&world, Credential::Key((&own).into()), &request(n));
        assert_eq!(
            (decide(None), decide(Some(version(1))), decide(Some(version(2)))),
            (unnamed, first, second),
            "{selector}"
        );
    }
}

#[test]
fn a_key_reads_and_deletes_itself_unless_it_stands_in_pages() {
    let world = world();
    let decide = |own: &KeyEntry, action| {
        decide_key(
            &world,
            Policy::default(),
            Credential::Key(own.into()),
            Place::default(),
            action,
            (Some(own.id), &own.rights),
            NOW,
        )
        .map(|_| ())
    };
    let account = key(Subject::Account(OLGA), "");
    assert_eq!(decide(&account, KeyAction::Read), Ok(()));
    assert_eq!(decide(&account, KeyAction::Delete), Ok(()));
    assert_eq!(decide(&account, KeyAction::Widen), Err(Refusal::Forbidden(Missing::Scope)));
    let resource = crate::world::resource_key("own", "", Default::default());
    assert_eq!(decide(&resource, KeyAction::Read), Ok(()));
    assert_eq!(
        decide(&resource, KeyAction::Delete),
        Err(Refusal::Forbidden(Missing::ResourceKeyDeletesItself))
    );
}

fn scopes() -> impl Strategy<Value = ScopeSet> {
    let words = [
        "*:read",
        "notebook:*",
        "notebook:read",
        "run:create",
        "key:create",
        "key:verify",
        "*:*",
        "key:*",
        "team:*",
        "team:update",
        "project:update",
        "project:read",
        "resource:read",
    ];
    proptest::sample::subsequence(words.to_vec(), 0..=words.len()).prop_map(|words| {
        ScopeSet::new(words.into_iter().map(|w| w.parse::<Scope>().unwrap()).collect()).unwrap()
    })
}

fn rights() -> impl Strategy<Value = Rights> {
    let subject =
        prop_oneof![Just(Subject::Account(OLGA)), Just(Subject::Team(LAB)), Just(Subject::Project(ATLAS))];
    let expiry = prop_oneof![Just(None), (1_800_000_001_u64..1_800_000_005).prop_map(UnixSeconds::new)];
    let blocks = ["192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0"];
    let addresses = proptest::option::of(proptest::sample::subsequence(blocks.to_vec(), 0..=blocks.len()));
    (subject, scopes(), expiry, addresses).prop_map(|(subject, scopes, expires_at, blocks)| {
        let addresses = blocks.map(|blocks| blocks.into_iter().map(|b| parse_block(b).unwrap()).collect());
        Rights {
            subject,
            scopes,
            expires_at,
            restrictions: Restrictions { addresses, ..Restrictions::default() },
        }
    })
}

/// Sam, who belongs nowhere, is given a role.
fn role_changes() -> impl Strategy<Value = RoleChange> {
    let team = proptest::sample::select(vec![TeamRole::Member, TeamRole::Admin, TeamRole::Owner]);
    let project = [ProjectRole::Viewer, ProjectRole::Collaborator, ProjectRole::Admin].to_vec();
    prop_oneof![
        team.prop_map(|role| RoleChange::Team(LAB, None, Some(role))),
        proptest::sample::select(project).prop_map(|role| RoleChange::Project(ATLAS, None, Some(role))),
    ]
}

/// Whether anybody asks for this: what is done to teams and projects is not done to anything else.
fn has_sense(request: &Request<'_>) -> bool {
    match request.action.map_or("", |action| action.kind()) {
        "team" => matches!(request.target, Target::Team(_)),
        "project" => matches!(request.target, Target::Project(_)),
        _ => true,
    }
}

proptest! {
    /// Whoever mints a key wins nothing by it: what the new key may do, the minting key may do, too.
    #[test]
    fn minting_never_widens(own in rights(), new in rights(), later in 0_u64..6) {
        let world = world();
        let own = KeyEntry { id: KeyId::from_bits(1), status: Status::Active, rights: own };
        let new = KeyEntry { id: KeyId::from_bits(2), status: Status::Active, rights: new };
        let place = Place { address: "192.0.2.7".parse().ok(), origin: None };
        let minted = decide_key(&world, Policy::default(), Credential::Key((&own).into()), place, KeyAction::Create, (None, &new.rights), NOW);
        if minted.is_ok() {
            prop_assert!(own.rights.scopes.cover(&Action::literal("key", "create")));
            prop_assert!(!new.rights.scopes.cover(&Action::literal("key", "verify")), "operators only");
            let now = claviger_core::Timestamp::from_millis(NOW.millis() + 1000 * later.cast_signed());
            for address in ["192.0.2.7", "192.0.2.8", "198.51.100.1"] {
                for request in requests() {
                    let request = Request { place: Place { address: address.parse().ok(), origin: None }, ..request };
                    let verdict = |key: &KeyEntry| decide(&world, Policy::default(), Credential::Key(key.into()), &request, now).outcome.is_ok();
                    prop_assert!(!verdict(&new) || verdict(&own), "{:?}", request);
                }
            }
        }
    }

    /// Whoever gives a role by a key gives nothing that the key could not do itself.
    #[test]
    fn giving_a_role_never_widens(own in rights(), role in role_changes(), later in 0_u64..6) {
        let (before, mut world) = (world(), world());
        let own = KeyEntry { id: KeyId::from_bits(1), status: Status::Active, rights: own };
        let place = Place { address: "192.0.2.7".parse().ok(), origin: None };
        let given = decide_role(&world, Policy::default(), Credential::Key((&own).into()), place, role, NOW);
        if given.is_ok() {
            match role {
                RoleChange::Team(id, _, role) => {
                    let members = &mut world.teams.get_mut(&id).unwrap().members;
                    *members = Members::new(members.iter().chain(role.map(|role| (SAM, role))).collect());
                }
                RoleChange::Project(id, _, role) => {
                    let members = &mut world.projects.get_mut(&id).unwrap().members;
                    *members = Members::new(members.iter().chain(role.map(|role| (SAM, role))).collect());
                }
            }
            let now = claviger_core::Timestamp::from_millis(NOW.millis() + 1000 * later.cast_signed());
            for request in requests().into_iter().filter(|request| request.context == Context::Api && has_sense(request)) {
                for address in ["192.0.2.7", "198.51.100.1"] {
                    let request = Request { place: Place { address: address.parse().ok(), origin: None }, ..request };
                    let may = |world: &World, who| decide(world, Policy::default(), who, &request, now).outcome.is_ok();
                    let sam = Credential::SignedIn(SAM);
                    // What everybody may, nobody wins.
                    let won = may(&world, sam) && !may(&before, sam);
                    prop_assert!(!won || may(&world, Credential::Key((&own).into())), "{:?}", request);
                }
            }
        }
    }
}
