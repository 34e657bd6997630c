//! Accounts: made by operators, changed by operators and by themselves.

use claviger_core::AccountId;
use claviger_core::decide::Target;
use claviger_core::name::{Email, ExternalId, Name};
use claviger_core::permit::RecordRef;
use claviger_core::principal::{Account, AccountRecord};
use claviger_core::revocation;
use claviger_core::scope::Action;
use claviger_store::{AccountFilter, Committed, Page, StoreError};

use crate::allowance::Made;
use crate::authority::{Authority, Changed, On};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;
use crate::password::Password;

/// An account to be made.
#[derive(Debug, Default)]
pub struct NewAccount {
    /// What people call it.
    pub name: Option<Name>,
    /// With which it signs in.
    pub email: Option<Email>,
    /// With which it proves who it is.
    pub password: Option<Password>,
    /// The host's own identifier.
    pub external_id: Option<ExternalId>,
}

/// What may be changed of an account. What is absent stays; `Some(None)` takes it away.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    /// Another name.
    pub name: Option<Option<Name>>,
    /// Another address.
    pub email: Option<Option<Email>>,
    /// Another identifier of the host.
    pub external_id: Option<Option<ExternalId>>,
    /// Closed, or open again.
    pub closed: Option<bool>,
}

const fn action(verb: &'static str) -> Action<'static> {
    Action::literal("account", verb)
}

fn on(id: AccountId) -> On {
    On::new(format_args!("account:{id}"), format_args!("account:{id}"))
}

impl Authority {
    /// Makes an account: one that signs in, or one that the host manages under an identifier of its own.
    ///
    /// # Errors
    /// Refused to all but operators; a conflict if the address or the identifier is taken.
    pub async fn create_account(&self, caller: &Caller, new: NewAccount) -> Result<Changed<AccountRecord>> {
        self.create_account_once(caller, new, None).await
    }

    /// Makes an account, unless this very request was carried out before.
    ///
    /// # Errors
    /// As [`Authority::create_account`]; the conflicts `idempotency_replayed`, which tells what was made, and
    /// `idempotency_mismatch`.
    pub async fn create_account_once(
        &self,
        caller: &Caller,
        new: NewAccount,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<AccountRecord>> {
        let since = self.now();
        self.permit(caller, action("create"), Target::Operator)?;
        if new.email.is_none() && new.external_id.is_none() {
            let detail = "an account needs an `email` to sign in with, or an `external_id` of the host's own";
            return Err(Error::invalid("email", detail));
        }
        if new.password.is_some() && new.email.is_none() {
            return Err(Error::invalid("email", "an account with a password signs in with an `email`"));
        }
        let password = match new.password {
            Some(password) => Some(self.hashed(password).await?),
            None => None,
        };
        let record = AccountRecord {
            account: Account { id: self.new_id(), external_id: new.external_id, closed: false },
            name: new.name,
            email: new.email,
            password,
            created_at: since,
            revision: 1,
        };
        let step = |deciding| self.account_created(deciding, record.clone(), idempotency.as_ref());
        let committed = self.attempts(caller, &[], &Condition::Always, step).await?;
        let Changed { change, .. } = self.made(committed, since, false);
        Ok(Changed { value: record, change })
    }

    /// The account that has this external id, and whether it was made just now because none had it. One that was
    /// there stays as it is, whatever name and address are given.
    ///
    /// # Errors
    /// Refused to all but operators; a conflict if the address is taken.
    pub async fn put_account(
        &self,
        caller: &Caller,
        external_id: ExternalId,
        name: Option<Name>,
        email: Option<Email>,
    ) -> Result<(Changed<AccountRecord>, bool)> {
        let since = self.now();
        self.permit(caller, action("create"), Target::Operator)?;
        let there = async || {
            let found = self.shared.store.account_by_external_id(external_id.clone()).await?;
            let Some(record) = found else { return Ok(None) };
            self.permit(caller, action("read"), Target::Account(record.account.id))?;
            let change = self.change_made(None, since, false);
            Ok::<_, Error>(Some((Changed { value: record, change }, false)))
        };
        if let Some(there) = there().await? {
            return Ok(there);
        }
        let external_id = Some(external_id.clone());
        match self.create_account(caller, NewAccount { name, email, password: None, external_id }).await {
            Ok(made) => Ok((made, true)),
            // Somebody else was quicker.
            Err(error @ Error::Conflict { code: "external_id_taken", .. }) => there().await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    async fn account_created(
        &self,
        mut deciding: Deciding<'_>,
        record: AccountRecord,
        idempotency: Option<&Idempotency>,
    ) -> Result<Committed<()>> {
        deciding.permit(action("create"), Target::Operator)?;
        let once = deciding.once(idempotency, record.account.id)?;
        let audit = deciding.audit(action("create"), on(record.account.id), String::new())?.once(once);
        Ok(self.shared.store.create_account(record, audit).await?)
    }

    /// Whether the caller may state an e-mail address. An application takes the account that has an address for
    /// the person who reads mail there, and to take an address is to learn whether somebody has it. So the
    /// answer is the same for every address, and comes before any of them is looked at.
    fn may_state_email(&self, caller: &Caller, states: bool) -> Result<()> {
        if states && !self.is_operator(caller)? {
            let detail = "only operator keys state e-mail addresses; leave `email` out";
            return Err(Error::invalid("email", detail));
        }
        Ok(())
    }

    async fn hashed(&self, password: Password) -> Result<claviger_core::principal::PasswordHash> {
        let hashed = self.shared.passwords.hash(password, &self.shared.ports).await;
        hashed.map_err(|error| Error::Store(StoreError::Unavailable(std::sync::Arc::new(error))))
    }

    /// An account, for operators and for itself.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn account(&self, caller: &Caller, id: AccountId) -> Result<AccountRecord> {
        self.accepts(caller, action("read"))?;
        let found = self.shared.store.account(id).await?;
        // Decided about what was read, or somebody who lost the right in between would read what came after.
        if let Err(error) = self.permit(caller, action("read"), Target::Account(id)) {
            return Err(self.in_force(error).await?);
        }
        found.ok_or_else(Error::not_found)
    }

    /// Accounts, the newest first, for operators.
    ///
    /// # Errors
    /// Refused to everyone else.
    pub async fn accounts(
        &self,
        caller: &Caller,
        filter: AccountFilter,
        page: Page<AccountId>,
    ) -> Result<Vec<AccountRecord>> {
        self.permit(caller, action("read"), Target::Operator)?;
        Ok(self.shared.store.accounts(filter, page).await?)
    }

    /// Changes an account, if it meets the condition. Closing it ends every key that stands for it, at once.
    ///
    /// # Errors
    /// Not found for everyone but operators and itself; only operators open a closed one, and state e-mail
    /// addresses and external ids.
    pub async fn update_account(
        &self,
        caller: &Caller,
        id: AccountId,
        patch: AccountPatch,
        condition: impl Into<Condition>,
    ) -> Result<Changed<AccountRecord>> {
        let condition = condition.into();
        let step = |deciding| self.account_patched(deciding, id, &patch, &condition);
        self.attempts(caller, &[RecordRef::Account(id)], &condition, step).await
    }

    async fn account_patched(
        &self,
        mut deciding: Deciding<'_>,
        id: AccountId,
        patch: &AccountPatch,
        condition: &Condition,
    ) -> Result<Changed<AccountRecord>> {
        let since = self.now();
        let verb = if patch.closed == Some(true) { "delete" } else { "update" };
        deciding.permit(action(verb), Target::Account(id))?;
        self.may_name(deciding.caller(), patch.external_id.is_some())?;
        self.may_state_email(deciding.caller(), patch.email.is_some())?;
        let before = self.shared.store.account(id).await?.ok_or_else(Error::not_found)?;
        condition.check(before.revision)?;
        let mut next = before.clone();
        let patch = patch.clone();
        next.name = patch.name.unwrap_or(next.name);
        next.email = patch.email.unwrap_or(next.email);
        next.account.external_id = patch.external_id.unwrap_or(next.account.external_id);
        next.account.closed = patch.closed.unwrap_or(next.account.closed);
        if next.email.is_none() && next.account.external_id.is_none() {
            return Err(Error::invalid("email", "an account keeps an `email` or an `external_id`"));
        }
        if next == before {
            return deciding.unchanged(next, since, verb == "delete").await;
        }
        let revokes = revocation::by_account(&before.account, &next.account);
        next.revision += 1;
        let detail = if before.account.closed == next.account.closed {
            String::new()
        } else {
            format!("closed: {}", next.account.closed)
        };
        // Nobody is kept from closing an account.
        let taken = match revokes {
            true => None,
            false => Some(self.allowance(deciding.caller(), Made::Changes, 1).await?),
        };
        let audit = deciding.audit(action(verb), on(id), detail)?;
        let committed = self.shared.store.update_account(next.clone(), before.revision, audit).await?;
        if let Some(taken) = taken {
            taken.spend(1);
        }
        let Changed { change, .. } = self.made(committed, since, revokes);
        Ok(Changed { value: next, change })
    }
}
