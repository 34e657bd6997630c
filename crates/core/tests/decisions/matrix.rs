//! Each cell is what one credential (row) is told about one request (column).
//!
//! `+` allowed · `~` allowed as anonymous · `401` `403` refused, with what is missing · `.` not found, as if it did not exist

use std::fmt::Write as _;

use claviger_core::decide::{
    Access, Context, Credential, KeyAction, Missing, Place, Policy, Refusal, Request, Right, RoleChange,
    Target, decide, decide_key, decide_opening, decide_role,
};
use claviger_core::key::Rights;
use claviger_core::resource::ResourceName;
use claviger_core::scope::Action;
use claviger_core::selector::Version;

use crate::world::{
    ATLAS, Cast, LAB, LABWORK, MIA, NOW, OLGA, SAM, World, cast, key, resource_key, version, world,
};

fn refusal(refusal: Refusal) -> String {
    match refusal {
        Refusal::CredentialsRequired => "401".into(),
        Refusal::InvalidKey => "401 invalid".into(),
        Refusal::KeyDisabled => "401 disabled".into(),
        Refusal::KeyExpired => "401 expired".into(),
        Refusal::KeyRetired => "401 retired".into(),
        Refusal::Restricted(_) => "403 restricted".into(),
        Refusal::TargetRequired => "403 target".into(),
        Refusal::NotFound => ".".into(),
        Refusal::Forbidden(missing) => format!(
            "403 {}",
            match missing {
                Missing::Scope => "scope",
                Missing::Access(Access::Administer) => "admin",
                Missing::Access(_) => "write",
                Missing::Version => "version",
                Missing::Operator => "operator",
                Missing::NotForOperators => "operator",
                Missing::Owner => "owner",
                Missing::ResourceKeyDeletesItself => "itself",
                Missing::Right(Right::Scopes) => "scopes",
                Missing::Right(Right::Verify) => "verify",
                Missing::Right(Right::Grants) => "grants",
                Missing::Right(Right::Expiry) => "expiry",
                Missing::Right(Right::Restrictions) => "restrictions",
                Missing::Right(Right::Versions) => "versions",
                Missing::Right(Right::Uses) => "uses",
                Missing::Right(Right::Role) => "role",
                Missing::Right(Right::Administration) => "administration",
            }
        ),
    }
}

fn cell(world: &World, credential: Credential<'_>, request: &Request<'_>, policy: Policy) -> String {
    match decide(world, policy, credential, request, NOW).outcome {
        Err(refused) => refusal(refused),
        Ok(permit) => {
            let anonymous = matches!(permit.credential(), Credential::Anonymous);
            let mut text = if anonymous { "~" } else { "+" }.to_owned();
            for name in permit.secrets().chain(permit.databases()) {
                write!(text, " {name}").unwrap();
            }
            text
        }
    }
}

/// A table with one row per credential and one column per request.
fn table<'r>(columns: &[(String, Request<'r>)], policy: Policy) -> String {
    let (world, cast) = (world(), cast());
    let rows = cast.credentials().into_iter().map(|(name, credential)| {
        let cells = columns.iter().map(|(_, request)| cell(&world, credential, request, policy));
        (name.to_owned(), cells.collect::<Vec<_>>())
    });
    draw(&columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), &rows.collect::<Vec<_>>())
}

fn draw(heads: &[String], rows: &[(String, Vec<String>)]) -> String {
    let first = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let width =
        |n: usize| rows.iter().map(|(_, cells)| cells[n].len()).chain([heads[n].len()]).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let mut text = format!("{name:first$}");
        for (n, cell) in cells.iter().enumerate() {
            write!(text, " | {cell:w$}", w = width(n)).unwrap();
        }
        text.trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|(name, cells)| line(name, cells));
    [line("", heads)].into_iter().chain(body).collect()
}

fn on<'r>(action: Action<'r>, id: &'r str, version: Option<Version>) -> Request<'r> {
    Request::new(action, Target::Resource(ResourceName::parse(id).unwrap(), version))
}

const READ: Action<'static> = Action::literal("notebook", "read");
const WRITE: Action<'static> = Action::literal("notebook", "write");
const ADMIN: Action<'static> = Action::literal("notebook", "admin");
const NOTEBOOKS: [&str; 10] = [
    "notebook:own",
    "notebook:open",
    "notebook:open2",
    "notebook:team",
    "notebook:mias",
    "notebook:teamopen2",
    "notebook:atlas",
    "notebook:labwork",
    "notebook:gone",
    "notebook:lost",
];

fn name(id: &str) -> String {
    id.trim_start_matches("notebook:").to_owned()
}

#[test]
fn reading_the_latest_version_with_a_credential() {
    let columns = NOTEBOOKS.map(|id| (name(id), on(READ, id, None)));
    insta::assert_snapshot!("read_latest", table(&columns, Policy::default()));
}

#[test]
fn reading_where_anonymous_callers_may() {
    let columns = NOTEBOOKS.map(|id| (name(id), Request { anonymous: true, ..on(READ, id, None) }));
    insta::assert_snapshot!("read_anonymous", table(&columns, Policy::default()));
}

#[test]
fn reading_versions() {
    let cases = [("notebook:own", 1), ("notebook:own", 2), ("notebook:own", 3), ("notebook:own", 4)];
    let open = [
        ("notebook:open2", 1),
        ("notebook:open2", 2),
        ("notebook:teamopen2", 1),
        ("notebook:teamopen2", 2),
        ("notebook:lost", 1),
    ];
    let column = |(id, number)| {
        (format!("{}@{number}", name(id)), Request { anonymous: true, ..on(READ, id, Some(version(number))) })
    };
    let columns = cases.into_iter().chain(open).map(column).collect::<Vec<_>>();
    insta::assert_snapshot!("read_versions", table(&columns, Policy::default()));
}

#[test]
fn embeds() {
    let column = |(id, number): (&'static str, Option<u32>), anonymous| {
        let request = on(READ, id, number.and_then(Version::new));
        let text = number.map_or(String::new(), |number| format!("@{number}"));
        let route = if anonymous { " (anonymous)" } else { "" };
        (format!("{}{text}{route}", name(id)), Request { context: Context::Embed, anonymous, ..request })
    };
    let cases = [
        ("notebook:own", Some(1)),
        ("notebook:own", Some(2)),
        ("notebook:own", None),
        ("notebook:lost", Some(2)),
    ];
    let mut columns = cases.map(|case| column(case, false)).to_vec();
    columns.extend([("notebook:own", Some(2)), ("notebook:open", Some(2))].map(|case| column(case, true)));
    insta::assert_snapshot!("embeds", table(&columns, Policy::default()));
}

#[test]
fn writing_and_administering() {
    let column =
        |action: Action<'static>, id| (format!("{} {}", action.verb(), name(id)), on(action, id, None));
    let ids = [
        "notebook:own",
        "notebook:open",
        "notebook:team",
        "notebook:mias",
        "notebook:atlas",
        "notebook:labwork",
    ];
    let columns = ids.into_iter().flat_map(|id| [column(WRITE, id), column(ADMIN, id)]).collect::<Vec<_>>();
    insta::assert_snapshot!("write_and_administer", table(&columns, Policy::default()));
}

#[test]
fn account_keys_that_reach_teams() {
    let columns = NOTEBOOKS.map(|id| (name(id), on(READ, id, None)));
    insta::assert_snapshot!(
        "account_keys_reach_teams",
        table(&columns, Policy { account_keys_reach_teams: true })
    );
}

#[test]
fn containers() {
    let act = Action::literal;
    let targets = [
        ("account olga", Target::Account(OLGA), act("account", "read")),
        ("update olga", Target::Account(OLGA), act("account", "update")),
        ("team", Target::Team(LAB), act("team", "read")),
        ("update team", Target::Team(LAB), act("team", "update")),
        ("atlas", Target::Project(ATLAS), act("project", "read")),
        ("update atlas", Target::Project(ATLAS), act("project", "update")),
        ("run:create atlas", Target::Project(ATLAS), act("run", "create")),
        ("run:read atlas", Target::Project(ATLAS), act("run", "read")),
        ("labwork", Target::Project(LABWORK), act("project", "read")),
        ("nothing run:read", Target::Nothing, act("run", "read")),
        ("account:create", Target::Operator, act("account", "create")),
    ];
    let columns = targets.map(|(name, target, action)| (name.to_owned(), Request::new(action, target)));
    insta::assert_snapshot!("containers", table(&columns, Policy::default()));
}

/// Who may do what with keys: the columns are the keys that the action is about, each with `*:read`.
#[test]
fn managing_keys() {
    let (world, cast) = (world(), cast());
    let targets: Vec<(&str, Rights)> = cast
        .keys
        .iter()
        .filter(|(name, _)| {
            ["key of olga, *:read", "key of mia", "key of the team", "key of atlas", "key of labwork"]
                .contains(name)
        })
        .map(|(name, key)| (*name, key.rights.clone()))
        .map(|(name, mut rights)| {
            rights.scopes = claviger_core::scope::ScopeSet::parse(["*:read"]).unwrap();
            (name.split(',').next().unwrap_or(name), rights)
        })
        .chain([
            ("notebook own", resource_key("own", "", Default::default()).rights),
            ("notebook own, grants", resource_key("own", "", claviger_core::selector::Grants::BOTH).rights),
            ("notebook mias", resource_key("mias", "", Default::default()).rights),
            ("notebook atlas", resource_key("atlas", "", Default::default()).rights),
            ("notebook lost", resource_key("lost", "", Default::default()).rights),
            ("notebook teamlate", resource_key("teamlate", "", Default::default()).rights),
            ("teamlate@1", resource_key("teamlate", "@1", Default::default()).rights),
            ("teamlate@1...", resource_key("teamlate", "@1...", Default::default()).rights),
            ("teamlate@2", resource_key("teamlate", "@2", Default::default()).rights),
            ("teamlate@2...", resource_key("teamlate", "@2...", Default::default()).rights),
            ("operator", key(claviger_core::Subject::Operator, "key:verify").rights),
        ])
        .collect();
    let mut text = String::new();
    let mut rated = key(claviger_core::Subject::Account(OLGA), "*:* key:*");
    rated.rights.restrictions.rate =
        Some(claviger_core::restriction::Rate { limit: 1_000_000, period_seconds: 1 });
    for action in [KeyAction::Read, KeyAction::Create, KeyAction::Widen] {
        let credentials = cast.credentials().into_iter();
        let credentials = credentials.chain([("key of olga with a rate", Credential::Key((&rated).into()))]);
        let rows = credentials.map(|(name, credential)| {
            let decide = |rights: &Rights| {
                let decided = decide_key(
                    &world,
                    Policy::default(),
                    credential,
                    Place::default(),
                    action,
                    (None, rights),
                    NOW,
                );
                decided.map_or_else(refusal, |_| "+".to_owned())
            };
            (name.to_owned(), targets.iter().map(|(_, rights)| decide(rights)).collect())
        });
        let heads = targets.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        write!(text, "{}\n{}\n", action.action(), draw(&heads, &rows.collect::<Vec<_>>())).unwrap();
    }
    insta::assert_snapshot!("manage_keys", text);
}

/// Who may open which versions: the columns are what becomes of a notebook of the team that is public from
/// version 2 on, private before, and at version 3. Only the versions are judged here: whether the caller may
/// change the notebook at all, the matrices above say.
#[test]
fn opening_versions() {
    use claviger_core::resource::{Owner, Resource, Visibility};
    let (world, cast) = (world(), cast());
    let before = world.resources["notebook:teamlate"].clone();
    let change = |change: &dyn Fn(&mut Resource)| {
        let mut after = before.clone();
        change(&mut after);
        after
    };
    let from = |first, before_shared| Visibility::PublicFrom { first: version(first), before_shared };
    let show = |visibility| change(&|after| after.visibility = visibility);
    let changes = [
        ("as it is", show(before.visibility)),
        ("private", show(Visibility::Private)),
        ("shared", show(Visibility::Shared)),
        ("public", show(Visibility::Public)),
        ("from 3", show(from(3, false))),
        ("from 3, shared before", show(from(3, true))),
        ("from 2, shared before", show(from(2, true))),
        ("4 versions", change(&|after| after.latest = version(4))),
        ("1 version", change(&|after| after.latest = version(1))),
        ("handed to olga", change(&|after| after.owner = Owner::Account(OLGA))),
    ];
    let rows = cast.credentials().into_iter().map(|(name, caller)| {
        let cell = |after: &Resource| {
            let decided = decide_opening(&world, Policy::default(), caller, &before, after);
            decided.map_or_else(refusal, |()| "+".to_owned())
        };
        (name.to_owned(), changes.iter().map(|(_, after)| cell(after)).collect())
    });
    let heads = changes.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    insta::assert_snapshot!("opening_versions", draw(&heads, &rows.collect::<Vec<_>>()));
}

/// Who gives which role: the columns are the role before and after, in the team and in the project that Pam holds.
#[test]
fn roles() {
    use claviger_core::principal::{ProjectRole as P, TeamRole as T};
    let (world, cast) = (world(), cast());
    let plenty = "*:* key:create key:read key:update key:delete team:* project:* resource:* history:*";
    let mut ends = key(claviger_core::Subject::Team(LAB), plenty);
    ends.rights.expires_at = claviger_core::UnixSeconds::new(1_900_000_000);
    let mut office = key(claviger_core::Subject::Project(ATLAS), plenty);
    office.rights.restrictions.rate =
        Some(claviger_core::restriction::Rate { limit: 1_000_000, period_seconds: 1 });
    let more = [
        ("key of the team, team:update", key(claviger_core::Subject::Team(LAB), "team:update")),
        (
            "key of the team, without key:*",
            key(claviger_core::Subject::Team(LAB), "*:* team:* project:* resource:*"),
        ),
        ("key of the team that ends", ends),
        ("key of atlas, project:update", key(claviger_core::Subject::Project(ATLAS), "project:update")),
        (
            "key of atlas, reads",
            key(claviger_core::Subject::Project(ATLAS), "*:read project:* resource:read"),
        ),
        ("key of atlas with a rate", office),
        ("operator, team:update", key(claviger_core::Subject::Operator, "team:update")),
    ];
    let team = |before, after| (RoleChange::Team(LAB, before, after), format!("{before:?}>{after:?}"));
    let project =
        |before, after| (RoleChange::Project(ATLAS, before, after), format!("{before:?}>{after:?}"));
    let changes = [
        team(None, Some(T::Member)),
        team(None, Some(T::Admin)),
        team(Some(T::Member), Some(T::Admin)),
        team(Some(T::Admin), Some(T::Member)),
        team(Some(T::Admin), None),
        team(Some(T::Admin), Some(T::Owner)),
        team(Some(T::Owner), Some(T::Member)),
        team(Some(T::Owner), Some(T::Owner)),
        project(None, Some(P::Viewer)),
        project(None, Some(P::Collaborator)),
        project(Some(P::Viewer), Some(P::Admin)),
        project(Some(P::Admin), Some(P::Collaborator)),
        project(Some(P::Admin), None),
    ];
    let heads =
        changes.iter().map(|(_, text)| text.replace("Some(", "").replace(')', "")).collect::<Vec<_>>();
    let credentials = cast.credentials().into_iter();
    let credentials = credentials.chain(more.iter().map(|(name, key)| (*name, Credential::Key(key.into()))));
    let rows = credentials.map(|(name, caller)| {
        let cell = |change: RoleChange| {
            let decided = decide_role(&world, Policy::default(), caller, Place::default(), change, NOW);
            decided.map_or_else(refusal, |_| "+".to_owned())
        };
        (name.to_owned(), changes.iter().map(|(change, _)| cell(*change)).collect())
    });
    insta::assert_snapshot!("roles", draw(&heads, &rows.collect::<Vec<_>>()));
}

#[test]
fn the_cast_is_complete() {
    let Cast { keys, people } = cast();
    assert!(keys.len() > 15 && people.len() == 8 && people.iter().any(|(_, id)| *id == SAM || *id == MIA));
}
