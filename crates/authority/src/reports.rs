//! What a host reports of its own site, for the history.

use claviger_core::decide::{Access, Credential, Missing, Refusal, Snapshot, Target};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::limit::{HISTORY_DETAIL_CHARACTERS_MAX, HISTORY_ENTRIES_MAX};
use claviger_core::resource::Owner;
use claviger_core::scope::{Action, is_control_type};
use claviger_core::subject::Reference;
use claviger_core::{AccountId, Subject};

use crate::allowance::Made;
use crate::authority::Authority;
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};

const CREATE: Action<'static> = Action::literal("history", "create");

/// Something that was done on the host's own site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// To what: a reference.
    pub target: String,
    /// What: a full action of the host's own, such as `run:create`.
    pub action: String,
    /// In words, at most 512 characters on one line.
    pub detail: String,
    /// Which account did it; the key that reports if absent.
    pub actor: Option<AccountId>,
}

impl Authority {
    /// Adds what a host's own site did to the history, with origin `site`, all of it or nothing, and returns
    /// how many rows that were. The instant is now, and the key that reports stands in each row.
    ///
    /// For keys with the scope `history:create`: operators report about everything; keys of accounts, teams
    /// and projects about their own container and the resources in it. Only operators name an account other than that
    /// of the key. A row is listed under the container that holds its target; one about a resource that is not
    /// mirrored here, under whatever reported it. Actions of the control types are Claviger's own to record.
    ///
    /// # Errors
    /// Refused to sessions, other keys and strangers to the target; [`Error::Invalid`] names the row;
    /// [`Error::TooFast`] for more rows than the caller's tenant may report for now.
    pub async fn record_history(&self, caller: &Caller, entries: Vec<HostEntry>) -> Result<u64> {
        self.accepts(caller, CREATE)?;
        if entries.len() > HISTORY_ENTRIES_MAX {
            let detail = format!("report at most {HISTORY_ENTRIES_MAX} at once");
            return Err(Error::invalid("entries", detail));
        }
        let taken = self.allowance(caller, Made::ReportedRows, entries.len() as u64).await?;
        let step = |deciding| self.rows_reported(deciding, &entries);
        let count = self.attempts(caller, &[], &Condition::Always, step).await?;
        taken.spend(count);
        Ok(count)
    }

    async fn rows_reported(&self, mut deciding: Deciding<'_>, entries: &[HostEntry]) -> Result<u64> {
        let rows = entries.iter().enumerate().map(|(at, entry)| self.reported(&mut deciding, at, entry));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let count = rows.len() as u64;
        if count > 0 {
            self.shared.store.append_history(rows, deciding.write()?).await?;
        }
        Ok(count)
    }

    fn reported(&self, deciding: &mut Deciding<'_>, at: usize, entry: &HostEntry) -> Result<HistoryEntry> {
        let caller = deciding.caller();
        let invalid = |field: &'static str, detail: &dyn std::fmt::Display| {
            Error::invalid(field, format_args!("row {at}: {detail}"))
        };
        let target = Reference::parse(&entry.target).map_err(|e| invalid("target", &e))?;
        let action = Action::parse(&entry.action).map_err(|e| invalid("action", &e))?;
        if is_control_type(action.kind()) {
            return Err(invalid("action", &"actions of this type are recorded by Claviger itself"));
        }
        let one_line = !entry.detail.chars().any(char::is_control);
        if !one_line || entry.detail.chars().count() > HISTORY_DETAIL_CHARACTERS_MAX {
            let detail = format!("it is one line of at most {HISTORY_DETAIL_CHARACTERS_MAX} characters");
            return Err(invalid("detail", &detail));
        }
        let own = deciding.look(CREATE, |_, credential| match credential {
            Credential::Key(key) => Some(key.rights.subject.to_subject()),
            Credential::SignedIn(_) | Credential::Anonymous | Credential::Unknown => None,
        })?;
        let own = own.ok_or_else(|| Error::refused(Refusal::Forbidden(Missing::Scope), CREATE))?;
        let subject = may_report(deciding, &target, &own)?;
        let by = deciding.permitted()?;
        let actor = match entry.actor {
            None => by.actor,
            // Being a member of something is no statement about what one did.
            Some(account) if own == Subject::Operator || own == Subject::Account(account) => {
                Actor::Account(account)
            }
            Some(_) => {
                let detail = "only operators say what another account did; leave `actor` out, or name the account of the key";
                return Err(invalid("actor", &detail));
            }
        };
        Ok(HistoryEntry {
            at: self.now(),
            actor,
            key: by.key,
            action: entry.action.as_str().into(),
            target: entry.target.as_str().into(),
            subject: subject.into(),
            origin: Origin::Site,
            address: caller.address,
            request_id: caller.request_id.clone(),
            outcome: "done".into(),
            detail: entry.detail.as_str().into(),
            reasons: Default::default(),
        })
    }
}

/// Whether the caller may report this, and under which subject the row is listed.
fn may_report(deciding: &mut Deciding<'_>, target: &Reference<'_>, own: &Subject) -> Result<String> {
    let (target, listed) = match target {
        Reference::Account(id) => (Target::Account(*id), format!("account:{id}")),
        Reference::Team(id) => (Target::Team(*id), format!("team:{id}")),
        Reference::Project(id) => (Target::Project(*id), format!("project:{id}")),
        Reference::Operator => (Target::Operator, "operator".to_owned()),
        Reference::Resource(name) => {
            match deciding.look(CREATE, |snapshot, _| snapshot.resource(*name).map(|found| found.owner))? {
                Some(found) => (Target::Resource(*name, None), owner(found)),
                None => (Target::Hosted(*name, None), own.to_string()),
            }
        }
    };
    // An account's key administers projects as well; what it reports stays with itself.
    let stays = *own == Subject::Operator || listed == own.to_string();
    match (deciding.permit(CREATE, target), target) {
        // To this caller it does not exist, so the row is that about a resource that only the host knows.
        (Err(Error::Refused { refusal: Refusal::NotFound, .. }), Target::Resource(name, _)) => {
            deciding.permit(CREATE, Target::Hosted(name, None))?;
            return Ok(own.to_string());
        }
        (permitted, _) => permitted?,
    }
    if stays {
        Ok(listed)
    } else {
        Err(Error::refused(Refusal::Forbidden(Missing::Access(Access::Administer)), CREATE))
    }
}

fn owner(owner: Owner) -> String {
    match owner {
        Owner::Account(id) => format!("account:{id}"),
        Owner::Team(id) => format!("team:{id}"),
        Owner::Project(id) => format!("project:{id}"),
    }
}
