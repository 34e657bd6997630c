//! The history: who did what, with which key, from where.

use claviger_core::decide::{Access, Missing, Reason, Refusal, Target, manages};
use claviger_core::history::HistoryEntry;
use claviger_core::scope::Action;
use claviger_core::subject::Reference;
use claviger_core::{Subject, subject::ResourceSubject};
use claviger_store::{HistoryFilter, Page};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};

impl Authority {
    /// Rows of the history with their numbers, the latest first: all of them for operators, and for whoever
    /// administers an account, a team, a project or a resource what is listed under it; of a resource, what was
    /// listed since its present owner owns it. A key that names no subject means its own.
    ///
    /// # Errors
    /// Not found for a subject that the caller does not reach, refused for one that it only reads.
    pub async fn history(
        &self,
        caller: &Caller,
        mut filter: HistoryFilter,
        page: Page<u64>,
    ) -> Result<Vec<(u64, HistoryEntry)>> {
        let action = Action::literal("history", "read");
        let operator = self.is_operator(caller)?;
        if operator {
            // Also of what is deleted by now.
            self.permit(caller, action, Target::Operator)?;
        } else {
            let subject = match &filter.subject {
                Some(text) => subject_of(text).ok_or_else(Error::not_found)?,
                None => self.own_subject(caller, action)?.ok_or_else(Error::not_found)?,
            };
            self.permit(caller, action, target_of(&subject))?;
            // Those who only read a thing are not told who manages its keys.
            let manages =
                self.read(|view| manages(view, self.policy(), caller.credential(view), &subject))?;
            if !manages {
                let refusal = Refusal::Forbidden(Missing::Access(Access::Administer));
                return Err(Error::refused(refusal, action));
            }
            filter.subject = Some(subject.to_string());
            if let Subject::Resource(resource) = &subject {
                // The name may have been somebody else's before: what they did with it is theirs.
                let owned = self.shared.store.owned_since(resource.reference.clone()).await?;
                filter.owned = Some(owned.ok_or_else(Error::not_found)?);
            }
        }
        let mut rows = self.shared.store.history(filter, page).await?;
        if !operator {
            // The row is kept as it was found; only operators may know what exists, and by which way it was found.
            for (_, row) in rows.iter_mut().filter(|(_, row)| *row.outcome == *Refusal::NotFound.code()) {
                row.reasons = std::iter::once(Reason::NotFound).collect();
            }
        }
        Ok(rows)
    }
}

/// The subject that a reference names.
fn subject_of(text: &str) -> Option<Subject> {
    Some(match Reference::parse(text).ok()? {
        Reference::Account(id) => Subject::Account(id),
        Reference::Team(id) => Subject::Team(id),
        Reference::Project(id) => Subject::Project(id),
        Reference::Operator => Subject::Operator,
        Reference::Resource(name) => Subject::Resource(Box::new(ResourceSubject {
            reference: name.to_ref(),
            selector: Default::default(),
            grants: Default::default(),
        })),
    })
}

fn target_of(subject: &Subject) -> Target<'_> {
    match subject {
        Subject::Account(id) => Target::Account(*id),
        Subject::Team(id) => Target::Team(*id),
        Subject::Project(id) => Target::Project(*id),
        Subject::Resource(resource) => Target::Resource(resource.reference.name(), None),
        Subject::Operator => Target::Operator,
    }
}
