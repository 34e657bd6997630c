//! The history: who did what, with which key, from where.

use claviger_core::authority::Reference;
use claviger_core::decide::{Access, Missing, Refusal, Target, manages};
use claviger_core::history::HistoryEntry;
use claviger_core::scope::Action;
use claviger_core::{Authority as KeyAuthority, authority::ResourceAuthority};
use claviger_store::{HistoryFilter, Page};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};

impl Authority {
    /// Rows of the history with their numbers, the latest first: all of them for operators, and for whoever
    /// administers an account, a team, a project or a resource what is listed under it. A key that names no
    /// authority means its own.
    ///
    /// # Errors
    /// Not found for an authority that the caller does not reach, refused for one that it only reads.
    pub async fn history(
        &self,
        caller: &Caller,
        mut filter: HistoryFilter,
        page: Page<u64>,
    ) -> Result<Vec<(u64, HistoryEntry)>> {
        let action = Action::literal("history", "read");
        if self.is_operator(caller)? {
            // Also of what is deleted by now.
            self.permit(caller, action, Target::Operator)?;
        } else {
            let authority = match &filter.authority {
                Some(text) => authority_of(text).ok_or_else(Error::not_found)?,
                None => self.own_authority(caller, action)?.ok_or_else(Error::not_found)?,
            };
            self.permit(caller, action, target_of(&authority))?;
            // Those who only read a thing are not told who manages its keys.
            let manages =
                self.read(|view| manages(view, self.policy(), caller.credential(view), &authority))?;
            if !manages {
                let refusal = Refusal::Forbidden(Missing::Access(Access::Administer));
                return Err(Error::refused(refusal, action));
            }
            filter.authority = Some(authority.to_string());
        }
        Ok(self.shared.store.history(filter, page).await?)
    }
}

/// The authority that a reference names.
fn authority_of(text: &str) -> Option<KeyAuthority> {
    Some(match Reference::parse(text).ok()? {
        Reference::Account(id) => KeyAuthority::Account(id),
        Reference::Team(id) => KeyAuthority::Team(id),
        Reference::Project(id) => KeyAuthority::Project(id),
        Reference::Operator => KeyAuthority::Operator,
        Reference::Resource(name) => KeyAuthority::Resource(Box::new(ResourceAuthority {
            reference: name.to_ref(),
            selector: Default::default(),
            grants: Default::default(),
        })),
    })
}

fn target_of(authority: &KeyAuthority) -> Target<'_> {
    match authority {
        KeyAuthority::Account(id) => Target::Account(*id),
        KeyAuthority::Team(id) => Target::Team(*id),
        KeyAuthority::Project(id) => Target::Project(*id),
        KeyAuthority::Resource(resource) => Target::Resource(resource.reference.name(), None),
        KeyAuthority::Operator => Target::Operator,
    }
}
