//! The one decision: may this credential do this action on this target now?
//!
//! [`decide`] is a pure function of a snapshot, a credential, a request and an instant. Its verdict either
//! holds a [`Permit`], which only this module can make and which later code needs to go on, or a
//! [`Refusal`]; in both cases it carries the [`Reason`]s that led there.
//!
//! A key allows a request when **all** hold:
//!
//! 1. it is active and not expired, and what it stands for is not closed;
//! 2. it is used from where its restrictions allow;
//! 3. its subject reaches the target *now* (memberships are looked up at each decision);
//! 4. selector and context allow it;
//! 5. the reach is strong enough for the action (viewers read, collaborators write, admins do the rest);
//! 6. its scopes cover the action.
//!
//! What each subject reaches:
//!
//! | subject | resources | containers |
//! |---|---|---|
//! | signed-in account | held: all; team: owner, admin and creator all, member reads and writes what is shared or public; project: by role | itself; its teams (member: read); its projects, by role |
//! | account key | held: all; project: by role; team: only with `account_keys_reach_teams`, as if signed in | itself; its projects, by role |
//! | team key | held by the team and shared or public: all | the team |
//! | project key | held by the project: all | the project |
//! | resource key | read that one, at the selected versions | none |
//! | operator key | control types only | control types only |
//!
//! Whatever is public is also read by every account, team and project key whose scopes cover it, outside embeds.
//!
//! A target that is not reached at all is [`Refusal::NotFound`], whether it exists or not; one that is
//! reached too weakly, or not by scope, is [`Refusal::Forbidden`].

mod manage;
mod reach;
mod reason;
mod refusal;
mod roles;
mod versions;

use std::fmt;
use std::net::IpAddr;

pub use manage::{KeyAction, ManagePermit, accept, decide_key, includes, manages};
pub use reach::{Access, Who};
pub use reason::{Reason, Reasons};
pub use refusal::{Missing, Refusal, Right};
pub use roles::{RoleChange, decide_role};
pub use versions::{decide_opening, reaches_version};

use crate::id::{AccountId, KeyId, ProjectId, TeamId};
use crate::key::{Actor, KeyView};
use crate::lifecycle::Standing;
use crate::principal::{Account, Container, ContainerId, Project, Team};
use crate::resource::{References, Resource, ResourceName};
use crate::restriction::Restricted;
use crate::scope::{Action, is_control_type};
use crate::selector::{Grants, Selector, Version};
use crate::subject::{Kind, Subject};
use crate::time::Timestamp;

/// What decisions read: the records as they are now.
pub trait Snapshot {
    /// The account, if it is known.
    fn account(&self, id: AccountId) -> Option<&Account>;
    /// The team, if it is known.
    fn team(&self, id: TeamId) -> Option<&Team>;
    /// The project, if it is known.
    fn project(&self, id: ProjectId) -> Option<&Project>;
    /// The resource, if it is known.
    fn resource(&self, name: ResourceName<'_>) -> Option<&Resource>;
    /// What the host application means by an external id, if it is known.
    fn by_external_id(&self, container: Container, external_id: &str) -> Option<ContainerId>;

    /// Takes note that a decision rests on a key. Only [`Recorder`](crate::permit::Recorder) has a use for it.
    fn rests_on_key(&self, _id: KeyId) {}
}

/// Settings that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether the key of an account reaches what its teams hold, as the account does when signed in.
    pub account_keys_reach_teams: bool,
}

/// Who asks, after the credential was found.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'s> {
    /// Nobody in particular.
    Anonymous,
    /// Somebody with a key that is not known: never issued, mistyped or deleted.
    Unknown,
    /// An account with a session.
    SignedIn(AccountId),
    /// Whoever holds this key.
    Key(KeyView<'s>),
}

/// Where a request is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place<'a> {
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// The web origin that a browser states.
    pub origin: Option<&'a str>,
}

/// In what surroundings the answer will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Context {
    /// A program, or a page of the application itself.
    #[default]
    Api,
    /// A page of somebody else's, in public.
    Embed,
}

impl Context {
    /// Reads the word used in the API and in the configuration.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "api" => Some(Self::Api),
            "embed" => Some(Self::Embed),
            _ => None,
        }
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing in particular: the credential and its scopes are all that counts.
    Nothing,
    /// Claviger itself.
    Operator,
    /// An account.
    Account(AccountId),
    /// A team.
    Team(TeamId),
    /// A project.
    Project(ProjectId),
    /// An account, a team or a project by the host application's own name for it. [`decide`] looks it up.
    External(Container, &'a str),
    /// A resource that is mirrored here; without a version its latest.
    Resource(ResourceName<'a>, Option<Version>),
    /// What no reference can name, as it may stand in somebody's address: it does not exist for anybody.
    Impossible,
    /// A resource that only the host knows: scopes, selector and restrictions are checked, the rest is the host's.
    Hosted(ResourceName<'a>, Option<Version>),
}

impl Target<'_> {
    /// The same by its identifier, where it is named by an external id that is known.
    fn resolved(self, snapshot: &impl Snapshot) -> Self {
        let Target::External(container, external_id) = self else { return self };
        match snapshot.by_external_id(container, external_id) {
            Some(ContainerId::Account(id)) => Target::Account(id),
            Some(ContainerId::Team(id)) => Target::Team(id),
            Some(ContainerId::Project(id)) => Target::Project(id),
            None => self,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The action; none asks only whether the credential reaches the target.
    pub action: Option<Action<'a>>,
    /// Its target.
    pub target: Target<'a>,
    /// The surroundings.
    pub context: Context,
    /// From where.
    pub place: Place<'a>,
    /// Whether public resources are read here without a credential.
    pub anonymous: bool,
    /// Whether it goes to an application behind the gateway, where no operator key ever passes.
    pub to_application: bool,
}

impl<'a> Request<'a> {
    /// A request for an action on a target, in API context, from nowhere in particular, with a credential.
    #[must_use]
    pub fn new(action: Action<'a>, target: Target<'a>) -> Self {
        Self {
            action: Some(action),
            target,
            context: Context::Api,
            place: Place::default(),
            anonymous: false,
            to_application: false,
        }
    }
}

/// The decision, and what led to it.
#[derive(Debug)]
pub struct Verdict<'s> {
    /// A permit, or why not.
    pub outcome: Result<Permit<'s>, Refusal>,
    /// What was found on the way, in order.
    pub reasons: Reasons,
}

/// The right to go on. Only [`decide`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'s> {
    credential: Credential<'s>,
    resource: Option<&'s Resource>,
    version: Option<Version>,
    carried: Grants,
}

impl<'s> Permit<'s> {
    /// Who was let through. A valid key that has no rights of its own on something public is let through
    /// as anonymous.
    #[must_use]
    pub const fn credential(&self) -> Credential<'s> {
        self.credential
    }

    /// The key, if it was let through for its own rights.
    #[must_use]
    pub const fn key(&self) -> Option<KeyView<'s>> {
        match self.credential {
            Credential::Key(key) => Some(key),
            Credential::Anonymous | Credential::Unknown | Credential::SignedIn(_) => None,
        }
    }

    /// The account that acts, if an account does.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self.credential {
            Credential::SignedIn(id) => Some(id),
            Credential::Key(key) => match key.rights.subject {
                Subject::Account(id) => Some(id),
                Subject::Team(_) | Subject::Project(_) | Subject::Resource(_) | Subject::Operator => None,
            },
            Credential::Anonymous | Credential::Unknown => None,
        }
    }

    /// The mirrored resource, if the target is one.
    #[must_use]
    pub const fn resource(&self) -> Option<&'s Resource> {
        self.resource
    }

    /// The version to serve: the one asked for, else the latest.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Names of the secrets that the answer may use: those that the version references, if the key carries them.
    pub fn secrets(&self) -> impl Iterator<Item = &'s str> {
        self.references()
            .filter(|_| self.carried.secrets)
            .into_iter()
            .flat_map(|r| r.secrets.iter().map(|s| &**s))
    }

    /// Names of the databases that the answer may use.
    pub fn databases(&self) -> impl Iterator<Item = &'s str> {
        self.references()
            .filter(|_| self.carried.databases)
            .into_iter()
            .flat_map(|r| r.databases.iter().map(|d| &**d))
    }

    fn references(&self) -> Option<&'s References> {
        self.resource?.references_at(self.version?)
    }

    /// Who acts, for the history.
    #[must_use]
    pub const fn actor(&self) -> Option<Actor> {
        match self.credential {
            Credential::Anonymous | Credential::Unknown => None,
            Credential::SignedIn(id) => Some(Actor::Account(id)),
            Credential::Key(key) => Some(Actor::Key(key.id)),
        }
    }

    /// The right to go on with a change of Claviger's own records; none for anonymous callers.
    #[must_use]
    pub fn manage(&self) -> Option<ManagePermit> {
        self.actor().map(|actor| ManagePermit { actor, key: self.key_id() })
    }

    /// The key's identifier, if a key was let through for its own rights.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.key().map(|key| key.id)
    }
}

/// Who was let through, as the identity headers and the history say it: `account:acct_…`, `anonymous`, …
impl fmt::Display for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.credential {
            Credential::Anonymous | Credential::Unknown => f.write_str("anonymous"),
            Credential::SignedIn(id) => write!(f, "account:{id}"),
            Credential::Key(key) => write!(f, "{}", key.rights.subject),
        }
    }
}

/// Decides. The cost is a few look-ups in the snapshot; nothing is allocated.
#[must_use]
pub fn decide<'s>(
    snapshot: &'s impl Snapshot,
    policy: Policy,
    credential: Credential<'s>,
    request: &Request<'_>,
    now: Timestamp,
) -> Verdict<'s> {
    let target = request.target.resolved(snapshot);
    let request = &Request { target, ..*request };
    let mut decision = Decision { snapshot, policy, request, reasons: Reasons::default() };
    let outcome = decision.run(credential, now);
    Verdict { outcome, reasons: decision.reasons }
}

/// Whether the credential is accepted at all, before anything is asked of it.
///
/// # Errors
/// [`Refusal::InvalidKey`], [`Refusal::KeyExpired`], [`Refusal::KeyRetired`], [`Refusal::KeyDisabled`] (also when what it stands for is closed) or [`Refusal::Restricted`].
pub fn authenticate(
    snapshot: &impl Snapshot,
    credential: Credential<'_>,
    place: Place<'_>,
    now: Timestamp,
    reasons: &mut Reasons,
) -> Result<(), Refusal> {
    let key = match credential {
        Credential::Anonymous => {
            reasons.push(Reason::NoCredential);
            return Ok(());
        }
        Credential::Unknown => return Err(reasons.because(Reason::KeyUnknown, Refusal::InvalidKey)),
        Credential::SignedIn(id) if reach::is_open_account(snapshot, id) => {
            reasons.push(Reason::SignedIn);
            return Ok(());
        }
        Credential::SignedIn(_) => return Err(reasons.because(Reason::OwnerClosed, Refusal::KeyDisabled)),
        Credential::Key(key) => key,
    };
    snapshot.rests_on_key(key.id);
    match key.standing(now) {
        Standing::Expired => return Err(reasons.because(Reason::KeyExpired, Refusal::KeyExpired)),
        Standing::Disabled => return Err(reasons.because(Reason::KeyDisabled, Refusal::KeyDisabled)),
        Standing::Retired => return Err(reasons.because(Reason::KeyRetired, Refusal::KeyRetired)),
        Standing::Active => reasons.push(Reason::KeyActive),
    }
    if !reach::is_open_subject(snapshot, key.rights.subject) {
        return Err(reasons.because(Reason::OwnerClosed, Refusal::KeyDisabled));
    }
    match key.rights.restrictions.admit(place.address, place.origin) {
        Ok(()) => Ok(()),
        Err(what @ Restricted::Address) => {
            Err(reasons.because(Reason::AddressOutside, Refusal::Restricted(what)))
        }
        Err(what @ Restricted::Origin) => {
            Err(reasons.because(Reason::OriginOutside, Refusal::Restricted(what)))
        }
    }
}

struct Decision<'s, 'r, S> {
    snapshot: &'s S,
    policy: Policy,
    request: &'r Request<'r>,
    reasons: Reasons,
}

impl<'s, S: Snapshot> Decision<'s, '_, S> {
    fn run(&mut self, credential: Credential<'s>, now: Timestamp) -> Result<Permit<'s>, Refusal> {
        authenticate(self.snapshot, credential, self.request.place, now, &mut self.reasons)?;
        let own = match credential {
            Credential::Anonymous | Credential::Unknown => return self.anonymous(),
            Credential::SignedIn(_) => self.general(credential),
            Credential::Key(key) => match key.rights.subject.kind() {
                Kind::Operator => self.operator(key),
                Kind::Resource => self.resource_key(key),
                Kind::Account | Kind::Team | Kind::Project => self.general(credential),
            },
        };
        let Err(refusal) = own else { return own };
        // A credential that authenticates is never worse than none. Embeds are an exception, and so are operator
        // keys, which no application is ever shown.
        let operator = self.request.to_application && refusal == Refusal::Forbidden(Missing::NotForOperators);
        if !self.request.anonymous || self.request.context == Context::Embed || operator {
            return Err(refusal);
        }
        self.anonymous().inspect(|_| self.reasons.push(Reason::AsAnonymous)).map_err(|_| refusal)
    }

    /// Without a credential: only where the route allows it, and only what is public.
    fn anonymous(&mut self) -> Result<Permit<'s>, Refusal> {
        let reads = self.request.action.is_none_or(|action| action.is_read());
        if !self.request.anonymous || !reads {
            return Err(self.because(Reason::CredentialRequired, Refusal::CredentialsRequired));
        }
        let mut permit = Permit {
            credential: Credential::Anonymous,
            resource: None,
            version: None,
            carried: Grants::default(),
        };
        match self.request.target {
            Target::Nothing => Ok(permit),
            Target::Hosted(_, version) => {
                permit.version = version;
                Ok(permit)
            }
            Target::Resource(name, version) => {
                let (resource, version) = self.existing(name, version)?;
                if !resource.visibility.is_public_at(version) {
                    return Err(self.because(Reason::NotPublic, Refusal::NotFound));
                }
                self.reasons.push(Reason::Public);
                (permit.resource, permit.version) = (Some(resource), Some(version));
                Ok(permit)
            }
            Target::Operator
            | Target::Account(_)
            | Target::Team(_)
            | Target::Project(_)
            | Target::External(..)
            | Target::Impossible => Err(self.because(Reason::NotReached, Refusal::NotFound)),
        }
    }

    /// Signed-in accounts, and keys of accounts, teams and projects.
    fn general(&mut self, credential: Credential<'s>) -> Result<Permit<'s>, Refusal> {
        let mut permit = Permit { credential, resource: None, version: None, carried: Grants::default() };
        let is_key = matches!(credential, Credential::Key(_));
        if is_key && self.request.context == Context::Embed {
            return Err(self.because(Reason::KindNotForEmbeds, Refusal::NotFound));
        }
        let who = Who::of(credential, self.policy);
        let access = match self.request.target {
            Target::Nothing => Access::Administer,
            // One that was not found.
            Target::External(..) | Target::Impossible => Access::None,
            Target::Operator => {
                return Err(self.because(Reason::NotAnOperator, Refusal::Forbidden(Missing::Operator)));
            }
            Target::Account(_) | Target::Team(_) | Target::Project(_) => {
                reach::container(self.snapshot, who, self.request.target)
            }
            Target::Hosted(_, version) => {
                permit.version = version;
                Access::Administer
            }
            Target::Resource(name, version) => {
                let (resource, version) = self.existing(name, version)?;
                (permit.resource, permit.version) = (Some(resource), Some(version));
                reach::resource(self.snapshot, who, resource, version)
            }
        };
        self.suffices(access)?;
        self.covered(credential)?;
        Ok(permit)
    }

    /// A key of one resource: reads that one, at the versions it selects, and nothing else.
    fn resource_key(&mut self, key: KeyView<'s>) -> Result<Permit<'s>, Refusal> {
        let Some(own) = key.rights.subject.as_resource() else { return Err(Refusal::NotFound) };
        let credential = Credential::Key(key);
        let (name, version, hosted) = match self.request.target {
            Target::Nothing => return Err(self.because(Reason::TargetRequired, Refusal::TargetRequired)),
            Target::Operator => {
                return Err(self.because(Reason::NotAnOperator, Refusal::Forbidden(Missing::Operator)));
            }
            Target::Resource(name, version) => (name, version, false),
            Target::Hosted(name, version) => (name, version, true),
            Target::Account(_)
            | Target::Team(_)
            | Target::Project(_)
            | Target::External(..)
            | Target::Impossible => {
                return Err(self.because(Reason::NotReached, Refusal::NotFound));
            }
        };
        if name.as_str().as_bytes() != own.reference.as_bytes() {
            return Err(self.because(Reason::AnotherResource, Refusal::NotFound));
        }
        // The selector comes before the look-up: a version outside it says nothing about what exists. Which
        // one is the latest of a hosted resource only the host knows, so there a selector needs one by name.
        let selected =
            version.map_or(!hosted || own.selector == Selector::Any, |version| own.selector.selects(version));
        if !selected {
            return Err(self.because(Reason::VersionNotSelected, Refusal::Forbidden(Missing::Version)));
        }
        if self.request.action.is_some_and(|action| !action.is_read() || action.kind() != name.kind()) {
            return Err(
                self.because(Reason::ResourceKeysRead, Refusal::Forbidden(Missing::Access(Access::Write)))
            );
        }
        let carried = if self.request.context == Context::Embed { own.grants } else { Grants::default() };
        let mut permit = Permit { credential, resource: None, version, carried };
        if !hosted {
            let (resource, version) = self.existing(name, version)?;
            if !own.selector.selects(version) {
                return Err(self.because(Reason::VersionNotSelected, Refusal::Forbidden(Missing::Version)));
            }
            (permit.resource, permit.version) = (Some(resource), Some(version));
        }
        self.reasons.push(Reason::Reaches(Access::Read));
        self.covered(credential)?;
        Ok(permit)
    }

    /// A key that runs Claviger: control types only, never a resource of the host's.
    fn operator(&mut self, key: KeyView<'s>) -> Result<Permit<'s>, Refusal> {
        let credential = Credential::Key(key);
        let mut permit = Permit { credential, resource: None, version: None, carried: Grants::default() };
        let is_control = self.request.action.is_some_and(|action| is_control_type(action.kind()));
        let about_nothing = self.request.action.is_none() && self.request.target == Target::Nothing;
        if self.request.to_application || (!is_control && !about_nothing) {
            return Err(self.because(Reason::OperatorsRunOnly, Refusal::Forbidden(Missing::NotForOperators)));
        }
        match self.request.target {
            Target::Nothing | Target::Operator => {}
            Target::Account(_) | Target::Team(_) | Target::Project(_) => {
                if !reach::is_known(self.snapshot, self.request.target) {
                    return Err(self.because(Reason::Unknown, Refusal::NotFound));
                }
            }
            Target::Resource(name, _) => match self.snapshot.resource(name) {
                Some(resource) => permit.resource = Some(resource),
                None => return Err(self.because(Reason::Unknown, Refusal::NotFound)),
            },
            Target::External(..) | Target::Impossible => {
                return Err(self.because(Reason::Unknown, Refusal::NotFound));
            }
            Target::Hosted(_, version) => permit.version = version,
        }
        self.reasons.push(Reason::Reaches(Access::Administer));
        self.covered(credential)?;
        Ok(permit)
    }

    /// The resource and the version to read, if both exist and its owner is open.
    fn existing(
        &mut self,
        name: ResourceName<'_>,
        version: Option<Version>,
    ) -> Result<(&'s Resource, Version), Refusal> {
        let resource = match self.snapshot.resource(name) {
            Some(resource) if reach::is_open_owner(self.snapshot, resource.owner) => resource,
            Some(_) | None => return Err(self.because(Reason::Unknown, Refusal::NotFound)),
        };
        match version {
            None => {
                self.reasons.push(Reason::Latest(resource.latest));
                Ok((resource, resource.latest))
            }
            Some(version) if version <= resource.latest => Ok((resource, version)),
            Some(_) => Err(self.because(Reason::NoSuchVersion, Refusal::NotFound)),
        }
    }

    fn suffices(&mut self, access: Access) -> Result<(), Refusal> {
        if access == Access::None {
            return Err(self.because(Reason::NotReached, Refusal::NotFound));
        }
        self.reasons.push(Reason::Reaches(access));
        let needed = self.request.action.map_or(Access::Read, |action| Access::needed_for(&action));
        if access < needed {
            return Err(self.because(Reason::Needs(needed), Refusal::Forbidden(Missing::Access(needed))));
        }
        Ok(())
    }

    fn covered(&mut self, credential: Credential<'_>) -> Result<(), Refusal> {
        let (Credential::Key(key), Some(action)) = (credential, self.request.action) else { return Ok(()) };
        if key.rights.scopes.cover(&action) {
            self.reasons.push(Reason::ScopeCovers);
            Ok(())
        } else {
            Err(self.because(Reason::ScopeMissing, Refusal::Forbidden(Missing::Scope)))
        }
    }

    fn because(&mut self, reason: Reason, refusal: Refusal) -> Refusal {
        self.reasons.because(reason, refusal)
    }
}
