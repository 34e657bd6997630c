//! Accounts, teams and projects.

use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::name::{Email, ExternalId};
use claviger_core::principal::{AccountRecord, ProjectRecord, TeamRecord};

use super::{Result, Store};
use crate::commit::{Audit, Committed};
use crate::query::{AccountFilter, Page, ProjectFilter, TeamFilter};
use crate::sqlite::{accounts, projects, teams};

impl Store {
    /// Adds an account.
    ///
    /// # Errors
    /// [`StoreError::Conflict`](crate::StoreError::Conflict): identifier, e-mail address or external id.
    pub async fn create_account(&self, account: AccountRecord, audit: Audit) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| accounts::create(write, &account)).await
    }

    /// Replaces an account's record; closing it is `closed`. `next.revision` has to follow `expected_revision`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound), [`StoreError::Stale`](crate::StoreError::Stale),
    /// [`StoreError::Conflict`](crate::StoreError::Conflict).
    pub async fn update_account(
        &self,
        next: AccountRecord,
        expected_revision: u64,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| accounts::update(write, &next, expected_revision)).await
    }

    /// An account.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn account(&self, id: AccountId) -> Result<Option<AccountRecord>> {
        self.backend.read(move |conn| accounts::by_id(conn, id)).await
    }

    /// The account with this e-mail address.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn account_by_email(&self, email: Email) -> Result<Option<AccountRecord>> {
        let filter = AccountFilter { email: Some(email), ..AccountFilter::default() };
        Ok(self.accounts(filter, Page::first(1)).await?.pop())
    }

    /// The account with this identifier of the host.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn account_by_external_id(&self, external_id: ExternalId) -> Result<Option<AccountRecord>> {
        let filter = AccountFilter { external_id: Some(external_id), ..AccountFilter::default() };
        Ok(self.accounts(filter, Page::first(1)).await?.pop())
    }

    /// Accounts, the newest first.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn accounts(&self, filter: AccountFilter, page: Page<AccountId>) -> Result<Vec<AccountRecord>> {
        self.backend.read(move |conn| accounts::list(conn, &filter, page)).await
    }

    /// Adds a team with its members. `limit` is how many teams may be created for its first owner, closed ones
    /// included.
    ///
    /// # Errors
    /// [`StoreError::Limit`](crate::StoreError::Limit), [`StoreError::Conflict`](crate::StoreError::Conflict),
    /// [`StoreError::Missing`](crate::StoreError::Missing) for a member that is no account.
    pub async fn create_team(&self, team: TeamRecord, limit: u32, audit: Audit) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| teams::create(write, team, limit)).await
    }

    /// Replaces a team's record, members included. `next.revision` has to follow `expected_revision`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound), [`StoreError::Stale`](crate::StoreError::Stale),
    /// [`StoreError::Conflict`](crate::StoreError::Conflict), [`StoreError::Missing`](crate::StoreError::Missing).
    pub async fn update_team(
        &self,
        next: TeamRecord,
        expected_revision: u64,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| teams::update(write, next, expected_revision)).await
    }

    /// A team.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn team(&self, id: TeamId) -> Result<Option<TeamRecord>> {
        self.backend.read(move |conn| teams::by_id(conn, id)).await
    }

    /// The account that a team was created for, whoever owns it by now; none for a team that an operator made.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn team_created_for(&self, id: TeamId) -> Result<Option<AccountId>> {
        self.backend.read(move |conn| teams::created_for(conn, id)).await
    }

    /// Teams, the newest first.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn teams(&self, filter: TeamFilter, page: Page<TeamId>) -> Result<Vec<TeamRecord>> {
        self.backend.read(move |conn| teams::list(conn, &filter, page)).await
    }

    /// Adds a project with its members. `limit` is how many projects its owner may have, closed ones included.
    ///
    /// # Errors
    /// [`StoreError::Limit`](crate::StoreError::Limit), [`StoreError::Conflict`](crate::StoreError::Conflict),
    /// [`StoreError::Missing`](crate::StoreError::Missing) for its owner or a member.
    pub async fn create_project(
        &self,
        project: ProjectRecord,
        limit: u32,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| projects::create(write, project, limit)).await
    }

    /// Replaces a project's record, owner and members included. `next.revision` has to follow
    /// `expected_revision`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound), [`StoreError::Stale`](crate::StoreError::Stale),
    /// [`StoreError::Conflict`](crate::StoreError::Conflict), [`StoreError::Missing`](crate::StoreError::Missing).
    pub async fn update_project(
        &self,
        next: ProjectRecord,
        expected_revision: u64,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| projects::update(write, next, expected_revision)).await
    }

    /// A project.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>> {
        self.backend.read(move |conn| projects::by_id(conn, id)).await
    }

    /// Projects, the newest first.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn projects(&self, filter: ProjectFilter, page: Page<ProjectId>) -> Result<Vec<ProjectRecord>> {
        self.backend.read(move |conn| projects::list(conn, &filter, page)).await
    }
}
