//! Resources, which a host mirrors here.

use claviger_core::decide::{
    Credential, Missing, Policy, Refusal, Snapshot, Target, decide_opening, manages, reaches_version,
};
use claviger_core::limit::{REFERENCE_NAME_BYTES_MAX, REFERENCES_MAX, VERSIONS_MAX};
use claviger_core::permit::RecordRef;
use claviger_core::resource::{Owner, References, Resource, ResourceRecord, ResourceRef, Visibility};
use claviger_core::revocation;
use claviger_core::scope::Action;
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;
use claviger_core::{AccountId, Subject};
use claviger_store::{Conflict, Page, ResourceFilter, StoreError};

use crate::allowance::Made;
use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::listing::{shown, visible};
use crate::read::NotFresh;

/// A resource as its host describes it: the whole of it, each time.
#[derive(Debug, Clone)]
pub struct ResourceDescription {
    /// Its name.
    pub reference: ResourceRef,
    /// Who holds it.
    pub owner: Owner,
    /// Who made it; what is known already if absent.
    pub creator: Option<AccountId>,
    /// Who else sees it.
    pub audience: Audience,
    /// Its latest version.
    pub latest: Version,
    /// What its versions reference.
    pub references: Vec<References>,
}

/// Who else sees a resource, as a host says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    Private,
    /// The whole team.
    Shared,
    /// Everyone, from this version on if one is named; earlier versions stay as they were.
    Public(Option<Version>),
}

pub(crate) const fn action(verb: &'static str) -> Action<'static> {
    Action::literal("resource", verb)
}

pub(crate) fn on(resource: &Resource) -> On {
    On::new(&resource.reference, subject_of(resource.owner))
}

/// What the history says of a resource that was put there.
pub(crate) fn summary(resource: &Resource) -> String {
    format!("{}, latest: {}", resource.visibility.as_str(), resource.latest)
}

fn subject_of(owner: Owner) -> String {
    match owner {
        Owner::Account(id) => format!("account:{id}"),
        Owner::Team(id) => format!("team:{id}"),
        Owner::Project(id) => format!("project:{id}"),
    }
}

fn target_of(owner: Owner) -> Target<'static> {
    match owner {
        Owner::Account(id) => Target::Account(id),
        Owner::Team(id) => Target::Team(id),
        Owner::Project(id) => Target::Project(id),
    }
}

impl Authority {
    /// Makes a resource known, or tells what it is like by now. Only operators make one known; handing one
    /// over needs the right to administer both the owner and the new one. Only a resource that meets the condition
    /// is changed.
    ///
    /// # Errors
    /// Not found for those who do not administer its owner; invalid if the description contradicts itself.
    pub async fn put_resource(
        &self,
        caller: &Caller,
        description: ResourceDescription,
        condition: impl Into<Condition>,
    ) -> Result<Changed<ResourceRecord>> {
        let condition = condition.into();
        let targets = [RecordRef::Resource(description.reference.clone())];
        let step = |deciding| self.resource_put(deciding, &description, &condition);
        self.attempts(caller, &targets, &condition, step).await
    }

    async fn resource_put(
        &self,
        mut deciding: Deciding<'_>,
        description: &ResourceDescription,
        condition: &Condition,
    ) -> Result<Changed<ResourceRecord>> {
        let since = self.now();
        let before = self.may_put(&mut deciding, description).await?;
        let current = before.as_ref().map_or(0, |before| before.revision);
        condition.check(current)?;
        let mut next = described(&mut deciding, description, before.as_ref())?;
        if let Some(before) = before.as_ref()
            && !deciding.is_operator()?
        {
            // Those of versions that the caller does not reach were not shown to it.
            next.resource.references = before.resource.references.clone();
            opens_only_reached(&mut deciding, before, &next)?;
        }
        let revokes =
            before.as_ref().is_some_and(|before| revocation::by_resource(&before.resource, &next.resource));
        if let Some(before) = before.as_ref().filter(|before| before.resource == next.resource) {
            return deciding.unchanged(before.clone(), since, false).await;
        }
        // Nobody is kept from taking rights away.
        let taken = match revokes {
            true => None,
            false => Some(self.allowance(deciding.caller(), Made::Changes, 1).await?),
        };
        let verb = if before.is_some() { "update" } else { "create" };
        let audit = deciding.audit(action(verb), on(&next.resource), summary(&next.resource))?;
        let expected = before.as_ref().map(|before| before.revision);
        match self.shared.store.put_resource(next.clone(), expected, audit).await {
            Ok(committed) => {
                if let Some(taken) = taken {
                    taken.spend(1);
                }
                let Changed { change, .. } = self.made(committed, since, revokes);
                Ok(Changed { value: next, change })
            }
            // It came or went meanwhile.
            Err(StoreError::NotFound | StoreError::Conflict(Conflict::Resource)) => {
                let records = [RecordRef::Resource(description.reference.clone())].into();
                Err(Error::Overtaken { records })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of the resource, if the caller may put it there.
    async fn may_put(
        &self,
        deciding: &mut Deciding<'_>,
        description: &ResourceDescription,
    ) -> Result<Option<ResourceRecord>> {
        // The new owner first: to those who do not administer it nothing is told about the resource.
        let owner = target_of(description.owner);
        deciding.permit(action("create"), owner).or_else(|_| deciding.permit(action("update"), owner))?;
        let mut before = self.shared.store.resource(description.reference.clone()).await?;
        if before.is_some() {
            let name = description.reference.name();
            if deciding.look(action("update"), |snapshot, _| snapshot.resource(name).is_none())? {
                // Deleted since it was read: what was asked for is to make it anew.
                return Err(Error::Stale { current: 0 });
            }
            match deciding.permit(action("update"), Target::Resource(name, None)) {
                // To this caller it does not exist, so the answer is that about one that does not.
                Err(Error::Refused { refusal: Refusal::NotFound, .. }) => before = None,
                permitted => permitted?,
            }
        }
        if before.is_none() {
            deciding.permit(action("create"), owner)?;
        }
        if !deciding.is_operator()? {
            keeps_to_its_own(deciding, description, before.as_ref())?;
        }
        Ok(before)
    }

    /// A resource, for those who may read it and hold the control scope, and whether the caller administers
    /// it: what its versions reference is told to no one else, as a public resource has readers everywhere.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn resource(&self, caller: &Caller, reference: ResourceRef) -> Result<(ResourceRecord, bool)> {
        self.accepts(caller, action("read"))?;
        let found = self.shared.store.resource(reference.clone()).await?;
        // Decided about what was read, or somebody who lost the right in between would read what came after.
        if let Err(error) = self.permit(caller, action("read"), Target::Resource(reference.name(), None)) {
            // Its keys go with it, and after it.
            return Err(self.in_force(error).await?);
        }
        let administers = {
            let resource = ResourceSubject { reference, selector: Selector::Any, grants: Grants::default() };
            let subject = Subject::Resource(Box::new(resource));
            self.read(|view| manages(view, self.policy(), caller.credential(view), &subject))?
        };
        let mut record = found.ok_or_else(Error::not_found)?;
        record.resource.references = self.read(|view| {
            reached_references(view, self.policy(), caller.credential(view), &record.resource)
        })?;
        Ok((record, administers))
    }

    /// Resources by name: all for operators, those of an owner for callers that read it.
    ///
    /// # Errors
    /// Refused to everyone else.
    pub async fn resources(
        &self,
        caller: &Caller,
        mut filter: ResourceFilter,
        page: Page<ResourceRef>,
    ) -> Result<Vec<ResourceRecord>> {
        if !self.is_operator(caller)? && filter.owner.is_none() {
            filter.owner = self.owner_of(caller)?;
        }
        self.permit(caller, action("read"), filter.owner.map_or(Target::Operator, target_of))?;
        let read = |page| self.shared.store.resources(filter.clone(), page);
        // What an owner's reader may not see of it (somebody's private team resource) is left out.
        let may = |record: &ResourceRecord| {
            let target = Target::Resource(record.resource.reference.name(), None);
            shown(self.permit(caller, action("read"), target))
        };
        visible(page, read, |record| record.resource.reference.clone(), may).await
    }

    /// The container that a key stands for.
    fn owner_of(&self, caller: &Caller) -> Result<Option<Owner>, NotFresh> {
        self.read(|view| match caller.credential(view) {
            Credential::SignedIn(id) => Some(Owner::Account(id)),
            Credential::Key(key) => match key.rights.subject {
                Subject::Account(id) => Some(Owner::Account(id)),
                Subject::Team(id) => Some(Owner::Team(id)),
                Subject::Project(id) => Some(Owner::Project(id)),
                Subject::Resource(_) | Subject::Operator => None,
            },
            Credential::Anonymous | Credential::Unknown => None,
        })
    }

    /// Forgets a resource, with its keys: one that is made again under the same name does not revive them.
    /// Only one that meets the condition is forgotten.
    ///
    /// # Errors
    /// Not found for those who do not administer it.
    pub async fn delete_resource(
        &self,
        caller: &Caller,
        reference: ResourceRef,
        condition: impl Into<Condition>,
    ) -> Result<Changed<u64>> {
        let condition = condition.into();
        let targets = [RecordRef::Resource(reference.clone())];
        let step = |deciding| self.resource_deleted(deciding, reference.clone(), &condition);
        self.attempts(caller, &targets, &condition, step).await
    }

    async fn resource_deleted(
        &self,
        mut deciding: Deciding<'_>,
        reference: ResourceRef,
        condition: &Condition,
    ) -> Result<Changed<u64>> {
        let since = self.now();
        deciding.permit(action("delete"), Target::Resource(reference.name(), None))?;
        let before = self.shared.store.resource(reference.clone()).await?.ok_or_else(Error::not_found)?;
        condition.check(before.revision)?;
        let audit = deciding.audit(action("delete"), on(&before.resource), String::new())?;
        let committed =
            self.shared.store.delete_resource(reference, condition.pinned(before.revision), audit).await?;
        Ok(self.made(committed, since, true))
    }
}

/// What only the host's operator key says, because the host believes it: that a name is a resource at all
/// (or somebody could hold what the host has not mirrored yet), which secrets and databases its versions
/// reference (or somebody could make a key that carries other people's), and who made it.
fn keeps_to_its_own(
    deciding: &mut Deciding<'_>,
    description: &ResourceDescription,
    before: Option<&ResourceRecord>,
) -> Result<()> {
    let Some(before) = before else {
        return Err(Error::refused(Refusal::Forbidden(Missing::Operator), action("create")));
    };
    let (policy, resource) = (deciding.policy(), &before.resource);
    let reached = deciding.look(action("update"), |snapshot, credential| {
        reached_references(snapshot, policy, credential, resource)
    })?;
    if checked_references(description)? != reached {
        return Err(Error::invalid(
            "versions",
            "only operators can change what versions reference; leave it as it is",
        ));
    }
    let creator = description.creator;
    if creator.is_some() && creator != before.resource.creator {
        let detail = "only operator keys state who created a resource; leave `creator` out to keep it";
        return Err(Error::invalid("creator", detail));
    }
    Ok(())
}

/// What those versions reference that the caller reaches.
fn reached_references(
    snapshot: &impl Snapshot,
    policy: Policy,
    credential: Credential<'_>,
    resource: &Resource,
) -> Box<[References]> {
    let reached = |of: &&References| reaches_version(snapshot, policy, credential, resource, of.version);
    resource.references.iter().filter(reached).cloned().collect()
}

/// Refuses a change that opens a version which the caller does not reach.
fn opens_only_reached(
    deciding: &mut Deciding<'_>,
    before: &ResourceRecord,
    next: &ResourceRecord,
) -> Result<()> {
    let policy = deciding.policy();
    let opening = deciding.look(action("update"), |snapshot, credential| {
        decide_opening(snapshot, policy, credential, &before.resource, &next.resource)
    })?;
    opening.map_err(|refusal| Error::refused(refusal, action("update")))
}

/// The record that a description asks for.
pub(crate) fn described(
    deciding: &mut Deciding<'_>,
    description: &ResourceDescription,
    before: Option<&ResourceRecord>,
) -> Result<ResourceRecord> {
    let creator = description.creator;
    let known = |snapshot: &dyn Fn(AccountId) -> bool| creator.is_none_or(snapshot);
    if !deciding.look(action("update"), |snapshot, _| known(&|id| snapshot.account(id).is_some()))? {
        return Err(Error::invalid("creator", "there is no such account"));
    }
    if description.audience == Audience::Shared && !matches!(description.owner, Owner::Team(_)) {
        return Err(Error::invalid("visibility", "only a resource that a team holds can be `shared`"));
    }
    let was_shared = match before.map(|before| before.resource.visibility) {
        Some(Visibility::Shared) => true,
        Some(Visibility::PublicFrom { before_shared, .. }) => before_shared,
        Some(Visibility::Private | Visibility::Public) | None => false,
    };
    let before_shared = was_shared && matches!(description.owner, Owner::Team(_));
    let visibility = match description.audience {
        Audience::Private => Visibility::Private,
        Audience::Shared => Visibility::Shared,
        Audience::Public(None | Some(Version::FIRST)) => Visibility::Public,
        Audience::Public(Some(first)) => Visibility::PublicFrom { first, before_shared },
    };
    let resource = Resource {
        reference: description.reference.clone(),
        owner: description.owner,
        // Left out, it stays: who describes a resource need not know who created it.
        creator: description.creator.or(before.and_then(|before| before.resource.creator)),
        visibility,
        latest: description.latest,
        references: checked_references(description)?,
    };
    let now = deciding.now();
    Ok(match before {
        None => ResourceRecord { resource, created_at: now, updated_at: now, revision: 1 },
        Some(before) => ResourceRecord {
            resource,
            created_at: before.created_at,
            updated_at: now,
            revision: before.revision + 1,
        },
    })
}

fn checked_references(description: &ResourceDescription) -> Result<Box<[References]>> {
    let mut references = description.references.clone();
    references.sort_by_key(|entry| entry.version);
    let twice = references.windows(2).any(|pair| pair[0].version == pair[1].version);
    if references.len() > VERSIONS_MAX || twice {
        return Err(Error::invalid(
            "versions",
            format_args!("must name each version once, and at most {VERSIONS_MAX} of them"),
        ));
    }
    for entry in &mut references {
        if entry.version > description.latest {
            return Err(Error::invalid("versions", "a version must not be later than `latest_version`"));
        }
        for names in [&mut entry.secrets, &mut entry.databases] {
            let mut sorted = std::mem::take(names).into_vec();
            sorted.sort_unstable();
            sorted.dedup();
            // Names travel in a header, separated by spaces.
            let fits = |name: &str| {
                (1..=REFERENCE_NAME_BYTES_MAX).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_graphic())
            };
            if sorted.len() > REFERENCES_MAX || !sorted.iter().all(|name| fits(name)) {
                let detail = format!(
                    "a version references at most {REFERENCES_MAX} secrets and databases, each 1 to {REFERENCE_NAME_BYTES_MAX} printable characters without spaces"
                );
                return Err(Error::invalid("versions", detail));
            }
            *names = sorted.into();
        }
    }
    references.retain(|entry| !entry.secrets.is_empty() || !entry.databases.is_empty());
    Ok(references.into())
}
