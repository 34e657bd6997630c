//! Resources.

use claviger_core::resource::{ResourceRecord, ResourceRef};

use super::{Result, Store};
use crate::commit::{Audit, Committed};
use crate::query::{Differences, OwnedSince, Page, ResourceFilter};
use crate::sqlite::{reconcile, resources};

impl Store {
    /// Adds a resource (`None`: it has to be new, and its revision is 1) or replaces it at a revision, which
    /// `next.revision` has to follow.
    ///
    /// # Errors
    /// [`Conflict::Resource`](crate::Conflict::Resource), [`StoreError::NotFound`](crate::StoreError::NotFound),
    /// [`StoreError::Stale`](crate::StoreError::Stale), [`StoreError::Missing`](crate::StoreError::Missing)
    /// for its owner or its creator.
    pub async fn put_resource(
        &self,
        next: ResourceRecord,
        expected_revision: Option<u64>,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| resources::put(write, next, expected_revision)).await
    }

    /// Deletes a resource and, in the same change, its keys, so that a resource made later under the same
    /// name does not bring them back. With a revision, only if the resource is still at it. Returns how many
    /// keys went with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound) or [`StoreError::Stale`](crate::StoreError::Stale).
    pub async fn delete_resource(
        &self,
        reference: ResourceRef,
        expected_revision: Option<u64>,
        audit: Audit,
    ) -> Result<Committed<u64>> {
        self.backend.write(audit, move |write| resources::delete(write, &reference, expected_revision)).await
    }

    /// A resource.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn resource(&self, reference: ResourceRef) -> Result<Option<ResourceRecord>> {
        self.backend.read(move |conn| resources::by_reference(conn, reference.as_str())).await
    }

    /// Since when a resource is owned by its present owner.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn owned_since(&self, reference: ResourceRef) -> Result<Option<OwnedSince>> {
        self.backend.read(move |conn| resources::owned_since(conn, reference.as_str())).await
    }

    /// Resources, by name.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn resources(
        &self,
        filter: ResourceFilter,
        page: Page<ResourceRef>,
    ) -> Result<Vec<ResourceRecord>> {
        self.backend.read(move |conn| resources::list(conn, &filter, &page)).await
    }

    /// All resources of a type, by name.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn resources_of(&self, kind: String) -> Result<Vec<ResourceRecord>> {
        self.backend.read(move |conn| reconcile::all_of(conn, &kind)).await
    }

    /// How many keys these resources have.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn keys_of_resources(&self, references: Vec<ResourceRef>) -> Result<u64> {
        self.backend.read(move |conn| reconcile::count_keys(conn, &references)).await
    }

    /// Makes the resources of a type what they shall be, in one change, and returns how many keys went with
    /// those that are gone.
    ///
    /// # Errors
    /// [`StoreError::Stale`](crate::StoreError::Stale) where a resource of the type is not any more as it was
    /// seen, [`StoreError::Missing`](crate::StoreError::Missing) for an owner or a creator.
    pub async fn reconcile_resources(
        &self,
        differences: Differences,
        audit: Audit,
    ) -> Result<Committed<u64>> {
        self.backend.write(audit, move |write| reconcile::replace(write, differences)).await
    }
}
