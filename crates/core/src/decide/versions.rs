//! Which versions a key may select and a change may open: only those that its maker reaches.
//!
//! A resource can be private up to a version and public from the next one on, so a caller may reach its later
//! versions and not its earlier ones. Such a caller may neither make a key that reads an earlier version nor
//! show one to others.
//!
//! | what is done | versions that the caller has to reach |
//! |---|---|
//! | a key that selects `@n` is made, rotated or widened | `n` |
//! | a key that selects `@n...` | `n` and every later one, those that do not exist yet included |
//! | a key that selects every version | 1 and every later one |
//! | visibility is changed | those that everybody, or the whole team, could not read before and now can |
//! | the latest version is raised | those that come into existence |
//! | the resource is handed to another owner | 1 and every later one |
//! | visibility is narrowed, the latest version is lowered | none |
//!
//! Operators may do all of this: they have the rights of everybody.
//!
//! What somebody reaches only grows with the version ([`Visibility`](crate::resource::Visibility) opens later versions and never closes
//! them), so a range of versions is reached if its first version is.

use super::refusal::Right;
use super::{Access, Credential, Missing, Policy, Refusal, Snapshot, Who, reach};
use crate::resource::{Owner, Resource, Visibility};
use crate::selector::{Selector, Version};
use crate::subject::{ResourceSubject, Subject};

/// Whether the caller reads this version of a resource, scopes aside. Operators see every version's record.
#[must_use]
pub fn reaches_version(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    resource: &Resource,
    version: Version,
) -> bool {
    is_operator(caller)
        || reach::resource(snapshot, Who::of(caller, policy), resource, version) >= Access::Read
}

/// Whether the caller reaches every version that a key of this resource would read.
pub(super) fn selects_only_reached(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    key: &ResourceSubject,
) -> Result<(), Right> {
    let first = match key.selector {
        Selector::Any => Version::FIRST,
        Selector::Only(version) | Selector::From(version) => version,
    };
    let reached = is_operator(caller)
        || snapshot
            .resource(key.reference.name())
            .is_some_and(|resource| reaches_version(snapshot, policy, caller, resource, first));
    if reached { Ok(()) } else { Err(Right::Versions) }
}

/// Decides whether a caller who may change a resource may change it like this. `before` is the resource as the
/// snapshot has it.
///
/// # Errors
/// [`Refusal::Forbidden`] with [`Right::Versions`] if the change would open a version that the caller does not
/// reach.
pub fn decide_opening(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    before: &Resource,
    after: &Resource,
) -> Result<(), Refusal> {
    let reached = |version| reaches_version(snapshot, policy, caller, before, version);
    // Between two of these nothing changes, neither what is opened nor what is reached.
    let steps = [
        Some(Version::FIRST),
        first_public(before),
        first_public(after),
        Version::new(before.latest.get().saturating_add(1)),
    ];
    let opened = |version: &Version| opens(before, after, *version);
    if steps.into_iter().flatten().filter(opened).all(reached) {
        Ok(())
    } else {
        Err(Refusal::Forbidden(Missing::Right(Right::Versions)))
    }
}

/// Whether somebody may read a version after the change who may not have read it before.
fn opens(before: &Resource, after: &Resource, version: Version) -> bool {
    let team = matches!(after.owner, Owner::Team(_));
    before.owner != after.owner
        || before.creator != after.creator
        || (version > before.latest && version <= after.latest)
        || (after.visibility.is_public_at(version) && !before.visibility.is_public_at(version))
        || (team && after.visibility.is_shared_at(version) && !before.visibility.is_shared_at(version))
}

const fn first_public(resource: &Resource) -> Option<Version> {
    match resource.visibility {
        Visibility::PublicFrom { first, .. } => Some(first),
        Visibility::Private | Visibility::Shared | Visibility::Public => None,
    }
}

fn is_operator(caller: Credential<'_>) -> bool {
    matches!(caller, Credential::Key(key) if key.rights.subject == Subject::Operator)
}
