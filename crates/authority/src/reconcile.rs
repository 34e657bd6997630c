//! The whole list of a type of resources, as its host has it: what is new is made known, what differs is
//! changed, what is missing goes, with its keys.

use std::sync::Arc;

use claviger_core::decide::{Snapshot, Target};
use claviger_core::history::HistoryEntry;
use claviger_core::limit::{RECONCILE_DIFFERENCES_NAMED_MAX, RECONCILE_RESOURCES_MAX};
use claviger_core::permit::RecordRef;
use claviger_core::resource::{Owner, ResourceRecord, ResourceRef};
use claviger_core::{Timestamp, revocation};
use claviger_store::{Audit, Differences, StoreError};

use crate::authority::{Authority, Changed};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::{Deciding, Permitted};
use crate::error::{Error, Result};
use crate::resources::{ResourceDescription, action, described, on, summary};

/// All resources of a type.
#[derive(Debug, Clone)]
pub struct WholeList {
    /// The type.
    pub kind: String,
    /// Every resource of it.
    pub resources: Vec<ResourceDescription>,
    /// Only find the differences.
    pub dry_run: bool,
    /// A statement that an empty list is meant: everything goes.
    pub allow_empty: bool,
}

/// How the list differed from what was known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Resources that were not known.
    pub created: u64,
    /// Resources that were known otherwise.
    pub updated: u64,
    /// Resources that are not in the list.
    pub deleted: u64,
    /// Resources that were known just so.
    pub unchanged: u64,
    /// Keys of the resources that are not in the list.
    pub keys_deleted: u64,
    /// The first differences, in the order of their names.
    pub differences: Vec<(ResourceRef, Differs)>,
}

/// How a resource differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// It was not known.
    Created,
    /// It was known otherwise.
    Updated,
    /// It is not in the list.
    Deleted,
}

impl Differs {
    /// The word for it, which is the verb of its action, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Updated => "update",
            Self::Deleted => "delete",
        }
    }
}

/// What was found, with what it takes to write it.
struct Found {
    told: Reconciled,
    differences: Differences,
    rows: Vec<HistoryEntry>,
    revokes: bool,
}

impl Authority {
    /// Whether the caller may replace whole lists of resources: operators with all three scopes may. To be
    /// asked before a list is read.
    ///
    /// # Errors
    /// The refusal.
    pub fn may_reconcile(&self, caller: &Caller) -> Result<()> {
        may_reconcile(&mut self.deciding(caller))
    }

    /// Makes the resources of a type those of the list, all at once or not at all.
    ///
    /// # Errors
    /// Refused to everyone but operators; invalid if something in the list cannot be, or if it is empty
    /// without a word that this is meant.
    pub async fn reconcile_resources(&self, caller: &Caller, list: WholeList) -> Result<Changed<Reconciled>> {
        self.may_reconcile(caller)?;
        let since = self.now();
        let list = Arc::new(checked(list)?);
        let _alone = self.shared.reconciling.lock().await;
        self.attempts(caller, &[], &Condition::Always, |deciding| self.reconciled(deciding, &list, since))
            .await
    }

    async fn reconciled(
        &self,
        mut deciding: Deciding<'_>,
        list: &Arc<Ordered>,
        since: Timestamp,
    ) -> Result<Changed<Reconciled>> {
        // Again each time: the right may be lost while one waits.
        may_reconcile(&mut deciding)?;
        let (found, permitted) = self.find_differences(&deciding, list).await?;
        deciding.resume(permitted);
        let Found { mut told, differences, rows, revokes } = found;
        if list.dry_run {
            told.keys_deleted = self.shared.store.keys_of_resources(differences.delete).await?;
            return deciding.unchanged(told, since, false).await;
        }
        let mut rows = rows.into_iter();
        let Some(first) = rows.next() else { return deciding.unchanged(told, since, false).await };
        let audit = rows.fold(Audit::new(deciding.write()?, first), Audit::and);
        let seen = differences.seen.iter().map(|(reference, ..)| RecordRef::Resource(reference.clone()));
        let seen = seen.collect();
        match self.shared.store.reconcile_resources(differences, audit).await {
            Ok(committed) => {
                let Changed { value: keys_deleted, change } = self.made(committed, since, revokes);
                told.keys_deleted = keys_deleted;
                Ok(Changed { value: told, change })
            }
            // Somebody was quicker; the next round holds them up. If an owner is gone, it says whose.
            Err(StoreError::Stale { .. } | StoreError::Missing(_) | StoreError::NotFound) => {
                Err(Error::Overtaken { records: seen })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Compares the list with what is known, on a thread where it is in nobody's way.
    async fn find_differences(
        &self,
        deciding: &Deciding<'_>,
        list: &Arc<Ordered>,
    ) -> Result<(Found, Permitted)> {
        let known = self.shared.store.resources_of(list.kind.clone()).await?;
        let (authority, caller, list) = (self.clone(), deciding.caller().clone(), Arc::clone(list));
        let permitted = deciding.permitted()?.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut deciding = authority.deciding(&caller);
            deciding.resume(permitted);
            let found = compare(&mut deciding, &list, known)?;
            Ok((found, deciding.permitted()?.clone()))
        });
        task.await.map_err(|error| Error::Store(StoreError::Unavailable(Arc::new(error))))?
    }
}

fn compare(deciding: &mut Deciding<'_>, list: &Ordered, known: Vec<ResourceRecord>) -> Result<Found> {
    let state = |known: &ResourceRecord| (known.resource.reference.clone(), known.created_at, known.revision);
    let seen = known.iter().map(state).collect();
    let differences = Differences { kind: list.kind.clone(), seen, put: Vec::new(), delete: Vec::new() };
    let mut found = Found { told: Reconciled::default(), differences, rows: Vec::new(), revokes: false };
    let goes = |deciding: &Deciding<'_>, found: &mut Found, gone: ResourceRecord| -> Result<()> {
        found.revokes = true;
        let row = deciding.entry(action(Differs::Deleted.verb()), on(&gone.resource), String::new())?;
        found.note(Differs::Deleted, &gone.resource.reference, row);
        found.differences.delete.push(gone.resource.reference);
        Ok(())
    };
    // Both are in the order of their names.
    let mut known = known.into_iter().peekable();
    for (place, described) in &list.resources {
        while let Some(gone) = known.next_if(|known| known.resource.reference < described.reference) {
            goes(deciding, &mut found, gone)?;
        }
        let before = known.next_if(|known| known.resource.reference == described.reference);
        let next = wanted(deciding, described, before.as_ref()).map_err(|error| placed(error, *place))?;
        if before.as_ref().is_some_and(|before| before.resource == next.resource) {
            found.told.unchanged += 1;
            continue;
        }
        let differs = if before.is_some() { Differs::Updated } else { Differs::Created };
        found.revokes |=
            before.is_some_and(|before| revocation::by_resource(&before.resource, &next.resource));
        let row = deciding.entry(action(differs.verb()), on(&next.resource), summary(&next.resource))?;
        found.note(differs, &next.resource.reference, row);
        found.differences.put.push(next);
    }
    known.try_for_each(|gone| goes(deciding, &mut found, gone))?;
    Ok(found)
}

/// The record that a description asks for.
fn wanted(
    deciding: &mut Deciding<'_>,
    description: &ResourceDescription,
    before: Option<&ResourceRecord>,
) -> Result<ResourceRecord> {
    let held = deciding.look(action("create"), |snapshot, _| match description.owner {
        Owner::Account(id) => snapshot.account(id).is_some(),
        Owner::Team(id) => snapshot.team(id).is_some(),
        Owner::Project(id) => snapshot.project(id).is_some(),
    })?;
    if !held {
        return Err(Error::invalid("owner", "there is no such account, team or project"));
    }
    described(deciding, description, before)
}

fn may_reconcile(deciding: &mut Deciding<'_>) -> Result<()> {
    deciding.permit(action("create"), Target::Operator)?;
    deciding.permit(action("update"), Target::Operator)?;
    deciding.permit(action("delete"), Target::Operator)
}

impl Found {
    fn note(&mut self, differs: Differs, reference: &ResourceRef, row: HistoryEntry) {
        self.told.note(differs, reference);
        self.rows.push(row);
    }
}

impl Reconciled {
    fn note(&mut self, differs: Differs, reference: &ResourceRef) {
        *match differs {
            Differs::Created => &mut self.created,
            Differs::Updated => &mut self.updated,
            Differs::Deleted => &mut self.deleted,
        } += 1;
        if self.differences.len() < RECONCILE_DIFFERENCES_NAMED_MAX {
            self.differences.push((reference.clone(), differs));
        }
    }
}

/// The list in the order of its names, each with its place in the list as it was sent.
struct Ordered {
    kind: String,
    resources: Vec<(usize, ResourceDescription)>,
    dry_run: bool,
}

/// What is wrong with a description, with its place, as the list is long.
fn placed(error: Error, place: usize) -> Error {
    match error {
        Error::Invalid { field, detail } => {
            Error::invalid("resources", format_args!("`resources[{place}].{field}`: {detail}"))
        }
        error => error,
    }
}

fn checked(list: WholeList) -> Result<Ordered> {
    if list.resources.is_empty() && !list.allow_empty {
        let detail = "the list is empty, so everything of this type would be deleted with its keys; write `allow_empty=true` if you mean that";
        return Err(Error::invalid("resources", detail));
    }
    if list.resources.len() > RECONCILE_RESOURCES_MAX {
        let detail = format!("must have at most {RECONCILE_RESOURCES_MAX} members");
        return Err(Error::invalid("resources", detail));
    }
    let WholeList { kind, resources, dry_run, .. } = list;
    let reference = |detail| Error::invalid("reference", detail);
    if let Some(other) = resources.iter().position(|of| of.reference.name().kind() != kind) {
        return Err(placed(reference("is of another type than the list"), other));
    }
    let mut resources = resources.into_iter().enumerate().collect::<Vec<_>>();
    resources.sort_by(|(_, a), (_, b)| a.reference.cmp(&b.reference));
    match resources.windows(2).find(|pair| pair[0].1.reference == pair[1].1.reference) {
        Some(pair) => Err(placed(reference("names a resource a second time"), pair[1].0)),
        None => Ok(Ordered { kind, resources, dry_run }),
    }
}
